"""Reports on detectors of AI-made pictures. The blocking class has its async twin below it."""

from dataclasses import dataclass

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps
from platemark.client.nouns import Page, route
from platemark.client.wire import Server
from platemark.core.detector_report import ComparedReportResource, DetectorReportResource

_LIST = "/v1/detectors/reports"


def _page(server: Server, limit: int, cursor: str | None) -> Steps[Page[DetectorReportResource]]:
    params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
    return nouns.page(server, DetectorReportResource, _LIST, params, lambda found: found)


def _get(server: Server, report: str) -> Steps[ComparedReportResource]:
    return nouns.get(server, ComparedReportResource, route("detectors", "reports", report))


@dataclass(frozen=True, slots=True)
class DetectorReports:
    """What the detector was worth on this installation's own pictures; `platemark detector evaluate --own` makes them.

    >>> for group in client.detector_reports.list().data[0].groups:
    ...     print(group.group, group.rate, group.low, group.high)
    """

    _link: Blocking

    def list(self, *, limit: int = 20, cursor: str | None = None) -> Page[DetectorReportResource]:
        """A page, newest first: the project's, and the installation's for who manages projects."""
        return self._link.run(_page(self._link.server, limit, cursor))

    def get(self, report: str) -> ComparedReportResource:
        """One of them, and how it differs from the one before it. Raises NotFound."""
        return self._link.run(_get(self._link.server, report))


@dataclass(frozen=True, slots=True)
class AsyncDetectorReports:
    """What the detector was worth on this installation's own pictures; see `DetectorReports`."""

    _link: Async

    async def list(self, *, limit: int = 20, cursor: str | None = None) -> Page[DetectorReportResource]:
        """A page, newest first: the project's, and the installation's for who manages projects."""
        return await self._link.run(_page(self._link.server, limit, cursor))

    async def get(self, report: str) -> ComparedReportResource:
        """One of them, and how it differs from the one before it. Raises NotFound."""
        return await self._link.run(_get(self._link.server, report))
