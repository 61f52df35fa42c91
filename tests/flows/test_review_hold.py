"""Two reviewers never hold one case, whatever they do and whenever; on both databases."""

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from platemark.core.errors import Conflict
from platemark.core.project import Principal
from platemark.core.review import Review
from platemark.flows.reviews import decide as review_decide
from platemark.flows.reviews import desk as review
from platemark.flows.reviews import upkeep as review_upkeep
from platemark.flows.reviews.decide import Wish
from reviewing import held_image, limit, people, reviews
from workbench import Bench, open_bench

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
MOVES = ("claim", "heartbeat", "release", "decide", "undo")


@pytest.fixture(params=KINDS)
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench]:
    more: dict[str, Any] = {}
    if request.param == "postgres":
        more["database_url"] = SecretStr(request.getfixturevalue("postgres_url"))
    async with open_bench(tmp_path / "desk", **more) as opened:
        limit(opened, sample=0.0)
        yield opened


async def attempt(bench: Bench, who: Principal, case: Review, move: str) -> Review | None:
    """What came of a move; None where it was refused."""
    platform = bench.platform
    try:
        if move == "claim":
            return await review.claim(platform, who, case.id)
        if move == "heartbeat":
            return await review.heartbeat(platform, who, case.id)
        if move == "release":
            return await review.release(platform, who, case.id, "not_now")
        if move == "undo":
            return await review_decide.undo(platform, who, case.id)
        (now,) = await reviews(bench, id=case.id)
        wish = Wish("reject", "VIOLENCE", now.version)
        return (await review_decide.decide(platform, who, case.id, wish))[0]
    except Conflict:
        return None


async def test_of_many_who_claim_at_once_one_holds_it(desk: Bench) -> None:
    who = await people(desk, *(f"reviewer {number}" for number in range(6)))
    _, _, case = await held_image(desk)
    for _ in range(3):
        holders: list[str] = []

        async def one(principal: Principal, holders: list[str] = holders) -> None:
            if await attempt(desk, principal, case, "claim"):
                holders.append(principal.actor)

        async with anyio.create_task_group() as group:
            for principal in who:
                group.start_soon(one, principal)
        assert len(holders) == 1
        assert (await reviews(desk))[0].claimed_by == holders[0]
        desk.clock.pass_(timedelta(minutes=11))


async def test_of_many_who_decide_at_once_one_is_heard(desk: Bench) -> None:
    (ada, _), (_, _, case) = await people(desk, "ada", "grace"), await held_image(desk)
    claimed = await review.claim(desk.platform, ada, case.id)
    heard: list[str] = []

    async def one(action: str) -> None:
        wish = Wish(action, "VIOLENCE", claimed.version)  # type: ignore[arg-type]
        try:
            await review_decide.decide(desk.platform, ada, case.id, wish)
        except Conflict:
            return
        heard.append(action)

    async with anyio.create_task_group() as group:
        for action in ("reject", "approve", "send_back", "reject"):
            group.start_soon(one, action)
    assert len(heard) == 1


def apart(function: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """Run to its end on a loop of its own, in a thread of its own: the one of the other tests may still be there."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(anyio.run, function, *arguments).result()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose database has been migrated, to be copied."""
    folder = tmp_path_factory.mktemp("prepared") / "desk"
    apart(_open_once, folder)
    return folder


async def _open_once(folder: Path) -> None:
    async with open_bench(folder):
        pass


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(MOVES), st.integers(0, 700)), min_size=1, max_size=12)
)
def test_whatever_three_people_do_only_the_holder_acts(
    prepared: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("desk") / "copy"
    shutil.copytree(prepared, folder)
    apart(_play, folder, steps)


async def _play(folder: Path, steps: list[tuple[int, str, int]]) -> None:
    async with open_bench(folder) as bench:
        limit(bench, sample=0.0)
        who = await people(bench, "ada", "grace", "mary")
        _, _, case = await held_image(bench)
        for number, move, seconds in steps:
            (before,) = await reviews(bench)
            done = await attempt(bench, who[number], case, move)
            (after,) = await reviews(bench)
            now, me = bench.clock.now(), who[number].actor
            free = before.state == "pending" or (before.lease_until is not None and before.lease_until <= now)
            if done is None:
                assert after == before
            elif move == "claim":
                assert free or before.claimed_by == me
            else:
                assert before.claimed_by == me
            if after.state == "claimed":
                assert after.claimed_by is not None
                assert after.lease_until is not None
            bench.clock.pass_(timedelta(seconds=seconds))
            if seconds > 600:
                await review_upkeep.look_after(bench.platform)
        assert len(await reviews(bench)) == 1
