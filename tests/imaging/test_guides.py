"""Guides show the lines and colours of the picture and nothing else; one without any is found out."""

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from pictures import encoded, gradient, house
from platemark.core.errors import InvalidRequest
from platemark.imaging import guides


def square(
    size: tuple[int, int] = (96, 80),
    box: tuple[int, int, int, int] = (20, 24, 60, 56),
    ink: tuple[int, int, int] = (230, 230, 230),
    ground: tuple[int, int, int] = (20, 20, 20),
) -> Image.Image:
    """`box` without its last column and row, as in crop()."""
    image = Image.new("RGB", size, ground)
    image.paste(ink, box)
    return image


def white(guide: Image.Image, level: int = 128) -> np.ndarray:
    return np.asarray(guide)[..., 0] >= level


def test_canny_of_a_square_is_its_four_edges_and_nothing_else() -> None:
    lines = white(guides.canny(square()))
    near_edge = np.zeros_like(lines)
    near_edge[23:57, 19:61] = True
    near_edge[26:54, 22:58] = False
    assert not (lines & ~near_edge).any()
    inner = slice(28, 52), slice(24, 56)
    for strip in (lines[:, 19:22][inner[0]], lines[:, 58:61][inner[0]]):
        assert (strip.sum(axis=1) == 1).all()
    for strip in (lines[23:26][:, inner[1]], lines[54:57][:, inner[1]]):
        assert (strip.sum(axis=0) == 1).all()


def test_canny_line_of_a_slanted_edge_is_thin_and_whole() -> None:
    image = Image.new("RGB", (128, 128), "black")
    ImageDraw.Draw(image).polygon([(0, 20), (127, 90), (127, 127), (0, 127)], fill="white")
    lines = white(guides.canny(image))
    assert (lines.any(axis=0)).all()
    rows = lines.argmax(axis=0)
    assert np.abs(rows - np.linspace(20, 90, 128)).max() <= 1.5
    # One pixel where the line runs on, two where it steps.
    assert lines.sum(axis=0).max() <= 2


@pytest.mark.parametrize(
    ("ink", "ground"), [((200, 0, 0), (0, 102, 0)), ((120, 190, 240), (255, 255, 255)), ((0, 0, 200), (0, 0, 60))]
)
def test_canny_sees_edges_of_colour_alone(ink: tuple[int, int, int], ground: tuple[int, int, int]) -> None:
    assert white(guides.canny(square(ink=ink, ground=ground))).sum() > 100


def test_a_weak_edge_counts_where_it_hangs_on_a_strong_one() -> None:
    levels = np.full((96, 96), 90, dtype=np.uint8)
    levels[48:] = 120
    alone = Image.fromarray(levels).convert("RGB")
    assert not white(guides.canny(alone, low=60, high=150)).any()
    # The step fades from 130 levels to the same 30.
    levels[48:] = np.linspace(220, 120, 96).round()
    joined = Image.fromarray(levels).convert("RGB")
    assert white(guides.canny(joined, low=60, high=150)).any(axis=0).all()
    assert not white(guides.canny(joined, low=150, high=150))[:, 72:].any()


def test_hysteresis_follows_a_line_through_the_whole_picture() -> None:
    weak = np.zeros((61, 61), dtype=np.bool_)
    # A snake of one long line, and beside it a line that does not touch it.
    weak[0:60:4] = True
    weak[0:57, 60] = [(row // 4) % 2 == 0 or row % 4 == 0 for row in range(57)]
    weak[0:57, 0] = [(row // 4) % 2 == 1 or row % 4 == 0 for row in range(57)]
    weak[60, 10:50] = True
    strong = np.zeros_like(weak)
    strong[0, 0] = True
    kept = guides._reached(weak, strong)
    assert (kept[:57] == weak[:57]).all()
    assert not kept[57:].any()


@settings(max_examples=60)
@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([0, 0, 1, 1, 2])))
def test_hysteresis_keeps_what_a_walk_from_the_strong_pixels_reaches(pixels: np.ndarray) -> None:
    (height, width), weak, strong = pixels.shape, pixels > 0, pixels > 1
    seen = {(int(y), int(x)) for y, x in np.argwhere(strong)}
    todo = list(seen)
    while todo:
        y, x = todo.pop()
        for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
            inside = 0 <= near[0] < height and 0 <= near[1] < width
            if inside and weak[near] and near not in seen:
                seen.add(near)
                todo.append(near)
    assert {(int(y), int(x)) for y, x in np.argwhere(guides._reached(weak, strong))} == seen


@pytest.mark.parametrize(("low", "high"), [(200, 100), (-1, 50), (math.nan, 50)])
def test_thresholds_that_mean_nothing_are_refused(low: float, high: float) -> None:
    with pytest.raises(InvalidRequest, match="lower one first"):
        guides.canny(house(32), low, high)


@pytest.mark.parametrize("name", guides.PREPROCESSORS)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (97, 61)])
def test_every_guide_has_the_size_of_its_picture_and_is_the_same_each_time(name: str, size: tuple[int, int]) -> None:
    picture = house(256).resize(size)
    guide = guides.PREPROCESSORS[name](picture)
    assert (guide.size, guide.mode) == (size, "RGB")
    assert guide == guides.PREPROCESSORS[name](picture)


