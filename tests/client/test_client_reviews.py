"""Reviews in the SDK: pages of the queue, and appeals that name what they are about."""

import json

from wires import Script, async_client, client, ok

CASE = {
    "generation": "gen_1",
    "image": None,
    "verdict": "vdt_1",
    "kind": "first",
    "of": None,
    "state": "pending",
    "level": 1,
    "desk": "general",
    "reason_code": "VIOLENCE",
    "severity": 1,
    "stage": "before_request",
    "audience": None,
    "hard": False,
    "severe": False,
    "version": 1,
    "claimed_by": None,
    "lease_until": None,
    "created_at": "2026-01-02T03:04:05Z",
    "due_at": "2026-01-02T03:04:05Z",
    "breached_at": None,
    "expires_at": "2026-01-02T03:04:05Z",
    "decided_at": None,
}
PAGES = (
    {"data": [{**CASE, "id": "rev_1"}, {**CASE, "id": "rev_2"}], "next_cursor": "more"},
    {"data": [{**CASE, "id": "rev_3"}], "next_cursor": None},
)


def test_the_queue_is_read_page_by_page_as_it_is_asked_for() -> None:
    script = Script([ok(page) for page in PAGES])
    cases = client(script).reviews.queue(limit=2, reason_code="VIOLENCE")
    assert script.seen == []
    assert [next(cases).id, next(cases).id] == ["rev_1", "rev_2"]
    assert len(script.seen) == 1
    assert [case.id for case in cases] == ["rev_3"]
    asked = [dict(request.url.params) for request in script.seen]
    assert asked == [
        {"limit": "2", "reason_code": "VIOLENCE"},
        {"limit": "2", "reason_code": "VIOLENCE", "cursor": "more"},
    ]


async def test_the_async_face_turns_the_same_pages() -> None:
    script = Script([ok(page) for page in PAGES])
    async with async_client(script) as sdk:
        assert [case.id async for case in sdk.reviews.queue()] == ["rev_1", "rev_2", "rev_3"]


def test_an_appeal_names_which_refusal_it_is_about() -> None:
    filed = {name: CASE[name] for name in ("generation", "image", "of", "state", "reason_code", "created_at")}
    script = Script([ok({**filed, "id": "rev_4", "decided_at": None}, 201)] * 2)
    sdk = client(script)
    assert sdk.reviews.appeal("img_1", "It is mine.", of="pub_1").id == "rev_4"
    sdk.reviews.appeal("gen_1")
    assert script.asked == ["POST /v1/images/img_1/appeal", "POST /v1/generations/gen_1/appeal"]
    assert json.loads(script.seen[0].content) == {"statement": "It is mine.", "of": "pub_1"}
    assert json.loads(script.seen[1].content) == {}
