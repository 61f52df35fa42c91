"""What every test shares: the event loop, the watch for blocking calls, and an environment without our settings."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck, settings

pytest_plugins = ("services",)

# Where corpora, other people's specifications and Azurite lie; the only settings that tests take from outside.
GIVEN = frozenset({"PLATEMARK_CORPUS", "PLATEMARK_SPECS", "PLATEMARK_TEST_AZURITE", "PLATEMARK_TEST_SERVICES"})
READ = ("os.stat", "os.listdir", "io.BufferedReader.read", "io.TextIOWrapper.read")
LOCK = ("threading.Lock.acquire",)
ANY = ()
# Calls that may block although code of ours is below them on the stack: which, in which file and function.
MAY_BLOCK = (
    # A module's first import reads files. It happens once, and delaying it is the point of importing late.
    (READ, "<frozen importlib._bootstrap>", "_find_and_load"),
    # Settings are read before anybody is served.
    (READ, "platemark/settings.py", "settings_customise_sources"),
    # DBOS opens and migrates its database on the loop that it will run on, before anybody is served.
    (ANY, "dbos/_dbos.py", "_launch"),
    # SQLAlchemy makes the path of a database absolute: arithmetic, not a look at the disk.
    (("os.path.abspath", "os.getcwd"), "sqlalchemy/dialects/sqlite/pysqlite.py", "create_connect_args"),
    # A traceback shows the lines of source that it names.
    (READ, "linecache.py", "updatecache"),
    # The lock of one number, held for a single addition.
    (LOCK, "prometheus_client/values.py", "inc"),
    # A stopping server waits for its threads when nobody is served any more.
    (LOCK, "concurrent/futures/thread.py", "shutdown"),
)

# Tests assert what happens, never how fast. Each run looks for other examples, except the one that a change must pass.
settings.register_profile(
    "platemark", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("platemark")


def pytest_configure() -> None:
    """Drop the caller's own settings, and forbid downloads: what a test needs is there before it starts."""
    for name in [name for name in os.environ if name.startswith("PLATEMARK_") and name not in GIVEN]:
        del os.environ[name]
    os.environ["HF_HUB_OFFLINE"] = "1"
    # A shell has what it starts in the background ignore Ctrl-C, and so would all that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The server runs on asyncio (DBOS and uvicorn do)."""
    return "asyncio"


@pytest.fixture(scope="session")
def _watch() -> BlockBuster:
    watch = BlockBuster("platemark")
    for calls, file, function in MAY_BLOCK:
        for call in calls or watch.functions:
            watch.functions[call].can_block_in(file, function)
    return watch


@pytest.fixture(autouse=True)
def _never_block_the_loop(request: pytest.FixtureRequest, _watch: BlockBuster) -> Iterator[None]:
    """A blocking call on the event loop from code of the package raises BlockingError, unless marked `blocking`."""
    if request.node.get_closest_marker("blocking"):
        yield
        return
    _watch.activate()
    yield
    _watch.deactivate()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of test pictures that PLATEMARK_CORPUS names."""
    return _given("PLATEMARK_CORPUS")


@pytest.fixture(scope="session")
def specs() -> Path:
    """The folder of other people's API specifications that PLATEMARK_SPECS names."""
    return _given("PLATEMARK_SPECS")


def _given(name: str) -> Path:
    if folder := os.environ.get(name):
        return Path(folder)
    pytest.skip(f"{name} is not set")
