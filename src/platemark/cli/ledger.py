"""Checks an exported audit chain line by line, with nothing but the file and `platemark.core.audit`."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from platemark.core.audit import GENESIS, AuditLine, verify
from platemark.core.errors import AuditBroken

HEADER, FOOTER = "platemark.audit", "platemark.audit.end"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found to be whole: `lines` lines of one project's chain, ending in the hash `head`."""

    project: str
    exported_at: str
    lines: int
    head: str


class Ledger:
    """One export on its way through the check; `lines` says how far it got."""

    def __init__(self, *, earlier: Checked | None = None) -> None:
        self.lines = 0
        self._earlier = earlier
        self._last: AuditLine | None = None

    def check(self, file: Iterable[bytes]) -> Checked:
        """Read the export to its end. Raises AuditBroken at the first thing that does not fit; it never stops early."""
        numbered = enumerate(file, 1)
        header = _object(next(numbered, (1, b""))[1], 1)
        if header.get("object") != HEADER or header.get("version") != 1:
            raise AuditBroken("This is no audit export that is known here: its first line is not the header of one.")
        project, end = str(header.get("project")), None
        for number, text in numbered:
            if end is not None:
                raise AuditBroken(f"Line {number} comes after the end of the export. Somebody added to the file.")
            entry = _object(text, number)
            if entry.get("object") == FOOTER:
                end = entry
            else:
                self._take(entry, project, number)
        self._ended(end)
        return Checked(project, str(header.get("exported_at")), self.lines, self._head)

    @property
    def _head(self) -> str:
        return self._last.hash if self._last else GENESIS

    def _take(self, entry: dict[str, Any], project: str, number: int) -> None:
        try:
            line = AuditLine.model_validate(entry)
            if line.project != project:
                raise AuditBroken(f"It belongs to {line.project}, not to {project}.")
            self._last = verify([line], after=self._last)
        except (ValidationError, ValueError, RecursionError) as error:
            raise AuditBroken(f"Line {number} of the file is not a line of an audit chain.") from error
        except AuditBroken as error:
            raise AuditBroken(f"Line {number} of the file: {error.detail}") from None
        self.lines += 1
        if self._earlier is not None and self.lines == self._earlier.lines and self._head != self._earlier.head:
            raise AuditBroken(
                f"Line {self.lines} of the chain is not the one that the earlier export ends with: the chain was "
                "written anew since then."
            )

    def _ended(self, end: dict[str, Any] | None) -> None:
        if end is None:
            raise AuditBroken(
                f"The export stops after {self.lines} lines without its end: it was cut off. Export it again."
            )
        if end.get("lines") != self.lines or end.get("head") != self._head:
            raise AuditBroken(
                f"The export says that it ends with line {end.get('lines')} and the head {end.get('head')}, but line "
                f"{self.lines} and {self._head} are what is there: lines are missing, or the end was changed."
            )
        if self._earlier is not None and self._earlier.lines > self.lines:
            raise AuditBroken(
                f"The earlier export has {self._earlier.lines} lines, this one only {self.lines}: lines were removed."
            )


def _object(text: bytes, number: int) -> dict[str, Any]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return cast("dict[str, Any]", found)
    raise AuditBroken(f"Line {number} of the file is not a JSON object: the export was cut off or changed.")
