"""A canvas holds its source untouched, starts new ground from what is there, and its mask says which is which."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from pictures import house, noise
from platemark.core.errors import InvalidRequest
from platemark.imaging.canvas import cover, extend, pad_to
from platemark.imaging.masks import composite

sides = st.integers(0, 40)


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), sides, sides, sides, sides, st.integers(0, 20))
def test_any_canvas_has_its_size_and_its_source(
    width: int, height: int, left: int, right: int, up: int, down: int, overlap: int
) -> None:
    source = noise(64).crop((0, 0, width, height))
    canvas, mask = extend(source, left, right, up, down, overlap=overlap)
    assert canvas.size == mask.size == (width + left + right, height + up + down)
    assert (canvas.mode, mask.mode) == ("RGB", "L")
    box = (left, up, left + width, up + height)
    assert canvas.crop(box) == source
    levels = np.array(mask)
    inside = levels[up : up + height, left : left + width]
    assert inside.max() < 255
    if not overlap:
        assert not inside.any()
    levels[up : up + height, left : left + width] = 255
    assert levels.min() == 255


def test_extending_by_nothing_is_the_source_and_a_mask_that_draws_nothing() -> None:
    canvas, mask = extend(house(33), 0, 0, 0, 0)
    assert canvas == house(33)
    assert mask.getbbox() is None


def test_the_seam_fades_over_the_overlap_on_extended_sides_only() -> None:
    _, mask = extend(house(64), 21, 0, 0, 13, overlap=9)
    levels = np.asarray(mask).astype(int)
    row = levels[0]
    assert (row[:21] == 255).all()
    assert (np.diff(row[20:31]) < 0).all()
    assert np.abs(np.diff(row[20:31]) + 25.5).max() <= 0.5
    assert not row[30:].any()
    column = levels[:, -1]
    assert (column[64:] == 255).all()
    assert (column[64 - 9 : 64] > 0).all()
    assert not column[: 64 - 9].any()


def test_without_overlap_blending_leaves_the_whole_source() -> None:
    source = noise(48)
    for overlap, kept in [(0, 48), (8, 40)]:
        canvas, mask = extend(source, 17, 0, 0, 0, overlap=overlap)
        out = composite(canvas, Image.new("RGB", canvas.size, "magenta"), mask)
        assert out.crop((65 - kept, 0, 65, 48)) == source.crop((48 - kept, 0, 48, 48))
        assert (out.crop((17, 0, 65, 48)) == source) is (overlap == 0)


def test_new_ground_goes_on_from_the_seam() -> None:
    source = house(128)
    canvas, _ = extend(source, 40, 40, 40, 40)
    pixels = np.asarray(canvas).astype(int)
    # Sky above, grass below, and at the sides the horizon where it was.
    assert np.abs(pixels[:40, 84] - (120, 190, 240)).max() <= 2
    assert np.abs(pixels[-40:, 84] - (90, 170, 80)).max() <= 2
    assert np.abs(pixels[40:168, 39] - pixels[40:168, 40]).max() <= 60
    assert np.abs(pixels[50, :40] - (120, 190, 240)).max() <= 12
    assert np.abs(pixels[160, :40] - (90, 170, 80)).max() <= 12


def test_new_ground_blurs_with_its_distance() -> None:
    canvas, _ = extend(noise(128), 120, 0, 0, 0)
    grain = np.abs(np.diff(np.asarray(canvas).astype(int), axis=0)).mean(axis=(0, 2))
    near, middle, far = grain[116:120].mean(), grain[80:84].mean(), grain[2:6].mean()
    assert near > 4 * middle
    assert middle > 1.5 * far


def test_what_stands_further_in_is_not_mirrored() -> None:
    source = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(source).ellipse((20, 40, 70, 90), fill="red")
    canvas, _ = extend(source, 128, 0, 0, 0)
    assert np.asarray(canvas)[:, :128].min() >= 250


def test_less_than_nothing_is_refused() -> None:
    for wrong in [(-1, 0, 0, 0), (0, 0, 0, -5)]:
        with pytest.raises(InvalidRequest, match="0 or more"):
            extend(house(16), *wrong)
    with pytest.raises(InvalidRequest, match="0 or more"):
        extend(house(16), 1, 1, 1, 1, overlap=-1)


def test_cover_cuts_the_middle_out() -> None:
    source = Image.new("RGB", (300, 100), "red")
    source.paste("blue", (100, 0, 200, 100))
    out = cover(source, 51, 51)
    assert out.size == (51, 51)
    assert np.abs(np.asarray(out)[:, 2:-2].astype(int) - (0, 0, 255)).max() <= 2
    tall = np.asarray(cover(source, 100, 200))
    assert np.abs(tall[:, 2:-2].astype(int) - (0, 0, 255)).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_cover_of_its_own_size_changes_nothing(mode: str) -> None:
    source = noise(37).convert(mode)
    assert cover(source, 37, 37) == source


@settings(max_examples=60)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 8, 64]), st.sampled_from(["L", "RGB", "RGBA"]))
def test_padding_reaches_the_grid_and_its_box_gives_the_picture_back(
    width: int, height: int, multiple: int, mode: str
) -> None:
    source = noise(70).crop((0, 0, width, height)).convert(mode)
    padded, box = pad_to(source, multiple)
    assert padded.width % multiple == padded.height % multiple == 0
    assert 0 <= padded.width - width < multiple
    assert 0 <= padded.height - height < multiple
    assert padded.mode == mode
    assert padded.crop(box) == source
    assert padded.getpixel((padded.width - 1, padded.height - 1)) == source.getpixel((width - 1, height - 1))
