"""Several pictures in one batch: each as if it were alone, and nothing left behind for the next batch."""

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import painting
import pytest
import torch
from painting import SIZE, Models, asked, paint, photo, rectangle
from torch import Tensor

from platemark.core.generation import ControlUse, LoraUse
from platemark.core.updates import Order
from platemark.engine.drawing import previews
from platemark.engine.drawing.batching import Item
from platemark.engine.drawing.draw import Batch
from platemark.engine.drawing.latents import draw, generator, slerp
from platemark.engine.drawing.operations import compatibility
from platemark.engine.drawing.running import pipeline_for
from platemark.engine.memory.loaded import Loaded
from platemark.engine.models.schedulers import DIFFUSION, FLOW

# The libraries warn about each other.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]
FAMILIES = ("sd", "sdxl", "sd3")
# A batch is computed in another order of additions than a picture alone; of 1, before rounding to 8 bits.
TOLERANCE = 1e-4
OPERATIONS: dict[str, dict[str, Any]] = {
    "text_to_image": {},
    "image_to_image": {"strength": 0.7},
    "inpaint": {"mask": rectangle()},
    "outpaint": {"left": 32, "width": SIZE + 32},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return painting.models_in(tmp_path_factory.mktemp("batch"))


def tensors(loaded: Loaded, orders: Sequence[Order]) -> list[Tensor]:
    items = [Item(job, order, index) for job, order in enumerate(orders) for index in range(len(order.seeds))]
    drawn = Batch(loaded, items, lambda _item, _update: None, lambda _: False).draw()
    return [drawn[place] for place in range(len(items))]


def mixed(operation: str, **more: Any) -> list[Order]:
    """Four orders that have nothing in common but what makes them compatible."""
    texts = (("abc", "x"), ("(def:1.4) g", None), ("h " * 90, "y"), ("i", "z " * 90))
    sources = [{} if operation == "text_to_image" else {"image": photo(seed=number)} for number in range(4)]
    return [
        asked(
            operation, prompt=text, negative_prompt=negative, seeds=[number], **source, **OPERATIONS[operation] | more
        )
        for number, ((text, negative), source) in enumerate(zip(texts, sources, strict=True), 1)
    ]


@pytest.mark.parametrize("family", [*FAMILIES, "sd_inpaint"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_picture_of_a_mixed_batch_is_the_one_it_would_be_alone(
    models: Models, family: str, operation: str
) -> None:
    loaded, orders = models(family), mixed(operation)
    assert len({compatibility(order, loaded.folder) for order in orders}) == 1
    together = tensors(loaded, orders)
    for order, picture in zip(orders, together, strict=True):
        (alone,) = tensors(loaded, [order])
        assert float((picture - alone).abs().max()) < TOLERANCE


@pytest.mark.parametrize("name", ["euler_a", "dpmpp_2m_sde", "lcm"])
def test_chance_on_the_way_belongs_to_each_picture(models: Models, name: str) -> None:
    loaded, orders = models("sd"), mixed("text_to_image", scheduler=name)
    for order, picture in zip(orders, tensors(loaded, orders), strict=True):
        assert float((picture - tensors(loaded, [order])[0]).abs().max()) < TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scheduler", [None, "dpmpp_2m", "euler"])
def test_variation_goes_from_the_seed_to_other_pictures(models: Models, family: str, scheduler: str | None) -> None:
    loaded = models(family)

    def drawn(variation: float | None) -> list[Tensor]:
        return tensors(loaded, [asked(seeds=(5, 6, 7), scheduler=scheduler, variation=variation)])

    seeds, none, some, all_ = drawn(None), drawn(0.0), drawn(0.3), drawn(1.0)
    assert all(torch.allclose(picture, seeds[0], atol=TOLERANCE) for picture in none)
    assert all(torch.equal(one, other) for one, other in zip(all_, seeds, strict=True))
    # The first is always the one of the seed; the others leave it, but not as far as they could.
    assert torch.allclose(some[0], seeds[0], atol=TOLERANCE)
    for near, far in zip(some[1:], seeds[1:], strict=True):
        assert 0 < float((near - seeds[0]).abs().mean()) < float((far - seeds[0]).abs().mean())


def test_mixed_noise_is_as_strong_as_any() -> None:
    one, other = (draw(generator(seed), (1, 4, 32, 32), torch.float32) for seed in (1, 2))
    assert slerp(one, other, 0.0) is one
    assert torch.allclose(slerp(one, other, 1.0), other, atol=1e-5)
    for share in (0.2, 0.5, 0.8):
        assert float(slerp(one, other, share).std()) == pytest.approx(1.0, abs=0.05)
    assert torch.allclose(slerp(one, one, 0.5), one, atol=1e-5)


def test_a_variation_of_a_chancy_scheduler_stays_near_too(models: Models) -> None:
    pictures = tensors(models("sd"), [asked(seeds=(5, 6), variation=0.0, scheduler="euler_a")])
    assert torch.allclose(pictures[0], pictures[1], atol=TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_state_of_a_scheduler_goes_on_to_the_next_request(models: Models, family: str) -> None:
    """The same calls on one scheduler for all would not pass this: `test_a_shared_scheduler_would_show` proves it."""
    loaded = models(family)
    own = loaded.parts.scheduler.timesteps
    before = [tensors(loaded, [asked(steps=steps, scheduler="dpmpp_2m")])[0] for steps in (3, 5)]
    tensors(loaded, [asked("image_to_image", image=photo(), strength=0.5, scheduler="dpmpp_2m")])
    after = [tensors(loaded, [asked(steps=steps, scheduler="dpmpp_2m")])[0] for steps in (3, 5)]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert loaded.parts.scheduler.timesteps is own


def test_a_shared_scheduler_would_show(models: Models) -> None:
    """Two pipelines in turns, step by step, as two batches would be: with one scheduler they spoil each other."""

    def drawn(shared: bool) -> Tensor:
        loaded = models("sd")
        one, other = (pipeline_for(loaded, "dpmpp_2m") for _ in range(2))
        if shared:
            other.scheduler = one.scheduler
        options: dict[str, Any] = {"num_inference_steps": 4, "guidance_scale": 3.0, "output_type": "pt"}

        def between(_pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if step == 1:
                other("def", generator=generator(2), **options | {"num_inference_steps": 3})
            return tensors

        return one("abc", generator=generator(1), callback_on_step_end=between, **options).images

    try:
        spoiled = drawn(shared=True)
    except IndexError:
        return
    assert not torch.equal(spoiled, drawn(shared=False))


@pytest.mark.parametrize(("family", "name"), [("sd", name) for name in DIFFUSION] + [("sd3", name) for name in FLOW])
def test_every_scheduler_draws_from_noise_and_from_a_picture(models: Models, family: str, name: str) -> None:
    loaded = models(family)
    more: dict[str, Any] = {"scheduler": name, "steps": 4, "seeds": (1, 2)}
    for order in (
        asked(**more),
        asked("image_to_image", image=photo(), strength=0.5, **more),
        asked("inpaint", image=photo(), mask=rectangle(), strength=0.5, **more),
    ):
        told, again = paint(loaded, order), paint(loaded, order)
        assert told.pictures[0, 1].data == again.pictures[0, 1].data
        assert told.pictures[0, 0].flags == told.pictures[0, 1].flags == {}
        assert told.pictures[0, 0].data != told.pictures[0, 1].data
        assert told.progress[0, 0][-1].done == told.progress[0, 0][-1].total


@pytest.mark.parametrize("family", FAMILIES)
def test_guidance_rescale_is_of_the_request(models: Models, family: str) -> None:
    loaded = models(family)

    def drawn(rescale: float | None) -> Tensor:
        return tensors(loaded, [asked(cfg_scale=9.0, guidance_rescale=rescale)])[0]

    assert torch.equal(drawn(None), drawn(0.0))
    assert not torch.equal(drawn(0.7), drawn(0.0))
    if family == "sd3":
        return
    stock = pipeline_for(loaded, None)
    expected = stock(
        "abc",
        negative_prompt=None if family == "sdxl" else "",
        generator=generator(1),
        num_inference_steps=4,
        guidance_scale=9.0,
        guidance_rescale=0.7,
        output_type="pt",
    ).images[0]
    assert torch.allclose(drawn(0.7), expected, atol=TOLERANCE)


def test_what_keeps_orders_apart(models: Models) -> None:
    folder, plain = models("sd").folder, asked()
    same = [asked(prompt="z", seeds=(4, 5)), asked(negative_prompt="no"), replace(plain, previews=True)]
    assert {compatibility(order, folder) for order in same} == {compatibility(plain, folder)}
    changes: list[dict[str, Any]] = [
        {"width": 72},
        {"steps": 5},
        {"scheduler": "ddim"},
        {"cfg_scale": 3.5},
        {"guidance_rescale": 0.5},
        {"clip_skip": 1},
        {"loras": (LoraUse(id="a"),)},
        {"loras": (LoraUse(id="a", scale=0.5),)},
        {"controls": (ControlUse(type="canny"),)},
        {"controls": (ControlUse(type="canny", end=0.5),)},
        {"vae": "other"},
        {"model": "local/else"},
    ]
    orders = [plain, *(asked(**change) for change in changes), asked("image_to_image", image=photo())]
    orders.append(asked("image_to_image", image=photo(), strength=1.0))
    assert len({compatibility(order, folder) for order in orders}) == len(orders)
    assert compatibility(asked("upscale", image=photo()), folder) is None
    assert compatibility(asked(reproducible=True), folder) is None


def test_previews_of_a_batch_go_to_those_who_asked_by_turns(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "SECONDS_BETWEEN", 0.0)
    orders = [replace(asked(seeds=[job], steps=9), previews=job != 1) for job in range(3)]
    told = paint(models("sd"), *orders)
    assert set(told.previews) == {(0, 0), (2, 0)}
    assert [len(shown) for shown in told.previews.values()] == [4, 4]
    quiet = paint(models("sd"), *(replace(order, previews=False) for order in orders))
    assert [quiet.pictures[key].data for key in sorted(quiet.pictures)] == [
        told.pictures[key].data for key in sorted(told.pictures)
    ]


def test_progress_is_told_for_each_picture(models: Models) -> None:
    began = time.monotonic()
    told = paint(models("sd"), asked(seeds=(1, 2), steps=30), asked(seeds=(3,), steps=30))
    took = time.monotonic() - began
    assert set(told.progress) == {(0, 0), (0, 1), (1, 0)}
    for updates in told.progress.values():
        done = [update.done for update in updates]
        assert (done[0], done[-1]) == (1, 30)
        assert done == sorted(set(done))
        assert len(done) <= 2 + took / 0.05
    assert told.facts["batch"] == 3


def test_weights_that_overflow_are_tried_again_in_float32(models: Models) -> None:
    loaded = _narrow(models("sd"), 40_000.0)
    before = [weight.clone() for weight in loaded.parts.unet.parameters()]
    told = paint(loaded, asked(seeds=(1, 2)))
    assert [told.pictures[0, index].flags for index in (0, 1)] == [{}, {}]
    assert told.pixels().std() > 5
    assert all(torch.equal(one, other) for one, other in zip(before, loaded.parts.unet.parameters(), strict=True))
    assert loaded.parts.unet.dtype == loaded.dtype == torch.float16
    assert [update.done for update in told.progress[0, 0]] == sorted(update.done for update in told.progress[0, 0])


def test_weights_that_are_none_are_flagged_after_that(models: Models) -> None:
    told = paint(_narrow(models("sd"), float("nan")), asked())
    picture = told.pictures[0, 0]
    assert picture.flags == {"reason_codes": ["broken_numbers", "black_picture"]}
    assert [warning.code for warning in picture.warnings] == ["broken_numbers"]
    assert told.pixels().max() == 0
    assert "float32" in picture.warnings[0].message


def _narrow(base: Loaded, factor: float) -> Loaded:
    """The model in float16 with an autoencoder whose first weights are too large for it."""
    parts = {name: copy.deepcopy(part) for name, part in base.parts.components.items()}
    pipeline = type(base.parts)(**parts, requires_safety_checker=False).to(torch.float16)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.decoder.conv_in.weight.data *= factor
    return Loaded(base.folder, pipeline, torch.float16)
