"""Many requests at one real engine: drawn together, each as if it were alone, the reproducible ones to the last bit."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from orders import Result, drawn, order
from PIL import Image

from platemark.core.updates import Order
from platemark.engine.engine import Engine
from platemark.engine.models.folder import POCKET

pytestmark = [pytest.mark.torch, pytest.mark.timeout(300)]
COLOURS = {"red": (255, 0, 0), "green": (0, 160, 0), "blue": (0, 0, 255), "yellow": (255, 220, 0)}


def pixels(result: Result) -> "np.ndarray[tuple[int, ...], np.dtype[np.int16]]":
    return np.asarray(Image.open(io.BytesIO(result.pictures[0].data))).astype(np.int16)


async def at_once(engine: Engine, orders: Mapping[str, Order]) -> dict[str, Result]:
    results: dict[str, Result] = {}

    async def run(name: str) -> None:
        results[name] = await drawn(engine, orders[name])

    async with anyio.create_task_group() as tasks:
        for name in orders:
            tasks.start_soon(run, name)
    return results


def circle(colour: str, seed: int, steps: int = 12, **asked: Any) -> Order:
    return order(f"a large {colour} circle on a white background", seeds=(seed,), steps=steps, **asked)


async def test_mixed_requests_share_a_batch_and_each_gets_its_own_picture(engine: Engine) -> None:
    await drawn(engine, order(steps=1))
    asked = {
        f"{colour} {seed}": circle(colour, seed, negative_prompt="a cat" if seed else None, width=side, height=side)
        for colour in COLOURS
        for seed, side in ((0, 128), (1, 192))
    }
    results = await at_once(engine, asked)
    for name, result in results.items():
        assert result.response["batched_with"] == 8
        assert pixels(result).shape == (asked[name].parameters.height, asked[name].parameters.width, 3)
    alone = {name: await drawn(engine, asked[name]) for name in ("red 0", "blue 1")}
    for name, result in alone.items():
        assert result.response["batched_with"] == 1
        assert np.abs(pixels(result) - pixels(results[name])).mean() < 2
        assert np.abs(pixels(result) - pixels(results["yellow " + name[-1]])).mean() > 4


async def test_p10_a_reproducible_picture_has_the_same_bits_under_load(engine: Engine) -> None:
    wanted = circle("green", 7, reproducible=True)
    quiet = await drawn(engine, wanted)
    crowd = {f"{seed}": circle("red", seed) for seed in range(6)}
    several = order(wanted.prompt, seeds=(6, 7, 8), steps=12, reproducible=True)
    results = await at_once(engine, crowd | {"again": wanted, "several": several})
    assert results["again"].pictures[0].data == quiet.pictures[0].data
    assert results["several"].pictures[1].data == quiet.pictures[0].data
    assert [results[name].response["batched_with"] for name in ("again", "several")] == [1, 1]


async def test_pictures_of_different_sizes_and_steps_are_not_mixed(engine: Engine) -> None:
    shapes = [(steps, height) for steps in (3, 4) for height in (128, 256)]
    asked = {f"{steps} {height}": circle("red", 1, steps, height=height) for steps, height in shapes}
    results = await at_once(engine, asked)
    assert {result.response["batched_with"] for result in results.values()} == {1}
    for name, result in results.items():
        assert pixels(result).shape == (asked[name].parameters.height, 128, 3)


async def test_the_memory_of_models_is_counted_and_bounded(tiny: Path) -> None:
    models = {f"local/{name}": tiny / name for name in ("sd", "sdxl")} | {"local/pocket": POCKET}
    small: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
    async with Engine.open(models, threads=1) as engine:
        sizes: dict[str, int] = {}
        for name in models:
            await drawn(engine, order(model=name, **small))
            sizes[name] = engine.models["models"][name]["bytes"]
        assert engine.models["models"].keys() == models.keys()
    # Room for two of the small ones, but not beside pocket.
    limit = sizes["local/sd"] + sizes["local/sdxl"] + 1_000_000
    async with Engine.open(models, threads=1, memory=limit) as engine:
        held: list[set[str]] = []
        for name in ("local/sd", "local/sdxl", "local/pocket", "local/sd"):
            assert (await drawn(engine, order(model=name, **small))).pictures
            held.append(set(engine.models["models"]))
        assert engine.models["limit"] == limit
    assert held == [{"local/sd"}, {"local/sd", "local/sdxl"}, {"local/pocket"}, {"local/sd"}]
