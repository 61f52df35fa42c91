"""The page of a report on this installation's own pictures."""

from collections.abc import Sequence

from platemark.charts import rates, spread
from platemark.charts.page import facts, figure, items, page, section, table
from platemark.charts.rates import Rate
from platemark.charts.spread import Spread
from platemark.charts.svg import el, said, words
from platemark.core.detector_report import ENOUGH, REAL, ComparedReportResource, GroupChange, ReportGroup, Thresholds
from platemark.core.inspection import LIMITS
from platemark.core.project import SYSTEM_PROJECT

_TITLE = "What the detector is worth here"
_FEW = f"Hollow and dashed: fewer than {ENOUGH} pictures, too few to say much."
_RATES_KEY = (
    "Dot: share of a model's pictures that were called AI-made; more is better. Diamond: share of the real uploads "
    f"that were; less is better. Bar: 95 % interval (Wilson). {_FEW}"
)
_WAS = " Upright stroke: the rate in the report before."
_SPREAD_KEY = (
    "How many pictures had a score in each tenth. Dashed line: t_lo, solid line: t_hi, as in use. Dotted, at the real "
    f"uploads: the thresholds that are recommended. Bars are shares of their group, all on one scale. {_FEW}"
)
_CHANGES = (
    "Where the two 95 % intervals do not overlap, chance alone is a poor explanation. Where they do, it may be one. "
    "Both reports may have looked at some of the same pictures, which makes them more alike than they would be."
)
_OURS = (
    "Rates hold for pictures like these, made with the versions of today; models change. Which uploads are real is "
    "what those who sent them said."
)


def own_page(reports: Sequence[ComparedReportResource], *, kept: bool = True) -> str:
    """Whole HTML of reports that were made at one time, one for each detector; an empty page says why it is."""
    if not reports:
        return page(_TITLE, "No detector of AI-made pictures is set up here: nothing was measured.", limits=LIMITS)
    first = reports[0]
    whose = "the whole installation" if first.project == SYSTEM_PROJECT else f"project {first.project}"
    count = sum(group.pictures for group in first.groups)
    lede = f"Measured {first.created_at:%Y-%m-%d %H:%M} UTC on {count} pictures of {whose}."
    parts = [part for number, one in enumerate(reports, 1) for part in _report(f"d{number}", one, kept)]
    return page(_TITLE, lede, *parts, limits=(_OURS, *LIMITS))


def _report(id: str, report: ComparedReportResource, kept: bool) -> list[str]:
    return [
        el("h2", words(f"{report.detector} {report.version}")),
        _rates(id, report) if report.groups else section("Nothing to measure", el("p", "There is no picture yet.")),
        *([_spread(id, report)] if report.groups else []),
        *([_changed(report)] if report.previous else []),
        *([_notes(report)] if report.notes or any(group.reasons for group in report.groups) else []),
        section("How it was measured", facts(_facts(report, kept))),
    ]


def _rates(id: str, report: ComparedReportResource) -> str:
    before = {change.group: change.before for change in report.changes}
    drawn = [_rate(group, before.get(group.group)) for group in report.groups]
    sections = (
        ("Found, of pictures made here", [one for one in drawn if not one.alarm]),
        ("False alarms, of real pictures", [one for one in drawn if one.alarm]),
    )
    caption = "How often a picture is called AI-made"
    columns = ("pictures of", "looked at", "called AI-made", "rate", "95 % interval", "abstained", "not evaluated")
    rows = [
        (
            group.group,
            f"{group.pictures}{one.warning}",
            group.above,
            None if group.rate is None else said(group.rate),
            None if group.rate is None else f"{said(group.low)} to {said(group.high)}",
            group.between,
            group.not_evaluated,
        )
        for group, one in zip(report.groups, drawn, strict=True)
    ]
    key = _RATES_KEY + (_WAS if report.previous else "")
    return figure(caption, key, rates.chart(f"{id}-rates", caption, sections), columns, rows)


def _rate(group: ReportGroup, before: float | None) -> Rate:
    return Rate(group.group, group.pictures, group.rate, group.low, group.high, group.real, before, group.between)


def _spread(id: str, report: ComparedReportResource) -> str:
    drawn = [
        Spread(group.group, group.scores, group.real, report.recommended if group.real else None)
        for group in report.groups
    ]
    caption = "How scores are spread"
    tenths = [f"{number / 10:.1f} to {(number + 1) / 10:.1f}" for number in range(10)]
    rows = [(one.name, one.total, *one.tenths) for one in drawn]
    chart = spread.chart(f"{id}-spread", caption, drawn, report.thresholds)
    return figure(caption, _SPREAD_KEY, chart, ("pictures of", "n", *tenths), rows)


def _changed(report: ComparedReportResource) -> str:
    rows = [
        (
            change.group,
            None if change.before is None else said(change.before),
            None if change.now is None else said(change.now),
            _meaning(change),
        )
        for change in report.changes
    ]
    columns = ("pictures of", "before", "now", "difference in points")
    title = "Since the report before"
    return section(title, el("p", words(_CHANGES), class_="key"), table(f"Against {report.previous}", columns, rows))


def _meaning(change: GroupChange) -> str:
    if change.difference is None:
        return "not looked at before" if change.before is None else "not looked at now"
    points = f"{change.difference * 100:+.1f}".replace("-", "\u2212")
    if not change.apart:
        return f"{points}, intervals overlap"
    worse = change.difference > 0 if change.real else change.difference < 0
    return f"{points}, intervals apart: {'worse' if worse else 'better'}"


def _notes(report: ComparedReportResource) -> str:
    reasons = [f"{group.group}: {reason}" for group in report.groups for reason in group.reasons]
    return section("Notes", items([*report.notes, *reasons]))


def _facts(report: ComparedReportResource, kept: bool) -> dict[str, object]:
    return {
        "Report": report.id if kept else "not kept",
        "SHA-256 in the audit chain": report.sha256 if kept else "not kept",
        "Made by": report.by,
        "Head": f"{report.head}, SHA-256 {report.head_sha256}" if report.head else "not said",
        "Calibration": report.calibration or "not said",
        "Thresholds in use": _levels(report.thresholds) if report.thresholds else "not said",
        "Thresholds recommended": _recommended(report.recommended),
        "Chosen": f"the newest {report.most} readable pictures of each model, and of real uploads",
        f"“{REAL}”": "uploads with the tag origin:camera",
    }


def _levels(found: Thresholds) -> str:
    return f"t_lo {found.t_lo:.2f}, t_hi {found.t_hi:.2f}"


def _recommended(found: Thresholds | None) -> str:
    if found is None:
        return f"none: that takes {ENOUGH} real uploads"
    return f"{_levels(found)}: 95 and 99 % of the real uploads lie at or below them"
