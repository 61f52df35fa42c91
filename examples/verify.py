"""A published picture comes back from somewhere, smaller and without its metadata: it is still known as ours."""

import io

import httpx
from PIL import Image

from platemark import Client

with Client() as client:
    image = client.generate("a lighthouse by the sea at sunset", width=512, height=512, watermark=True).images[0]
    # Released files carry a watermark, the source type in their metadata, and a signed credential.
    release = client.publications.create(image.id, audience="internal", alt_text="A lighthouse")
    print(release.state, [f"{one.name}: watermark {one.watermark}" for one in release.renditions])
    # Where a person looks first, nothing is public yet; the stored picture was marked at once.
    data = httpx.get(release.url).raise_for_status().content if release.url else image.read()

    # What others make of it: half the size, saved anew, nothing left of the metadata.
    copy = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").resize((256, 256)).save(copy, "JPEG", quality=70)

    # retain=False: nothing is kept of the copy but a line in the audit chain.
    found = client.analyze(copy.getvalue(), retain=False)
    print(found.verdict, found.tier)
    for finding in found.evidence:
        print(f"  {finding['kind']}: {finding['status']}")
    if found.verdict != "generated_by_us":
        raise SystemExit("The copy was not found.")
