"""A page of charts in one file: its own style, a policy that lets nothing else in, tables beside the charts."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from platemark.charts.svg import el, words

# The whole of the style; a page of ours has no other, and no element of it styles itself.
STYLE = files("platemark.charts").joinpath("style.css").read_text(encoding="utf-8")
_STYLE_SHA256 = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_SHA256}'; base-uri 'none'; form-action 'none'"
# What is longer in a cell is a sentence, which may break.
_LONGEST_VALUE = 18
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
"""


def page(title: str, lede: str, *parts: str, limits: Iterable[str]) -> str:
    """A whole document. `parts` are markup; everything else is text."""
    head = _HEAD.format(policy=POLICY, title=words(title), style=STYLE)
    main = el("main", el("h1", words(title)), el("p", words(lede), class_="lede"), *parts)
    footer = el("footer", el("p", words(" ".join(limits))))
    return f"{head}<body>\n{main}\n{footer}\n</body>\n</html>\n"


def figure(caption: str, key: str, chart: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A chart with what its signs mean, and the same values as a table."""
    return el(
        "figure",
        el("figcaption", words(caption)),
        el("p", words(key), class_="key"),
        el("div", chart, class_="plot"),
        el("details", el("summary", "The same as a table"), table(caption, columns, rows)),
    )


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows whose first cell names them. What is wider than the page is moved inside it, by the keyboard too."""
    head = el("thead", el("tr", *(el("th", words(name), scope="col") for name in columns)))
    body = el("tbody", *(_row(row) for row in rows))
    inside = el("table", el("caption", words(caption)), head, body)
    return el("div", inside, class_="scroll", tabindex=0, role="group", aria_label=caption)


def _row(cells: Sequence[object]) -> str:
    first, *rest = ("–" if cell is None else words(cell) for cell in cells)
    return el("tr", el("th", el("bdi", first), scope="row"), *(_cell(cell) for cell in rest))


def _cell(cell: str) -> str:
    return el("td", cell, class_="words") if len(cell) > _LONGEST_VALUE else el("td", cell)


def section(title: str, *inside: str) -> str:
    """Markup under a heading."""
    return el("section", el("h3", words(title)), *inside)


def facts(said: Mapping[str, object]) -> str:
    """Names and values."""
    rows = (el("div", el("dt", words(name)), el("dd", words(value))) for name, value in said.items())
    return el("dl", *rows)


def items(texts: Iterable[str]) -> str:
    """A list of sentences."""
    return el("ul", *(el("li", words(one)) for one in texts))
