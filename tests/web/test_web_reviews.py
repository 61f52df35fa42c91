"""The review desk over HTTP: what a console needs, and nothing private."""

import csv
import io
import json
from typing import Any

import httpx2
import jsonschema_rs
import pytest
from webparts import Site

from platemark.core.image import Image, Publication
from platemark.core.moderation import Signal, Verdict
from platemark.core.ports import Platform
from platemark.core.review import Review
from platemark.flows.note import open_review
from platemark.flows.reviews import upkeep as review_upkeep
from platemark.simulate.scripted import plain_png
from platemark.web.app import openapi_document


async def request_case(site: Site, prompt: str = "doubtful", **body: Any) -> tuple[str, str]:
    """A request that waits for a person, and its case."""
    answer = await site.client.post("/v1/generate", json={"prompt": prompt, **body}, headers={"Prefer": "wait=0"})
    generation = answer.json()
    assert generation["status"] == "held"
    async with site.platform.store.reading() as read:
        (case,) = await read.all(Review, generation=generation["id"])
    return generation["id"], case.id


async def image_case(site: Site, code: str = "GORE", severity: int = 2, picture: bytes | None = None) -> Review:
    """An upload that waits for a person."""
    data = picture or plain_png(64, 64, (200, 10, 10))
    made = (await site.client.post("/v1/images", files={"image": ("a.png", data)})).json()
    async with site.platform.store.transaction() as tx:
        image = await tx.get(Image, made["id"])
        image = await tx.change(image, moderation_state="in_review", reason_code=code)
        (release,) = await tx.all(Publication, image=image.id)
        await tx.change(release, state="held")
        ruled = (await tx.all(Verdict, image=image.id))[0]
        ruled = await tx.change(ruled, decision="review", reason_code=code, severity=severity, review_status="pending")
        return await open_review(site.platform, tx, image, ruled)


async def claim(site: Site, id: str) -> dict[str, Any]:
    answer = await site.client.post(f"/v1/reviews/{id}/claim")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def decide(site: Site, id: str, action: str, code: str = "GORE", **more: Any) -> httpx2.Response:
    version = (await claim(site, id))["version"]
    body = {"action": action, "reason_code": code, "version": version, **more}
    return await site.client.post(f"/v1/reviews/{id}/decide", json=body)


async def settle(platform: Platform, site: Site) -> None:
    """Make the grace of every decision end now, as if a minute had passed."""
    from platemark.core.review import Decision

    async with platform.store.transaction() as tx:
        for decision in await tx.all(Decision, project=site.project, state="pending"):
            await tx.change(decision, effective_at=decision.decided_at)
    await review_upkeep.look_after(platform)


def fits(answer: httpx2.Response, model: str) -> Any:
    document = openapi_document()
    schema = {**document["components"]["schemas"][model], "components": document["components"]}
    jsonschema_rs.validator_for(schema).validate(answer.json())
    return answer.json()


async def test_a_case_from_the_queue_to_the_picture(site: Site) -> None:
    generation, id = await request_case(site)
    listed = (await site.client.get("/v1/reviews")).json()["data"]
    assert [case["id"] for case in listed] == [id]
    context = fits(await site.client.get(f"/v1/reviews/{id}"), "ContextResource")
    assert context["request"]["prompt"] == "doubtful"
    assert context["verdict"]["rule_ids"] == []
    body: dict[str, Any] = {
        "action": "approve",
        "reason_code": "NO_VIOLATION",
        "version": (await claim(site, id))["version"],
    }
    seen = fits(await site.client.post(f"/v1/reviews/{id}/preview", json=body), "PreviewResource")
    assert seen["message"] == "A person has looked at this and allowed it."
    decided = fits(await site.client.post(f"/v1/reviews/{id}/decide", json=body), "ReviewResource")
    assert (decided["state"], decided["decision"]["state"]) == ("decided", "pending")
    assert fits(await site.client.post(f"/v1/reviews/{id}/undo"), "ReviewResource")["state"] == "claimed"
    await decide(site, id, "approve", "NO_VIOLATION")
    await settle(site.platform, site)
    await site.jobs.settle()
    answer = await site.client.get(f"/v1/generations/{generation}")
    assert answer.json()["status"] in ("queued", "running", "succeeded")


