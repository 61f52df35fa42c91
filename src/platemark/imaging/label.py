"""Labels: words in the corner of a picture, in its pixels, so that they go wherever it goes."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

from PIL import Image, ImageDraw, ImageFont

from platemark.core.errors import InvalidImage, Misconfigured

# Of the shorter side, and never smaller than can be read.
_SHARE, _LEAST = 0.035, 12
# Of the picture's width and height: more of it no label covers.
_WIDEST, _TALLEST = 0.92, 0.34
# White on this is read on any ground: 10 to 1 where the picture below is white.
_GROUND, _INK = (0, 0, 0, 192), (255, 255, 255, 255)
_PADDING, _SPACING = 0.5, 1.25


@dataclass(frozen=True, slots=True)
class _Lettering:
    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont
    width: int
    height: int


def check_font(path: Path | None) -> None:
    """Raises Misconfigured for a file that is no font."""
    try:
        _font(path, _LEAST)
    except OSError as error:
        raise Misconfigured(f"label_font: {path} is no font. Name a TrueType or OpenType file.") from error


def hindrance(text: str, width: int, height: int, font: Path | None = None) -> str | None:
    """Why `text` cannot be drawn into a picture of so many pixels; None where it can."""
    if lacking := "".join(sorted(set(filter(str.strip, text)) - _drawable(frozenset(text), font))):
        return f"the font has no {lacking!r}; label_font names another one"
    if _lettering(text, width, height, font) is None:
        return f"a picture of {width} × {height} pixels has no room for a label that can be read"
    return None


def labelled(picture: Image.Image, text: str, font: Path | None = None) -> Image.Image:
    """The RGB or RGBA picture with `text` in its lower left corner. Raises InvalidImage where it has no room.

    `font`: a file that FreeType reads; that of Pillow, which has ASCII alone, when absent.
    """
    found = _lettering(text, *picture.size, font)
    if found is None:
        raise InvalidImage(f"The label cannot be drawn: {hindrance(text, *picture.size, font)}.")
    over = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw, size = ImageDraw.Draw(over), found.font.size
    left, top = round(size * _PADDING), picture.height - found.height - round(size * _PADDING)
    draw.rounded_rectangle((left, top, left + found.width, top + found.height), radius=size / 3, fill=_GROUND)
    for number, line in enumerate(found.lines):
        place = left + size * _PADDING, top + size * (_PADDING / 2 + number * _SPACING)
        draw.text(place, line, font=found.font, fill=_INK)
    whole = Image.alpha_composite(picture.convert("RGBA"), over)
    return whole if picture.mode == "RGBA" else whole.convert("RGB")


def _lettering(text: str, width: int, height: int, font: Path | None) -> _Lettering | None:
    """The largest letters, up to the usual size, with which the whole text fits."""
    for size in range(max(_LEAST, round(_SHARE * min(width, height))), _LEAST - 1, -1):
        letters = _font(font, size)
        lines = _wrapped(text, letters, _WIDEST * width - 2 * _PADDING * size)
        tall = round(size * (len(lines) * _SPACING + _PADDING))
        if lines and tall <= _TALLEST * height:
            return _Lettering(lines, letters, round(max(map(letters.getlength, lines)) + 2 * _PADDING * size), tall)
    return None


def _wrapped(text: str, font: ImageFont.FreeTypeFont, most: float) -> tuple[str, ...]:
    """Lines of whole words that are at most so wide; none where a word alone is wider."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= most:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(filter(None, lines)) if all(font.getlength(line) <= most for line in lines) else ()


@lru_cache(maxsize=64)
def _font(path: Path | None, size: int) -> ImageFont.FreeTypeFont:
    # Pillow's wheels all have FreeType, with which its own font is one of these, too.
    return ImageFont.truetype(path, size) if path else cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))


@lru_cache(maxsize=64)
def _drawable(characters: frozenset[str], path: Path | None) -> frozenset[str]:
    """Those that do not come out as the sign for what a font has not."""
    letters = _font(path, _LEAST)
    unknown = _drawn("\U0010ffff", letters)
    return frozenset(one for one in characters if _drawn(one, letters) != unknown)


def _drawn(character: str, letters: ImageFont.FreeTypeFont) -> bytes:
    ground = Image.new("L", (2 * _LEAST, 2 * _LEAST))
    ImageDraw.Draw(ground).text((0, 0), character, 255, letters)
    return ground.tobytes()
