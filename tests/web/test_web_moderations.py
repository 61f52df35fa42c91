"""`/v1/moderations`: OpenAI's shape with our ruling beside it, asked by its real client; only digests are kept."""

import base64
import hashlib
from typing import Any

import httpx2
import openai
import pytest
from webparts import Site

from pictures import encoded, house
from platemark.client import AsyncClient
from platemark.core.errors import InvalidImage
from platemark.core.moderations import CATEGORIES
from platemark.core.project import SCOPES

pytestmark = pytest.mark.anyio
ADDRESS = "/v1/moderations"


def data_uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


async def results(site: Site, input: Any, **fields: Any) -> list[dict[str, Any]]:
    answer = await site.client.post(ADDRESS, json={"input": input, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def refused(site: Site, input: Any, **fields: Any) -> tuple[int, list[tuple[str, str]]]:
    answer = await site.client.post(ADDRESS, json={"input": input, **fields})
    return answer.status_code, [(each["pointer"], each["code"]) for each in answer.json()["errors"]]


async def test_a_text_is_answered_in_both_shapes(site: Site) -> None:
    (clean,) = await results(site, "a red house", audience="newsroom")
    assert clean["categories"].keys() == CATEGORIES.keys()
    assert (clean["flagged"], clean["decision"], clean["reason_code"]) == (False, "allow", None)
    assert (clean["audience"], clean["stage"], clean["policy_version"]) == ("newsroom", "before_request", "test")
    (blocked,) = await results(site, "a weapon")
    assert (blocked["flagged"], blocked["decision"], blocked["reason_code"]) == (True, "block", "word_weapon")
    assert blocked["sentence"] == "This is not allowed here."


async def test_every_text_of_a_list_has_its_result(site: Site) -> None:
    found = await results(site, ["a house", "a doubtful house", "a weapon"])
    assert [result["decision"] for result in found] == ["allow", "review", "block"]


async def test_the_parts_of_one_input_have_one_result(site: Site) -> None:
    picture = data_uri(encoded(house(32)))
    (found,) = await results(site, [{"type": "text", "text": "a weapon"}, image(picture)])
    assert found["decision"] == "block"
    assert found["category_applied_input_types"]["sexual"] == ["text", "image"]


async def test_only_moderators_see_scores(site: Site) -> None:
    async with site.as_(await site.new_key(site.project, ("images:write",))) as user:
        plain = (await user.post(ADDRESS, json={"input": "a weapon"})).json()["results"][0]
    assert (plain["decision"], plain["signals"], plain["rule_ids"]) == ("block", [], [])
    async with site.as_(await site.new_key(site.project, SCOPES)) as moderator:
        answer = await moderator.post(ADDRESS, json={"input": "a weapon"})
    (signal,) = answer.json()["results"][0]["signals"]
    assert (signal["category"], signal["score"]) == ("weapon", 1.0)


async def test_pictures_come_as_data_as_urls_and_as_ids(site: Site) -> None:
    picture = encoded(house(32))
    site.web.pages["https://pictures.test/a.png"] = picture
    made = (await site.client.post("/v1/images", files={"image": ("a.png", picture)})).json()["id"]
    for url in (data_uri(picture), "https://pictures.test/a.png", made):
        (found,) = await results(site, [image(url)])
        assert found["decision"] == "allow"
    (found,) = await results(site, [image(data_uri(picture))])
    assert found["input_sha256"] == hashlib.sha256(picture).hexdigest()


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("https://elsewhere.test/a.png", 422, "fetch_refused"),
        ("data:image/png;base64,bm8gcGljdHVyZQ==", 422, "invalid_image"),
        ("data:image/png;base64,!!", 422, "invalid_image"),
        ("nonsense", 422, "invalid_image"),
    ],
)
async def test_what_is_no_picture_is_never_clean(site: Site, url: str, status: int, code: str) -> None:
    found, errors = await refused(site, [{"type": "text", "text": "a house"}, image(url)])
    assert found == status
    assert [each for _, each in errors] == [code]
    assert errors[0][0].startswith("/input")


