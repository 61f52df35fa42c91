"""Services that guess whether a picture is AI-made, against their fakes: what they say, and how they fail."""

import json
import re
import tomllib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiornot
import httpx
import httpx2
import pytest
import structlog
from PIL import Image
from pydantic import ValidationError

from checkout import ROOT
from pictures import encoded, house
from platemark.core.errors import Misconfigured
from platemark.core.inspection import Finding
from platemark.core.limits import Limits
from platemark.detectors.asking import PATIENCE
from platemark.detectors.origin_services.catalogue import KNOWN
from platemark.detectors.origin_services.forms import Form
from platemark.detectors.origin_services.opening import open_service, open_services
from platemark.detectors.origin_services.paths import MISSING, built, found_at, parsed
from platemark.detectors.origin_services.realitydefender import POLL_SECONDS, SECONDS
from platemark.detectors.origin_services.remote import RemoteOrigin
from platemark.flows.fuse import fuse
from platemark.settings import OriginService
from platemark.simulate.contract import FastClock
from platemark.simulate.fakes import MODERATION, ORIGIN
from platemark.simulate.server import Fake, serve
from platemark.simulate.sightengine import USER
from platemark.testing import exercise_origin_detector

pytestmark = pytest.mark.anyio
KEY = "sk-simulated"
PICTURES = {
    "red": encoded(Image.new("RGB", (80, 60), (220, 20, 20))),
    "blue": encoded(Image.new("RGB", (80, 60), (20, 20, 220))),
    "green": encoded(house(96)),
}
GREEN = PICTURES["green"]
PRIVATE: dict[str, Any] = {
    "kind": "generic",
    "auth_header": "X-Detector-Key",
    "auth_prefix": "",
    "body": "base64",
    "field": "picture.bytes",
    "fields": {"model": "large", "quick": True},
    "score": "results[name=origin].human",
    "scale": 100,
    "inverted": True,
    "verdict": "results[name=origin].call",
    "words": {"synthetic": "ai", "camera": "real", "unclear": "unsure"},
}
EVERY = [*sorted(KNOWN), "generic"]
# Winston reads what lies behind a URL, never what is sent.
SENDING = [kind for kind in EVERY if kind != "winston"]
WITH_VERDICT = ["anyimagedetector", "aiornot", "realitydefender", "generic"]
FAKE = {"hive": "hive_origin", "hive_v2": "hive_origin", "generic": "private_detector"}
BELOW = {"anyimagedetector": "/v1", "sightengine": "/1.0", "generic": "/check"}


@dataclass
class Opened:
    detector: RemoteOrigin
    fake: Fake
    clock: FastClock

    async def look(self, picture: bytes = GREEN) -> Finding:
        return await self.detector.look(picture, "image/png")


def half() -> float:
    return 0.5


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    monkeypatch.setenv("THE_USER", USER)


def said(kind: str, **more: Any) -> OriginService:
    keys = ["env:THE_USER", "env:THE_KEY"] if kind == "sightengine" else ["env:THE_KEY"]
    own = PRIVATE if kind == "generic" else {"kind": kind}
    return OriginService.model_validate({**own, "keys": keys, **more})


@asynccontextmanager
async def opened(kind: str, **more: Any) -> AsyncGenerator[Opened]:
    name = FAKE.get(kind, kind)
    fake, clock = {**MODERATION, **ORIGIN}[name](), FastClock()
    async with serve(fake) as url:
        one = said(kind, base_url=url + BELOW.get(kind, ""), **more)
        async with open_service("watcher", one, clock=clock, fraction=half) as detector:
            yield Opened(detector, fake, clock)


def code(finding: Finding) -> str:
    assert (finding.kind, finding.status) == ("remote", "not_evaluated"), finding
    assert (finding.direction, finding.weight) == ("none", "none")
    assert finding.detail["reason"]
    assert "score" not in finding.detail
    return finding.detail["code"]


@pytest.mark.parametrize("kind", EVERY)
async def test_the_contract_holds(kind: str) -> None:
    async with opened(kind, picture_url="https://pictures.example/red/{sha256}") as watched:
        await exercise_origin_detector(watched.detector, GREEN)


