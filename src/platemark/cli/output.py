"""What commands print: JSON documents, tables, and notes beside the output."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def document(value: Any) -> None:
    """One JSON document on standard output, readable by people too. Times and paths are written as text."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def line(value: Any) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
    sys.stdout.flush()


def console(*, stderr: bool = False) -> "Console":
    """Rich's console; nothing in a printed value is taken for markup."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, soft_wrap=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table on standard output; `empty` is said on standard error where it has no rows."""
    from rich.table import Table

    made = Table(*columns, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
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
