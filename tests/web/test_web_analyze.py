"""`/v1/analyze` and `/v1/inspections`: evidence first, nothing of the file kept, and everything bounded."""

import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from webparts import Site, claiming, counted, open_site

from pictures import encoded, house, noise
from platemark.core.inspection import Finding, Inspection
from platemark.net.fetch import fetch

pytestmark = pytest.mark.anyio
ADDRESS = "/v1/analyze"
KINDS = {"registry", "c2pa", "metadata", "own_watermark", "third_party_watermark", "learned", "remote"}


class Guess:
    """An origin detector that always says the same, to more digits than anybody should be told."""

    version = "7"

    def __init__(self, name: str, kind: Any, score: float) -> None:
        self.name, self.kind, self.score, self.seen = name, kind, score, 0

    async def look(self, data: bytes, media_type: str) -> Finding:
        self.seen += 1
        detail = {"score": self.score, "low": self.score - 0.1, "high": 1.0, "calibration": "cal-1"}
        return Finding(kind=self.kind, status="evaluated", direction="ai", weight="weak", detail=detail)


@pytest.fixture
def picture() -> bytes:
    return encoded(noise(96))


def guessing(site: Site, *guesses: Guess) -> None:
    site.app.state.platform = replace(site.platform, origin_detectors=guesses)


async def analyzed(site: Site, **sent: Any) -> dict[str, Any]:
    answer = await site.client.post(ADDRESS, **sent)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(site: Site, **sent: Any) -> tuple[int, str]:
    answer = await site.client.post(ADDRESS, **sent)
    return answer.status_code, answer.json()["code"]


async def lines(site: Site) -> list[dict[str, Any]]:
    async with site.platform.store.reading() as read:
        return [event.data for event in await read.events(site.project) if event.type == "inspection.made"]


async def kept(site: Site) -> list[Inspection]:
    async with site.platform.store.reading() as read:
        return await read.all(Inspection, project=site.project)


async def test_a_file_gets_the_flat_answer(site: Site, picture: bytes) -> None:
    found = await analyzed(site, files={"image": ("a.png", picture)})
    assert list(found)[:6] == ["id", "object", "schema", "image", "verdict", "tier"]
    assert (found["schema"], found["verdict"], found["tier"]) == ("verifier/1", "no_evidence_of_ai", "none")
    assert (found["is_proof"], found["policy_hint"]) == (False, "none")
    assert found["confidence"].keys() == {"p_ai", "low", "high", "calibration", "abstained"}
    assert {finding["kind"] for finding in found["evidence"]} == KINDS
    assert all({"status", "direction", "weight"} <= finding.keys() for finding in found["evidence"])
    assert not any("detail" in finding for finding in found["evidence"])
    assert found["input"] | {"sha256": ""} == {"sha256": "", "media_type": "image/png", "width": 96, "height": 96}
    assert found["versions"]["schema"] == "verifier/1"
    assert "Absence of evidence is not evidence of authenticity." in found["limits"]


async def test_a_file_may_come_in_every_way(site: Site, picture: bytes) -> None:
    plain = base64.b64encode(picture).decode()
    site.web.pages["https://pictures.test/a.png"] = picture
    ways: list[dict[str, Any]] = [
        {"files": {"image": ("a.png", picture)}},
        {"files": {"file": ("a.png", picture)}},
        {"content": picture, "headers": {"Content-Type": "image/png"}},
        {"json": {"image": plain}},
        {"json": {"image": f"data:image/png;base64,{plain}"}},
        {"json": {"image": "https://pictures.test/a.png"}},
        {"data": {"image": plain}, "files": {"retain": (None, "true")}},
    ]
    digests = {(await analyzed(site, **way))["input"]["sha256"] for way in ways}
    assert len(digests) == 1
    assert len(await kept(site)) == len(ways)


async def test_an_image_of_the_project_is_known_again_and_keeps_its_own_inspection(site: Site) -> None:
    made = (await site.generate())["images"][0]
    found = await analyzed(site, json={"image": made["id"]})
    assert (found["verdict"], found["tier"], found["confidence"]["p_ai"]) == ("generated_by_us", "conclusive", 1.0)
    assert found["image"] == made["id"]
    again = (await site.client.get(f"/v1/images/{made['id']}")).json()
    assert again["inspection"]["id"] == made["inspection"]["id"] != found["id"]


async def test_what_is_not_retained_leaves_a_line_in_the_chain_and_nothing_else(site: Site, picture: bytes) -> None:
    before = dict(site.blobs.kept)
    found = await analyzed(site, files={"image": ("a.png", picture)}, data={"retain": "false"})
    assert (await site.client.get(f"/v1/inspections/{found['id']}")).status_code == 404
    assert await kept(site) == []
    (line,) = await lines(site)
    assert line["input_sha256"] == found["input"]["sha256"]
    assert (line["verdict"], line["retained"]) == (found["verdict"], False)
    held = await analyzed(site, files={"image": ("a.png", picture)})
    assert (await site.client.get(f"/v1/inspections/{held['id']}")).json() == held
    assert site.blobs.kept == before


