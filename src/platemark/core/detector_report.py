"""What a detector of AI-made pictures was worth: on pictures made here, by model, and on real uploads."""

import hashlib
import json
from collections.abc import Mapping

from platemark.core.base import Noun, Part, Timestamp
from platemark.core.inspection import FindingKind
from platemark.core.resource import Resource

# A rate of fewer pictures than this says little, and fewer real ones give no threshold worth having.
ENOUGH = 30
REAL = "real uploads"


class Thresholds(Part):
    """Two scores, 0 to 1: above `t_hi` a picture is called AI-made, between the two the detector abstains."""

    t_lo: float
    t_hi: float


class ReportGroup(Part):
    """Pictures of one model, by its id, or the real uploads.

    `pictures` were looked at: of these `above` were called AI-made, and on `between` the detector abstained. `rate` is
    `above / pictures`, None where nothing was looked at, with its 95 % interval (Wilson). `scores`: how many lie in
    each tenth of 0 to 1. `reasons`: why others were not evaluated.
    """

    group: str
    real: bool
    pictures: int
    above: int
    between: int
    rate: float | None
    low: float
    high: float
    not_evaluated: int
    reasons: tuple[str, ...] = ()
    scores: tuple[int, ...]


class DetectorReport(Noun):
    """One look of one detector at the newest `most` pictures of each group.

    `project`: whose pictures, `system` for those of the whole installation. `by`: the command, or who asked. `head`,
    `head_sha256` and `calibration` say what a learned detector measured with, None where it did not say. `thresholds`
    were in use; `recommended` come from the real uploads, None where there are fewer than ENOUGH.
    """

    project: str
    by: str
    detector: str
    kind: FindingKind
    version: str
    head: str | None = None
    head_sha256: str | None = None
    calibration: str | None = None
    most: int
    groups: tuple[ReportGroup, ...]
    thresholds: Thresholds | None = None
    recommended: Thresholds | None = None
    notes: tuple[str, ...] = ()
    created_at: Timestamp

    @property
    def pictures(self) -> int:
        """How many were looked at."""
        return sum(group.pictures for group in self.groups)

    @property
    def digest(self) -> str:
        """SHA-256 of the report as JSON with sorted names and no spaces; the audit chain holds it."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class GroupChange(Resource):
    """How the rate of a group moved since the report before; None where one of the two did not look at any.

    `difference` is now minus before. `apart`: the two 95 % intervals do not overlap, so chance alone is a poor reason.
    """

    group: str
    real: bool
    before: float | None
    now: float | None
    difference: float | None
    apart: bool | None


class DetectorReportResource(Resource):
    """What a detector was worth on the newest `most` pictures of each group, and what it measured with.

    `project`: whose pictures, `system` for the whole installation. `thresholds` were in use; `recommended` come from
    the real uploads, null where there are fewer than 30. `sha256`: the report's digest in the audit chain.
    """

    id: str
    object: str = "detector_report"
    project: str
    by: str
    detector: str
    kind: str
    version: str
    head: str | None
    head_sha256: str | None
    calibration: str | None
    most: int
    groups: tuple[ReportGroup, ...]
    thresholds: Thresholds | None
    recommended: Thresholds | None
    notes: tuple[str, ...]
    sha256: str
    created_at: Timestamp


class ComparedReportResource(DetectorReportResource):
    """A report beside the one before it. `previous`: its id; `changes`: one for each group of either."""

    previous: str | None
    changes: tuple[GroupChange, ...]


def resource(report: DetectorReport) -> DetectorReportResource:
    """The form in which a report is shown."""
    return DetectorReportResource.model_validate({**report.model_dump(), "sha256": report.digest})


def compared(report: DetectorReport, before: DetectorReport | None) -> ComparedReportResource:
    """The same beside the report before it."""
    return ComparedReportResource(
        **dict(resource(report)), previous=before and before.id, changes=changes(report, before)
    )


def changes(now: DetectorReport, before: DetectorReport | None) -> tuple[GroupChange, ...]:
    """How each group's rate moved: groups of now in their order, then those that are gone. None without a before."""
    if before is None:
        return ()
    old, new = ({group.group: group for group in report.groups} for report in (before, now))
    return tuple(_change(name, new, old) for name in (*new, *(name for name in old if name not in new)))


def _change(name: str, new: Mapping[str, ReportGroup], old: Mapping[str, ReportGroup]) -> GroupChange:
    now, before = new.get(name), old.get(name)
    rate, was = now and now.rate, before and before.rate
    difference = apart = None
    if now and before and rate is not None and was is not None:
        difference = round(rate - was, 3)
        apart = now.low > before.high or before.low > now.high
    return GroupChange(group=name, real=name == REAL, before=was, now=rate, difference=difference, apart=apart)
