"""P2 with a vendor: a server that is killed while it polls asks again by the ticket, and buys nothing twice."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from platemark.simulate.contract import KEY
from platemark.simulate.replicate import FakeReplicate
from platemark.simulate.server import serve as simulate
from serving import Served, serve

pytestmark = [pytest.mark.anyio, pytest.mark.blocking]
ASKED = {"prompt": "a red house", "model": "replicate/sd3.5-large"}


def settings(url: str) -> dict[str, str]:
    hosted = {"replicate": {"keys": ["env:VENDORS_KEY"], "base_url": url}}
    return {"providers": '["replicate"]', "hosted": json.dumps(hosted), "default_model": ASKED["model"]}


def accepted(server: Served) -> str:
    with server.http as http:
        answer = http.post("/v1/generate", json=ASKED, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def ended(server: Served, id: str) -> dict[str, Any]:
    with server.http as http:
        while (found := http.get(f"/v1/generations/{id}").json())["status"] in ("queued", "running"):
            time.sleep(0.1)
    return found


async def polls(fake: FakeReplicate, more: int) -> None:
    """Return once the vendor was asked so many times more what became of its work."""
    start = sum(method == "GET" for method, _ in fake.board.calls)
    with anyio.fail_after(60):
        # The fake counts, and tells nobody.
        while sum(method == "GET" for method, _ in fake.board.calls) < start + more:  # noqa: ASYNC110
            await anyio.sleep(0.05)


async def test_killed_while_it_polls_it_goes_on_by_the_ticket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDORS_KEY", KEY)
    fake, thread = FakeReplicate(), anyio.to_thread.run_sync
    async with simulate(fake) as url:
        fake.board.from_now_on("never_ending", method=None)
        with serve(tmp_path / "data", **settings(url)) as server:
            id = await thread(accepted, server)
            await polls(fake, 2)
            await thread(server.stop, signal.SIGKILL)
        with serve(tmp_path / "data", **settings(url)) as server:
            await polls(fake, 1)
            fake.board.from_now_on(None)
            found = await thread(ended, server, id)
    assert (found["status"], len(found["images"])) == ("succeeded", 1)
    assert fake.board.submissions() == 1