@pytest.mark.parametrize("kind", SENDING)
async def test_scores_are_probabilities_of_ai(kind: str) -> None:
    async with opened(kind) as watched:
        made, taken = await watched.look(PICTURES["red"]), await watched.look(GREEN)
    assert (made.status, made.direction, made.weight) == ("scored", "ai", "weak")
    assert (taken.status, taken.direction, taken.weight) == ("scored", "none", "none")
    assert (made.detail["score"], taken.detail["score"]) == (0.97, 0.03)
    assert made.detail["raw"]["value"] in (0.97, 97, 3)
    assert made.detail.keys() >= {"service", "threshold", "latency_ms", "raw", "sent"}
    fused = fuse([made])
    assert (fused.verdict, fused.tier, fused.confidence.p_ai) == ("likely_ai", "inferred", 0.97)


@pytest.mark.parametrize("kind", WITH_VERDICT)
async def test_a_service_that_is_unsure_abstains(kind: str) -> None:
    async with opened(kind) as watched:
        unsure = await watched.look(PICTURES["blue"])
    assert (unsure.status, unsure.direction, unsure.detail["abstained"]) == ("abstained", "none", True)
    assert fuse([unsure]).verdict == "inconclusive"


async def test_verdict_and_number_that_disagree_decide_nothing() -> None:
    async with opened("aiornot", threshold=0.99) as watched:
        finding = await watched.look(PICTURES["red"])
    assert (finding.status, finding.direction) == ("abstained", "none")
    assert finding.detail["raw"]["verdict"] == "ai"


async def test_the_meaning_of_a_number_is_told() -> None:
    async with opened("generic") as watched:
        finding = await watched.look(PICTURES["red"])
        sent = watched.fake.board.seen[-1]
    assert finding.detail["raw"] == {
        "field": "results[name=origin].human",
        "value": 3,
        "scale": 100,
        "inverted": True,
        "verdict": "synthetic",
    }
    assert (sent.json["model"], sent.json["quick"]) == ("large", True)


async def test_words_alone_stand_for_numbers() -> None:
    words = {"synthetic": 0.9, "camera": 0.2}
    async with opened("generic", score=None, words=words) as watched:
        assert (await watched.look(PICTURES["red"])).detail["score"] == 0.9
        assert code(await watched.look(PICTURES["blue"])) == "no_score"


@pytest.mark.parametrize("kind", SENDING)
@pytest.mark.parametrize(
    ("trouble", "wanted"),
    [
        *(("error_500", "unavailable"), ("error_503", "unavailable"), ("rate_limited", "rate_limited")),
        *(
            ("rate_limited_seconds", "rate_limited"),
            ("reset", "connection_failed"),
            ("wrong_type", "unreadable_answer"),
        ),
        *(("huge_body", "unreadable_answer"), ("auth", "credential_refused"), ("bad_request", "refused")),
        ("error_in_200", None),
    ],
)
async def test_failures_are_not_evaluated_and_tell_no_secret(kind: str, trouble: str, wanted: str | None) -> None:
    async with opened(kind) as watched:
        watched.fake.board.from_now_on(trouble)
        with structlog.testing.capture_logs() as logs:
            finding = await watched.look()
    assert code(finding) in ((wanted,) if wanted else ("failed", "no_score", "unreadable_answer"))
    assert KEY not in json.dumps([finding.model_dump(mode="json"), logs], default=str)


@pytest.mark.parametrize("trouble", ["timeout", "slow_drip"])
@pytest.mark.parametrize("kind", ["anyimagedetector", "generic"])
async def test_silence_ends_at_the_deadline(kind: str, trouble: str) -> None:
    async with opened(kind, timeout_seconds=0.3) as watched:
        watched.fake.board.from_now_on(trouble)
        assert code(await watched.look()) == "timeout"


async def test_one_that_is_down_is_left_alone_and_asked_again() -> None:
    async with opened("anyimagedetector") as watched:
        board = watched.fake.board
        board.from_now_on("error_500")
        assert [code(await watched.look()) for _ in range(PATIENCE)] == ["unavailable"] * PATIENCE
        asked = len(board.calls)
        assert code(await watched.look()) == "paused"
        assert len(board.calls) == asked
        board.from_now_on(None)
        await watched.clock.sleep(60)
        assert (await watched.look()).status == "scored"


async def test_an_empty_account_is_said() -> None:
    async with opened("anyimagedetector") as watched:
        watched.fake.board.next("out_of_credit")
        assert code(await watched.look()) == "out_of_credit"


