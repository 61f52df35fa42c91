"""ControlNets with every operation that takes them, one and several."""

from typing import Any

import numpy as np
import painting
import pytest
from painting import Models, asked, paint, photo, rectangle, with_controls

from platemark.core.generation import ControlUse
from platemark.engine.drawing.latents import generator
from platemark.engine.drawing.operations import tensor_of
from platemark.engine.drawing.running import pipeline_for
from platemark.engine.memory.loaded import Loaded

# The libraries warn about each other.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]
FAMILIES = ("sd", "sdxl", "sd3")
OPERATIONS: dict[str, dict[str, Any]] = {
    "text_to_image": {},
    "image_to_image": {"image": photo()},
    "inpaint": {"image": photo(), "mask": rectangle()},
}
CANNY, COLOUR = ControlUse(type="canny", preprocess=False), ControlUse(type="colour", strength=0.7)


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("controls")
    load = painting.models_in(folder)
    return lambda name: with_controls(load(name), folder / "nets")


@pytest.mark.parametrize("family", [*FAMILIES, "sd_inpaint"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_guides_change_the_picture_and_each_counts(controlled: Models, family: str, operation: str) -> None:
    loaded, more = controlled(family), OPERATIONS[operation]
    one, two = photo(seed=1), photo(seed=2)

    def drawn(*controls: ControlUse, **options: Any) -> np.ndarray[Any, Any]:
        return paint(loaded, asked(operation, controls=controls, **more, **options)).pixels()

    without = drawn()
    guided = drawn(CANNY, guides=[one])
    assert (guided != without).any()
    assert (drawn(CANNY, guides=[two]) != guided).any()
    both = drawn(CANNY, COLOUR, guides=[one, two])
    assert (both != guided).any()
    # Nothing of a guide stays behind.
    assert (drawn() == without).all()


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_text_to_image_is_what_the_stock_pipeline_draws(controlled: Models, family: str) -> None:
    loaded = controlled(family)
    net = _net(loaded)
    stock = pipeline_for(loaded, None, net)
    stock.__class__ = type(stock).__mro__[1]
    guides = [photo(seed=1), photo(seed=2)]
    expected = stock(
        ["abc", "def"],
        image=[tensor_of(guide)[0] for guide in guides],
        negative_prompt=["x", "y"],
        generator=[generator(1), generator(2)],
        num_inference_steps=4,
        guidance_scale=3.0,
        controlnet_conditioning_scale=0.8,
        control_guidance_end=0.5,
        output_type="pt",
    ).images
    use = ControlUse(type="canny", strength=0.8, end=0.5, preprocess=False)
    told = paint(
        loaded,
        *(
            asked(prompt=prompt, negative_prompt=negative, seeds=[seed], controls=(use,), guides=[guide])
            for prompt, negative, seed, guide in zip(("abc", "def"), ("x", "y"), (1, 2), guides, strict=True)
        ),
    )
    for job, picture in enumerate(expected):
        drawn = (picture.clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
        assert np.abs(told.pixels(job) - drawn).max() <= 1


def _net(loaded: Loaded) -> Any:
    from platemark.engine.conditioning.adapters import controlnets_of

    return controlnets_of(loaded, ["canny"])


@pytest.mark.parametrize("family", FAMILIES)
def test_start_and_end_are_fractions_of_the_steps_that_are_taken(controlled: Models, family: str) -> None:
    """Image to image skips steps; a guide for the last half of those that are left must not be one for none or all."""
    loaded, guide = controlled(family), photo(seed=1)

    def drawn(start: float, end: float) -> np.ndarray[Any, Any]:
        use = ControlUse(type="canny", start=start, end=end, preprocess=False)
        wanted = asked("image_to_image", image=photo(), strength=0.5, steps=8, controls=(use,), guides=[guide])
        return paint(loaded, wanted).pixels()

    pictures = [drawn(0, 1), drawn(0.5, 1), drawn(0, 0.5)]
    without = paint(loaded, asked("image_to_image", image=photo(), strength=0.5, steps=8)).pixels()
    for number, picture in enumerate(pictures):
        assert all((picture != other).any() for other in [without, *pictures[:number]])


@pytest.mark.parametrize("family", FAMILIES)
def test_canceling_one_of_a_guided_batch_leaves_the_others_as_they_are(controlled: Models, family: str) -> None:
    loaded = controlled(family)
    orders = [
        asked(prompt=prompt, seeds=[seed], steps=6, controls=(CANNY, COLOUR), guides=[photo(seed=seed), photo(seed=9)])
        for seed, prompt in enumerate(("abc", "def", "ghi", "jkl"))
    ]
    whole = paint(loaded, *orders)
    left = paint(loaded, *orders, canceled=lambda item, told: item.job in (0, 2) and len(told.progress) > 0)
    assert set(left.pictures) == {(1, 0), (3, 0)}
    for job in (1, 3):
        assert np.abs(left.pixels(job) - whole.pixels(job)).max() <= 1
