"""Drawing with real pipelines: pocket for meaning, tiny folders with random weights for every class.

All that needs the libraries is in this file: the workers of a test run share files, and one engine is enough.
"""

import io
import json
import os
import shutil
import signal
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from orders import Result, drawn, order
from PIL import Image

from platemark.core.errors import EngineCrashed, ModelUnavailable
from platemark.core.updates import Answered, Charged, Order, Picture, Progress
from platemark.engine.engine import Engine
from platemark.engine.models.digest import Revisions
from platemark.engine.models.folder import DIFFUSION_SCHEDULERS, FLOW_SCHEDULERS, capabilities, read_folder
from platemark.engine.models.source import Source
from platemark.providers.local import FREE, Local

# The first test waits for two processes that import the libraries, which takes long on a busy machine.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(300)]


def pixels(result: Result, index: int = 0) -> "np.ndarray[tuple[int, ...], np.dtype[np.int16]]":
    return np.asarray(Image.open(io.BytesIO(result.pictures[index].data))).astype(np.int16)


async def test_a_seed_gives_the_same_picture_again_and_another_seed_another(engine: Engine) -> None:
    one, again, other = [await drawn(engine, order(seeds=(seed,))) for seed in (1, 1, 2)]
    assert one.pictures[0].data == again.pictures[0].data
    assert one.pictures[0].data != other.pictures[0].data
    steps = [update.done for update in one.progress]
    assert (steps[0], steps[-1], sorted(set(steps))) == (1, 4, steps)
    assert one.response["drawn_at"] == "128x128"


async def test_pictures_of_one_request_have_their_seeds(engine: Engine) -> None:
    batch = await drawn(engine, order(seeds=(1, 2, 3, 4, 5), steps=8))
    alone = await drawn(engine, order(seeds=(2,), steps=8))
    assert [(picture.index, picture.seed) for picture in batch.pictures] == list(enumerate((1, 2, 3, 4, 5)))
    assert len({picture.data for picture in batch.pictures}) == 5
    # Batches are computed in another order of operations, so the last bits of a picture may differ.
    assert np.abs(pixels(batch, 1) - pixels(alone)).mean() < 2


async def test_the_picture_is_what_the_prompt_says(engine: Engine) -> None:
    red, blue = [
        await drawn(engine, order(f"a large {c} circle on a white background", steps=12)) for c in ("red", "blue")
    ]
    for result, strong, weak in ((red, 0, 2), (blue, 2, 0)):
        middle = pixels(result)[48:80, 48:80].mean(axis=(0, 1))
        assert middle[strong] > middle[weak] + 60
        assert pixels(result)[:8].mean() > 200


@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (768, 512), (136, 520), (1024, 256), (64, 64), (128, 128)])
async def test_the_size_is_exactly_what_was_asked_for(engine: Engine, width: int, height: int) -> None:
    result = await drawn(engine, order(width=width, height=height, steps=1))
    assert pixels(result).shape == (height, width, 3)
    expected = {(64, 64): ["reduced"], (128, 128): []}
    assert result.warnings == expected.get((width, height), ["enlarged"])
    if width == 1024 == height:
        assert "drawn at 128×128 and enlarged to 1024×1024" in result.pictures[0].warnings[0].message


async def test_words_beyond_the_vocabulary_are_said_but_not_repeated(engine: Engine) -> None:
    result = await drawn(engine, order("a red house with a dachshund", steps=1))
    assert result.warnings == ["small_model"]
    message = result.pictures[0].warnings[0].message
    assert "PLATEMARK_MODELS" in message
    assert "dachshund" not in message


async def test_a_prompt_that_is_too_long_is_said(engine: Engine) -> None:
    result = await drawn(engine, order("a red house " * 200, negative_prompt="blue " * 900, steps=1))
    assert result.warnings == ["prompt_truncated", "prompt_truncated"]
    assert [warning.field for warning in result.pictures[0].warnings] == ["prompt", "negative_prompt"]


async def test_canceling_stops_within_a_step_and_the_next_request_works(engine: Engine) -> None:
    async with aclosing(engine.draw(order(steps=150))) as updates:
        assert await anext(updates) == Progress(1, 150)
        pid = engine.pid
    assert (await drawn(engine, order(steps=1))).pictures
    assert engine.pid == pid


async def test_previews_come_only_when_asked_for(engine: Engine) -> None:
    shown = await drawn(engine, order(steps=60, previews=True))
    hidden = await drawn(engine, order(steps=60))
    assert hidden.previews == []
    assert 0 < len(shown.previews) < 30
    preview = Image.open(io.BytesIO(shown.previews[-1].data))
    assert (preview.format, preview.size) == ("JPEG", (128, 128))
    near = np.asarray(preview).astype(np.int16) - pixels(shown)
    assert np.abs(near).mean() < 40
    assert shown.pictures[0].data == hidden.pictures[0].data


