"""What steers a drawing, asked for as requests do it: orders to a real engine whose folders have adapters in them."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from adapted_folders import CONTROLS, LEARNED, adapted_folder, engine_with
from orders import Result, drawn
from painting import SIZE, asked, photo, rectangle
from PIL import Image

from platemark.core.errors import Unsupported
from platemark.core.generation import ControlUse, LoraUse
from platemark.core.updates import Order
from platemark.engine.engine import Engine
from platemark.imaging.guides import PREPROCESSORS

# The libraries warn about each other.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]
FAMILIES = ("sd", "sdxl", "sd3")
PICTURES: dict[str, dict[str, Any]] = {
    "text_to_image": {},
    "image_to_image": {"image": photo(), "strength": 0.6},
    "inpaint": {"image": photo(), "mask": rectangle()},
}
INK, WORDS, PAINT = (LoraUse(id=name, scale=0.7) for name in ("ink", "words", "paint"))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("adapted")
    models = {f"local/{name}": adapted_folder(folder, name) for name in FAMILIES}
    with engine_with(models) as engine:
        yield engine


def wanted(family: str, operation: str = "text_to_image", **more: Any) -> Order:
    chosen: dict[str, Any] = {"model": f"local/{family}", "steps": 2, "prompt": "a red house"} | more
    return asked(operation, **chosen)


async def picture(engine: Engine, order: Order) -> bytes:
    result = await drawn(engine, order)
    assert result.pictures[0].flags == {}
    return result.pictures[0].data


def pixels(data: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.int16]]":
    return np.asarray(Image.open(io.BytesIO(data))).astype(np.int16)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("operation", PICTURES)
async def test_loras_belong_to_their_request(adapted: Engine, family: str, operation: str) -> None:
    async def with_loras(*loras: LoraUse) -> bytes:
        return await picture(adapted, wanted(family, operation, loras=loras, **PICTURES[operation]))

    base = await with_loras()
    found = [await with_loras(*loras) for loras in ((INK,), (WORDS,), (INK, WORDS), (LoraUse(id="ink", scale=0.2),))]
    assert len({base, *found}) == 5
    assert await with_loras(LoraUse(id="ink", scale=0.0), LoraUse(id="words", scale=0.0)) == base
    assert await with_loras() == base
    assert await with_loras(WORDS) == found[1]


@pytest.mark.parametrize("family", FAMILIES)
async def test_loras_are_swapped_while_others_draw_and_none_leaks(adapted: Engine, family: str) -> None:
    """Sent at once, each set is a batch of its own; so the bits are those of the request alone."""
    sets: dict[str, tuple[LoraUse, ...]] = {"none": (), "ink": (INK,), "paint": (PAINT,), "both": (INK, PAINT)}
    orders = {name: wanted(family, loras=loras, steps=8) for name, loras in sets.items()}
    alone = {name: await picture(adapted, order) for name, order in orders.items()}
    assert len(set(alone.values())) == len(sets)
    results: dict[str, Result] = {}

    async def run(name: str) -> None:
        results[name] = await drawn(adapted, orders[name])

    async with anyio.create_task_group() as tasks:
        for name in orders:
            tasks.start_soon(run, name)
    assert {result.response["batched_with"] for result in results.values()} == {1}
    assert {name: result.pictures[0].data for name, result in results.items()} == alone


async def test_equal_loras_do_share_a_batch(adapted: Engine) -> None:
    results: list[Result] = []

    async def run(seed: int) -> None:
        results.append(await drawn(adapted, wanted("sd", seeds=[seed], loras=(INK,), steps=8)))

    async with anyio.create_task_group() as tasks:
        for seed in range(4):
            tasks.start_soon(run, seed)
    assert max(result.response["batched_with"] for result in results) > 1
    assert len({result.pictures[0].data for result in results}) == 4


@pytest.mark.parametrize("family", FAMILIES)
async def test_learned_words_other_autoencoders_and_clip_skip_count_for_one_request(
    adapted: Engine, family: str
) -> None:
    base = await picture(adapted, wanted(family))
    changed = [
        wanted(family, prompt=f"a red house <{LEARNED}>"),
        wanted(family, prompt="a red house sks"),
        wanted(family, negative_prompt=f"<{LEARNED}>"),
        wanted(family, vae="soft"),
        wanted(family, clip_skip=1),
        wanted(family, clip_skip=2),
    ]
    found = [await picture(adapted, order) for order in changed]
    assert len({base, *found}) == 1 + len(changed)
    assert await picture(adapted, wanted(family, clip_skip=0)) == base
    assert await picture(adapted, wanted(family)) == base


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("operation", PICTURES)
async def test_controls_guide_as_strongly_and_as_long_as_they_are_asked_to(
    adapted: Engine, family: str, operation: str
) -> None:
    async def guided(*controls: ControlUse) -> bytes:
        guides = [photo(seed=number + 1) for number in range(len(controls))]
        more = PICTURES[operation] | {"controls": controls, "guides": guides, "steps": 4}
        return await picture(adapted, wanted(family, operation, **more))

    base = await guided()
    one, two = (ControlUse(type=name, preprocess=False) for name in ("canny", "colour"))
    found = [
        await guided(one),
        await guided(one, two),
        await guided(one.model_copy(update={"strength": 0.4})),
        await guided(one.model_copy(update={"end": 0.5})),
        await guided(one.model_copy(update={"start": 0.5})),
    ]
    assert len({base, *found}) == 6
    assert await guided(one.model_copy(update={"strength": 0.0})) == base
    assert await guided() == base


@pytest.mark.parametrize("kind", CONTROLS)
async def test_a_guide_is_made_from_the_picture_unless_it_is_one(adapted: Engine, kind: str) -> None:
    source = photo(seed=1).resize((128, 128), Image.Resampling.BICUBIC)
    made = PREPROCESSORS[kind](source) if kind in PREPROCESSORS else source

    async def guided(guide: Image.Image, *, preprocess: bool) -> Result:
        use = ControlUse(type=kind, preprocess=preprocess)
        return await drawn(adapted, wanted("sd", width=128, height=128, controls=(use,), guides=[guide]))

    by_engine, by_hand = await guided(source, preprocess=True), await guided(made, preprocess=False)
    assert by_engine.pictures[0].data == by_hand.pictures[0].data
    plain = await guided(source, preprocess=False)
    if kind in PREPROCESSORS:
        assert plain.pictures[0].data != by_hand.pictures[0].data
        assert by_engine.warnings == []
    else:
        assert by_engine.warnings == ["not_preprocessed"]
        assert plain.warnings == []


async def test_a_guide_that_comes_out_empty_is_said(adapted: Engine) -> None:
    faint = Image.linear_gradient("L").convert("RGB").resize((SIZE, SIZE))
    result = await drawn(adapted, wanted("sd", controls=(ControlUse(type="canny"),), guides=[faint]))
    assert result.warnings == ["empty_guide"]


@pytest.mark.parametrize("family", FAMILIES)
async def test_everything_at_once_is_one_request(adapted: Engine, family: str) -> None:
    more: dict[str, Any] = {
        "prompt": f"a <{LEARNED}> house",
        "controls": (ControlUse(type="lineart", strength=0.5), ControlUse(type="pose", preprocess=False)),
        "guides": [photo(seed=1), photo(seed=2)],
        "loras": (INK, WORDS),
        "vae": "soft",
        "clip_skip": 1,
        "guidance_rescale": 0.5,
        "seeds": (1, 2),
    }
    base = await picture(adapted, wanted(family))
    for operation, pictures in PICTURES.items():
        result = await drawn(adapted, wanted(family, operation, **pictures, **more))
        assert [each.flags for each in result.pictures] == [{}, {}]
        assert result.pictures[0].data != result.pictures[1].data
    assert await picture(adapted, wanted(family)) == base


@pytest.mark.parametrize(
    "unknown",
    [
        {"loras": (INK, LoraUse(id="nowhere"))},
        {"vae": "nowhere"},
        {"controls": (ControlUse(type="nowhere"),), "guides": [photo()]},
        {"clip_skip": 9},
    ],
)
async def test_what_the_model_does_not_have_is_refused_by_name(adapted: Engine, unknown: dict[str, Any]) -> None:
    before = await picture(adapted, wanted("sd"))
    with pytest.raises(Unsupported) as refused:
        await drawn(adapted, replace(wanted("sd", **unknown)))
    assert "clip_skip of 0 to 3" in refused.value.detail or "no" in refused.value.detail.split()
    assert await picture(adapted, wanted("sd")) == before


def test_a_folder_says_what_it_has(tmp_path: Path) -> None:
    from platemark.engine.models.folder import capabilities, read_folder

    folder = read_folder(adapted_folder(tmp_path, "sd"))
    can = capabilities(folder)
    assert folder.problems == ()
    assert (can.loras, can.embeddings, can.vaes) == (("ink", "paint", "words"), (f"<{LEARNED}>",), ("soft",))
    assert set(can.controls) == set(CONTROLS)
