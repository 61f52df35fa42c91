"""What commands print: JSON documents, tables, and notes beside the output."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_FILE_WIDTH = 200
_COLOURS = {"ok": "green", "works": "green", "note": "yellow", "failed": "red", "revoked": "red"}


def document(value: Any) -> None:
    """One JSON document on standard output, readable by people too. Times and paths are written as text."""
    sys.stdout.write(_json(value, indent=2) + "\n")


def line(value: Any) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(_json(value, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _json(value: Any, **form: Any) -> str:
    """JSON; a file name that is not UTF-8 is escaped, so that the text is, and still names the file in Python."""
    text = json.dumps(value, ensure_ascii=False, default=str, **form)
    return text.encode("utf-8", "backslashreplace").decode()


def console(*, stderr: bool = False) -> "Console":
    """Rich's console; nothing in a printed value is taken for markup."""
    from rich.console import Console

    screen = sys.stderr if stderr else sys.stdout
    # A file has no edge to wrap at.
    width = None if screen.isatty() or "COLUMNS" in os.environ else _FILE_WIDTH
    return Console(stderr=stderr, markup=False, highlight=False, width=width)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table on standard output; `empty` is said on standard error where it has no rows."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        # An id that is cut short is of no use.
        made.add_column(column, overflow="fold")
    for row in rows:
        cells = map(_cell, row)
        made.add_row(*(Text(cell, _COLOURS.get(cell, "")) for cell in cells))
    if made.row_count:
        console().print(made)
    else:
        note(empty)


def note(text: str) -> None:
    """A line for people on standard error."""
    sys.stderr.write(f"platemark: {text}\n")
    sys.stderr.flush()


def _cell(value: object) -> str:
    if value is None or value == ():
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return str(value)