async def test_a_second_decider_gets_409(site: Site) -> None:
    _, id = await request_case(site)
    version = (await claim(site, id))["version"]
    other = site.as_(await site.new_key(site.project))
    async with other:
        assert (await other.post(f"/v1/reviews/{id}/claim")).status_code == 409
        body = {"action": "reject", "reason_code": "GORE", "version": version}
        assert (await other.post(f"/v1/reviews/{id}/decide", json=body)).status_code == 409
    assert (await site.client.post(f"/v1/reviews/{id}/decide", json=body)).status_code == 200
    assert (await site.client.post(f"/v1/reviews/{id}/decide", json=body)).status_code == 409


async def test_problems_of_a_decision_are_named_together(site: Site) -> None:
    _, id = await request_case(site)
    version = (await claim(site, id))["version"]
    body = {"action": "uphold", "reason_code": "NONSENSE", "version": version, "message": "x"}
    answer = await site.client.post(f"/v1/reviews/{id}/decide", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/action", "/reason_code", "/message"]


@pytest.mark.parametrize("path", ["/v1/reviews", "/v1/reviews/queues", "/v1/reviews/export"])
async def test_the_scope_is_needed(site: Site, path: str) -> None:
    async with site.as_(await site.new_key(site.project, scopes=("images:read",))) as reader:
        assert (await reader.get(path)).status_code == 403


async def test_a_withheld_picture_is_veiled_until_it_is_revealed(site: Site) -> None:
    case = await image_case(site)
    veiled = await site.client.get(f"/v1/reviews/{case.id}/veiled", params={"grey": "true"})
    assert (veiled.status_code, veiled.headers["content-type"]) == (200, "image/jpeg")
    assert (await site.client.post(f"/v1/reviews/{case.id}/reveal", json={})).status_code == 409
    await claim(site, case.id)
    shown = await site.client.post(f"/v1/reviews/{case.id}/reveal", json={})
    assert (shown.status_code, shown.content) == (200, plain_png(64, 64, (200, 10, 10)))
    assert (await site.client.get(f"/v1/images/{case.image}/content")).status_code == 403
    told = (await site.client.get("/v1/events")).json()["data"]
    (event,) = [event for event in told if event["type"] == "review.revealed"]
    assert event["data"]["image"] == case.image


async def test_what_endangers_children_is_shown_to_nobody(site: Site) -> None:
    case = await image_case(site, "MINOR_SAFETY", 3)
    await claim(site, case.id)
    assert (await site.client.get(f"/v1/reviews/{case.id}/veiled")).status_code == 403
    assert (await site.client.post(f"/v1/reviews/{case.id}/reveal", json={})).status_code == 403
    context = (await site.client.get(f"/v1/reviews/{case.id}")).json()
    assert context["pictures"][0]["shown"] is False


async def test_what_a_user_sees_is_a_plain_sentence_and_a_way_to_appeal(site: Site) -> None:
    case = await image_case(site)
    await decide(site, case.id, "reject")
    await settle(site.platform, site)
    image = (await site.client.get(f"/v1/images/{case.image}")).json()
    told = image["moderation"]
    assert told["message"].startswith("Graphic injury and death are not allowed here.")
    assert told["appeal"]["state"] == "possible"
    assert "0." not in told["message"]
    statement = fits(await site.client.get(f"/v1/reviews/{case.id}/statement"), "StatementResource")
    assert (statement["detection"], statement["decision"]) == ("automated", "manual")
    path = told["appeal"]["url"].removeprefix("http://api.test")
    filed = await site.client.post(path, json={"statement": "It is a film prop."})
    assert filed.status_code == 201
    appeal = fits(filed, "AppealResource")
    assert (await site.client.post(path, json={})).status_code == 409
    assert (await site.client.post(f"/v1/reviews/{case.id}/appeal", json={})).status_code == 409
    context = (await site.client.get(f"/v1/reviews/{appeal['id']}")).json()
    assert [note["body"] for note in context["notes"]] == ["It is a film prop."]
    assert (await decide(site, appeal["id"], "overturn", "CONTEXT_ALLOWED", note="A prop.")).status_code == 200
    await settle(site.platform, site)
    image = (await site.client.get(f"/v1/images/{case.image}")).json()
    assert (image["moderation"]["state"], image["publication"]["state"]) == ("allowed", "draft")
    assert (await site.client.delete(f"/v1/reviews/{appeal['id']}/notes")).json()["erased"] == 2


async def test_a_blocked_request_says_where_to_appeal(site: Site) -> None:
    blocked = await site.client.post("/v1/generate", json={"prompt": "a weapon"})
    id = blocked.json()["generation"]
    found = (await site.client.get(f"/v1/generations/{id}")).json()["moderation"]
    assert found["appeal"]["url"].endswith(f"/v1/generations/{id}/appeal")
    filed = await site.client.post(f"/v1/generations/{id}/appeal", json={})
    assert filed.status_code == 201
    found = (await site.client.get(f"/v1/generations/{id}")).json()["moderation"]
    assert found["appeal"] == {"state": "pending", "review": filed.json()["id"], "url": None, "until": None}


async def test_many_alike_are_decided_at_once_and_others_are_not(site: Site) -> None:
    same = [(await request_case(site, seed=number))[1] for number in range(3)]
    _, other = await request_case(site, "something doubtful")
    body = {"ids": [*same, other], "action": "reject", "reason_code": "GORE"}
    answer = await site.client.post("/v1/reviews/decide", json=body)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/ids/3"]
    answer = await site.client.post("/v1/reviews/decide", json={**body, "ids": same})
    assert [item["state"] for item in answer.json()["data"]] == ["decided"] * 3
    told = [event["type"] for event in (await site.client.get("/v1/events")).json()["data"]]
    assert told.count("review.decided") == 3
    grave = await image_case(site, "NCII", 3)
    answer = await site.client.post("/v1/reviews/decide", json={**body, "ids": [grave.id]})
    assert answer.json()["errors"][0]["code"] == "severe"


async def test_figures_and_examples(site: Site) -> None:
    _, id = await request_case(site)
    await image_case(site)
    rows = (await site.client.get("/v1/reviews/queues")).json()["data"]
    assert [(row["reason_code"], row["pending"]) for row in rows] == [("GORE", 1), ("word_doubtful", 1)]
    await decide(site, id, "reject", "VIOLENCE", note="-")
    await settle(site.platform, site)
    report = fits(await site.client.get("/v1/reviews/report"), "DeskReportResource")
    assert (report["backlog"], report["decided"]) == (1, 1)
    (row,) = map(json.loads, (await site.client.get("/v1/reviews/export")).text.splitlines())
    assert (row["action"], row["decided_code"], row["prompt"]) == ("reject", "VIOLENCE", None)
    async with site.as_(await site.new_key(site.project, scopes=("reviews:decide",))) as other:
        assert (await other.get("/v1/reviews/export", params={"texts": "true"})).status_code == 403
    secret = await site.new_key(site.project, scopes=("reviews:decide", "moderation:manage"))
    async with site.as_(secret) as manager:
        text = (await manager.get("/v1/reviews/export", params={"texts": "true", "format": "csv"})).text
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["prompt"] == "doubtful"


async def test_matches_are_given_with_their_places(site: Site) -> None:
    case = await image_case(site)
    generation, id = await request_case(site)
    async with site.platform.store.transaction() as tx:
        (ruled,) = await tx.all(Verdict, generation=generation)
        place = {"field": "prompt", "start": 0, "end": 8}
        found = Signal(detector="lexicon", version="1", category="GORE", score=1.0, evidence=place)
        await tx.change(ruled, signals=(found,))
    context = (await site.client.get(f"/v1/reviews/{id}")).json()
    assert context["request"]["matches"] == [{**place, "category": "GORE"}]
    assert case.id != id


async def test_the_queue_is_turned_page_by_page(site: Site) -> None:
    cases = {(await request_case(site, f"doubtful {number}"))[1] for number in range(3)}
    seen: list[str] = []
    params: dict[str, str] = {"limit": "2", "kind": "first"}
    while True:
        page = (await site.client.get("/v1/reviews", params=params)).json()
        seen += [case["id"] for case in page["data"]]
        assert page["has_more"] is (page["next_cursor"] is not None)
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert sorted(seen) == sorted(cases)
    refused = await site.client.get("/v1/reviews", params={**params, "order": "newest"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/query/cursor")


async def test_an_appeal_may_name_which_refusal_it_is_about(site: Site) -> None:
    blocked = (await site.client.post("/v1/generate", json={"prompt": "a weapon"})).json()["generation"]
    path = f"/v1/generations/{blocked}/appeal"
    async with site.platform.store.reading() as read:
        (ruled,) = await read.all(Verdict, generation=blocked)
    assert (await site.client.post(path, json={"of": "gen_1"})).status_code == 422
    assert (await site.client.post(path, json={"of": "vdt_" + "0" * 32})).status_code == 404
    filed = await site.client.post(path, json={"of": ruled.id, "statement": "A toy."})
    assert filed.status_code == 201
    fits(filed, "AppealResource")
    assert (await site.client.post(path, json={"of": ruled.id})).status_code == 409
