"""The workbench that every flow test stands at."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from workbench import Bench, open_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path / "data") as opened:
        yield opened
