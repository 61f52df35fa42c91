"""The server process: ready when it listens, polite when it stops, clear when it cannot start."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest
from webparts import Site, client_of

from platemark.core.errors import Misconfigured
from platemark.web import server
from platemark.web.allocator import ALLOCATOR
from platemark.web.server import Server
from serving import serve
from waiting import left_once, until


@dataclass
class Listening:
    """A server of this process, with a client for it."""

    server: Server
    client: httpx2.AsyncClient


@asynccontextmanager
async def listening(site: Site) -> AsyncGenerator[Listening]:
    """The site behind a real socket; ends when the server has stopped."""
    with ExitStack() as stack:
        sockets = server._bind("127.0.0.1", 0, stack)
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        running = Server(server._config(site.app, site.app.state.settings), site.stopping, f"platemark ready {url}")
        headers = {"Authorization": f"Bearer {site.key}"}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.serve, sockets)
            await until(lambda: running.started)
            async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
                yield Listening(running, client)
            running.stop()


async def test_the_ready_line_comes_when_connections_are_answered(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    async with listening(site) as up:
        assert capsys.readouterr().out == f"platemark ready {str(up.client.base_url).rstrip('/')}\n"
        assert (await up.client.get("/healthz")).status_code == 200


async def test_a_stop_ends_streams_and_waiting_calls_politely(site: Site) -> None:
    site.jobs.running = anyio.Event()
    ended: list[str] = []
    async with listening(site) as up:
        begun = await up.client.post("/v1/generate", json={"prompt": "a"}, headers={"Prefer": "respond-async"})
        heard = anyio.Event()

        async def follow() -> None:
            async with up.client.stream("GET", begun.json()["urls"]["events"]) as stream:
                text = ""
                async for chunk in stream.aiter_text():
                    text += chunk
                    if "generation.accepted" in text:
                        heard.set()
            ended.append(text)

        async def wait() -> None:
            answer = await up.client.post("/v1/generate", json={"prompt": "b"})
            ended.append(f"{answer.status_code} {answer.headers['location']}")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            tasks.start_soon(wait)
            await heard.wait()
            await until(lambda: len(up.server.server_state.tasks) >= 2)
            up.server.stop()
        assert not up.server.force_exit
    stream, answer = sorted(ended, key=len, reverse=True)
    assert stream.endswith("retry: 1000\n\n")
    assert answer.startswith("202 http://127.0.0.1:")


async def test_a_client_that_hangs_up_ends_its_stream(site: Site) -> None:
    site.jobs.running = anyio.Event()
    async with listening(site) as up:
        begun = await up.client.post("/v1/generate", json={"prompt": "a"}, headers={"Prefer": "respond-async"})
        async with up.client.stream("GET", begun.json()["urls"]["events"]) as stream:
            await anext(stream.aiter_text())
            assert len(up.server.server_state.tasks) == 1
        await until(lambda: not up.server.server_state.tasks)


async def test_a_client_that_hangs_up_while_waiting_cancels_nothing(site: Site) -> None:
    site.jobs.running = anyio.Event()
    async with listening(site) as up:
        ask = partial(up.client.post, "/v1/generate", json={"prompt": "a"})
        await left_once(lambda: site.jobs.submitted == 1, ask)
        site.jobs.running.set()

        async def finished() -> bool:
            return [one["status"] for one in (await up.client.get("/v1/generations")).json()["data"]] == ["succeeded"]

        await until(finished)


async def test_large_answers_and_heads_go_over_the_wire(site: Site) -> None:
    async with listening(site) as up:
        made = (await up.client.post("/v1/generate", json={"prompt": "a", "width": 512, "height": 512})).json()
        url = made["images"][0]["url"]
        whole, head = await up.client.get(url), await up.client.head(url)
        assert head.headers["content-length"] == str(len(whole.content))
        assert (await up.client.get(made["urls"]["events"])).text.count("event: ") >= 3
        assert (await up.client.head(made["urls"]["events"])).content == b""
        assert "server" not in whole.headers


async def test_only_a_proxy_of_this_machine_is_believed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    config = server._config(site.app, site.app.state.settings)
    config.load()
    app = vars(config)["loaded_app"]

    async def asked(address: str) -> list[int]:
        statuses: list[int] = []
        async with client_of(app, None, address=address) as nobody:
            for number in range(7):
                headers = {"X-Forwarded-For": f"198.51.100.{number}"}
                statuses.append((await nobody.post("/verify", json={}, headers=headers)).status_code)
        return statuses

    assert await asked("203.0.113.9") == [415] * 6 + [429]
    assert await asked("127.0.0.1") == [415] * 7


def test_every_address_of_a_host_shares_one_port() -> None:
    with ExitStack() as stack:
        sockets = server._bind("localhost", 0, stack)
        assert len({one.getsockname()[1] for one in sockets}) == 1


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, ExitStack() as stack:
        port = other.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"{port} cannot be listened on"):
            server._bind("127.0.0.1", port, stack)


def test_a_host_that_is_not_ours_is_said() -> None:
    with ExitStack() as stack:
        with pytest.raises(Misconfigured):
            server._bind("203.0.113.7", 0, stack)
        with pytest.raises(Misconfigured):
            server._bind("no.such.host.invalid", 0, stack)


def test_an_interrupt_ends_the_process_with_0(tmp_path: Path) -> None:
    with serve(tmp_path / "data", providers="[]") as up:
        assert httpx2.get(f"{up.url}/readyz").json()["status"] == "ready"
        assert up.stop(signal.SIGINT) == 0
        assert "Traceback" not in up.logged()


def test_a_second_server_on_the_same_port_ends_with_2_and_one_line(tmp_path: Path) -> None:
    with serve(tmp_path / "data", providers="[]") as up:
        port = up.url.rpartition(":")[2]
        command = [sys.executable, "-m", "platemark", "serve", "--data", str(tmp_path / "other"), "--port", port]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert up.stop(signal.SIGTERM) == 0
    assert second.returncode == 2
    assert second.stdout == ""
    assert f"127.0.0.1:{port} cannot be listened on" in second.stderr
    assert "Traceback" not in second.stderr
    assert not (tmp_path / "other").exists()


def test_the_allocator_is_tuned_once_without_losing_the_arguments(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "import os, sys\nfrom platemark.web.allocator import tune_allocator\nprint(os.getpid(), flush=True)\n"
        "tune_allocator()\nprint(sys.argv[1:], *[os.environ.get(n) for n in sys.argv[2:]])\n"
    )
    names = list(ALLOCATOR)
    clean = {name: value for name, value in os.environ.items() if name not in ALLOCATOR}
    command = [sys.executable, "-X", "utf8", str(script), "a b", *names]
    first = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, check=True).stdout
    pids, (said,) = first.splitlines()[:-1], first.splitlines()[-1:]
    assert len(pids) == 2
    assert pids[0] == pids[1]
    assert said == " ".join([str(["a b", *names]), *ALLOCATOR.values()])
    set_already = {**clean, names[0]: "1"}
    second = subprocess.run(command, env=set_already, capture_output=True, text=True, timeout=60, check=True).stdout
    assert len(second.splitlines()) == 2