async def test_pixels_go_out_bare_unless_the_file_is_wanted() -> None:
    marked = encoded(house(96), "JPEG", exif=b"Exif\x00\x00secret place")
    async with opened("anyimagedetector") as watched:
        bare = await watched.look(marked)
        assert b"secret place" not in watched.fake.board.seen[-1].files["image"]
    async with opened("anyimagedetector", send="file") as watched:
        whole = await watched.look(marked)
        assert watched.fake.board.seen[-1].files["image"] == marked
        watched.detector.service = replace(KNOWN["anyimagedetector"].service, most_bytes=100)
        assert code(await watched.look(marked)) == "too_large"
    assert (bare.detail["sent"], whole.detail["sent"]) == ("pixels", "file")


async def test_a_picture_that_is_too_large_is_not_sent() -> None:
    async with opened("aiornot") as watched:
        watched.detector.limits = Limits(max_image_bytes=len(GREEN) - 1)
        assert code(await watched.look()) == "too_large"
        assert watched.fake.board.calls == []


async def test_winston_reads_public_urls_only() -> None:
    async with opened("winston") as watched:
        assert code(await watched.look()) == "no_public_url"
        assert watched.fake.board.calls == []
    async with opened("winston", picture_url="https://pictures.example/red/{sha256}") as watched:
        found = await watched.look()
        assert (found.direction, found.detail["score"], found.detail["raw"]["value"]) == ("ai", 0.97, 3)
        assert found.detail["sent"] == "url"
    async with opened("winston", picture_url="https://pictures.example/nowhere/{sha256}") as watched:
        assert code(await watched.look()) == "refused"


async def test_reality_defender_is_asked_until_it_is_done_and_no_longer() -> None:
    async with opened("realitydefender") as watched:
        assert (await watched.look()).status == "scored"
        assert [method for method, _ in watched.fake.board.calls] == ["POST", "PUT", "GET", "GET"]
        store = watched.fake.board.seen[1]
        assert "x-api-key" not in store.headers
        assert store.files["body"][:3] == b"\xff\xd8\xff"
        watched.fake.board.from_now_on("never_ending", method="GET")
        assert code(await watched.look()) == "timeout"
        assert len(watched.fake.board.calls) == 4 + 2 + SECONDS / POLL_SECONDS


async def test_reality_defender_puts_pictures_nowhere_inside() -> None:
    async with opened("realitydefender", timeout_seconds=2) as watched:
        # The fake itself runs there, so its own address is no example of another.
        watched.detector.asking.base_url = watched.detector.asking.base_url.replace("127.0.0.1", "localhost")
        watched.fake.board.next("private_redirect")
        assert code(await watched.look()) == "refused"
        assert {method for method, _ in watched.fake.board.calls} == {"POST"}


async def test_a_store_that_takes_nothing_is_no_matter_of_our_key() -> None:
    async with opened("realitydefender") as watched:
        watched.fake.board.next("auth", method="PUT")
        assert code(await watched.look()) == "refused"


async def test_the_examples_of_the_page_can_be_used() -> None:
    page = (ROOT / "docs/how-to/connect-ai-image-detectors.md").read_text(encoding="utf-8")
    known, private = [tomllib.loads(text)["origin_detectors"] for text in re.findall(r"```toml\n(.*?)```", page, re.S)]
    assert [OriginService.model_validate(one).kind or name for name, one in known.items()] == [
        *("anyimagedetector", "aiornot", "sightengine")
    ]
    answer = {"results": [{"name": "origin", "call": "Synthetic", "human": 12.5}]}
    one = OriginService.model_validate({**private["private"], "keys": ["env:THE_KEY"]})
    async with open_service("private", one, clock=FastClock(), fraction=half) as detector:
        assert isinstance(detector.service, Form)
        said = detector.service.opinion(answer)
    assert (said.score, said.says) == (0.875, "ai")


async def test_another_method_is_used() -> None:
    async with opened("generic", method="PUT") as watched:
        assert (await watched.look()).status == "scored"
        assert watched.fake.board.calls == [("PUT", "/check")]


