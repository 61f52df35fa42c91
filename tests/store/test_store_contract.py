"""The store passes the suite that we ship, on both databases."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from platemark.core.ports import Store
from platemark.store.database import Database
from platemark.store.upgrade import upgrade
from platemark.testing import STORE_CHECKS, exercise_store


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
async def test_store(check: Callable[[Store], Awaitable[None]], shared_url: str) -> None:
    async with Database.open(shared_url) as database:
        await check(database)


async def test_the_suite_as_a_whole_runs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/platemark.db"
    await upgrade(url)
    await exercise_store(lambda: Database.open(url))
