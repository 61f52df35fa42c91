"""Reports: how many verdicts ended how, by what an operator compares."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from platemark.core.errors import FieldError, InvalidRequest, NotAllowed
from platemark.core.moderation import Verdict
from platemark.core.ports import Platform
from platemark.core.project import Principal
from platemark.core.report import DIMENSIONS, ReportResource, ReportRow

# Dimensions that the rows call otherwise. A provider is told from the model.
_FIELD = {"code": "reason_code", "provider": "model"}
# A spreadsheet would run a cell that begins with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


async def moderation(
    platform: Platform,
    principal: Principal,
    by: Sequence[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> ReportResource:
    """Verdicts of the project, counted by decision in each group of `by`; the largest groups first.

    Raises NotAllowed without audit:read or reviews:decide, InvalidRequest for an unknown or repeated dimension,
    TooLarge for too many groups.
    """
    if not principal.scopes & {"audit:read", "reviews:decide"}:
        raise NotAllowed("This key lacks the scopes 'audit:read' and 'reviews:decide'. Use a key that has one of them.")
    _check(by)
    fields = list(dict.fromkeys([*(_FIELD.get(name, name) for name in by), "decision"]))
    async with platform.store.reading() as read:
        counted = await read.count_by(Verdict, fields, project=principal.project, since=since, until=until)
    groups = Counter[tuple[str | None, ...]]()
    for values, count in counted:
        found = dict(zip(fields, values, strict=True))
        groups[(*(_value(name, found) for name in by), found["decision"])] += count
    rows = [
        ReportRow(group=dict(zip(by, key[:-1], strict=True)), decision=key[-1] or "", count=count)
        for key, count in sorted(groups.items(), key=lambda item: (-item[1], [part or "" for part in item[0]]))
    ]
    return ReportResource(by=tuple(by), since=since, until=until, total=groups.total(), rows=tuple(rows))


def _check(by: Sequence[str]) -> None:
    unknown = [name for name in by if name not in DIMENSIONS]
    problem = None
    if unknown or not by:
        problem = ("wrong_form", f"must be of {', '.join(DIMENSIONS)}, parted by commas")
    elif len(set(by)) < len(by):
        problem = ("duplicate_field", "names something twice")
    if problem:
        raise InvalidRequest(
            f"`by` {problem[1]}.", errors=[FieldError(pointer="/query/by", code=problem[0], message=problem[1])]
        )


def _value(name: str, found: dict[str, str | None]) -> str | None:
    value = found[_FIELD.get(name, name)]
    return value.partition("/")[0] if name == "provider" and value is not None else value


def as_csv(report: ReportResource) -> str:
    """The report as CSV (RFC 4180) with a header; no cell is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*report.by, "decision", "count"])
    for row in report.rows:
        writer.writerow([*(_cell(row.group[name]) for name in report.by), _cell(row.decision), row.count])
    return out.getvalue()


def _cell(value: str | None) -> str:
    return f"'{value}" if value and value.startswith(_FORMULA) else value or ""
