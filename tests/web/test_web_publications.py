"""Publishing over HTTP: released, held, refused, withdrawn, and read by anybody."""

import csv
import hashlib
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from webparts import Site

from platemark.core.moderation import Signal
from platemark.flows.publications.export import COLUMNS, flat


class Later:
    """An image detector that has come since the picture was drawn."""

    name, version = "later", "1"

    def __init__(self, category: str) -> None:
        self.category = category

    async def look(self, data: bytes) -> list[Signal]:
        return [Signal(detector=self.name, version=self.version, category=self.category, score=1.0)]


def see(site: Site, category: str) -> None:
    object.__setattr__(site.platform, "image_detectors", (Later(category),))


async def test_a_published_picture_is_read_without_a_key_until_it_is_withdrawn(site: Site) -> None:
    image = (await site.generate())["images"][0]
    answer = await site.client.post(f"/v1/images/{image['id']}/publish", json={"audience": "newsroom"})
    made = answer.json()
    assert (answer.status_code, made["state"], made["audience"]) == (200, "published", "newsroom")
    assert answer.headers["location"].endswith(f"/v1/publications/{made['id']}")
    async with site.as_(None) as anybody:
        read = await anybody.get(made["url"])
        assert (read.status_code, read.headers["content-type"]) == (200, "image/png")
        assert (await anybody.get(made["url"], headers={"If-None-Match": read.headers["etag"]})).status_code == 304
        gone = await site.client.post(f"/v1/publications/{made['id']}/withdraw")
        assert (gone.json()["state"], gone.json()["url"]) == ("withdrawn", None)
        assert (await anybody.get(made["url"])).status_code == 410
    assert (await site.client.get(f"/v1/publications/{made['id']}")).json() == gone.json()
    record = (await site.client.get(f"/v1/images/{image['id']}/record")).json()
    assert [entry["stage"] for entry in record["moderation"]] == ["before_request", "after_response", "before_publish"]
    assert record["publications"][0]["state"] == "withdrawn"
    assert record["chain"]["verified"]


async def test_what_waits_for_a_person_is_202_and_gives_nothing(site: Site) -> None:
    image = (await site.generate())["images"][0]
    see(site, "doubtful")
    answer = await site.client.post(f"/v1/images/{image['id']}/publish", json={})
    assert (answer.status_code, answer.json()["state"], answer.json()["url"]) == (202, "held", None)
    async with site.as_(None) as anybody:
        assert (await anybody.get(f"/v1/publications/{answer.json()['id']}/content")).status_code == 404


async def test_what_is_refused_is_403_with_its_code(site: Site) -> None:
    image = (await site.generate())["images"][0]
    see(site, "weapon")
    answer = await site.client.post(f"/v1/images/{image['id']}/publish", json={"audience": "education"})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["reason_code"]) == (
        403,
        "blocked_by_app_policy",
        "word_weapon",
    )
    assert "pub_" in problem["detail"]


async def test_wrong_bodies_and_unknown_ids(site: Site) -> None:
    image = (await site.generate())["images"][0]["id"]
    wrong = await site.client.post(f"/v1/images/{image}/publish", json={"audience": "", "targets": 1})
    assert wrong.status_code == 422
    assert {error["pointer"] for error in wrong.json()["errors"]} == {"/audience", "/targets"}
    for path in (f"/v1/images/img_{'0' * 32}/publish", f"/v1/publications/pub_{'0' * 32}/withdraw"):
        assert (await site.client.post(path, json={})).status_code == 404
    async with site.as_(await site.new_key(site.project, scopes=("images:read", "images:write"))) as client:
        asserted = await client.post(f"/v1/images/{image}/publish", json={"role": "editor"})
    assert asserted.status_code == 403


async def test_renditions_have_addresses_of_their_own(site: Site) -> None:
    image = (await site.generate(width=128, height=64))["images"][0]
    wish = {"renditions": [{"width": 32}, {"format": "webp"}, {"width": 32}], "alt_text": "A red house."}
    made = (await site.client.post(f"/v1/images/{image['id']}/publish", json=wish)).json()
    shown = [(one["name"], one["media_type"], one["width"], one["height"]) for one in made["renditions"]]
    assert shown == [
        ("full", "image/png", 128, 64),
        ("w32", "image/png", 32, 16),
        ("webp", "image/webp", 128, 64),
    ]
    assert (made["ai_disclosure"], made["label_text"], made["alt_text"]) == (
        "label",
        "AI-generated image",
        "A red house.",
    )
    async with site.as_(None) as anybody:
        for one in made["renditions"]:
            answer = await anybody.get(one["url"])
            assert (answer.status_code, answer.headers["content-type"]) == (200, one["media_type"])
            assert hashlib.sha256(answer.content).hexdigest() == one["sha256"]
        assert (await anybody.get(f"{made['url']}?rendition=w31")).status_code == 404
        # An address of the image itself gives who has no key what was released, not what is stored.
        stored = await site.client.get(image["url"])
        released = await anybody.get(image["url"])
    assert hashlib.sha256(released.content).hexdigest() == made["renditions"][0]["sha256"]
    assert hashlib.sha256(stored.content).hexdigest() == image["sha256"]