async def test_nothing_of_the_name_or_the_pixels_stands_in_the_chain(site: Site, picture: bytes) -> None:
    await analyzed(site, files={"image": ("my-secret-holiday.png", picture)})
    chain = (await site.client.get("/v1/audit")).text
    assert "holiday" not in chain
    assert base64.b64encode(picture[:60]).decode() not in chain


async def test_scores_are_rounded_and_what_guesses_is_only_likely(site: Site, picture: bytes) -> None:
    guessing(site, Guess("ours", "learned", 0.987654321))
    found = await analyzed(site, files={"image": ("a.png", picture)})
    assert (found["verdict"], found["tier"], found["policy_hint"]) == ("likely_ai", "inferred", "label")
    assert found["confidence"] == {"p_ai": 0.99, "low": 0.89, "high": 1.0, "calibration": "cal-1", "abstained": False}
    learned = next(finding for finding in found["evidence"] if finding["kind"] == "learned")
    assert (learned["score"], found["versions"]["ours"]) == (0.99, "7")


async def test_looks_are_chosen_by_kind_or_by_name(site: Site, picture: bytes) -> None:
    ours, theirs, others = Guess("ours", "learned", 0.9), Guess("theirs", "remote", 0.9), Guess("others", "remote", 0.9)
    guessing(site, ours, theirs, others)
    plain = base64.b64encode(picture).decode()
    found = await analyzed(site, json={"image": plain, "without": ["learned", "others"]})
    assert (ours.seen, theirs.seen, others.seen) == (0, 1, 0)
    states = {finding["kind"]: finding["status"] for finding in found["evidence"]}
    assert (states["learned"], states["remote"], states["c2pa"]) == ("skipped", "evaluated", "absent")
    await analyzed(site, files={"image": ("a.png", picture)}, data={"only": "c2pa, ours"})
    assert (ours.seen, theirs.seen, others.seen) == (1, 1, 0)
    nothing = await analyzed(site, json={"image": plain, "only": ["remote"], "without": ["remote"]})
    assert (nothing["verdict"], nothing["tier"]) == ("inconclusive", "none")
    assert await refused(site, json={"image": plain, "only": ["crystal_ball"]}) == (422, "invalid_request")


async def test_nobody_guesses_about_our_own_file(site: Site) -> None:
    guess = Guess("ours", "learned", 0.01)
    guessing(site, guess)
    made = (await site.generate())["images"][0]
    found = await analyzed(site, json={"image": made["id"]})
    assert (guess.seen, found["verdict"]) == (0, "generated_by_us")
    assert next(one["status"] for one in found["evidence"] if one["kind"] == "learned") == "skipped"


async def test_another_project_learns_nothing_of_ours(site: Site) -> None:
    made = (await site.generate())["images"][0]
    data = (await site.client.get(f"/v1/images/{made['id']}/content")).content
    async with site.as_(await site.new_key()) as stranger:
        assert (await stranger.post(ADDRESS, json={"image": made["id"]})).status_code == 404
        found = (await stranger.post(ADDRESS, files={"image": ("a.png", data)})).json()
        assert found["verdict"] != "generated_by_us"
        assert made["id"] not in json.dumps(found)
        theirs = (await stranger.get("/v1/inspections")).json()["data"]
        assert [one["id"] for one in theirs] == [found["id"]]
        assert (await stranger.get(f"/v1/inspections/{made['inspection']['id']}")).status_code == 404


