"""The store passes the suite that we ship, on both databases."""

from collections.abc import Awaitable, Callable

import pytest

from platemark.core.ports import Store
from platemark.store.database import Database
from platemark.testing import STORE_CHECKS, exercise_store


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
async def test_store(check: Callable[[Store], Awaitable[None]], database: Database) -> None:
    await check(database)


async def test_the_suite_as_a_whole_runs_on_one_database(url: str) -> None:
    await exercise_store(lambda: Database.open(url))
