"""The watch for blocking calls looks at code of the package, and only at that."""

import time
from pathlib import Path
from types import FunctionType
from typing import Any, cast

import pytest
from blockbuster import BlockingError

import platemark

PACKAGE = Path(platemark.__file__).parent


def sleeper(file: Path) -> Any:
    """A function that sleeps, as if it were written in `file`."""
    code = compile("def nap():\n    time.sleep(0)\n", str(file), "exec")
    names: dict[str, Any] = {"time": time}
    exec(code, names)
    return cast("FunctionType", names["nap"])


async def test_code_of_the_package_may_not_block_the_loop() -> None:
    with pytest.raises(BlockingError):
        sleeper(PACKAGE / "flows" / "nap.py")()


async def test_other_code_may() -> None:
    sleeper(Path(__file__))()


def test_the_package_may_block_where_no_loop_runs() -> None:
    sleeper(PACKAGE / "flows" / "nap.py")()


@pytest.mark.blocking
async def test_a_marked_test_may() -> None:
    sleeper(PACKAGE / "flows" / "nap.py")()
