"""The fakes as their users meet them: over HTTP, told to misbehave over HTTP, refusing what the vendor refuses."""

import anyio
import httpx2
import pytest

from platemark.core.errors import InvalidRequest
from platemark.simulate.board import COMMON, OWN, Switchboard
from platemark.simulate.fakes import FAKES, simulate
from platemark.simulate.fields import Field, complaints

pytestmark = pytest.mark.anyio
CORE = "/v2beta/stable-image/generate/core"
KEY = {"authorization": "Bearer sk-simulated"}


async def test_a_fake_is_told_over_http_what_goes_wrong() -> None:
    async with anyio.create_task_group() as group:
        urls = list[str]()
        told = anyio.Event()

        def ready(url: str) -> None:
            urls.append(url)
            told.set()

        async def run() -> None:
            await simulate("stability", host="127.0.0.1", port=0, ready=ready)

        group.start_soon(run)
        await told.wait()
        async with httpx2.AsyncClient(base_url=urls[0], headers=KEY, timeout=30) as client:
            form = {"prompt": (None, "a house"), "seed": (None, "5")}
            answer = await client.post("/_simulate", json={"trouble": "rate_limited_seconds", "times": 1})
            assert answer.json()["waiting"] == ["rate_limited_seconds"]
            limited = await client.post(CORE, files=form)
            assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
            good = await client.post(CORE, files=form)
            assert (good.status_code, good.headers["seed"], good.headers["finish-reason"]) == (200, "5", "SUCCESS")
            assert (await client.post("/_simulate", json={"trouble": "no such thing"})).status_code == 422
            assert (await client.post("/_simulate", json={"trouble": None})).json()["calls"] == [["POST", CORE]] * 2
            unknown = await client.post(CORE, files={**form, "steps": (None, "30")})
            assert unknown.json()["errors"] == ["steps: is not a known field"]
            wrong = await client.post(CORE, json={"prompt": "a house"})
            assert wrong.status_code == 400
            stranger = await client.post(CORE, files=form, headers={"authorization": "Bearer nobody"})
            assert stranger.status_code == 401
        group.cancel_scope.cancel()


async def test_an_unknown_fake_is_told() -> None:
    with pytest.raises(InvalidRequest):
        await simulate("nobody", host="127.0.0.1", port=0, ready=print)


def test_fakes_know_only_troubles_that_there_are() -> None:
    assert {name: make().troubles - {*COMMON, *OWN} for name, make in FAKES.items()} == {name: set() for name in FAKES}


def test_troubles_come_once_always_or_not_to_this_method() -> None:
    board = Switchboard()
    board.next("reset", times=2)
    board.from_now_on("timeout", method=None)
    assert board.take("GET", "reset") is None
    assert [board.take("POST", "reset", "timeout") for _ in range(3)] == ["reset", "reset", "timeout"]
    board.from_now_on(None)
    assert board.take("POST", "reset", "timeout") is None
    with pytest.raises(ValueError, match="no trouble"):
        board.next("nonsense")


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        (Field(least=1), "", "n: must be at least 1 characters"),
        (Field(most=2), "abc", "n: must be at most 2 characters"),
        (Field(one_of=("a", "b")), "c", "n: must be one of a, b"),
        (Field("number", least=1), "0.5", "n: must be at least 1"),
        (Field("number"), "x", "n: must be a number"),
        (Field("integer"), "1.5", "n: must be a whole number"),
        (Field("integer", step=64), 100, "n: must be a multiple of 64"),
        (Field(), 5, "n: must be a text"),
        (Field("number", least=0, most=1), "0.5", None),
    ],
)
def test_fields_are_complained_about(field: Field, value: object, complaint: str | None) -> None:
    assert list(complaints({"n": field}, {"n": value}, {})) == ([complaint] if complaint else [])


def test_missing_unknown_and_empty_fields() -> None:
    table = {"a": Field(required=True), "f": Field("file", required=True)}
    assert list(complaints(table, {"b": "x"}, {"f": b""})) == [
        "b: is not a known field",
        "a: is required",
        "f: is empty",
    ]
