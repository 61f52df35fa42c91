"""Kept reports on detectors: on both databases, in the audit chain, apart by project, beside the one before."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from platemark.core.audit import verify
from platemark.core.detector_report import REAL, DetectorReport, changes, compared
from platemark.core.errors import NotAllowed, NotFound
from platemark.core.ports import Query
from platemark.core.project import SYSTEM_PROJECT, Principal
from platemark.flows import kept_reports
from platemark.samples import NOW, sample_group, sample_report
from workbench import Bench, open_bench

MODEL = "local/pocket"


@pytest.fixture(name="both", params=["sqlite", "postgresql"])
async def _both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench]:
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    async with open_bench(tmp_path / "data", database_url=url) as bench:
        yield bench


def auditor(project: str, *more: str) -> Principal:
    return Principal(project=project, key="key_1", scopes=frozenset({"audit:read", *more}))


async def listed(bench: Bench, principal: Principal, **query: Any) -> list[str]:
    page = await kept_reports.listing(bench.platform, principal, Query(principal.project, **query))
    return [one.id for one in page.data]


async def test_what_is_kept_is_read_again_and_stands_in_the_chain(both: Bench) -> None:
    report = sample_report(both.caller.project)
    await kept_reports.keep(both.platform, [report])

    found = await kept_reports.get(both.platform, both.caller, report.id)
    async with both.platform.store.reading() as read:
        lines = await read.chain(report.project)

    assert (found.report, found.before) == (report, None)
    assert verify(lines) is not None
    assert lines[-1].body["type"] == "detector.evaluated"
    assert lines[-1].body["data"] == {
        "report": report.id,
        "sha256": found.report.digest,
        "head_sha256": "ab" * 32,
        "calibration": "cal-01234567",
        "groups": 2,
        "pictures": 100,
        "by": "detector evaluate --own",
    }


async def test_projects_are_apart_and_an_operator_sees_the_installation(both: Bench) -> None:
    ours, theirs = both.caller.project, (await both.stranger()).project
    reports = [sample_report(owner) for owner in (ours, theirs, SYSTEM_PROJECT)]
    await kept_reports.keep(both.platform, reports)
    mine, other, whole = (one.id for one in reports)

    assert await listed(both, auditor(ours)) == [mine]
    assert await listed(both, auditor(theirs)) == [other]
    assert await listed(both, auditor(ours, "projects:manage")) == [whole, mine]
    assert (await kept_reports.get(both.platform, auditor(ours, "projects:manage"), whole)).report.id == whole
    for principal, id in ((auditor(ours), whole), (auditor(ours), other), (auditor(ours, "projects:manage"), other)):
        with pytest.raises(NotFound):
            await kept_reports.get(both.platform, principal, id)
    nobody = Principal(project=ours, key="key_1", scopes=frozenset({"images:read", "projects:manage"}))
    with pytest.raises(NotAllowed):
        await kept_reports.get(both.platform, nobody, mine)
    with pytest.raises(NotAllowed):
        await listed(both, nobody)


async def test_pages_go_on_over_both_owners(both: Bench) -> None:
    operator = auditor(both.caller.project, "projects:manage")
    reports = [sample_report(owner) for owner in (operator.project, SYSTEM_PROJECT) * 3]
    await kept_reports.keep(both.platform, reports)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await kept_reports.listing(both.platform, operator, Query(operator.project, limit=4, cursor=cursor))
        seen += [one.id for one in page.data]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == [one.id for one in reversed(reports)]


async def test_the_report_before_is_of_the_same_detector_and_owner_and_looked_at_something(bench: Bench) -> None:
    project = bench.caller.project
    blind = (sample_group(MODEL, 0, 0, not_evaluated=3),)

    def at(days: int, owner: str = project, **changes: Any) -> DetectorReport:
        return sample_report(owner, created_at=NOW + timedelta(days=days), **changes)

    first, *_, last = reports = [
        at(0),
        at(1, detector="other"),
        at(2, SYSTEM_PROJECT),
        at(3, groups=blind),
        at(4),
    ]
    await kept_reports.keep(bench.platform, reports)

    assert await kept_reports.before(bench.platform, last) == first
    assert await kept_reports.before(bench.platform, first) is None


def report_of(*groups: Any) -> DetectorReport:
    return sample_report("prj_1", groups=groups)


def test_a_change_is_a_difference_and_says_whether_chance_would_do() -> None:
    before = report_of(
        sample_group("a/fell", 100, 80),
        sample_group("a/moved", 40, 20),
        sample_group("a/blind", 0, 0),
        sample_group("a/gone", 9, 3),
        sample_group(REAL, 200, 2),
    )
    now = report_of(
        sample_group("a/fell", 100, 40),
        sample_group("a/moved", 40, 24),
        sample_group("a/blind", 10, 5),
        sample_group("a/new", 10, 5),
        sample_group(REAL, 200, 30),
    )

    found = {one.group: one for one in changes(now, before)}

    assert list(found) == ["a/fell", "a/moved", "a/blind", "a/new", REAL, "a/gone"]
    assert (found["a/fell"].difference, found["a/fell"].apart) == (-0.4, True)
    assert (found["a/moved"].difference, found["a/moved"].apart) == (0.1, False)
    assert (found[REAL].difference, found[REAL].apart, found[REAL].real) == (0.14, True, True)
    assert (found["a/blind"].before, found["a/blind"].now, found["a/blind"].difference) == (None, 0.5, None)
    assert (found["a/new"].before, found["a/new"].apart) == (None, None)
    assert (found["a/gone"].before, found["a/gone"].now) == (0.333, None)
    assert changes(now, None) == ()


def test_a_digest_is_of_everything_that_is_said() -> None:
    report = sample_report("prj_1")
    again = DetectorReport.model_validate_json(report.model_dump_json())
    assert again.digest == report.digest == compared(report, None).sha256
    assert report.model_copy(update={"notes": ()}).digest != report.digest
