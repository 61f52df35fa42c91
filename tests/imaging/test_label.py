"""Labels in pixels: where they are, that they can be read, and what they cannot be drawn into."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import gradient, noise
from platemark.core.errors import InvalidImage, Misconfigured
from platemark.imaging.label import check_font, hindrance, labelled

TEXT = "AI-generated image"
LONG = "AI-generated image: it shows people or events that could be taken for real"


@pytest.mark.parametrize("text", [TEXT, LONG])
@pytest.mark.parametrize("side", [256, 640])
def test_the_label_is_in_the_corner_and_nothing_else_changes(side: int, text: str) -> None:
    picture = noise(side)
    before, after = np.asarray(picture), np.asarray(labelled(picture, text))
    rows, columns = np.nonzero((before != after).any(axis=2))
    assert rows.min() > 0.65 * side
    assert columns.min() < 0.05 * side
    assert (after[: rows.min()] == before[: rows.min()]).all()


def test_white_letters_stand_on_dark_ground_also_over_a_white_picture() -> None:
    after = np.asarray(labelled(Image.new("RGB", (512, 512), "white"), TEXT).convert("L"), np.int64)
    box = after[np.ix_(*(np.unique(places) for places in np.nonzero(after < 255)))]
    # What is neither the one nor the other are the edges of letters.
    assert ((box < 70) | (box > 250)).mean() > 0.8
    assert box.min() == 255 - 192


def test_a_transparent_picture_stays_one() -> None:
    after = labelled(Image.new("RGBA", (300, 300), (0, 0, 0, 0)), TEXT)
    assert (after.mode, after.getpixel((150, 20))) == ("RGBA", (0, 0, 0, 0))
    assert max(after.getchannel("A").tobytes()) == 255


def test_a_label_that_nobody_could_read_is_not_drawn() -> None:
    assert hindrance(TEXT, 640, 480) is None
    why = hindrance(TEXT, 64, 64)
    assert why == "a picture of 64 × 64 pixels has no room for a label that can be read"
    with pytest.raises(InvalidImage, match="no room"):
        labelled(gradient(64, (0, 0, 0), (9, 9, 9)), TEXT)
    assert hindrance("A" * 200, 640, 480) is not None


def test_signs_that_the_font_has_not_are_named() -> None:
    assert (
        hindrance("KI-generiertes Bild für 日本", 640, 480) == "the font has no 'ü日本'; label_font names another one"
    )


def test_a_file_that_is_no_font_is_said(tmp_path: Path) -> None:
    (tmp_path / "font.ttf").write_bytes(b"none")
    for name in ("font.ttf", "absent.ttf"):
        with pytest.raises(Misconfigured, match="is no font"):
            check_font(tmp_path / name)
    check_font(None)
