"""What the image classifiers are shown: the views of a picture, and their numbers."""

import io

import numpy as np
import pytest
from PIL import Image

from pictures import house, noise
from platemark.imaging.views import fitted, shrunk, squeezed, views_of


def named(picture: Image.Image) -> dict[str, Image.Image]:
    return dict(views_of(picture))


def test_a_small_opaque_picture_is_seen_once():
    assert list(named(house(1024))) == ["whole"]
    assert list(named(house(64).convert("RGBA"))) == ["whole on white"]


def test_a_large_one_is_also_seen_in_overlapping_corners():
    picture = Image.new("RGB", (1500, 700))
    views = named(picture)

    assert list(views) == ["whole", "top left", "top right", "bottom left", "bottom right"]
    assert {views[name].size for name in list(views)[1:]} == {(900, 420)}
    assert 2 * 900 > 1500
    assert 2 * 420 > 700


def test_corners_are_where_their_names_say():
    picture = Image.new("L", (1200, 1200))
    picture.putpixel((0, 0), 10)
    picture.putpixel((1199, 0), 20)
    picture.putpixel((0, 1199), 30)
    picture.putpixel((1199, 1199), 40)
    views = named(picture.convert("RGB"))

    brightest = {name: np.asarray(view).max() for name, view in views.items()}
    assert brightest == {"whole": 40, "top left": 10, "top right": 20, "bottom left": 30, "bottom right": 40}


def test_what_transparency_hides_on_one_ground_shows_on_the_other():
    hidden = Image.new("RGBA", (100, 100), (255, 255, 255, 128))
    views = named(hidden)

    assert list(views) == ["whole on white", "whole on black"]
    assert views["whole on white"].getpixel((5, 5)) == (255, 255, 255)
    assert views["whole on black"].getpixel((5, 5)) == (128, 128, 128)


def test_an_edge_that_is_softly_cut_out_is_not_worth_a_second_look():
    picture = house(200).convert("RGBA")
    picture.putpixel((0, 0), (1, 2, 3, 0))

    assert list(named(picture)) == ["whole on white"]


@pytest.mark.parametrize(
    ("side", "left"), [(300, 300), (2047, 2047), (2048, 1024), (6000, 1200)], ids=["small", "below", "at", "large"]
)
def test_huge_pictures_are_made_smaller_first(side: int, left: int):
    assert shrunk(Image.new("RGB", (side, 10 * (side > 2000) + 4))).width == left


def test_the_classifier_sees_the_whole_picture_in_its_proportions_before_a_blurred_copy():
    picture = Image.new("RGB", (400, 200), (250, 10, 10))
    levels = fitted(picture)

    assert (levels.shape, levels.dtype) == ((1, 3, 224, 224), np.float32)
    assert levels[0, :, 112, 112].tolist() == [250, 10, 10]
    assert np.abs(levels[0, 0] - 250).max() <= 1, "a copy of one colour is of that colour"
    detail = fitted(noise(400).crop((0, 0, 400, 200)))[0].mean(0)
    beside, within = np.abs(np.diff(detail[:50])).mean(), np.abs(np.diff(detail[60:160])).mean()
    assert beside < 0.5 * within


def test_the_second_network_sees_the_middle_in_blue_green_red_around_its_mean():
    levels = squeezed(Image.new("RGB", (300, 100), (200, 100, 50)))

    assert (levels.shape, levels.dtype) == ((1, 224, 224, 3), np.float32)
    assert np.abs(levels[0, 100, 100] - [50 - 104, 100 - 117, 200 - 123]).max() < 3


def test_the_second_network_sees_what_jpeg_leaves():
    picture = noise(256)
    out = io.BytesIO()
    picture.crop((16, 16, 240, 240)).save(out, "JPEG")
    expected = np.asarray(Image.open(out), dtype=np.float32)

    assert np.array_equal(squeezed(picture)[0] + [104, 117, 123], expected[:, :, ::-1])
