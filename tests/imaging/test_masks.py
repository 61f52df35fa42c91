"""A mask changes what it covers, softly at its edge, and not one byte of the rest."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from pictures import encoded, house, noise
from platemark.core.errors import InvalidRequest
from platemark.imaging.masks import as_hole, composite, feather, grow, read_mask, share

masks = arrays(
    np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.sampled_from([0, 0, 0, 90, 255])
)


def levels(mask: Image.Image) -> np.ndarray:
    assert mask.mode == "L"
    return np.asarray(mask)


def dot(size: int = 41) -> Image.Image:
    mask = Image.new("L", (size, size))
    mask.putpixel((size // 2, size // 2), 255)
    return mask


def test_white_is_drawn_anew_where_nothing_is_transparent() -> None:
    picture = Image.new("RGB", (8, 4), "black")
    picture.paste("white", (0, 0, 4, 4))
    for mode in ("L", "RGB", "RGBA", "1"):
        assert levels(read_mask(picture.convert(mode))).tolist() == [[255] * 4 + [0] * 4] * 4


def test_a_hole_is_drawn_anew_whatever_its_colour() -> None:
    picture = Image.new("RGBA", (8, 4), (255, 255, 255, 255))
    picture.paste((255, 255, 255, 0), (0, 0, 4, 2))
    picture.paste((0, 0, 0, 155), (4, 0, 8, 2))
    assert levels(read_mask(picture)).tolist() == [[255] * 4 + [100] * 4] * 2 + [[0] * 8] * 2


@given(masks)
def test_a_mask_as_a_hole_is_read_as_the_same_mask(given: np.ndarray) -> None:
    hole = as_hole(Image.fromarray(given))
    assert levels(read_mask(hole)).tolist() == given.tolist()


def test_an_alpha_channel_that_is_opaque_but_for_noise_does_not_count() -> None:
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 250))
    picture.paste((255, 255, 255, 255), (0, 0, 4, 1))
    assert levels(read_mask(picture))[:, 0].tolist() == [255, 0, 0, 0]


def test_a_mask_saved_as_jpeg_still_keeps_and_draws_in_full() -> None:
    picture = Image.new("L", (256, 256))
    ImageDraw.Draw(picture).ellipse((60, 60, 200, 200), fill=255)
    mask = levels(read_mask(Image.open(io.BytesIO(encoded(picture.convert("RGB"), "JPEG", quality=90)))))
    assert (mask[:48] == 0).all()
    assert (mask[90:170, 90:170] == 255).all()
    assert (mask == 0).mean() > 0.68


@pytest.mark.parametrize("pixels", [1, 2, 5, 16, 19])
def test_a_dot_grows_to_a_disc(pixels: int) -> None:
    y, x = np.mgrid[-20:21, -20:21]
    assert ((levels(grow(dot(), pixels)) == 255) == (x * x + y * y <= pixels * pixels)).all()


def test_a_disc_shrinks_back_to_the_dot_and_borders_do_not_eat() -> None:
    assert grow(grow(dot(), 9), -9) == dot()
    assert grow(Image.new("L", (30, 20), 255), -8) == Image.new("L", (30, 20), 255)
    half = Image.new("L", (30, 20))
    half.paste(255, (0, 0, 15, 20))
    assert (levels(grow(half, -5))[:, :10] == 255).all()
    assert not levels(grow(half, -5))[:, 10:].any()


@settings(max_examples=80)
@given(masks, st.integers(0, 30))
def test_growing_takes_the_highest_level_in_reach(mask: np.ndarray, pixels: int) -> None:
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    wanted = [
        [mask[(y - row) ** 2 + (x - column) ** 2 <= pixels**2].max() for column in range(mask.shape[1])]
        for row in range(mask.shape[0])
    ]
    assert levels(grow(Image.fromarray(mask), pixels)).tolist() == np.array(wanted).tolist()


@settings(max_examples=150)
@given(masks, st.integers(0, 40))
def test_feathering_keeps_zeros_outside_and_takes_nothing_away_inside(mask: np.ndarray, pixels: int) -> None:
    picture = Image.fromarray(mask)
    soft = levels(feather(picture, pixels))
    assert (soft[levels(grow(picture, pixels)) == 0] == 0).all()
    assert (soft >= mask).all()


def test_a_feathered_edge_falls_evenly() -> None:
    mask = Image.new("L", (200, 60))
    mask.paste(255, (0, 0, 80, 60))
    row = levels(feather(mask, 40))[30].astype(int)
    assert (row[:80] == 255).all()
    assert (row[120:] == 0).all()
    steps = -np.diff(row)
    assert steps.min() >= 0
    assert steps.max() <= 16
    assert len(set(row)) > 25


def test_no_feather_and_no_growth_change_nothing() -> None:
    mask = read_mask(noise(24).convert("L"))
    assert feather(mask, 0) == grow(mask, 0) == mask


def test_share_counts_pixels_that_change_at_all() -> None:
    mask = Image.new("L", (10, 10))
    assert share(mask) == 0
    mask.paste(255, (0, 0, 10, 2))
    mask.paste(1, (0, 2, 5, 3))
    assert share(mask) == pytest.approx(0.25)
    assert share(Image.new("L", (3, 3), 255)) == 1


@settings(max_examples=60)
@given(st.data(), st.integers(1, 20), st.integers(1, 20))
def test_composite_is_exact_at_both_ends_and_between_them_elsewhere(
    data: st.DataObject, width: int, height: int
) -> None:
    pixels = arrays(np.uint8, (height, width, 3))
    source, drawn = data.draw(pixels), data.draw(pixels)
    mask = data.draw(arrays(np.uint8, (height, width), elements=st.sampled_from([0, 1, 127, 254, 255])))
    out = np.asarray(composite(Image.fromarray(source), Image.fromarray(drawn), Image.fromarray(mask)))
    assert (out[mask == 0] == source[mask == 0]).all()
    assert (out[mask == 255] == drawn[mask == 255]).all()
    blend = source + (drawn.astype(float) - source) * mask[..., None] / 255
    assert np.abs(out - blend).max() <= 1


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_sizes_that_do_not_agree_are_refused(wrong: int) -> None:
    pictures = [house(32), noise(32), Image.new("L", (32, 32))]
    pictures[wrong] = pictures[wrong].resize((32, 31))
    with pytest.raises(InvalidRequest, match="32 × 31"):
        composite(*pictures)