@pytest.mark.parametrize("name", ["canny", "scribble", "lineart"])
@pytest.mark.parametrize("colour", ["black", "white", (120, 190, 240)])
def test_lines_of_a_plain_picture_are_none(name: str, colour: str) -> None:
    guide = guides.PREPROCESSORS[name](Image.new("RGB", (70, 50), colour))
    assert guide == Image.new("RGB", (70, 50), "black")


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_scribble_is_thicker_than_line_art_and_that_than_canny(side: int) -> None:
    picture = house(side)
    drawn = [white(make(picture)).sum() for make in (guides.canny, guides.line_art, guides.scribble)]
    assert drawn[0] <= drawn[1] < drawn[2] / 1.3
    assert drawn[2] < 0.12 * side * side


@pytest.mark.parametrize("name", ["scribble", "lineart"])
def test_strokes_lie_on_the_outlines(name: str) -> None:
    strokes = white(guides.PREPROCESSORS[name](square((256, 256), (64, 64, 192, 192))))
    band = np.zeros_like(strokes)
    band[58:198, 58:198] = True
    band[70:186, 70:186] = False
    assert not (strokes & ~band).any()
    assert strokes[80:176, 58:70].any(axis=1).all()
    assert strokes[80:176, 186:198].any(axis=1).all()
    assert strokes[58:70, 80:176].any(axis=0).all()
    assert strokes[186:198, 80:176].any(axis=0).all()


def test_scribble_is_soft() -> None:
    levels = np.asarray(guides.scribble(house(512)))[..., 0]
    between = (levels > 30) & (levels < 225)
    assert levels.max() == 255
    assert between.sum() > 0.1 * (levels > 30).sum()


def test_a_drawn_outline_becomes_one_line_in_line_art_and_two_in_canny() -> None:
    image = Image.new("RGB", (256, 256), (250, 245, 235))
    ImageDraw.Draw(image).line((0, 128, 255, 128), fill=(20, 20, 20), width=3)

    def runs(guide: Image.Image) -> int:
        column = white(guide, 64)[:, 128].astype(int)
        return int((np.diff(column, prepend=0) == 1).sum())

    assert (runs(guides.line_art(image)), runs(guides.canny(image))) == (1, 2)


def test_colour_map_is_flat_blocks_of_the_mean_colour() -> None:
    image = Image.new("RGB", (256, 128), (200, 0, 0))
    image.paste((0, 100, 0), (64, 0, 96, 64))
    blocks = np.asarray(guides.colour_map(image)).reshape(2, 64, 4, 64, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert blocks[0, 0, 1, 0].tolist() == [100, 50, 0]
    assert blocks[1, 0, 1, 0].tolist() == [200, 0, 0]


def test_guides_of_a_picture_have_content() -> None:
    for make in guides.PREPROCESSORS.values():
        assert guides.has_content(make(house(256)))
    assert guides.has_content(gradient(64, (0, 0, 0), (255, 255, 255)))


def test_one_colour_noise_and_specks_are_no_content() -> None:
    for colour in ("black", "white", "teal"):
        assert not guides.has_content(Image.new("RGB", (300, 200), colour))
    levels = np.random.default_rng(1).integers(100, 110, (128, 128, 3)).astype(np.uint8)
    assert not guides.has_content(Image.fromarray(levels))
    speck = Image.new("RGB", (512, 512), "black")
    speck.paste("white", (100, 100, 106, 106))
    assert not guides.has_content(speck)
    line = Image.new("RGB", (512, 512), "black")
    ImageDraw.Draw(line).line((100, 100, 200, 160), fill="white")
    assert guides.has_content(line)


def test_a_black_jpeg_has_no_content_and_lines_in_a_jpeg_have() -> None:
    for picture, expected in [(Image.new("RGB", (128, 128), "black"), False), (guides.canny(house(128)), True)]:
        assert guides.has_content(Image.open(io.BytesIO(encoded(picture, "JPEG")))) is expected
