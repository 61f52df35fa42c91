"""From the image store to a target and back out of it, everything in one bucket, at each vendor."""

from pathlib import Path
from typing import Any

import obstore

from buckets import Bucket
from platemark.core.delivery import Delivery
from platemark.flows import publish
from platemark.flows.publications import deliver
from releasing import clear
from workbench import Bench, open_bench


async def row_of(bench: Bench, action: str) -> Delivery:
    async with bench.platform.store.reading() as read:
        (row,) = await read.all(Delivery, action=action)
    return row


async def test_a_release_goes_out_of_a_bucket_into_one_and_away(tmp_path: Path, bucket: Bucket) -> None:
    options = dict(bucket.options)
    site: dict[str, Any] = {"kind": "bucket", "location": f"{bucket.location}/site", "options": options}
    places: dict[str, Any] = {"blobs": f"{bucket.location}/images", "blob_options": options, "targets": {"site": site}}
    async with open_bench(tmp_path / "data", **places) as bench:
        clear(bench)
        (image,) = await bench.images(await bench.make())
        made = await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom", targets=["site"])
        assert await deliver.carry_out(bench.platform) == 1
        row = await row_of(bench, "deliver")
        assert (row.state, row.error) == ("delivered", None)
        (file,) = (row.receipt or {})["files"]
        sent = await (await obstore.get_async(bucket.store, f"site/{file['key']}")).bytes_async()
        assert sent.to_bytes() == (await publish.read(bench.platform, made.id)).data
        await publish.withdraw(bench.platform, bench.caller, made.id)
        assert await deliver.carry_out(bench.platform) == 1
        assert (await row_of(bench, "withdraw")).receipt == {"removed": True}
    assert {key.partition("/")[0] for key in await bucket.keys()} == {"images"}
