"""Canceling one picture of a batch: it stops within a step, and the others come out as they would have."""

from typing import Any

import painting
import pytest
import torch
from painting import Models, asked, paint, photo, rectangle

from platemark.core.errors import GenerationCanceled
from platemark.engine.drawing.batching import Item
from platemark.engine.drawing.draw import Batch
from platemark.engine.models.schedulers import DIFFUSION, FLOW

# The libraries warn about each other.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]
STEPS = 6
OPERATIONS: dict[str, dict[str, Any]] = {
    "text_to_image": {},
    "image_to_image": {"strength": 1.0},
    "inpaint": {"mask": rectangle(), "strength": 1.0},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return painting.models_in(tmp_path_factory.mktemp("cancel"))


class Canceler:
    """Cancels the items of `after`, each once so many steps are done: it is asked before the first, and after each."""

    def __init__(self, items: list[Item], after: dict[int, int]) -> None:
        self._after = {id(items[place]): steps for place, steps in after.items()}
        self.asked: dict[int, int] = {}

    def __call__(self, item: Item) -> bool:
        count = self.asked[id(item)] = self.asked.get(id(item), -1) + 1
        return count >= self._after.get(id(item), 10**9)


def drawn(loaded: Any, operation: str, after: dict[int, int], **more: Any) -> tuple[dict[int, torch.Tensor], Canceler]:
    sources = [{} if operation == "text_to_image" else {"image": photo(seed=number)} for number in range(4)]
    chosen = OPERATIONS[operation] | {"steps": STEPS} | more
    items = [
        Item(
            place,
            asked(operation, prompt="abcd"[place], negative_prompt="x" * place, seeds=[place], **source, **chosen),
            0,
        )
        for place, source in enumerate(sources)
    ]
    canceler = Canceler(items, after)
    return Batch(loaded, items, lambda _item, _update: None, canceler).draw(), canceler


@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3", "sd_inpaint", "sdxl_inpaint"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("cfg_scale", [3.0, 1.0])
def test_the_others_are_as_if_nobody_had_left(models: Models, family: str, operation: str, cfg_scale: float) -> None:
    loaded = models(family)
    whole, _ = drawn(loaded, operation, {}, cfg_scale=cfg_scale)
    left, _ = drawn(loaded, operation, {0: 1, 2: 4}, cfg_scale=cfg_scale)
    assert (set(whole), set(left)) == ({0, 1, 2, 3}, {1, 3})
    for place in left:
        assert float((left[place] - whole[place]).abs().max()) < 1e-4


@pytest.mark.parametrize(("family", "name"), [("sd", name) for name in DIFFUSION] + [("sd3", name) for name in FLOW])
def test_what_a_scheduler_remembers_goes_with_its_picture(models: Models, family: str, name: str) -> None:
    loaded = models(family)
    whole, _ = drawn(loaded, "text_to_image", {}, scheduler=name)
    left, _ = drawn(loaded, "text_to_image", {0: 3, 1: 3}, scheduler=name)
    assert set(left) == {2, 3}
    for place in left:
        assert float((left[place] - whole[place]).abs().max()) < 1e-4


def test_a_picture_is_no_longer_drawn_after_the_step_it_is_canceled_in(models: Models) -> None:
    sizes: list[int] = []

    def count(_module: Any, given: tuple[torch.Tensor, ...]) -> None:
        sizes.append(given[0].shape[0])

    hook = models("sd").parts.unet.register_forward_pre_hook(count)
    try:
        drawn(models("sd"), "text_to_image", {0: 1, 3: 2}, cfg_scale=1.0)
        assert sizes == [4, 3, 2, 2, 2, 2]
        sizes.clear()
        with pytest.raises(GenerationCanceled):
            drawn(models("sd"), "text_to_image", {0: 1, 1: 3, 2: 3, 3: 2}, cfg_scale=1.0)
        assert sizes == [4, 3, 2]
    finally:
        hook.remove()


def test_canceled_before_the_start_draws_nothing(models: Models) -> None:
    with pytest.raises(GenerationCanceled):
        paint(models("sd"), asked(seeds=(1, 2)), canceled=lambda _item, _told: True)
    told = paint(models("sd"), asked(seeds=(1, 2)), canceled=lambda item, _told: item.index == 0)
    assert set(told.pictures) == {(0, 1)}
    assert set(told.progress) == {(0, 1)}


def test_an_upscale_stops_between_its_tiles(models: Models) -> None:
    wanted = asked("upscale", image=photo(), width=160, height=160, seeds=(1, 2), strength=0.9)
    told = paint(models("sd"), wanted, canceled=lambda item, told: item.index == 0 and len(told.progress) > 0)
    assert set(told.pictures) == {(0, 1)}
    assert told.progress[0, 0][-1].done < told.progress[0, 0][-1].total
    with pytest.raises(GenerationCanceled):
        paint(models("sd"), wanted, canceled=lambda _item, told: len(told.progress) > 0)


def test_the_model_draws_as_before_after_a_cancel(models: Models) -> None:
    before = paint(models("sd"), asked()).pictures[0, 0].data
    with pytest.raises(GenerationCanceled):
        paint(models("sd"), asked(guidance_rescale=0.5), canceled=lambda _item, told: len(told.progress) > 0)
    assert paint(models("sd"), asked()).pictures[0, 0].data == before
    assert not models("sd").parts.unet._forward_hooks
