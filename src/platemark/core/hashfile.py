"""Files of hashes, line by line: plain text, CSV, and JSON as StopNCII gives it. Pure."""

import csv
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from platemark.core.hashlist import DIGITS, HashKind

Format = Literal["auto", "txt", "csv", "json"]
# One JSON document is read whole; longer lists come as JSON lines.
LARGEST_DOCUMENT = 64 * 1024 * 1024
_HEX = re.compile(r"[0-9a-f]+")
_KINDS: dict[str, HashKind] = {
    "pdq": "pdq",
    "imagepdq": "pdq",
    "sha256": "sha256",
    "imagesha256": "sha256",
    "md5": "md5",
    "imagemd5": "md5",
}
_GONE = frozenset({"withdrawn", "deleted"})
_COLUMNS = ("hash", "type", "reason", "source", "status")


@dataclass(frozen=True, slots=True)
class Row:
    """One hash. `withdrawn`: it is to go."""

    line: int
    kind: HashKind
    hash: str
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that cannot be read, and why."""

    line: int
    code: str


def read_rows(lines: Iterable[str], format: Format, kinds: Sequence[HashKind]) -> Iterator[Row | BadRow]:
    """Every row of a file, for a list that holds `kinds`. Blank lines and those that begin with # are no rows.

    A bare hash of 64 digits is of the list's only kind of that length, PDQ or SHA-256; where it could be either, the
    line has to say. JSON is one document or one object a line.
    """
    rest = iter(lines)
    first = next((line for line in rest if line.strip()), "")
    chosen = _guess(first) if format == "auto" else format
    read = {"txt": _texts, "csv": _tables, "json": _objects}[chosen]
    for line, (hash, kind, status) in read(itertools.chain((first,), rest)):
        yield _row(line, hash, kind, status, kinds)


def _guess(first: str) -> Literal["txt", "csv", "json"]:
    start = first.lstrip()[:1]
    return "json" if start in ("{", "[") and start else "csv" if "," in first else "txt"


_Fields = tuple[str, str, str]


def _texts(lines: Iterable[str]) -> Iterator[tuple[int, _Fields]]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words and not words[0].startswith("#"):
            kind, hash = (words[0], words[1]) if len(words) == 2 else ("", line.strip())
            yield number, (hash, kind, "")


def _tables(lines: Iterable[str]) -> Iterator[tuple[int, _Fields]]:
    columns: Sequence[str] = _COLUMNS
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = _cells(line)
        names = [cell.strip().lower() for cell in cells]
        if number == 1 and "hash" in names:
            columns = names
            continue
        found = dict(zip(columns, cells, strict=False))
        yield number, (found.get("hash", ""), found.get("type", ""), found.get("status", ""))


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), list[str]())
    except csv.Error:
        return []


def _objects(lines: Iterable[str]) -> Iterator[tuple[int, _Fields]]:
    rest = iter(lines)
    first = next(rest, "")
    whole = _parsed(first)
    if whole is None or _cases(whole) is not None:
        yield from _document(itertools.chain((first,), rest))
        return
    for number, line in enumerate(itertools.chain((first,), rest), 1):
        if line.strip():
            yield number, _case(_parsed(line))


def _document(lines: Iterable[str]) -> Iterator[tuple[int, _Fields]]:
    parts, size = list[str](), 0
    for line in lines:
        size += len(line)
        if size > LARGEST_DOCUMENT:
            yield 1, ("", "", "too_large")
            return
        parts.append(line)
    cases = _cases(_parsed("".join(parts)))
    if cases is None:
        yield 1, ("", "", "not_json")
        return
    for number, case in enumerate(cases, 1):
        yield number, _case(case)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _cases(whole: Any) -> list[Any] | None:
    if isinstance(whole, list):
        return cast("list[Any]", whole)
    if not isinstance(whole, dict):
        return None
    named = (cast("dict[str, Any]", whole).get(name) for name in ("hashRecords", "cases", "hashes", "data"))
    for found in named:
        if isinstance(found, list):
            return cast("list[Any]", found)
    return None


def _case(case: Any) -> _Fields:
    if not isinstance(case, dict):
        return "", "", "not_json"
    said = cast("dict[str, Any]", case)

    def text(*names: str) -> str:
        return next((value for name in names if isinstance(value := said.get(name), str)), "")

    return text("hashValue", "hash"), text("signalType", "type"), text("hashStatus", "status", "state") or "active"


def _row(line: int, hash: str, kind: str, status: str, kinds: Sequence[HashKind]) -> Row | BadRow:
    digits, state = hash.strip().lower(), status.strip().lower()
    if state in ("too_large", "not_json"):
        return BadRow(line, state)
    if state not in ("", "active", *_GONE):
        return BadRow(line, "unknown_status")
    named = _kind(digits, kind, kinds)
    if named not in DIGITS:
        return BadRow(line, named)
    if len(digits) != DIGITS[named] or not _HEX.fullmatch(digits):
        return BadRow(line, "not_a_hash")
    if named not in kinds:
        return BadRow(line, "not_of_this_list")
    return Row(line, named, digits, state in _GONE)  # type: ignore[arg-type]  # one of DIGITS


def _kind(digits: str, said: str, kinds: Sequence[HashKind]) -> str:
    """The kind of hash, or the code of what is wrong with it."""
    if said.strip():
        return _KINDS.get(said.strip().lower().replace("-", "").replace("_", ""), "unknown_type")
    fitting = [kind for kind, length in DIGITS.items() if length == len(digits)]
    ours = [kind for kind in fitting if kind in kinds]
    if len(ours) > 1:
        return "type_not_said"
    found = ours or fitting
    return found[0] if found else "not_a_hash"