@pytest.mark.parametrize("name", DIFFUSION_SCHEDULERS)
async def test_every_scheduler_draws_and_leaves_nothing_behind(engine: Engine, name: str) -> None:
    before = await drawn(engine, order(steps=2))
    result = await drawn(engine, order(steps=6, scheduler=name))
    after = await drawn(engine, order(steps=2))
    assert result.pictures[0].flags == {}
    assert result.pictures[0].data != before.pictures[0].data
    assert before.pictures[0].data == after.pictures[0].data


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["local/sd", "local/sdxl", "local/sd3"])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (96, 32)])
async def test_any_diffusers_folder_draws_at_the_size_asked_for(
    engine: Engine, model: str, width: int, height: int
) -> None:
    wanted = order("anything", model=model, width=width, height=height, seeds=(1, 2), negative_prompt="nothing")
    result, again = await drawn(engine, wanted), await drawn(engine, wanted)
    assert [pixels(result, index).shape for index in (0, 1)] == [(height, width, 3)] * 2
    assert result.warnings == []
    assert [picture.data for picture in result.pictures] == [picture.data for picture in again.pictures]


@pytest.mark.usefixtures("tiny")
async def test_a_full_autoencoder_has_previews_too(engine: Engine) -> None:
    result = await drawn(engine, order(model="local/sd", width=64, height=64, steps=100, previews=True))
    assert result.previews
    assert Image.open(io.BytesIO(result.previews[0].data)).size == (8, 8)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", FLOW_SCHEDULERS)
async def test_flow_schedulers_draw(engine: Engine, name: str) -> None:
    result = await drawn(engine, order(model="local/sd3", width=64, height=64, scheduler=name))
    assert result.pictures[0].flags == {}


async def test_numbers_that_are_none_are_flagged(engine: Engine, tiny: Path) -> None:
    shutil.copytree(tiny / "sd", tiny / "broken-numbers")
    weights = tiny / "broken-numbers" / "unet" / "diffusion_pytorch_model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[: -len(data) // 2] + b"\xff" * (len(data) - len(data[: -len(data) // 2])))
    result = await drawn(engine, _tiny("broken-numbers"))
    assert result.pictures[0].flags == {"reason_codes": ["broken_numbers", "black_picture"]}
    assert pixels(result).max() == 0


async def test_a_folder_that_goes_away_or_does_not_fit_together_is_said(engine: Engine, tiny: Path) -> None:
    with pytest.raises(ModelUnavailable, match="fleeting does not exist"):
        await drawn(engine, _tiny("fleeting"))
    shutil.copytree(tiny / "sd", tiny / "misfit")
    config = tiny / "misfit" / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"block_out_channels": [16, 64]}))
    with pytest.raises(ModelUnavailable, match="misfit cannot be loaded") as caught:
        await drawn(engine, _tiny("misfit"))
    assert "\n" not in caught.value.detail
    shutil.copytree(tiny / "sd", tiny / "fleeting")
    assert (await drawn(engine, _tiny("fleeting"))).pictures


@pytest.mark.usefixtures("tiny")
async def test_a_child_killed_in_the_middle_is_a_crash_and_the_next_request_works(
    engine: Engine, overheard: list[str]
) -> None:
    async with aclosing(engine.draw(order(steps=150))) as updates:
        await anext(updates)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineCrashed, match="SIGKILL"):
            async for _ in updates:
                pass
    said_before = len(overheard)
    assert (await drawn(engine, order(steps=1))).pictures
    for name in ("sd", "sdxl", "sd3"):
        assert (await drawn(engine, _tiny(name))).pictures
    # Importing the libraries, loading four models and drawing with them said nothing.
    assert overheard[said_before:] == []


def _sources(models: dict[str, Path]) -> dict[str, Source]:
    return {name: Source.of(path) for name, path in models.items()}


async def test_a_drawing_ends_with_its_revision_and_price(
    engine: Engine, models: dict[str, Path], revision: str
) -> None:
    local = Local(engine, _sources(models), {}, {}, Revisions())
    updates = [update async for update in local.generate(order(steps=1, seeds=(4, 5)))]
    assert updates[0] == Progress(1, 1)
    assert [update.seed for update in updates if isinstance(update, Picture)] == [4, 5]
    answered, charged = updates[-2:]
    assert isinstance(answered, Answered)
    assert answered.model_revision == revision
    assert charged == Charged(FREE)


async def test_closing_a_generation_cancels_its_drawing(engine: Engine, models: dict[str, Path]) -> None:
    local = Local(engine, _sources(models), {}, {}, Revisions())
    async with aclosing(local.generate(order(steps=150))) as updates:
        assert await anext(updates) == Progress(1, 150)
        pid = engine.pid
    assert [update async for update in local.generate(order(steps=1)) if isinstance(update, Picture)]
    assert engine.pid == pid


@pytest.mark.parametrize(("name", "multiple"), [("sd", 8), ("sdxl", 8), ("sd3", 16)])
def test_other_folders_are_described_without_a_declaration(tiny: Path, name: str, multiple: int) -> None:
    can = capabilities(read_folder(tiny / name))
    assert (can.native_size, can.default_width, can.size_multiple) == (None, 64, multiple)
    assert (can.min_size, can.max_size) == (16, 128)


def _tiny(name: str) -> Order:
    return order(model=f"local/{name}", width=64, height=64, steps=1)
