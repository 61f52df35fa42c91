import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL.Image import fromarray

from pictures import BOUNDS, encoded, noise, weave
from platemark.core.errors import Conflict
from platemark.core.generation import Generation
from platemark.core.image import Image, Publication
from platemark.core.inspection import document
from platemark.core.watermark import WatermarkNumber
from platemark.flows import publish, watermark
from platemark.flows.analyze import analyze
from platemark.flows.audit import export
from platemark.flows.publications import deliver
from platemark.flows.publications.export import export as export_marks
from platemark.flows.publications.lookup import lookup
from platemark.flows.record import image_record
from platemark.flows.upload import upload
from platemark.imaging.decode import open_picture
from releasing import clear
from workbench import Bench

pytestmark = pytest.mark.anyio


async def numbers(bench: Bench) -> list[WatermarkNumber]:
    async with bench.platform.store.reading() as read:
        return await read.all(WatermarkNumber)


async def made(bench: Bench, **fields: Any) -> tuple[Generation, Image, bytes]:
    # Of some seeds the colour is nearly white, and then a picture is too flat to be compared.
    generation = await bench.make(width=512, height=512, **{"seed": 7, **fields})
    (image,) = await bench.images(generation)
    return generation, image, await bench.platform.blobs.get(f"{image.project}/{image.sha256}")


async def release(bench: Bench, image: Image) -> Publication:
    async with bench.platform.store.reading() as read:
        return (await read.all(Publication, image=image.id))[0]


@pytest.mark.parametrize("asked", [True, "output"])
@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_outputs_are_marked_at_once_where_that_is_asked_for(
    bench: Bench, asked: bool | str, output_format: str
) -> None:
    _, image, data = await made(bench, watermark=asked, output_format=output_format)
    (number,) = await numbers(bench)
    assert (number.project, number.image, number.publication) == (image.project, image.id, None)
    finding = await watermark.find(bench.platform, image.project, data)
    assert (finding.status, finding.direction, finding.weight) == ("id_resolved", "ai", "strong")
    assert (finding.detail["asset_id"], finding.detail["tenant_visible"]) == (image.id, True)
    assert watermark.binding(number.number).encode() in data
    record = (await image_record(bench.platform, bench.caller, image.id)).watermark
    assert record == {"state": "on", "id": number.id, "version": "1", "key": number.key, "publications": []}


@pytest.mark.parametrize("asked", [None, False, "publication"])
async def test_outputs_are_not_marked_otherwise(bench: Bench, asked: bool | str | None) -> None:
    generation, image, data = await made(bench, watermark=asked)
    assert generation.warnings == ()
    assert await numbers(bench) == []
    assert (await watermark.find(bench.platform, image.project, data)).status == "absent"
    assert (await image_record(bench.platform, bench.caller, image.id)).watermark is None


async def test_a_picture_that_cannot_carry_a_number_says_so(bench: Bench) -> None:
    generation = await bench.make(width=64, height=64, watermark=True)
    (image,) = await bench.images(generation)
    assert generation.status == "succeeded"
    assert [warning.code for warning in generation.warnings if warning.field == "watermark"] == [watermark.NOT_CARRIED]
    assert await numbers(bench) == []
    record = (await image_record(bench.platform, bench.caller, image.id)).watermark
    assert record == {"state": "not_carried", "publications": []}


async def test_without_a_watermark_or_checks_the_warning_is_the_same(bench: Bench) -> None:
    bench.change(watermark=None)
    generation, _, data = await made(bench, watermark="output")
    assert [warning.field for warning in generation.warnings] == ["watermark"]
    finding = await watermark.find(bench.platform, "prj_1", data)
    assert (finding.status, finding.weight) == ("not_evaluated", "none")
    assert (await watermark.mark_release(*await asking(bench, data))).number is None


async def asking(bench: Bench, data: bytes) -> tuple[Any, ...]:
    async with bench.platform.store.reading() as read:
        image = (await read.all(Image))[0]
    return bench.platform, image, await release(bench, image), data, image.media_type


