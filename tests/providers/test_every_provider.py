"""Each provider's each model makes a picture by each operation that it declares, through one server over HTTP."""

import base64
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from test_provider_contract import SUBJECTS

from platemark.simulate.contract import KEY
from platemark.simulate.fakes import FAKES
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve as simulate
from serving import Served, serve

pytestmark = [pytest.mark.anyio, pytest.mark.blocking, pytest.mark.slow, pytest.mark.timeout(900)]
AT_ONCE = 8
GUIDED = {model: control for subject in SUBJECTS for model, control in subject.controls.items()}


def as_text(model: dict[str, Any], what: str) -> str:
    """A square source that the model takes, as base64."""
    side = max(256, model["capabilities"]["min_size"])
    return base64.b64encode(striped(side, side, what)).decode()


def requests(models: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One request for each operation of each model."""
    for model in models:
        for operation in model["capabilities"]["operations"]:
            request: dict[str, Any] = {"prompt": "a red house in a green meadow", "model": model["id"]}
            request["operation"] = operation
            if operation != "text_to_image":
                request["image"] = as_text(model, "source")
            if operation == "inpaint":
                request["mask"] = as_text(model, "mask")
            if operation == "outpaint":
                request |= {"left": 64, "right": 64}
            if model["id"] in GUIDED:
                request["controls"] = [{"type": GUIDED[model["id"]], "image": as_text(model, "guide")}]
            yield request


def drawn(server: Served, request: dict[str, Any]) -> str | None:
    """None once the picture is there with its bytes; else what went wrong."""
    about = f"{request['model']} {request['operation']}"
    with server.http as http:
        answer = http.post("/v1/generate", json=request, headers={"Prefer": "wait=80"})
        if answer.status_code != 200 or answer.json()["status"] != "succeeded":
            return f"{about}: {answer.status_code} {answer.text[:600]}"
        (image,) = answer.json()["images"]
        parts = [http.get(f"/v1/images/{image['id']}/{part}") for part in ("content", "original")]
        kept = [part.status_code for part in parts] == [200, 200] and all(part.content for part in parts)
        record = http.get(f"/v1/images/{image['id']}/record").json()
    named = record["generation"]["model"] if "generation" in record else None
    return None if kept and named in (None, request["model"]) else f"{about}: {parts} {named}"


async def test_every_operation_of_every_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDORS_KEY", KEY)
    problems, limit = list[str](), anyio.CapacityLimiter(AT_ONCE)
    async with AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(simulate(make())) for name, make in FAKES.items()}
        hosted = {name: {"keys": ["env:VENDORS_KEY"], "base_url": url} for name, url in urls.items()}
        settings = {"providers": json.dumps([*FAKES]), "hosted": json.dumps(hosted), "rate_burst": "10000"}
        with serve(tmp_path / "data", **settings, default_model="stability/core") as server:
            async with httpx2.AsyncClient(base_url=server.url, headers=dict(server.http.headers)) as client:
                models = (await client.get("/v1/models")).json()["data"]
                states = {each["id"]: each["state"] for each in (await client.get("/v1/providers")).json()["data"]}

            async def one(request: dict[str, Any]) -> None:
                if problem := await anyio.to_thread.run_sync(drawn, server, request, limiter=limit):
                    problems.append(problem)

            async with anyio.create_task_group() as group:
                for request in requests(models):
                    group.start_soon(one, request)
    assert problems == [], "\n".join(problems)
    assert set(states) == set(FAKES) == {model["provider"] for model in models}
    assert set(states.values()) == {"ok"}
