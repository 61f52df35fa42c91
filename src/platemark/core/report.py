"""Reports: counts of verdicts by what an operator wants to compare."""

from typing import Literal, get_args

from platemark.core.base import Timestamp
from platemark.core.resource import Resource

# `day` is a day of UTC, `provider` the part of the model's name before the first slash.
Dimension = Literal["code", "provider", "model", "audience", "role", "stage", "day"]
DIMENSIONS: tuple[str, ...] = get_args(Dimension)


class ReportRow(Resource):
    """One group: its values in the order of `by` (None: there is none), one decision, and how many verdicts."""

    group: dict[str, str | None]
    decision: str
    count: int


class ReportResource(Resource):
    """Counts of verdicts. `since` is included, `until` is not."""

    object: str = "report"
    by: tuple[str, ...]
    since: Timestamp | None = None
    until: Timestamp | None = None
    total: int
    rows: tuple[ReportRow, ...]
