"""Every operation with every class of model, against the pipelines of diffusers that are made for it."""

from functools import partial
from typing import Any

import diffusers
import numpy as np
import painting
import pytest
import torch
from painting import SIZE, Models, asked, paint, photo, rectangle
from PIL import Image

from platemark.core.errors import InvalidRequest
from platemark.core.generation import ControlUse
from platemark.engine.drawing.latents import encode, generator
from platemark.engine.drawing.operations import tensor_of
from platemark.engine.drawing.tiling import canvas_of
from platemark.engine.memory.loaded import Loaded
from platemark.engine.models.folder import POCKET, read_folder
from platemark.engine.models.schedulers import DIFFUSION

# The libraries warn about each other.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]
FAMILIES = ("sd", "sdxl", "sd3")
library: Any = diffusers
# An outpaint may change so many pixels of its source beside each new side.
SEAM = 12
OUTPAINT = {"left": 16, "right": 24, "up": 8, "down": 0, "width": 104, "height": 72}
ASKED: dict[str, dict[str, Any]] = {
    "text_to_image": {},
    "image_to_image": {"image": photo()},
    "inpaint": {"image": photo(), "mask": rectangle()},
    "outpaint": {"image": photo()} | OUTPAINT,
    "upscale": {"image": photo(), "width": 128, "height": 120},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return painting.models_in(tmp_path_factory.mktemp("painting"))


@pytest.mark.parametrize("family", [*FAMILIES, "sd_inpaint", "sdxl_inpaint"])
@pytest.mark.parametrize("operation", ASKED)
def test_every_operation_gives_the_size_that_was_asked_for(models: Models, family: str, operation: str) -> None:
    wanted = asked(operation, seeds=(1, 2), negative_prompt="x", **ASKED[operation])
    told = paint(models(family), wanted)
    size = wanted.parameters.height, wanted.parameters.width, 3
    assert [told.pixels(0, index).shape for index in (0, 1)] == [size, size]
    assert (told.pixels(0, 0) != told.pixels(0, 1)).any()
    assert told.pictures[0, 0].warnings == ()
    assert told.pictures[0, 0].flags == {}
    again = paint(models(family), wanted)
    assert again.pictures[0, 1].data == told.pictures[0, 1].data


@pytest.mark.parametrize("family", FAMILIES)
def test_text_to_image_is_what_the_stock_pipeline_draws(models: Models, family: str) -> None:
    stock = models(family).for_request(None)
    expected = stock(["abc"] * 2, negative_prompt=["x"] * 2, generator=[generator(1), generator(2)], **STOCK)
    told = paint(models(family), asked(seeds=(1, 2), negative_prompt="x"))
    _assert_same(told, expected.images)


STOCK: dict[str, Any] = {"num_inference_steps": 4, "guidance_scale": 3.0, "output_type": "pt"}


# The stock pipeline of SD 3 starts from a picture with these only.
BY_NAME = [("sd", name) for name in DIFFUSION] + [("sd3", name) for name in ("euler", "heun")]


@pytest.mark.parametrize(("family", "scheduler"), [*((family, None) for family in FAMILIES), *BY_NAME])
def test_image_to_image_is_what_the_stock_pipeline_draws(models: Models, family: str, scheduler: str | None) -> None:
    loaded = models(family)
    stock = _stock(loaded, "Img2Img", scheduler)
    source = encode(loaded.parts.vae, tensor_of(photo()))
    expected = stock("abc", negative_prompt="x", image=source, strength=0.5, generator=generator(1), **STOCK)
    wanted = asked("image_to_image", image=photo(), strength=0.5, negative_prompt="x", scheduler=scheduler)
    _assert_same(paint(loaded, wanted), expected.images)


@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3", "sd_inpaint", "sdxl_inpaint"])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_inpaint_is_what_the_stock_pipeline_draws(models: Models, family: str, strength: float) -> None:
    loaded = models(family)
    stock = _stock(loaded, "Inpaint", None)
    stock._encode_vae_image = partial(_encode_without_chance, loaded)
    # As latents, because the one of SD 3 forgets the shift when it decodes (diffusers 0.42.1).
    latents = stock(
        "abc",
        negative_prompt="x",
        image=photo(),
        mask_image=rectangle(),
        strength=strength,
        generator=generator(1),
        width=SIZE,
        height=SIZE,
        **STOCK | {"output_type": "latent"},
    ).images
    vae = loaded.parts.vae
    expected = vae.decode(latents / vae.config.scaling_factor + (vae.config.shift_factor or 0)).sample / 2 + 0.5
    told = paint(loaded, asked("inpaint", image=photo(), mask=rectangle(), strength=strength, negative_prompt="x"))
    inside = (slice(16, 48), slice(16, 48))
    drawn = (expected[0].detach().clamp(0, 1).permute(1, 2, 0) * 255).round().numpy()
    assert np.abs(told.pixels()[inside] - drawn[inside]).max() <= 1
    outside = np.asarray(rectangle()) == 0
    assert (told.pixels()[outside] == np.asarray(photo())[outside]).all()


def _encode_without_chance(loaded: Loaded, image: torch.Tensor, generator: Any) -> torch.Tensor:
    return encode(loaded.parts.vae, image / 2 + 0.5)


def _stock(loaded: Loaded, task: str, scheduler: str | None) -> Any:
    own = loaded.for_request(scheduler)
    kind = getattr(library, type(own).__name__.replace("Pipeline", f"{task}Pipeline"))
    options = {"requires_safety_checker": False} if "requires_safety_checker" in own.config else {}
    pipeline = kind(**own.components, **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _assert_same(told: painting.Told, expected: torch.Tensor) -> None:
    for index, picture in enumerate(expected):
        drawn = (picture.clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
        assert np.abs(told.pixels(0, index) - drawn).max() <= 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("width", "height"), [(70, 50), (33, 91), (64, 61)])
def test_sizes_off_the_grid_come_out_exactly(models: Models, family: str, width: int, height: int) -> None:
    source, mask = photo(width, height), rectangle(width, height, (8, 8, 30, 30))
    size: dict[str, Any] = {"width": width, "height": height, "steps": 2}
    assert paint(models(family), asked("image_to_image", image=source, **size)).pixels().shape == (height, width, 3)
    told = paint(models(family), asked("inpaint", image=source, mask=mask, **size))
    outside = np.asarray(mask) == 0
    assert (told.pixels()[outside] == np.asarray(source)[outside]).all()


def test_a_source_of_another_size_covers_the_result(models: Models) -> None:
    told = paint(models("sd"), asked("image_to_image", image=photo(200, 90), strength=0.0, width=64, height=64))
    assert told.pixels().shape == (64, 64, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_strength_goes_from_the_source_itself_to_nothing_of_it(models: Models, family: str) -> None:
    loaded, source = models(family), photo()
    nothing = paint(loaded, asked("image_to_image", image=source, strength=0.0))
    assert (nothing.pixels() == np.asarray(source)).all()
    least = paint(loaded, asked("image_to_image", image=source, strength=0.01))
    assert [update.total for update in least.progress[0, 0]] == [1]
    everything = paint(loaded, asked("image_to_image", image=source, strength=1.0))
    assert everything.pictures[0, 0].data == paint(loaded, asked()).pictures[0, 0].data


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_with_one_step_still_starts_from_its_source(models: Models, family: str) -> None:
    one, other = (
        paint(models(family), asked("image_to_image", image=photo(seed=seed), strength=0.6, steps=1)).pixels()
        for seed in (1, 2)
    )
    assert (one != other).any()


@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3", "sd_inpaint"])
@pytest.mark.parametrize(("grow", "feather"), [(0, 0), (5, 0), (-3, 0), (4, 6)])
def test_outside_the_mask_every_byte_is_the_sources(models: Models, family: str, grow: int, feather: int) -> None:
    source, mask = photo(), rectangle(box=(24, 24, 40, 40))
    wanted = asked("inpaint", image=source, mask=mask, mask_grow=grow, mask_feather=feather, steps=2)
    told = paint(models(family), wanted)
    reach = grow + feather
    outside = np.ones((SIZE, SIZE), dtype=bool)
    outside[24 - reach : 40 + reach, 24 - reach : 40 + reach] = False
    assert (told.pixels()[outside] == np.asarray(source)[outside]).all()
    assert (told.pixels()[28:36, 28:36] != np.asarray(source)[28:36, 28:36]).any()


@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3", "sd_inpaint"])
def test_outpaint_keeps_its_source_and_adds_the_sides(models: Models, family: str) -> None:
    wanted = asked("outpaint", image=photo(), left=64, right=64, width=SIZE + 128, steps=2)
    told = paint(models(family), wanted)
    assert told.pixels().shape == (SIZE, SIZE + 128, 3)
    inner = slice(64 + SEAM, 64 + SIZE - SEAM)
    assert (told.pixels()[:, inner] == np.asarray(photo())[:, SEAM : SIZE - SEAM]).all()
    again = paint(
        models(family), asked("outpaint", image=photo(), left=64, right=64, width=SIZE + 128, steps=2, seeds=[2])
    )
    for side in (slice(0, 64), slice(64 + SIZE, None)):
        assert (told.pixels()[:, side] != again.pixels()[:, side]).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_upscale_enlarges_and_refines_as_strongly_as_it_is_asked_to(models: Models, family: str) -> None:
    def drawn(strength: float) -> painting.Pixels:
        wanted = asked("upscale", image=photo(), width=160, height=160, steps=10, strength=strength)
        return paint(models(family), wanted).pixels()

    base = drawn(0.0)
    smooth = np.asarray(photo().resize((160, 160), Image.Resampling.LANCZOS))
    assert np.abs(base - smooth).max() <= 1
    near, far = (float(np.abs(drawn(strength) - base).mean()) for strength in (0.1, 0.8))
    assert min(near, far) > 0
    assert near != far


def test_tiles_meet_without_a_seam() -> None:
    canvas = canvas_of(photo(200, 140), read_folder(POCKET))
    assert canvas.picture.shape[2:] == (144, 200)
    whole = canvas.blend([tile.of(canvas.picture)[0] for tile in canvas.tiles])
    assert torch.allclose(whole, canvas.picture[0], atol=1e-6)
    # Tiles of two colours: from pixel to pixel the result changes no faster than over the overlap.
    shades = [torch.full((3, canvas.side, canvas.side), float(number % 2)) for number in range(len(canvas.tiles))]
    assert float(canvas.blend(shades).diff(dim=2).abs().max()) <= 2 / canvas.overlap


def test_a_small_change_of_a_picture_stays_near_it(models: Models) -> None:
    source = drawn_by_pocket(models)
    near, far = (
        pixels(models, "image_to_image", prompt="a blue fish", seeds=[2], image=source, strength=strength)
        for strength in (0.2, 1.0)
    )
    same, other = (float(np.abs(picture - np.asarray(source)).mean()) for picture in (near, far))
    assert same < 16
    assert same < other / 2


def test_only_what_is_masked_becomes_something_else(models: Models) -> None:
    source, mask = drawn_by_pocket(models), rectangle(128, 128, (0, 0, 128, 40))
    picture = pixels(models, "inpaint", prompt="a red house at night", image=source, mask=mask, strength=1.0)
    assert (picture[40:] == np.asarray(source)[40:]).all()
    assert np.abs(picture[:30] - np.asarray(source)[:30]).mean() > 20


def test_a_larger_canvas_goes_on_with_the_picture(models: Models) -> None:
    source = drawn_by_pocket(models)
    picture = pixels(models, "outpaint", image=source, left=64, right=64, width=256)
    assert picture.shape == (128, 256, 3)
    assert (picture[:, 64 + SEAM : 192 - SEAM] == np.asarray(source)[:, SEAM : 128 - SEAM]).all()
    # The sky goes on as sky.
    assert np.abs(picture[:10, :40].mean((0, 1)) - picture[:10, 80:100].mean((0, 1))).max() < 60


def test_pocket_enlarges_with_its_own_enlarger(models: Models) -> None:
    source = drawn_by_pocket(models)
    picture = pixels(models, "upscale", image=source, width=512, height=512)
    assert picture.shape == (512, 512, 3)
    assert np.abs(picture[::4, ::4] - np.asarray(source)).mean() < 12
    told = paint(models("pocket"), asked("upscale", image=source, width=256, height=256, strength=0.3))
    assert [warning.code for warning in told.pictures[0, 0].warnings] == ["small_model", "not_refined"]


def test_what_an_operation_cannot_do_without_is_said(models: Models) -> None:
    for order, message in (
        (asked("image_to_image"), "without image"),
        (asked("inpaint", image=photo()), "without mask"),
        (asked(controls=(ControlUse(type="canny"),)), "1 controls came with 0 guides"),
    ):
        with pytest.raises(InvalidRequest, match=message):
            paint(models("sd"), order)


def drawn_by_pocket(models: Models) -> Image.Image:
    return Image.fromarray(pixels(models, "text_to_image", prompt="a red house").astype(np.uint8))


def pixels(models: Models, operation: str, prompt: str = "a red house", **more: Any) -> painting.Pixels:
    chosen: dict[str, Any] = {"width": 128, "height": 128, "steps": 12} | more
    return paint(models("pocket"), asked(operation, prompt=prompt, **chosen)).pixels()
