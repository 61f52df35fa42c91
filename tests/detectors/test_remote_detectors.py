"""Remote detectors against their fakes: what they find, how they fail, and that nobody waits for one that is down."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
import pytest
import structlog
from PIL import Image

from pictures import encoded, house
from platemark import telemetry
from platemark.core.errors import Misconfigured
from platemark.core.moderation import Signal
from platemark.core.ports import Circumstances
from platemark.detectors.asking import PATIENCE
from platemark.detectors.remote import Remote
from platemark.detectors.services import KINDS, Configured, open_remote
from platemark.detectors.taxonomy import taxonomies
from platemark.policy.builtin import load_policy
from platemark.simulate.contract import FastClock
from platemark.simulate.fakes import MODERATION
from platemark.simulate.hive import UNREAD
from platemark.simulate.seeing import NEW
from platemark.simulate.server import Fake, serve
from platemark.simulate.sightengine import USER
from platemark.testing import exercise_image_detector, exercise_text_detector, unseen

pytestmark = pytest.mark.anyio
KEY = "sk-simulated"
RED = encoded(Image.new("RGB", (80, 60), (220, 20, 20)))
GREEN = encoded(house(96))
ALL = pytest.mark.parametrize("kind", sorted(KINDS))
# What each calls violence in a text, and in a picture.
VIOLENT = {
    "openai_moderation": ({"GORE", "VIOLENCE"}, {"GORE", "VIOLENCE"}),
    "azure_content_safety": ({"GORE"}, {"GORE"}),
    "sightengine": ({"VIOLENCE"}, {"GORE", "VIOLENCE"}),
    "hive": ({"VIOLENCE"}, {"GORE"}),
}


@pytest.fixture(autouse=True)
def _warnings_are_logged() -> None:
    """Whatever level a test before this one has left."""
    telemetry.configure(level="warning")


@dataclass
class Opened:
    remote: Remote
    fake: Fake
    clock: FastClock

    async def texts(self, prompt: str = "a house", **more: str) -> list[Signal]:
        return [*await self.remote.texts.look({"prompt": prompt, **more})]

    async def picture(self, data: bytes = GREEN) -> list[Signal]:
        return [*await self.remote.images.look(data)]


def half() -> float:
    return 0.5


@asynccontextmanager
async def opened(
    kind: str, monkeypatch: pytest.MonkeyPatch, *, key: str = KEY, seconds: float = 10
) -> AsyncGenerator[Opened]:
    monkeypatch.setenv("THE_KEY", key)
    monkeypatch.setenv("THE_USER", USER)
    keys = ("env:THE_USER", "env:THE_KEY") if kind == "sightengine" else ("env:THE_KEY",)
    fake, clock = MODERATION[kind](), FastClock()
    async with serve(fake) as url:
        base = f"{url}/v1" if kind == "openai_moderation" else url
        configured = Configured(kind, keys, base, seconds=seconds)
        async with open_remote("watcher", configured, clock=clock, fraction=half) as remote:
            yield Opened(remote, fake, clock)


def codes(signals: list[Signal]) -> set[str]:
    assert all(signal.evaluated for signal in signals), signals
    return {signal.category for signal in signals}


@ALL
async def test_the_contract_holds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(kind, monkeypatch) as watched:
        await exercise_text_detector(watched.remote.texts)
        await exercise_image_detector(watched.remote.images, GREEN)
        assert unseen(await watched.texts()) == []


@ALL
async def test_texts_and_pictures_are_measured(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written, pictured = VIOLENT[kind]
    async with opened(kind, monkeypatch) as watched:
        assert codes(await watched.texts("a house in a meadow")) == {"none"}
        found = await watched.texts("a scene of violence")
        assert codes(found) == written
        taxonomy = taxonomies()[kind]
        for signal in found:
            assert signal.score is not None
            assert signal.score >= 0.5
            assert taxonomy.knows(signal.evidence["raw_category"])
            assert signal.evidence["raw"] > 0.9
            assert signal.evidence["taxonomy"] == taxonomy.version
        assert codes(await watched.picture(GREEN)) == {"none"}
        assert codes(await watched.picture(RED)) == pictured


@ALL
async def test_what_is_to_be_avoided_is_only_noted(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(kind, monkeypatch) as watched:
        found = await watched.texts("a house", negative_prompt="violence")
        noted = [signal for signal in found if signal.evidence.get("avoided")]
        assert noted
        assert {signal.score for signal in found} == {0.0}


@ALL
async def test_an_unknown_category_is_told_and_logged(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(kind, monkeypatch) as watched:
        watched.fake.board.next("unknown_category")
        with structlog.testing.capture_logs() as logs:
            found = await watched.texts()
        (signal,) = found
        assert signal.category == "PROVIDER_UNSPECIFIED"
        assert NEW in signal.evidence["raw_category"]
        assert signal.score is not None
        assert signal.score > 0.9
        assert [line["event"] for line in logs] == ["remote_detector.unknown_category"]
        ruling = load_policy().rule(found, Circumstances(stage="before_request"))
        assert ruling.decision in ("review", "block")


@ALL
@pytest.mark.parametrize(
    "trouble",
    [
        *("error_500", "error_503", "rate_limited", "rate_limited_seconds", "reset", "truncated", "wrong_type"),
        *("huge_body", "auth", "bad_request", "error_in_200"),
    ],
)
async def test_failures_are_not_evaluated_and_tell_no_secret(
    kind: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(kind, monkeypatch) as watched:
        watched.fake.board.from_now_on(trouble)
        with structlog.testing.capture_logs() as logs:
            for found in (await watched.texts("a hidden house"), await watched.picture()):
                assert [signal.evaluated for signal in found] == [False]
                assert unseen(found)
                assert found[0].score is None
                told = json.dumps([found[0].model_dump(mode="json"), logs], default=str)
                assert KEY not in told
                assert "hidden" not in told


@ALL
@pytest.mark.parametrize("trouble", ["timeout", "slow_drip"])
async def test_silence_ends_at_the_deadline(kind: str, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(kind, monkeypatch, seconds=0.3) as watched:
        watched.fake.board.from_now_on(trouble)
        assert unseen(await watched.texts())


@ALL
async def test_a_short_trouble_is_repeated(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(kind, monkeypatch) as watched:
        watched.fake.board.next("error_503", times=2)
        assert codes(await watched.texts()) == {"none"}
        watched.fake.board.next("rate_limited_seconds")
        before = watched.clock.slept
        assert codes(await watched.texts()) == {"none"}
        # The vendor asked for seven seconds.
        assert watched.clock.slept - before >= 7


async def test_one_that_is_down_is_left_alone_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("azure_content_safety", monkeypatch) as watched:
        board = watched.fake.board
        board.from_now_on("error_500")
        for _ in range(PATIENCE):
            assert unseen(await watched.texts())
        asked = len(board.calls)
        (reason,) = unseen(await watched.texts())
        assert "left alone" in reason
        assert len(board.calls) == asked
        board.from_now_on(None)
        await watched.clock.sleep(60)
        assert codes(await watched.texts()) == {"none"}


async def test_nobody_can_pause_it_by_what_they_send(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("hive", monkeypatch) as watched:
        watched.fake.board.next("bad_request", times=PATIENCE + 1)
        for _ in range(PATIENCE + 1):
            assert unseen(await watched.texts())
        assert codes(await watched.texts()) == {"none"}


async def test_a_language_that_is_not_read_is_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("hive", monkeypatch) as watched:
        (reason,) = unseen(await watched.texts(UNREAD))
        assert "language" in reason


async def test_long_texts_are_asked_about_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("hive", monkeypatch) as watched:
        found = await watched.texts("a long street " * 300 + "violence")
        assert codes(found) == {"VIOLENCE"}
        assert len(watched.fake.board.calls) > 3
        assert "too long" in unseen(await watched.texts("a long street " * 2_500))[0]


async def test_pictures_go_out_small_and_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("sightengine", monkeypatch) as watched:
        await watched.picture(encoded(house(2_400)))
        sent = watched.fake.board.seen[-1].files["media"]
        assert sent[:3] == b"\xff\xd8\xff"
        assert b"Exif" not in sent
        clear = Image.new("RGBA", (64, 64), (220, 20, 20, 0))
        await watched.picture(encoded(clear))
        on_white, on_black = (seen.files["media"] for seen in [*watched.fake.board.seen][-2:])
        assert on_white != on_black


async def test_categories_that_openai_does_not_score_in_pictures_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("openai_moderation", monkeypatch) as watched:
        (nothing,) = await watched.picture()
        assert nothing.evidence["raw"].keys() == {
            *("sexual", "self-harm", "self-harm/intent", "self-harm/instructions", "violence", "violence/graphic")
        }


async def test_the_fake_of_openai_is_understood_by_its_client() -> None:
    async with (
        serve(MODERATION["openai_moderation"]()) as url,
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client,
    ):
        found = await client.moderations.create(input=["a house", "violence"], model="omni-moderation-latest")
        assert [result.flagged for result in found.results] == [False, True]
        with pytest.raises(openai.BadRequestError):
            await client.moderations.create(input="a house", model="nothing")
    async with (
        serve(MODERATION["openai_moderation"]()) as url,
        openai.AsyncOpenAI(api_key="wrong", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        with pytest.raises(openai.AuthenticationError):
            await client.moderations.create(input="a house")


@pytest.mark.parametrize(
    ("configured", "words"),
    [
        (Configured("nobody", ("env:THE_KEY",)), "no kind"),
        (Configured("azure_content_safety", ("env:THE_KEY",)), "base_url"),
        (Configured("sightengine", ("env:THE_KEY",)), "api_secret"),
        (Configured("hive", ("env:NOT_THERE",)), "NOT_THERE"),
    ],
)
async def test_wrong_settings_are_told(configured: Configured, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    with pytest.raises(Misconfigured, match=words):
        async with open_remote("watcher", configured, clock=FastClock(), fraction=half):
            raise AssertionError("it opened")


def shapes() -> list[Any]:
    return [None, [], {}, "x", 5, {"results": [{}]}, {"status": "success"}, {"status": [{"response": {}}]}, [[[]]]]


@ALL
async def test_answers_of_any_shape_are_survived(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(kind, monkeypatch) as watched:
        said: list[Any] = [None]

        def answer(_: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, json=said[0])

        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            watched.remote.asking.client = client
            for said[0] in shapes():
                assert unseen(await watched.texts()), said
                assert unseen(await watched.picture()), said
