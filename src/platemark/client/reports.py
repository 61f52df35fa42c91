"""Reports, as steps without I/O."""

from collections.abc import Sequence
from datetime import datetime

from platemark.client import nouns
from platemark.client.effects import Steps
from platemark.client.wire import Server
from platemark.core.report import ReportResource


def moderation(
    server: Server, by: Sequence[str], since: datetime | None, until: datetime | None
) -> Steps[ReportResource]:
    """Counts of verdicts."""
    given = {"by": ",".join(by), "since": since and since.isoformat(), "until": until and until.isoformat()}
    params = {name: value for name, value in given.items() if value}
    return nouns.get(server, ReportResource, "/v1/reports/moderation", params)
