"""People in the SDK: what is sent, and what comes back."""

import json

from wires import Script, async_client, client, ok

ADA = {
    "id": "per_1",
    "name": "Ada",
    "roles": {"prj_1": "reviewer"},
    "password": False,
    "created_at": "2026-01-02T03:04:05Z",
    "disabled_at": None,
}


def test_people_are_added_changed_and_disabled() -> None:
    script = Script([ok(ADA), ok({"data": [ADA]}), ok(ADA), ok(ADA), ok(ADA)])
    with client(script) as served:
        assert served.people.create("Ada", "reviewer").id == "per_1"
        assert [person.name for person in served.people.list(project="prj_1")] == ["Ada"]
        served.people.set_role("per_1", None)
        served.people.disable("per_1")
        served.people.get("per_1")
    assert script.asked == [
        "POST /v1/people",
        "GET /v1/people",
        "POST /v1/people/per_1/role",
        "POST /v1/people/per_1/disable",
        "GET /v1/people/per_1",
    ]
    assert script.seen[1].url.params["project"] == "prj_1"
    assert json.loads(script.seen[2].content) == {"role": None}


async def test_the_async_face_asks_the_same() -> None:
    script = Script([ok(ADA), ok({"data": []})])
    async with async_client(script) as served:
        assert (await served.people.create("Ada", "editor", password="x" * 12)).name == "Ada"
        assert await served.people.list() == []
    assert script.asked == ["POST /v1/people", "GET /v1/people"]