async def test_all_files_of_a_release_carry_one_number_also_when_made_again(bench: Bench) -> None:
    _, image, data = await made(bench)
    first = await watermark.mark_release(*await asking(bench, data))
    again = await watermark.mark_release(*await asking(bench, data))
    assert first.number == again.number == (await numbers(bench))[0]
    assert first.data == again.data
    assert first.number is not None
    assert first.number.publication == (await release(bench, image)).id
    finding = await watermark.find(bench.platform, image.project, first.data)
    assert (finding.status, finding.detail["publication"]) == ("id_resolved", first.number.publication)
    record = (await image_record(bench.platform, bench.caller, image.id)).watermark
    assert record == {"state": "at_publication", "publications": [first.number.publication]}


async def test_an_audience_can_have_fainter_marks(bench: Bench) -> None:
    await made(bench)
    data = encoded(weave())
    bench.change(limits=replace(bench.platform.limits, watermark_decibels={"newsroom": 46.0}))
    platform, image, publication, *file = await asking(bench, data)
    strayed = list[float]()
    for audience in ("newsroom", "marketplace"):
        marked = await watermark.mark_release(
            platform, image, publication.model_copy(update={"audience": audience}), *file
        )
        levels = (np.asarray(open_picture(each, **BOUNDS), np.float64) for each in (data, marked.data))
        strayed.append(float(np.mean((next(levels) - next(levels)) ** 2)))
    assert strayed[1] > 3 * strayed[0] > 0  # 6 dB are a factor of 4; the least of 40 keys was 3.97


async def test_a_marked_output_keeps_its_number_when_it_is_released(bench: Bench) -> None:
    _, image, data = await made(bench, watermark=True)
    released = await watermark.mark_release(*await asking(bench, data))
    assert [released.number] == await numbers(bench)
    assert released.binding == watermark.binding((await numbers(bench))[0].number)
    assert (await watermark.find(bench.platform, image.project, released.data)).detail["confirmed"] is True


async def test_other_projects_learn_only_that_it_is_ours(bench: Bench) -> None:
    _, image, data = await made(bench, watermark=True)
    stranger = await bench.stranger()
    for project in (stranger.project, None):
        finding = await watermark.find(bench.platform, project, data)
        assert finding.status == "id_resolved"
        assert (finding.detail["asset_id"], finding.detail["tenant_visible"]) == (None, False)
        assert not {image.id, image.project} & {str(value) for value in finding.detail.values()}


async def test_another_project_that_analyses_our_file_learns_no_id_of_it(bench: Bench) -> None:
    generation, image, data = await made(bench, watermark=True)
    found = await analyze(bench.platform, await bench.stranger(), data)
    assert any(one.kind == "own_watermark" and one.status == "id_resolved" for one in found.evidence)
    for id in (image.id, image.project, generation.id):
        assert id not in json.dumps(document(found))


async def test_a_number_stands_in_no_answer_and_in_no_event(bench: Bench) -> None:
    clear(bench)
    _, image, data = await made(bench, watermark=True)
    publication = await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")
    found = await analyze(bench.platform, bench.caller, data)
    assert publication.state == "published"
    told = [line async for line in export(bench.platform, bench.caller)]
    told += [json.dumps(line) async for line in export_marks(bench.platform, bench.caller)]
    told += [
        json.dumps(document(found)),
        (await image_record(bench.platform, bench.caller, image.id)).model_dump_json(),
    ]
    told += [json.dumps(deliver.document(publication, (await publish.files(bench.platform, publication))[0]))]
    async with bench.platform.store.reading() as read:
        told += [event.model_dump_json() for event in await read.events(image.project)]
    for row in await numbers(bench):
        for word in (str(row.number), watermark.binding(row.number)):
            assert [text for text in told if word in text] == []


