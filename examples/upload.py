"""Somebody else's picture: store it, and see what it says about itself."""

from platemark import Client

with Client() as client:
    ours = client.generate("a small yellow star", width=128, height=128).images[0].read()
    image = client.images.upload(ours, filename="found-somewhere.png")
    inspection = client.inspection(image.inspection.id) if image.inspection else None
    if inspection is not None:
        print(inspection.verdict, inspection.tier)
        for finding in inspection.evidence:
            print(finding["kind"], finding["status"])