async def test_the_version_tells_how_it_is_read() -> None:
    async with opened("generic") as one, opened("generic", threshold=0.7) as other, opened("generic") as again:
        assert one.detector.version == again.detector.version != other.detector.version
        assert one.detector.version.startswith("generic+")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({"kind": "nobody"}, "no kind 'nobody'"),
        ({"kind": "aiornot", "keys": []}, "one reference each"),
        ({"kind": "aiornot", "score": "x"}, "score can be set for kind generic only"),
        ({"kind": "aiornot", "keys": ["env:NOT_THERE"]}, "NOT_THERE"),
        ({"kind": "aiornot", "keys": ["env:A_BAD_KEY"]}, "no HTTP header"),
        ({**PRIVATE}, "needs base_url"),
        ({**PRIVATE, "base_url": "https://x.example", "score": "a[b"}, "is no path"),
        ({**PRIVATE, "base_url": "https://x.example", "field": "a[3]"}, "names and \\[0\\] only"),
        ({**PRIVATE, "base_url": "https://x.example", "words": {}}, "belong together"),
        ({**PRIVATE, "base_url": "https://x.example", "score": None}, "each of words has to be the number"),
        ({**PRIVATE, "base_url": "https://x.example", "words": {"x": 0.2}}, "is no number"),
        ({"kind": "generic", "base_url": "https://x.example"}, "score, verdict or both"),
    ],
)
async def test_wrong_settings_are_told(one: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_BAD_KEY", "schl\u00fcssel")
    service = OriginService.model_validate({"keys": ["env:THE_KEY"], **one})
    with pytest.raises(Misconfigured, match=words):
        async with open_services({"watcher": service}, clock=FastClock(), fraction=half, limits=Limits()):
            raise AssertionError("it opened")


async def test_names_of_findings_are_not_taken() -> None:
    with pytest.raises(Misconfigured, match="taken"):
        async with open_service("learned", said("aiornot"), clock=FastClock(), fraction=half):
            raise AssertionError("it opened")


@pytest.mark.parametrize("wrong", [{"keys": ["sk-plain"]}, {"scale": 10}, {"words": {"x": 2}}, {"threshold": 1}])
def test_settings_take_no_nonsense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OriginService.model_validate(wrong)


@pytest.mark.parametrize("kind", EVERY)
async def test_answers_of_any_shape_are_survived(kind: str) -> None:
    shapes: list[Any] = [None, [], {}, "x", 5, {"status": "success"}, {"ai_score": "0.9"}, {"score": 900}, [[[]]]]
    shapes += [{"output": [{"classes": [5, {"class": "ai_generated", "value": True}]}]}, {"data": {"probability": -1}}]
    async with opened(kind, picture_url="https://pictures.example/{sha256}") as watched:
        given: list[Any] = [None]

        def answer(_: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, json=given[0])

        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            watched.detector.asking.client = client
            for given[0] in shapes:
                assert code(await watched.look()) in ("no_score", "failed", "unreadable_answer"), given


def test_paths_lead_into_json() -> None:
    body = {"a": [{"b": 1}, {"n": "x", "b": 2}], "c.d": 3}
    assert [found_at(body, parsed(path)) for path in ("a[0].b", "a[n=x].b")] == [1, 2]
    assert all(found_at(body, parsed(path)) is MISSING for path in ("a.b", "a[5]", "a[n=y].b", "c.d", "a[0].b.c"))
    assert built(parsed("input[0].media"), "x") == {"input": [{"media": "x"}]}
    for wrong in ("", ".a", "a[", "a]", "a[x]", "a..b"):
        with pytest.raises(ValueError, match="path"):
            parsed(wrong)


async def test_the_fake_of_ai_or_not_is_understood_by_its_client() -> None:
    async with serve(ORIGIN["aiornot"]()) as url, httpx.AsyncClient(trust_env=False) as http:
        client = aiornot.AsyncClient(api_key=KEY, base_url=url, client=http)
        made = await client.image_report_by_blob_sync(PICTURES["red"], only=["ai_generated"])
        assert made.is_ai()
        assert made.report.ai_generated is not None
        assert made.report.ai_generated.ai.confidence == 0.97
        assert made.report.nsfw is None
        assert not (await client.image_report_by_blob_sync(GREEN)).is_ai()
        stranger = aiornot.AsyncClient(api_key="wrong", base_url=url, client=http)
        with pytest.raises(httpx.HTTPStatusError):
            await stranger.image_report_by_blob_sync(GREEN)
