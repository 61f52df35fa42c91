"""Reports: counts of what was decided, as JSON and as CSV that no spreadsheet runs."""

import csv
import io
from typing import Any

import pytest
from webparts import Site

from platemark.core.errors import NotAllowed
from platemark.core.moderation import Verdict
from platemark.core.project import Principal
from platemark.flows import reports

pytestmark = pytest.mark.anyio
ADDRESS = "/v1/reports/moderation"


async def rule(site: Site, count: int = 1, **changes: Any) -> None:
    fields: dict[str, Any] = {
        "project": site.project,
        "generation": None,
        "stage": "before_request",
        "decision": "allow",
        "policy_version": "test",
        "input_sha256": "00" * 32,
        "created_at": site.platform.clock.now(),
    }
    made = [Verdict.model_validate({"id": site.platform.ids.new("vdt"), **fields, **changes}) for _ in range(count)]
    async with site.platform.store.transaction() as tx:
        await tx.add(*made)


async def fill(site: Site) -> None:
    await rule(site, 3, decision="block", reason_code="GORE", model="openai/a", audience="education")
    await rule(site, 2, decision="block", reason_code="GORE", model="openai/b", audience="education")
    await rule(site, 4, model="local/pocket", role="editor")
    await rule(site, 1, decision="review", audience='=HYPERLINK("x")')
    await rule(site, 1, project=await site.new_project(), decision="block", reason_code="GORE")


async def counted(site: Site, **params: str) -> list[tuple[Any, ...]]:
    answer = await site.client.get(ADDRESS, params=params)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["total"] == sum(row["count"] for row in found["rows"])
    return [(*row["group"].values(), row["decision"], row["count"]) for row in found["rows"]]


async def test_verdicts_are_counted_by_what_is_asked(site: Site) -> None:
    await fill(site)
    assert await counted(site) == [("GORE", "block", 5), (None, "allow", 4), (None, "review", 1)]
    assert await counted(site, by="provider") == [("openai", "block", 5), ("local", "allow", 4), (None, "review", 1)]
    assert (await counted(site, by="model,audience"))[0] == ("local/pocket", None, "allow", 4)
    assert (await counted(site, by="provider,model"))[1] == ("openai", "openai/a", "block", 3)
    assert (await counted(site, by="role"))[1] == ("editor", "allow", 4)
    today = site.platform.clock.now().date().isoformat()
    assert await counted(site, by="stage,day") == [
        ("before_request", today, "block", 5),
        ("before_request", today, "allow", 4),
        ("before_request", today, "review", 1),
    ]
    assert await counted(site, since="2999-01-01T00:00:00Z") == []


async def test_csv_has_a_header_and_no_formulas(site: Site) -> None:
    await fill(site)
    answer = await site.client.get(ADDRESS, params={"by": "audience,code", "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["audience", "code", "decision", "count"]
    assert rows[1:] == [
        ["education", "GORE", "block", "5"],
        ["", "", "allow", "4"],
        ['\'=HYPERLINK("x")', "", "review", "1"],
    ]


@pytest.mark.parametrize("by", ["nonsense", "", "code,code", "code,,model", "signals"])
async def test_what_cannot_be_counted_is_told(site: Site, by: str) -> None:
    answer = await site.client.get(ADDRESS, params={"by": by})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/query/by"


async def test_auditors_and_reviewers_may_and_nobody_else(site: Site) -> None:
    for scope, status in (("audit:read", 200), ("reviews:decide", 200), ("images:write", 403)):
        async with site.as_(await site.new_key(site.project, (scope,))) as caller:
            assert (await caller.get(ADDRESS)).status_code == status
    nobody = Principal(project=site.project, key="key_x", scopes=frozenset({"images:read"}))
    with pytest.raises(NotAllowed):
        await reports.moderation(site.platform, nobody, ["code"])
