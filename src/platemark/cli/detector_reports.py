"""`platemark detector evaluate --own`, and what it kept: how the detector does on the pictures of this installation."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from platemark.core.detector_report import (
        ComparedReportResource,
        DetectorReport,
        DetectorReportResource,
        GroupChange,
        ReportGroup,
        Thresholds,
    )
    from platemark.flows.kept_reports import Kept

_BY = "detector evaluate --own"
Chart = Annotated[
    Path | None, typer.Option("--chart", help="Write the charts to this file too: one HTML page, without script.")
]
_RECENT = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured, and whether it is kept."""

    most: int
    project: str | None
    keep: bool


def own(data: Path | None, wanted: Wanted, step: Callable[[str], Callable[[int, int], None]]) -> "list[Kept]":
    """Measure the detectors on the pictures in the store, which needs no server; and keep the reports."""
    from platemark.cli.offline import configured
    from platemark.flows import kept_reports
    from platemark.flows.detector_report import report
    from platemark.wiring import open_parts

    found = configured(data)

    async def ask() -> "list[Kept]":
        async with open_parts(found) as platform:
            tell = step("looking at pictures")
            made = await report(platform, most=wanted.most, tell=tell, by=_BY, project=wanted.project)
            if wanted.keep:
                await kept_reports.keep(platform, made)
            return [kept_reports.Kept(one, await kept_reports.before(platform, one)) for one in made]

    return asyncio.run(ask())


def writable(chart: Path | None) -> Path | None:
    """The file that charts go to, before anything is measured. Raises InvalidRequest where it cannot be written."""
    from platemark.core.errors import InvalidRequest

    if chart is None:
        return None
    chart = chart.expanduser()
    if chart.is_dir() or not chart.parent.is_dir():
        raise InvalidRequest(f"{chart} cannot be written: it is a folder, or its folder is not there.")
    return chart


def write_page(chart: Path, page: str) -> None:
    """Write it whole or not at all, in place of what was there. Raises as `WholeFile` does."""
    from platemark.cli import output
    from platemark.client.files import save

    save(chart, page.encode(), overwrite=True)
    output.note(f"the charts are in {chart}")


def tell(found: "Sequence[Kept]", wanted: Wanted, json: bool, chart: Path | None = None) -> None:
    """Print the reports, as one document or for people, and draw them where `chart` says."""
    from platemark.charts.own import own_page
    from platemark.cli import output
    from platemark.core.detector_report import compared
    from platemark.flows.detector_report import CAMERA, TAG

    shown = [compared(one.report, one.before) for one in found]
    if chart is not None:
        write_page(chart, own_page(shown, kept=wanted.keep))
    if not json:
        for one in shown:
            _show(one)
            if wanted.keep:
                output.note(f"kept as {one.id}")
        return
    forms = [{**one.model_dump(mode="json"), "id": one.id if wanted.keep else None} for one in shown]
    about = {"real_uploads_are": f"uploads with the tag {TAG}:{CAMERA}", "most": wanted.most, "kept": wanted.keep}
    output.document({**about, "detectors": [{"name": form["detector"], **form} for form in forms]})


def listing(
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, the newest first.")] = _RECENT,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """List the reports that `evaluate --own` kept: the project's, and for operators the installation's."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        page = client.detector_reports.list(limit=limit)
    if json:
        output.document([one.model_dump(mode="json") for one in page])
        return
    rows = [(one.id, f"{one.created_at:%Y-%m-%d %H:%M}", one.project, one.version, *_summary(one)) for one in page]
    columns = ["REPORT", "MADE (UTC)", "OF", "VERSION", "PICTURES", "FALSE ALARMS (95 %)"]
    output.table(columns, rows, empty="no report was kept yet; `platemark detector evaluate --own` makes one")


def show(
    report: Annotated[str, typer.Argument(help="Id of a report (rpt_…).")],
    chart: Chart = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Show one report: rates of each model, false alarms on real uploads, and how they moved since the one before."""
    from platemark.charts.own import own_page
    from platemark.cli import connect, output

    chart = writable(chart)
    with connect.client(url, data) as client:
        found = client.detector_reports.get(report)
    if chart is not None:
        write_page(chart, own_page([found]))
    if json:
        output.document(found.model_dump(mode="json"))
        return
    _show(found)


def interval(row: "ReportGroup | dict[str, Any]") -> str:
    """A rate with its 95 % interval."""
    values = row if isinstance(row, dict) else row.model_dump()
    return "–" if values["rate"] is None else f"{values['rate']:.2f} ({values['low']:.2f} to {values['high']:.2f})"


def _summary(report: "DetectorReport | DetectorReportResource") -> tuple[object, object]:
    real = next((group for group in report.groups if group.real), None)
    return sum(group.pictures for group in report.groups), interval(real) if real else None


def _show(report: "ComparedReportResource") -> None:
    from platemark.cli import output

    head = f", head {report.head_sha256[:12]}" if report.head_sha256 else ""
    calibration = f", calibration {report.calibration}" if report.calibration else ""
    output.note(f"{report.detector} {report.version}{head}{calibration}; pictures of {report.project}")
    moved = {change.group: change for change in report.changes}
    rows = [
        (
            row.group,
            row.pictures,
            row.above,
            interval(row),
            row.between,
            row.not_evaluated,
            *((_moved(moved.get(row.group)),) if report.previous else ()),
        )
        for row in report.groups
    ]
    columns = ["PICTURES OF", "LOOKED AT", "CALLED AI", "RATE (95 %)", "ABSTAINED", "NOT EVALUATED"]
    columns += ["SINCE THE REPORT BEFORE"] if report.previous else []
    output.table(columns, rows, empty="there is no picture to look at")
    for name, levels in (("in use", report.thresholds), ("recommended", report.recommended)):
        if levels is not None:
            output.note(f"thresholds {name}: {_levels(levels)}")
    for note in report.notes:
        output.note(f"{report.detector}: {note}")
    if report.previous:
        output.note(f"the report before is {report.previous}")


def _levels(found: "Thresholds") -> str:
    return f"t_lo {found.t_lo:.2f}, t_hi {found.t_hi:.2f}"


def _moved(change: "GroupChange | None") -> str:
    if change is None or change.difference is None:
        return "not measured then" if change is None or change.before is None else "not measured now"
    sure = "more than chance" if change.apart else "intervals overlap"
    return f"{change.difference:+.2f} ({sure})"
