"""Labels that are drawn into what is released: asked for, configured, without room; what credential and export say."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pictures import pixels
from platemark.core.disclosure import Labelling
from platemark.core.errors import InvalidRequest, Misconfigured
from platemark.core.image import Image, Publication
from platemark.core.rendition import Rendition, Wanted
from platemark.flows.publications.export import export
from platemark.flows.publish import publish
from platemark.provenance.manifest import read_store
from platemark.settings import Settings
from platemark.wiring import limits
from releasing import clear
from workbench import Bench, open_bench

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path) as bench:
        clear(bench)
        yield bench


async def made(bench: Bench, side: int = 512) -> Image:
    (image,) = await bench.images(await bench.make(width=side, height=side))
    return image


async def files(bench: Bench, publication: Publication) -> dict[str, bytes]:
    async with bench.platform.store.reading() as read:
        rows = await read.all(Rendition, publication=publication.id)
    return {row.name: await bench.platform.blobs.get(f"{row.project}/{row.sha256}") for row in rows}


def changed_rows(one: bytes, other: bytes) -> tuple[float, float]:
    """How much the upper and the lower quarter of two pictures differ, in levels."""
    difference = np.abs(pixels(one).astype(int) - pixels(other).astype(int))
    quarter = len(difference) // 4
    return float(difference[:quarter].mean()), float(difference[-quarter:].mean())


async def test_the_label_is_in_every_file_and_nothing_else_is_lost(bench: Bench) -> None:
    image = await made(bench)
    plain = await publish(bench.platform, bench.caller, image.id, audience="education")
    wanted = (Wanted(width=320), Wanted(format="webp"))
    marked = await publish(
        bench.platform, bench.caller, image.id, audience="newsroom", renditions=wanted, burn_label=True
    )
    assert (plain.burn_label, marked.burn_label) == (False, True)
    found = await files(bench, marked)
    assert set(found) == {"full", "w320", "webp"}
    upper, lower = changed_rows(found["full"], (await files(bench, plain))["full"])
    assert lower > 2 * upper
    async with bench.platform.store.reading() as read:
        assert {row.watermark for row in await read.all(Rendition, publication=marked.id)} == {"on"}
    store = read_store(found["w320"], "image/png", None)
    assert store is not None
    actions = json.dumps(store["manifests"][store["active_manifest"]])
    order = [actions.index(f"c2pa.{name}") for name in ("opened", "resized", "addedText", "watermarked", "published")]
    assert order == sorted(order)


async def test_an_audience_can_have_its_labels_drawn(bench: Bench) -> None:
    labelling = Labelling(texts={"label": "Made by a machine"}, burned_for=frozenset({"newsroom"}))
    bench.change(limits=replace(bench.platform.limits, labelling=labelling))
    image = await made(bench)
    drawn = await publish(bench.platform, bench.caller, image.id, audience="newsroom")
    beside = await publish(bench.platform, bench.caller, image.id, audience="education")
    asked = await publish(bench.platform, bench.caller, (await made(bench)).id, audience="newsroom", burn_label=False)
    assert [one.burn_label for one in (drawn, beside, asked)] == [True, False, False]
    assert {one.label_text for one in (drawn, beside, asked)} == {"Made by a machine"}


async def test_where_nothing_is_disclosed_nothing_is_drawn(bench: Bench) -> None:
    released = await publish(bench.platform, bench.caller, (await made(bench)).id, audience="internal", burn_label=True)
    assert (released.disclosure, released.burn_label) == ("none", False)


async def test_a_label_without_room_is_refused_before_anything_is_written(bench: Bench) -> None:
    image = await made(bench, 256)
    with pytest.raises(InvalidRequest) as error:
        await publish(bench.platform, bench.caller, image.id, renditions=(Wanted(), Wanted(width=48)), burn_label=True)
    assert [(one.pointer, one.code) for one in error.value.errors] == [("/renditions/1/width", "label_has_no_room")]
    async with bench.platform.store.reading() as read:
        (publication,) = await read.all(Publication, image=image.id)
    assert (publication.state, publication.verdict) == ("draft", None)


async def test_only_a_label_in_the_picture_is_a_manifest_disclosure(bench: Bench) -> None:
    image = await made(bench)
    for audience, burn in (("education", False), ("newsroom", True)):
        await publish(bench.platform, bench.caller, image.id, audience=audience, burn_label=burn)
    lines = [line async for line in export(bench.platform, bench.caller)]
    said = {line["audience"]: (line["label"]["burned"], line["california_sb_942"]) for line in lines}
    assert {name: (burned, law["manifest_disclosure"]) for name, (burned, law) in said.items()} == {
        "education": (False, False),
        "newsroom": (True, True),
    }


def test_what_the_operator_wants_to_be_drawn_is_tried_at_the_start(tmp_path: Path) -> None:
    wanted = Settings(data=tmp_path, label_burned_audiences=("newsroom",), label_texts={"label": "Künstlich"})
    with pytest.raises(Misconfigured, match=r"label_texts\.label: the font has no 'ü'"):
        limits(wanted)
    # Beside the picture, every sign is welcome.
    assert limits(wanted.model_copy(update={"label_burned_audiences": ()})).labelling.text_of("label") == "Künstlich"
    with pytest.raises(Misconfigured, match="label_font"):
        limits(wanted.model_copy(update={"label_font": tmp_path / "absent.ttf"}))
