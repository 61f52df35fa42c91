"""Kept reports on detectors: written with a line in the audit chain, listed, and read beside the one before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from platemark.core.detector_report import DetectorReport
from platemark.core.errors import NotAllowed, NotFound
from platemark.core.ports import Page, Platform, Query
from platemark.core.project import SYSTEM_PROJECT, Principal
from platemark.flows.note import emit

# Of so many reports before, the newest that looked at anything is the one to compare with.
_BACK = 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A report, and the one of the same detector and owner before it that looked at anything."""

    report: DetectorReport
    before: DetectorReport | None


async def keep(platform: Platform, reports: Sequence[DetectorReport]) -> None:
    """Write them, each with its event. They are small and stay: nothing removes them."""
    async with platform.store.transaction() as tx:
        await tx.add(*reports)
        for report in reports:
            facts = {
                "report": report.id,
                "sha256": report.digest,
                "head_sha256": report.head_sha256,
                "calibration": report.calibration,
                "groups": len(report.groups),
                "pictures": report.pictures,
                "by": report.by,
            }
            await emit(platform, tx, "detector.evaluated", report.project, facts)


async def listing(platform: Platform, principal: Principal, query: Query) -> Page[DetectorReport]:
    """The project's reports and, for who manages projects, the installation's; the newest first. Raises NotAllowed."""
    owners = _seen_by(principal)
    async with platform.store.reading() as read:
        return await read.page(DetectorReport, replace(query, beside=owners[1:]))


async def get(platform: Platform, principal: Principal, id: str) -> Kept:
    """One of them, beside the one before it. Raises NotAllowed, NotFound."""
    owners = _seen_by(principal)
    async with platform.store.reading() as read:
        found = await read.find(DetectorReport, id)
    if found is None or found.project not in owners:
        raise NotFound(f"There is no report {id[:80]!r} on a detector in this project.")
    return Kept(found, await before(platform, found))


async def before(platform: Platform, report: DetectorReport) -> DetectorReport | None:
    """The report of the same detector and owner that is older and looked at anything; None where there is none."""
    query = Query(report.project, limit=_BACK, equals={"detector": report.detector}, until=report.created_at)
    async with platform.store.reading() as read:
        page = await read.page(DetectorReport, query)
    return next((one for one in page.data if one.pictures), None)


def _seen_by(principal: Principal) -> tuple[str, ...]:
    """Whose reports may be seen, the caller's project first."""
    if not principal.scopes & {"audit:read", "reviews:decide"}:
        raise NotAllowed("This key lacks the scopes 'audit:read' and 'reviews:decide'. Use a key that has one of them.")
    system = (SYSTEM_PROJECT,) if "projects:manage" in principal.scopes else ()
    return (principal.project, *system)