async def test_images_of_other_projects_are_not_found(site: Site) -> None:
    async with site.as_(await site.new_key()) as stranger:
        made = await stranger.post("/v1/generate", json={"prompt": "a red house"})
    answer = await site.client.post(ADDRESS, json={"input": [image(made.json()["images"][0]["id"])]})
    assert answer.status_code == 404


async def test_inputs_are_bounded(site: Site) -> None:
    assert (await refused(site, []))[0] == 422
    assert (await refused(site, ["a"] * 101))[0] == 422
    assert (await refused(site, "a" * 20_001))[0] == 422
    assert await refused(site, ["a" * 20_000] * 11) == (422, [("/input", "too_long")])
    assert (await refused(site, [image(data_uri(encoded(house(8))))] * 5))[0] == 413
    assert (await refused(site, "a house", nonsense=1))[1] == [("/nonsense", "unknown_field")]


async def test_roles_and_asking_need_their_scopes(site: Site) -> None:
    for scopes, fields in ((("images:read",), {}), (("images:write",), {"role": "teacher"})):
        async with site.as_(await site.new_key(site.project, scopes)) as weak:
            assert (await weak.post(ADDRESS, json={"input": "a", **fields})).status_code == 403
    assert (await site.client.post(ADDRESS, json={"input": "a", "role": "teacher"})).status_code == 200


async def test_the_chain_keeps_decisions_and_digests_and_no_words(site: Site) -> None:
    answer = (await site.client.post(ADDRESS, json={"input": ["a hidden weapon", "a house"]})).json()
    listed = (await site.client.get("/v1/events?limit=1000")).json()["data"]
    (event,) = [each for each in listed if each["type"] == "moderation.asked"]
    assert event["data"]["request"] == answer["id"]
    assert [each["decision"] for each in event["data"]["results"]] == ["block", "allow"]
    digest = hashlib.sha256((answer["salt"] + "a hidden weapon").encode()).hexdigest()
    assert event["data"]["results"][0]["input_sha256"] == digest == answer["results"][0]["input_sha256"]
    assert "hidden" not in str(event)


async def test_the_real_client_of_openai_asks(site: Site) -> None:
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=site.app))
    client = openai.AsyncOpenAI(api_key=site.key, base_url="http://api.test/v1", http_client=http, max_retries=0)
    async with client:
        whole = await client.moderations.create(input=["a house", "a weapon"], model="omni-moderation-latest")
        assert [result.flagged for result in whole.results] == [False, True]
        assert whole.model == "platemark:test"
        assert whole.results[0].category_scores.violence_graphic == 0
        parts: Any = [{"type": "text", "text": "a house"}, image(data_uri(encoded(house(32))))]
        both = await client.moderations.create(input=parts)
        assert both.results[0].category_applied_input_types.sexual == ["text", "image"]
        with pytest.raises(openai.UnprocessableEntityError):
            await client.moderations.create(input=[])


async def test_our_own_client_asks_and_counts(site: Site) -> None:
    transport = httpx2.ASGITransport(app=site.app)
    async with AsyncClient("http://api.test", site.key, transport=transport) as client:
        whole = await client.moderate(["a house", "a weapon"], audience="newsroom")
        assert [result.decision for result in whole.results] == ["allow", "block"]
        one = await client.moderate("a doubtful house", image=encoded(house(32)))
        assert [result.decision for result in one.results] == ["review"]
        with pytest.raises(InvalidImage):
            await client.moderate(image=b"no picture")
        await site.generate()
        report = await client.report(["provider", "stage"])
        assert {"provider": "scripted", "stage": "before_request"} in [row.group for row in report.rows]
        assert report.total == sum(row.count for row in report.rows)
