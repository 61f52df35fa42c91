"""The queue, however long: every case once, in order, page by page, on both databases."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from platemark.core.errors import InvalidRequest
from platemark.core.ports import Query
from platemark.core.review import Review
from platemark.flows.reviews import desk as review
from platemark.flows.reviews.desk import Wanted
from reviewing import held_request
from workbench import Bench, open_bench


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def long_queue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[tuple[Bench, list[Review]]]:
    """1,200 cases, an eighth of which have ended."""
    more = {"database_url": request.getfixturevalue("postgres_url")} if request.param == "postgres" else {}
    async with open_bench(tmp_path / "data", **more) as bench:
        _, first = await held_request(bench)
        yield bench, [first, *await _copies(bench, first, 1199)]


async def _copies(bench: Bench, first: Review, count: int) -> list[Review]:
    states = ("pending", "claimed", "pending", "claimed", "pending", "pending", "pending", "rejected")
    made = [
        first.model_copy(
            update={
                "id": bench.platform.ids.new("rev"),
                "state": states[number % 8],
                # Many share a place; only their ids tell them apart.
                "place": f"19{number % 3} 2026-11-{22 + number % 5}T12:00:00",
                "reason_code": "GORE" if number % 2 else "VIOLENCE",
                "kind": "appeal" if number % 10 == 0 else "first",
                "created_at": first.created_at + timedelta(seconds=number),
            }
        )
        for number in range(count)
    ]
    async with bench.platform.store.transaction() as tx:
        await tx.add(*made)
    return made


async def turned(bench: Bench, wanted: Wanted) -> list[str]:
    """Ids of every page."""
    found: list[str] = []
    cursor = None
    while True:
        page = await review.queue(
            bench.platform, bench.caller, Wanted(wanted.equals, wanted.waiting, wanted.limit, cursor)
        )
        assert len(page.data) <= wanted.limit
        found += [case.id for case in page.data]
        if (cursor := page.next_cursor) is None:
            return found


async def test_every_open_case_comes_once_and_in_order(long_queue: tuple[Bench, list[Review]]) -> None:
    bench, cases = long_queue
    waiting = sorted((case for case in cases if case.state != "rejected"), key=lambda case: (case.place, case.id))
    assert len(waiting) > 1000
    assert await turned(bench, Wanted(limit=100)) == [case.id for case in waiting]
    some = {"reason_code": "GORE", "kind": "first"}
    wanted = [case.id for case in waiting if case.reason_code == "GORE" and case.kind == "first"]
    assert await turned(bench, Wanted(some, limit=97)) == wanted
    bench.clock.pass_(timedelta(seconds=1100))
    patient = [case.id for case in waiting if case.created_at <= bench.clock.now() - timedelta(seconds=1000)]
    assert len(patient) < 110
    assert await turned(bench, Wanted(waiting=timedelta(seconds=1000), limit=10)) == patient


async def test_the_next_case_is_found_behind_the_first_page(bench: Bench) -> None:
    _, first = await held_request(bench, "GORE")
    made = await _copies(bench, first, 7)
    await review.opt_out(bench.platform, bench.caller, ("GORE",))
    found = await review.claim_next(bench.platform, bench.caller, Wanted(limit=1))
    assert found is not None
    free = [case for case in made if case.reason_code == "VIOLENCE" and case.state == "pending"]
    assert found.id == min(free, key=lambda case: (case.place, case.id)).id


async def test_a_cursor_of_another_list_is_refused(bench: Bench) -> None:
    _, first = await held_request(bench)
    await _copies(bench, first, 3)
    async with bench.platform.store.reading() as read:
        newest = (await read.page(Review, Query(first.project, limit=1))).next_cursor
    queued = (await review.queue(bench.platform, bench.caller, Wanted(limit=1))).next_cursor
    for cursor in (newest, "nonsense", ""):
        with pytest.raises(InvalidRequest, match="cursor"):
            await review.queue(bench.platform, bench.caller, Wanted(limit=1, cursor=cursor))
    with pytest.raises(InvalidRequest, match="cursor"):
        await review.page(bench.platform, bench.caller, Query(first.project, cursor=queued))
