"""The engine's parent side: queue, cancelling, crashes, hung steps, the end of the child. The child's loop is real."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from orders import Result, drawn, order

from platemark.core.errors import (
    EngineCrashed,
    ModelUnavailable,
    PlatemarkError,
    ProviderError,
    ProviderRejected,
    ShuttingDown,
)
from platemark.core.updates import Order, Picture, Progress
from platemark.engine.engine import Engine

FAKE = (sys.executable, str(Path(__file__).with_name("fake_child.py")))


@asynccontextmanager
async def fake_engine(**options: Any) -> AsyncGenerator[Engine]:
    async with Engine.open({"local/pocket": Path("nowhere")}, threads=1, command=FAKE, **options) as engine:
        yield engine


async def test_a_drawing_gives_its_updates_in_order() -> None:
    async with fake_engine() as engine:
        updates = [update async for update in engine.draw(order(seeds=(7, 8), steps=2))]
    assert updates[:4] == [Progress(1, 2, 0), Progress(1, 2, 1), Progress(2, 2, 0), Progress(2, 2, 1)]
    assert [(update.index, update.seed, update.data) for update in updates[4:6] if isinstance(update, Picture)] == [
        (0, 7, b"picture"),
        (1, 8, b"picture"),
    ]
    assert len(updates) == 7


@pytest.mark.parametrize(
    ("prompt", "words"),
    [("be killed", "SIGKILL"), ("segfault", "Segmentation fault"), ("leave", "no space left in the pan")],
)
async def test_a_crash_fails_the_running_job_and_the_next_one_is_drawn(prompt: str, words: str) -> None:
    async with fake_engine() as engine:
        with pytest.raises(EngineCrashed, match=words):
            await drawn(engine, order(prompt))
        assert (await drawn(engine, order())).pictures


async def run_all(engine: Engine, *orders: Order) -> dict[str, Result | Exception]:
    """What came of each, by prompt, all at once."""
    results: dict[str, Result | Exception] = {}

    async def run(wanted: Order) -> None:
        try:
            results[wanted.prompt] = await drawn(engine, wanted)
        except PlatemarkError as error:
            results[wanted.prompt] = error

    async with anyio.create_task_group() as tasks:
        for wanted in orders:
            tasks.start_soon(run, wanted)
    return results


def crashed(results: dict[str, Result | Exception]) -> set[str]:
    return {prompt for prompt, result in results.items() if isinstance(result, EngineCrashed)}


async def test_a_crash_fails_only_the_jobs_that_were_being_drawn() -> None:
    async with fake_engine() as engine:
        asked = [order(prompt, steps=n) for n, prompt in enumerate(("one", "be killed", "two", "leave", "three"), 1)]
        results = await run_all(engine, *asked)
    assert crashed(results) == {"be killed", "leave"}
    assert all(isinstance(results[prompt], Result) for prompt in ("one", "two", "three"))


async def test_orders_that_come_together_are_drawn_together() -> None:
    prompts = [f"{number} houses" for number in range(8)]
    async with fake_engine() as engine:
        await drawn(engine, order())
        results = await run_all(engine, *(order(prompt) for prompt in prompts))
    for result in results.values():
        assert isinstance(result, Result)
        assert (result.response["batched_with"], len(result.pictures)) == (8, 1)
        assert sorted(result.response["batches"][-1]) == prompts


async def test_suspects_of_a_crash_are_drawn_alone_until_they_are_cleared() -> None:
    async with fake_engine() as engine:
        await drawn(engine, order("warm"))
        asked = [order(prompt) for prompt in ("be killed", "one", "two")]
        assert crashed(await run_all(engine, *asked)) == {"be killed", "one", "two"}
        again = await run_all(engine, *(replace(one, idempotency_key="second try") for one in asked))
        assert crashed(again) == {"be killed"}
        cleared = await run_all(engine, *asked[1:])
        assert [result.response["batched_with"] for result in again.values() if isinstance(result, Result)] == [1, 1]
        assert [result.response["batched_with"] for result in cleared.values() if isinstance(result, Result)] == [2, 2]


async def test_an_order_that_was_partly_drawn_before_the_crash_of_another_goes_on_where_it_was() -> None:
    pictures: list[int] = []
    async with fake_engine() as engine, anyio.create_task_group() as tasks:

        async def long() -> None:
            result = await drawn(engine, order("for ever", steps=30, seeds=tuple(range(9))))
            pictures.extend(picture.index for picture in result.pictures)

        tasks.start_soon(long)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(EngineCrashed):
            await drawn(engine, order("be killed", steps=3))
    assert pictures == list(range(9))


async def test_an_order_that_fails_in_a_batch_does_not_fail_its_neighbours() -> None:
    async with fake_engine() as engine:
        await drawn(engine, order())
        results = await run_all(engine, order("one"), order("stumble"), order("swell"), order("two"))
    assert isinstance(results["stumble"], ProviderError)
    assert isinstance(results["swell"], ProviderRejected)
    assert all(isinstance(results[prompt], Result) for prompt in ("one", "two"))


async def test_a_batch_that_does_not_fit_is_halved_and_later_ones_are_smaller() -> None:
    async with fake_engine() as engine:
        first = await drawn(engine, order("large", seeds=tuple(range(8))))
        second = await drawn(engine, order("large", seeds=tuple(range(4))))
    assert [picture.index for picture in first.pictures] == list(range(8))
    sizes = [len(batch) for batch in second.response["batches"]]
    assert sizes == [8, 4, 2, 2, 4, 2, 2, 2, 2]
    assert (first.response["batched_with"], first.response["drawing_ms"]) == (2, 4)
    assert second.response["relieved"] == 3


async def test_a_canceled_order_leaves_its_batch_and_the_others_stay() -> None:
    async with fake_engine() as engine:
        await drawn(engine, order())
        results = dict[str, Result]()

        async def stay() -> None:
            results["stays"] = await drawn(engine, order("stays", steps=100))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stay)
            async with aclosing(engine.draw(order("for ever", steps=100))) as leaving:
                await anext(leaving)
    assert len(results["stays"].pictures) == 1
    assert results["stays"].response["batched_with"] == 2


async def test_who_waits_hears_it_when_others_are_drawn() -> None:
    heard: dict[int, Progress] = {}

    async def listen(engine: Engine, steps: int) -> None:
        heard[steps] = (await drawn(engine, order(steps=steps))).progress[0]

    async with (
        fake_engine() as engine,
        anyio.create_task_group() as tasks,
        aclosing(engine.draw(order("for ever", steps=1_000_000))) as first,
    ):
        await anext(first)
        for steps in (3, 5):
            tasks.start_soon(listen, engine, steps)
            await anyio.wait_all_tasks_blocked()
    assert heard == {3: Progress(1, 3), 5: Progress(0, 5)}


async def test_pictures_of_an_order_reach_the_child_as_they_are() -> None:
    async with fake_engine() as engine:
        source = bytes(range(256)) * 1000
        result = await drawn(engine, order(image=source, mask=b"mask", guides=(b"one", b"two")))
    assert result.pictures[0].data == source


async def test_the_models_in_memory_are_known_until_the_child_ends() -> None:
    async with fake_engine() as engine:
        assert engine.models == {}
        await drawn(engine, order())
        assert engine.models == {"models": {"local/pocket": {"place": "device", "bytes": 7}}}
        with pytest.raises(EngineCrashed):
            await drawn(engine, order("leave"))
        assert engine.models == {}


async def test_a_hung_batch_is_ended_for_all_of_it() -> None:
    async with fake_engine(step_timeout=2) as engine:
        await drawn(engine, order())
        results = await run_all(engine, order("hang"), order("one"), order("two", steps=9))
        assert crashed(results) == {"hang", "one"}
        assert isinstance(results["two"], Result)


async def test_a_hung_step_is_ended_and_the_next_job_is_drawn() -> None:
    async with fake_engine(step_timeout=2) as engine:
        with pytest.raises(EngineCrashed, match=r"no step was finished within 2 s"):
            await drawn(engine, order("hang"))
        assert (await drawn(engine, order())).pictures


async def test_closing_the_iterator_cancels_and_the_same_child_goes_on() -> None:
    async with fake_engine() as engine:
        async with aclosing(engine.draw(order("for ever", steps=1_000_000))) as updates:
            assert await anext(updates) == Progress(1, 1_000_000)
            pid = engine.pid
        assert (await drawn(engine, order())).pictures
        assert engine.pid == pid


async def test_what_is_canceled_while_it_waits_is_never_drawn() -> None:
    async with fake_engine() as engine:
        async with aclosing(engine.draw(order("for ever", steps=1_000_000))) as first:
            await anext(first)
            with anyio.move_on_after(0.05):
                await drawn(engine, order("waits"))
        assert (await drawn(engine, order())).response["drawn"] == 2


async def test_an_error_while_drawing_is_not_a_crash() -> None:
    async with fake_engine() as engine:
        with pytest.raises(ProviderError, match="ValueError") as caught:
            await drawn(engine, order("stumble"))
        assert type(caught.value) is ProviderError
        pid = engine.pid
        with pytest.raises(ProviderRejected, match="smaller size"):
            await drawn(engine, order("swell"))
        with pytest.raises(ModelUnavailable, match="Put it back"):
            await drawn(engine, order(model="local/absent"))
        assert (await drawn(engine, order())).pictures
        assert engine.pid == pid


async def test_a_machine_without_the_libraries_says_what_to_install() -> None:
    async with Engine.open({}, threads=1, command=(*FAKE, "bare")) as engine:
        for _ in range(2):
            with pytest.raises(ModelUnavailable, match=r"needs torch.*platemark\[local\]"):
                await drawn(engine, order())


async def test_what_libraries_print_does_not_reach_the_protocol() -> None:
    async with fake_engine() as engine:
        assert (await drawn(engine, order("print"))).pictures


async def test_the_child_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"PLATEMARK_ADMIN_KEY", "SOME_API_KEY", "HF_TOKEN", "aws_secret_access_key"}
    for name in (*secret, "HARMLESS"):
        monkeypatch.setenv(name, "x")
    async with fake_engine() as engine:
        names = (await drawn(engine, order())).response["environment"]
    assert {"HARMLESS", "HF_HUB_OFFLINE", "OMP_WAIT_POLICY"} <= set(names)
    assert secret & set(names) == set()


async def test_a_program_that_cannot_be_started_is_said() -> None:
    async with Engine.open({}, threads=1, command=("/nowhere/python",)) as engine:
        with pytest.raises(EngineCrashed, match="could not be started"):
            await drawn(engine, order())


async def test_stopping_tells_those_who_wait_and_ends_the_child() -> None:
    async with fake_engine() as engine:
        running = engine.draw(order("for ever", steps=1_000_000))
        await anext(running)
        pid = engine.pid
    assert pid is not None
    with pytest.raises(ShuttingDown):
        async for _ in running:
            pass
    with pytest.raises(ShuttingDown):
        await drawn(engine, order())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_callers_on_other_event_loops_are_served() -> None:
    async with fake_engine() as engine:

        def elsewhere() -> int:
            return len(anyio.run(drawn, engine, order(seeds=(1, 2))).pictures)

        assert await anyio.to_thread.run_sync(elsewhere) == 2
        assert len((await drawn(engine, order())).pictures) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_child_dies_with_a_parent_that_is_killed_and_the_parent_never_imports_torch(tmp_path: Path) -> None:
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import sys, anyio\n"
        "from pathlib import Path\n"
        "from platemark.providers.local import open_local\n"
        "from platemark.settings import Settings\n"
        "async def main():\n"
        f"    async with open_local(Settings(data=Path({str(tmp_path)!r}))) as local:\n"
        "        while local.engine.pid is None: await anyio.sleep(0.01)\n"
        "        heavy = {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
        "        print(local.engine.pid, *heavy, flush=True)\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main)\n"
    )
    with subprocess.Popen([sys.executable, str(parent)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid, *heavy = process.stdout.readline().split()
        os.kill(process.pid, signal.SIGKILL)
    assert heavy == []
    while _lives(int(pid)):  # ended by the test's own time limit
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    """A zombie that nobody has collected yet has died."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
