"""A migrated database of each kind, and a place for bytes of each kind."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from platemark.store.database import Database
from platemark.store.upgrade import upgrade


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/platemark.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
async def url(empty_url: str) -> str:
    """A database with our tables."""
    await upgrade(empty_url)
    return empty_url


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    async with Database.open(url) as database:
        yield database
