"""SVG in text: elements, escaped words, and an axis from 0 to 1.

Across, every chart is drawn in percent of its width, and down in pixels: it fits a phone, and its letters keep their
size. Colours are classes of `style.css`.
"""

import html
import re
from collections.abc import Iterable

from platemark.core.detector_report import ENOUGH

# Controls, and marks that turn the direction of what follows: a name must not write over its neighbours.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST = 32
# Shapes hold nothing; an element of HTML is never closed in itself.
_SHAPES = frozenset({"circle", "line", "path", "rect"})
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def words(text: object) -> str:
    """Text that is safe inside an element and inside a quoted attribute."""
    return html.escape(_UNSEEN.sub("\ufffd", str(text)))


def short(text: str, most: int = _LONGEST) -> str:
    """A name that fits on a line; its middle goes, for what tells models apart stands at either end."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def el(name: str, /, *inside: str, **attributes: object) -> str:
    """An element of markup. Names of attributes are written with `_` for `-`, and `class_` is `class`."""
    said = "".join(f' {key.rstrip("_").replace("_", "-")}="{words(value)}"' for key, value in attributes.items())
    return f"<{name}{said}/>" if name in _SHAPES else f"<{name}{said}>{''.join(inside)}</{name}>"


def percent(share: float) -> str:
    """A length of 0 to 1 as SVG takes it."""
    return f"{round(share * 100, 2):g}%"


def said(share: float) -> str:
    """A share as people read it; near its ends a tenth of a percent counts."""
    return f"{share * 100:.{0 if share in (0, 1) or 0.1 <= share <= 0.9 else 1}f}\u202f%"


def too_few(pictures: int) -> str:
    """What to say behind a small number; nothing behind another one, or behind none."""
    return ", too few" if 0 < pictures < ENOUGH else ""


def text(x: float, y: float, content: str, class_: str = "", anchor: str = "start") -> str:
    """A line of text at a share of the width."""
    return el("text", words(content), x=percent(x), y=f"{y:g}", text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A stroke."""
    return el("line", x1=percent(x1), y1=f"{y1:g}", x2=percent(x2), y2=f"{y2:g}", class_=class_)


def mark(x: float, y: float, class_: str, *, diamond: bool) -> str:
    """A dot, or a diamond, at a share of the width: shapes differ where colours do."""
    if not diamond:
        return el("circle", cx=percent(x), cy=f"{y:g}", r=6, class_=class_)
    shape = el("path", d="M0-8 8 0 0 8-8 0Z", class_=class_)
    return el("svg", shape, x=percent(x), y=f"{y:g}", width=1, height=1, overflow="visible")


def axis(y: float, names: Iterable[str]) -> str:
    """Words below a chart at 0, a quarter, half, three quarters and 1."""
    return "".join(text(at, y, name, "soft", "middle") for at, name in zip(TICKS, names, strict=True))


def picture(id: str, title: str, description: str, height: float, *inside: str, class_: str = "chart") -> str:
    """A chart that says what it is to those who do not see it. `id` is unique on its page."""
    named = (el("title", words(title), id=f"{id}-title"), el("desc", words(description), id=f"{id}-desc"))
    return el(
        "svg",
        *named,
        *inside,
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_labelledby=f"{id}-title",
        aria_describedby=f"{id}-desc",
        width="100%",
        height=f"{height:g}",
        class_=class_,
    )
