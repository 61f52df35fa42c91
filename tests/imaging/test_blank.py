import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from pictures import BOUNDS, encoded, gradient, house, noise
from platemark.core.errors import InvalidImage
from platemark.imaging.blank import find_blankness

SKY = gradient(512, (20, 10, 60), (90, 30, 110), (240, 90, 60), (255, 200, 90), (60, 30, 30))


def kind(image: Image.Image, format: str = "PNG") -> str | None:
    return find_blankness(encoded(image, format), **BOUNDS).kind


def with_mark(ground: tuple[int, int, int], side: int, size: int) -> Image.Image:
    image = Image.new("RGB", (side, side), ground)
    ImageDraw.Draw(image).ellipse((side // 2, side // 2, side // 2 + size, side // 2 + size), fill=(200, 30, 30))
    return image


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_black_and_constant_pictures_are_seen(format: str) -> None:
    assert kind(Image.new("RGB", (512, 512), (0, 0, 0)), format) == "black"
    assert kind(Image.new("RGB", (512, 512), (9, 8, 7)), format) == "black"
    assert kind(Image.new("RGB", (300, 512), (128, 128, 128)), format) == "constant"
    assert kind(Image.new("RGB", (512, 300), (255, 255, 255)), format) == "constant"
    assert kind(Image.new("RGB", (512, 512), (200, 30, 30)), format) == "constant"


@pytest.mark.parametrize("ground", [(250, 240, 220), (0, 0, 0), (255, 255, 255)])
@pytest.mark.parametrize("size", [4, 40])
def test_a_mark_on_a_plain_ground_is_a_picture(ground: tuple[int, int, int], size: int) -> None:
    assert kind(with_mark(ground, 1024, size)) is None


@pytest.mark.parametrize("side", [128, 256, 768, 1024])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_flat_art_with_large_plain_grounds_is_a_picture(side: int, format: str) -> None:
    assert kind(house(side), format) is None


def test_flat_art_drawn_small_and_enlarged_is_a_picture() -> None:
    assert kind(house(256).resize((1024, 1024), Image.Resampling.LANCZOS)) is None


@pytest.mark.parametrize(
    "image",
    [
        gradient(512, (0, 0, 0), (255, 255, 255)),
        gradient(512, (30, 60, 200), (240, 240, 255)),
        SKY,
        SKY.rotate(90),
        SKY.resize((1024, 300)),
        gradient(512, (250, 250, 250), (235, 235, 240)),
        Image.radial_gradient("L").convert("RGB").resize((700, 700)),
    ],
)
def test_gradients_are_pictures(image: Image.Image) -> None:
    assert kind(image) is None
    assert kind(image, "JPEG") is None


@pytest.mark.parametrize("share", [0.02, 0.03])
@pytest.mark.parametrize("picture", [noise(768), house(768)])
def test_a_picture_blurred_beyond_use_is_seen(picture: Image.Image, share: float) -> None:
    blurred = picture.filter(ImageFilter.GaussianBlur(share * 768))
    assert kind(blurred, "JPEG") == "blurred"


@pytest.mark.parametrize("share", [0.001, 0.003])
def test_a_slightly_soft_picture_is_a_picture(share: float) -> None:
    assert kind(house(768, blur=share)) is None


def test_scores_grow_with_the_blur() -> None:
    scores = [find_blankness(encoded(house(512, blur=share)), **BOUNDS).score for share in (0.0, 0.02, 0.04)]
    assert scores == sorted(scores)
    assert scores[0] == 0
    assert 0 < scores[1] < scores[2] <= 1


def test_blankness_of_what_is_no_image_is_an_error() -> None:
    with pytest.raises(InvalidImage):
        find_blankness(b"no image", **BOUNDS)


def test_no_picture_of_the_corpus_is_called_blank_and_most_blurred_ones_are(corpus: Path) -> None:
    files = sorted(file for folder in ("real", "ai", "real_nonphoto") for file in (corpus / folder).iterdir())[::6]
    bounds = {"max_bytes": 64 * 1024 * 1024, "max_pixels": 64_000_000}
    assert {file.name: found for file in files if (found := find_blankness(file.read_bytes(), **bounds)).kind} == {}
    blurred = [find_blankness(_blurred(file), **bounds).kind == "blurred" for file in files]
    assert np.mean(blurred) >= 0.9


def _blurred(file: Path) -> bytes:
    image = Image.open(io.BytesIO(file.read_bytes())).convert("RGB")
    return encoded(image.filter(ImageFilter.GaussianBlur(0.02 * max(image.size))), "JPEG", quality=85)
