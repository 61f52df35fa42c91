"""Reports on detectors over HTTP: listed, read as JSON and as a page, by who may, apart by project."""

import re
from datetime import timedelta

import pytest
from webparts import ALL, Site

from platemark.charts.page import POLICY
from platemark.core.detector_report import REAL, DetectorReport
from platemark.core.project import SYSTEM_PROJECT
from platemark.flows import kept_reports
from platemark.samples import NOW, sample_group, sample_report

ADDRESS = "/v1/detectors/reports"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
WITHOUT_PROJECTS = tuple({*ALL} - {"projects:manage"})


async def keep(site: Site, *reports: DetectorReport) -> None:
    await kept_reports.keep(site.platform, reports)


async def test_reports_are_listed_page_by_page(site: Site) -> None:
    made = [sample_report(site.project) for _ in range(3)]
    await keep(site, *made)

    first = (await site.client.get(ADDRESS, params={"limit": 2})).json()
    rest = (await site.client.get(ADDRESS, params={"cursor": first["next_cursor"]})).json()

    assert [one["id"] for one in first["data"] + rest["data"]] == [one.id for one in reversed(made)]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    one = first["data"][0]
    assert (one["object"], one["detector"], one["sha256"]) == ("detector_report", "ai_image", made[2].digest)
    assert one["groups"][0]["scores"] == list(made[2].groups[0].scores)
    assert (await site.client.get(ADDRESS, params={"cursor": "x"})).status_code == 422
    assert (await site.client.get(ADDRESS, params={"project": site.project})).status_code == 422


async def test_one_stands_beside_the_one_before(site: Site) -> None:
    earlier = sample_report(site.project, groups=(sample_group("local/pocket", 60, 55), sample_group(REAL, 40, 1)))
    now = sample_report(site.project, created_at=NOW + timedelta(days=1))
    await keep(site, earlier, now)

    said = (await site.client.get(f"{ADDRESS}/{now.id}")).json()

    assert (said["id"], said["previous"]) == (now.id, earlier.id)
    assert said["changes"] == [
        {
            "group": "local/pocket",
            "real": False,
            "before": 0.917,
            "now": 0.4,
            "difference": -0.517,
            "apart": True,
        },
        {"group": REAL, "real": True, "before": 0.025, "now": 0.025, "difference": 0.0, "apart": False},
    ]
    assert (await site.client.get(f"{ADDRESS}/{earlier.id}")).json()["previous"] is None


async def test_projects_are_apart_and_the_installation_is_for_operators(site: Site) -> None:
    other = await site.new_project()
    ours, theirs, whole = (sample_report(owner) for owner in (site.project, other, SYSTEM_PROJECT))
    await keep(site, ours, theirs, whole)

    async with site.as_(await site.new_key(site.project, WITHOUT_PROJECTS)) as auditor:
        listed = [one["id"] for one in (await auditor.get(ADDRESS)).json()["data"]]
        hidden = [(await auditor.get(f"{ADDRESS}/{one.id}")).status_code for one in (theirs, whole)]
    operator = [one["id"] for one in (await site.client.get(ADDRESS)).json()["data"]]

    assert listed == [ours.id]
    assert hidden == [404, 404]
    assert operator == [whole.id, ours.id]
    assert (await site.client.get(f"{ADDRESS}/{theirs.id}")).status_code == 404
    assert (await site.client.get(f"{ADDRESS}/img_{'0' * 32}")).status_code == 404


@pytest.mark.parametrize(
    ("scope", "status"), [("audit:read", 200), ("reviews:decide", 200), ("images:read", 403), ("projects:manage", 403)]
)
async def test_auditors_and_reviewers_may_and_nobody_else(site: Site, scope: str, status: int) -> None:
    made = sample_report(site.project)
    await keep(site, made)
    async with site.as_(await site.new_key(site.project, (scope,))) as caller:
        assert (await caller.get(ADDRESS)).status_code == status
        assert (await caller.get(f"{ADDRESS}/{made.id}")).status_code == status


async def test_a_browser_gets_a_page_that_runs_nothing(site: Site) -> None:
    made = sample_report(site.project, groups=(sample_group("evil/<script>alert(1)</script>", 40, 20),))
    await keep(site, made)

    page = await site.client.get(f"{ADDRESS}/{made.id}", headers={"Accept": BROWSER})

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"] == f"{POLICY}; frame-ancestors 'none'"
    assert (page.headers["cache-control"], page.headers["vary"]) == ("no-store", "Accept")
    assert (page.headers["x-content-type-options"], page.headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert "<script" not in page.text
    assert "evil/&lt;script&gt;" in page.text
    assert made.id in page.text
    assert re.findall(r'cx="50%"', page.text)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.9", "image/png"])
async def test_everybody_else_gets_json(site: Site, accept: str) -> None:
    made = sample_report(site.project)
    await keep(site, made)
    answer = await site.client.get(f"{ADDRESS}/{made.id}", headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == made.id