async def test_what_cannot_be_looked_at_is_said(site: Site, picture: bytes) -> None:
    assert await refused(site, files={"image": ("a.png", b"not a picture")}) == (422, "invalid_image")
    assert await refused(site, files={"image": ("a.png", picture[: len(picture) // 2])}) == (422, "invalid_image")
    assert await refused(site, files={"image": ("a.png", b"")}) == (422, "invalid_request")
    assert await refused(site, files={"picture": ("a.png", picture)}) == (422, "invalid_request")
    assert await refused(site, files={"image": ("a.png", picture)}, data={"retain": "maybe"}) == (
        422,
        "invalid_request",
    )
    assert await refused(site, files={"image": ("a.png", picture)}, data={"prompt": "x"}) == (422, "invalid_request")
    assert await refused(site, json={"image": "img_" + "0" * 32}) == (404, "not_found")
    assert await refused(site, json={"image": "?"}) == (422, "invalid_image")
    assert await refused(site, json={"image": "http://127.0.0.1/a.png"}) == (422, "fetch_refused")
    assert await refused(site, content=b"x", headers={"Content-Type": "text/plain"}) == (415, "unsupported_media_type")
    assert await refused(site, content=b"", headers={"Content-Type": "image/png"}) == (422, "invalid_request")
    assert await lines(site) == []


async def test_too_many_bytes_are_not_read(tmp_path: Path, empty_database: Path) -> None:
    async with open_site(tmp_path, empty_database, max_image_bytes=10_000) as site:
        large = encoded(noise(256))
        assert len(large) > 10_000
        assert (await refused(site, files={"image": ("a.png", large)}))[0] == 413
        assert (await refused(site, content=large, headers={"Content-Type": "image/png"}))[0] == 413
        assert (await refused(site, json={"image": base64.b64encode(large).decode()}))[0] == 413


async def test_pixels_are_bounded_before_anything_is_decoded(site: Site) -> None:
    # Decoding would fail with another error: there are no such pixels in the file.
    bomb = claiming(40_000, 40_000)
    for sent in ({"files": {"image": ("a.png", bomb)}}, {"json": {"image": base64.b64encode(bomb).decode()}}):
        assert await refused(site, **sent) == (413, "too_large")
    assert await lines(site) == []


async def test_what_is_not_retained_is_in_no_table_but_those_of_the_record(site: Site, picture: bytes) -> None:
    await analyzed(site, files={"image": ("b.png", encoded(noise(64)))}, data={"retain": "false"})
    before = await counted(site)
    await analyzed(site, files={"image": ("a.png", picture)}, data={"retain": "false"})
    after = await counted(site)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "events": 1,
        "audit_lines": 1,
    }


async def test_who_sends_slowly_keeps_nobody_from_an_answer(site: Site, picture: bytes) -> None:
    go = anyio.Event()

    async def slowly() -> AsyncGenerator[bytes]:
        yield picture[:10]
        await go.wait()
        yield picture[10:]

    statuses: list[int] = []

    async def send() -> None:
        answer = await site.client.post(ADDRESS, content=slowly(), headers={"Content-Type": "image/png"})
        statuses.append(answer.status_code)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(send)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(20):
            await analyzed(site, files={"image": ("a.png", picture)})
        assert statuses == []
        go.set()
    assert statuses == [200] * 6


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/a.png",
        "https://2130706433/a.png",
        "http://pictures.test/a.png",
        "https://user:secret-word@10.0.0.1/a.png",
    ],
)
async def test_a_url_is_read_by_the_rules_for_strangers_urls(site: Site, url: str) -> None:
    async def read(url: str, /) -> bytes:
        return (await fetch(url, max_bytes=1_000, seconds=5)).data

    site.app.state.platform = replace(site.platform, fetch=read)
    answer = await site.client.post(ADDRESS, json={"image": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "fetch_refused")
    assert "secret-word" not in answer.text
    assert await lines(site) == []


async def test_an_oracle_has_a_stricter_limit(tmp_path: Path, empty_database: Path, picture: bytes) -> None:
    async with open_site(tmp_path, empty_database, analyze_per_minute=6, analyze_burst=2) as site:
        sent: dict[str, Any] = {"files": {"image": ("a.png", picture)}}
        answers = [await site.client.post(ADDRESS, **sent) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["code"] == "rate_limited"
        assert int(answers[2].headers["Retry-After"]) >= 1
        assert answers[1].headers["RateLimit-Limit"] == "2"
        assert (await site.client.get("/v1/inspections")).status_code == 200


async def test_an_image_is_inspected_again_and_keeps_its_history(site: Site) -> None:
    upload = await site.client.post("/v1/images", files={"image": ("a.png", encoded(house(96)))})
    image, first = upload.json()["id"], upload.json()["inspection"]["id"]
    guessing(site, Guess("ours", "learned", 0.9))
    made = await site.client.post(f"/v1/images/{image}/inspect")
    assert (made.status_code, made.json()["verdict"]) == (201, "likely_ai")
    shown = (await site.client.get(f"/v1/images/{image}")).json()["inspection"]
    assert (shown["id"], shown["verdict"]) == (made.json()["id"], "likely_ai")
    history = (await site.client.get("/v1/inspections", params={"image": image})).json()["data"]
    assert [one["id"] for one in history] == [made.json()["id"], first]
    assert "ours" not in history[1]["versions"]
    assert (await lines(site))[-1]["before"] == first
    likely = (await site.client.get("/v1/inspections", params={"verdict": "likely_ai"})).json()["data"]
    assert [one["id"] for one in likely] == [made.json()["id"]]
    await site.client.delete(f"/v1/images/{image}")
    assert (await site.client.post(f"/v1/images/{image}/inspect")).status_code == 410