async def test_a_mark_that_was_moved_to_another_picture_is_not_confirmed(bench: Bench) -> None:
    _, image, _ = await made(bench)
    foreign = encoded(noise(512, 77))
    moved = await watermark.mark_release(bench.platform, image, await release(bench, image), foreign, "image/png")
    finding = await watermark.find(bench.platform, image.project, moved.data)
    assert (finding.status, finding.detail["confirmed"]) == ("id_resolved", False)


async def test_a_mark_on_a_picture_too_flat_to_compare_makes_no_public_statement(bench: Bench) -> None:
    clear(bench)
    _, image, _ = await made(bench)
    publication = await publish.publish(bench.platform, bench.caller, image.id)
    assert bench.platform.watermark
    released = await publish.read(bench.platform, publication.id)
    found = await lookup(bench.platform, encoded(open_picture(released.data, **BOUNDS), "JPEG", quality=90))
    assert found
    assert (found.how, found.statement.publication.id) == ("watermark", publication.id)
    (row,) = await numbers(bench)
    grain = np.random.default_rng(1).integers(122, 135, (512, 512, 1), dtype=np.uint8)
    moved = await bench.platform.watermark.mark(encoded(fromarray(grain.repeat(3, 2))), "image/png", row.number)
    assert (await watermark.find(bench.platform, None, moved)).detail["confirmed"] is None
    assert await lookup(bench.platform, moved) is None


async def test_a_number_that_was_given_elsewhere_is_present_and_no_more(bench: Bench) -> None:
    assert bench.platform.watermark is not None
    data = await bench.platform.watermark.mark(encoded(noise(512, 3)), "image/png", 42)
    assert await watermark.resolve(bench.platform, 42) is None
    finding = await watermark.find(bench.platform, bench.caller.project, data)
    assert (finding.status, finding.weight, finding.detail["asset_id"]) == ("present", "weak", None)


async def test_the_mark_of_a_released_upload_says_nothing_of_how_it_was_made(bench: Bench) -> None:
    image = await upload(bench.platform, bench.caller, encoded(noise(512, 8)))
    data = await bench.platform.blobs.get(f"{image.project}/{image.sha256}")
    released = await watermark.mark_release(*await asking(bench, data))
    finding = await watermark.find(bench.platform, image.project, released.data)
    assert (finding.status, finding.direction, finding.weight) == ("present", "none", "none")
    assert (finding.detail["origin"], finding.detail["asset_id"]) == ("uploaded", image.id)


async def test_bytes_that_are_no_picture_are_not_evaluated(bench: Bench) -> None:
    finding = await watermark.find(bench.platform, None, b"no picture")
    assert finding.status == "not_evaluated"
    assert finding.detail["reason"]


class Repeating:
    """Ids whose random bytes come from a list."""

    def __init__(self, ids: Any, drawn: list[str]) -> None:
        self._ids, self._drawn = ids, drawn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ids, name)

    def secret(self, length: int) -> str:
        return self._drawn.pop(0)


async def test_a_number_that_is_taken_is_drawn_again(bench: Bench) -> None:
    _, image, _ = await made(bench)
    one, two = "0000000001", "0000000002"
    bench.change(ids=Repeating(bench.platform.ids, [one, one, two]))
    async with bench.platform.store.transaction() as tx:
        first = await watermark.allot(bench.platform, tx, image, None)
        second = await watermark.allot(bench.platform, tx, image, await release(bench, image))
    assert (first.number, second.number) == (1, 2)
    bench.change(ids=Repeating(bench.platform.ids, [one] * 8))
    with pytest.raises(Conflict, match="randomness"):
        async with bench.platform.store.transaction() as tx:
            await watermark.allot(bench.platform, tx, image, None)


async def test_one_number_cannot_be_written_twice(bench: Bench) -> None:
    _, image, _ = await made(bench)
    async with bench.platform.store.transaction() as tx:
        number = await watermark.allot(bench.platform, tx, image, None)
    with pytest.raises(Conflict):
        async with bench.platform.store.transaction() as tx:
            await tx.add(number.model_copy(update={"id": bench.platform.ids.new("wmk")}))
