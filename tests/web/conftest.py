"""The application with real parts around it, fresh for every test."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from webparts import Site, fresh_database, open_site


@pytest.fixture(scope="session")
async def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return await fresh_database(tmp_path_factory.mktemp("web"))


@pytest.fixture
async def site(tmp_path: Path, empty_database: Path) -> AsyncGenerator[Site]:
    async with open_site(tmp_path, empty_database) as opened:
        yield opened


@pytest.fixture
async def small_site(tmp_path: Path, empty_database: Path) -> AsyncGenerator[Site]:
    """One that takes little."""
    async with open_site(tmp_path, empty_database, max_body_bytes=4_096, max_image_bytes=1_024) as opened:
        yield opened


@pytest.fixture
async def slow_site(tmp_path: Path, empty_database: Path) -> AsyncGenerator[Site]:
    """One whose keys may make three requests, and then one a minute."""
    async with open_site(tmp_path, empty_database, rate_burst=3, rate_per_minute=1) as opened:
        yield opened


@pytest.fixture
async def worker_site(tmp_path: Path, empty_database: Path) -> AsyncGenerator[Site]:
    """One that works and serves no API."""
    async with open_site(tmp_path, empty_database, role="worker") as opened:
        yield opened