async def test_wrong_renditions_and_targets_are_named(site: Site) -> None:
    image = (await site.generate())["images"][0]["id"]
    wish = {"renditions": [{"width": 2}, {"format": "gif"}, {"height": 3}], "alt_text": ""}
    wrong = await site.client.post(f"/v1/images/{image}/publish", json=wish)
    assert {error["pointer"] for error in wrong.json()["errors"]} == {
        "/renditions/0/width",
        "/renditions/1/format",
        "/renditions/2/height",
        "/alt_text",
    }
    unknown = await site.client.post(f"/v1/images/{image}/publish", json={"targets": ["moon"]})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/targets/0")
    assert (await site.client.get("/v1/targets")).json()["data"] == []


async def test_nothing_that_failed_is_nothing_to_retry(site: Site) -> None:
    image = (await site.generate())["images"][0]["id"]
    made = (await site.client.post(f"/v1/images/{image}/publish", json={})).json()
    assert (await site.client.post(f"/v1/publications/{made['id']}/retry")).status_code == 409


async def test_the_export_reads_every_published_file_again(site: Site) -> None:
    first, second = (await site.generate(n=2))["images"]
    wish = {"audience": "newsroom", "renditions": [{"width": 16}]}
    made = (await site.client.post(f"/v1/images/{first['id']}/publish", json=wish)).json()
    gone = (await site.client.post(f"/v1/images/{second['id']}/publish", json={})).json()
    await site.client.post(f"/v1/publications/{gone['id']}/withdraw")
    answer = await site.client.get("/v1/provenance")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [(line["publication"], line["rendition"]) for line in lines] == [(made["id"], "full"), (made["id"], "w16")]
    assert lines[0]["credential"] == {"state": "valid", "signer": "nobody", "verifies": True}
    assert lines[0]["eu_ai_act_article_50"] == {"machine_readable": True, "disclosed": True}
    assert lines[0]["watermark"] == {"state": "off", "verifies": None}
    assert lines[0]["california_sb_942"]["latent_disclosure"] is False
    table = (await site.client.get("/v1/provenance", params={"format": "csv"})).text
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["sha256"] for row in rows] == [line["sha256"] for line in lines]
    assert (rows[0]["credential.verifies"], rows[0]["watermark.verifies"]) == ("yes", "")
    later = (site.platform.clock.now() + timedelta(minutes=1)).isoformat()
    assert (await site.client.get("/v1/provenance", params={"since": later})).text == ""
    # What was damaged since says so, and the export goes on.
    site.blobs.kept[f"{site.project}/{lines[0]['sha256']}"] = b"damaged"
    after = [json.loads(line) for line in (await site.client.get("/v1/provenance")).text.splitlines()]
    assert [line["credential"]["verifies"] for line in after] == [False, True]
    async with site.as_(await site.new_key(site.project, scopes=("images:read",))) as reader:
        assert (await reader.get("/v1/provenance")).status_code == 403


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_of_the_export_is_a_formula(text: str) -> None:
    line: dict[str, Any] = {}
    for name in COLUMNS:
        outer, _, inner = name.partition(".")
        if inner:
            line.setdefault(outer, {})[inner] = text
        else:
            line[outer] = text
    assert flat(line) == [f"'{text}"] * len(COLUMNS)


async def test_publications_are_listed_by_state(site: Site) -> None:
    first, second = (await site.generate(n=2))["images"]
    made = (await site.client.post(f"/v1/images/{first['id']}/publish", json={"audience": "newsroom"})).json()
    everything = (await site.client.get("/v1/publications")).json()["data"]
    assert {each["image"] for each in everything} == {first["id"], second["id"]}
    out = (await site.client.get("/v1/publications", params={"state": "published", "audience": "newsroom"})).json()
    assert out["data"] == [made]
    assert (await site.client.get("/v1/publications", params={"image": second["id"]})).json()["data"][0]["state"] == (
        "draft"
    )
    assert (await site.client.get("/v1/publications", params={"colour": "red"})).status_code == 422
