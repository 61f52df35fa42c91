"""A database of each kind, empty or with our tables (copied from a migrated one because that is quick); buckets."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from buckets import VENDORS, Bucket, fresh_bucket
from google_storage import GoogleStorage
from platemark.simulate.server import serve
from platemark.store.database import Database
from platemark.store.upgrade import upgrade
from services import Postgres

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "platemark.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def _migrated_postgres(postgres: Postgres) -> Generator[str]:
    with postgres.database() as url:
        asyncio.run(upgrade(url))
        yield url


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/platemark.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture(params=KINDS, scope="session")
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A database with our tables that many tests use, each with projects of its own."""
    with ExitStack() as stack:
        if request.param == "postgres":
            shared = stack.enter_context(request.getfixturevalue("postgres").database())
        else:
            shared = f"sqlite:///{tmp_path_factory.mktemp('shared')}/platemark.db"
        asyncio.run(upgrade(shared))
        yield shared


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> str:
    """A database with our tables."""
    return request.getfixturevalue(f"_{request.param}_copy")


@pytest.fixture
def _sqlite_copy(_migrated_file: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(_migrated_file, tmp_path)}"


@pytest.fixture
def _postgres_copy(postgres: Postgres, _migrated_postgres: str) -> Generator[str]:
    name = f"copy_{secrets.token_hex(6)}"
    copy, original = sql.Identifier(name), sql.Identifier(_migrated_postgres.rsplit("/", 1)[1])
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(copy, original))
        yield postgres.url(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(copy))


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    async with Database.open(url) as database:
        yield database


@pytest.fixture
async def google() -> AsyncGenerator[tuple[GoogleStorage, str]]:
    """The server of Google Cloud Storage, with one empty bucket, `pictures`, and its address."""
    server = GoogleStorage({"pictures": {}})
    async with serve(server) as url:
        yield server, url


@pytest.fixture(params=VENDORS)
async def bucket(request: pytest.FixtureRequest) -> AsyncGenerator[Bucket]:
    """An empty bucket for this test alone, at each vendor in turn."""
    async with fresh_bucket(request.param, request) as bucket:
        yield bucket
