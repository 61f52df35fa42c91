"""`/v1/hash-lists` over HTTP: files as bodies, what is said of them, and two people."""

import hashlib
from typing import Any

import pytest
from webparts import ALL, Site

A, B = "a" * 64, "b" * 64
NEW = {"name": "ours", "source": "tests", "kinds": ["pdq"], "reason_code": "NCII"}


async def operator(site: Site, **changes: Any) -> Any:
    return site.as_(await site.new_key(site.project, scopes=tuple({*ALL, "moderation:manage"}), **changes))


async def test_a_list_is_made_filled_cleared_and_removed(site: Site) -> None:
    async with await operator(site) as client:
        made = (await client.post("/v1/hash-lists", json=NEW)).json()
        path = f"/v1/hash-lists/{made['id']}"
        text = f"{A}\nnonsense\n{B}\n"
        said = {"rows": 3, "sha256": hashlib.sha256(text.encode()).hexdigest(), "format": "txt"}
        answer = await client.post(f"{path}/import", content=text, params=said)
        done = answer.json()
        assert (answer.status_code, done["state"], done["added"], done["signed"]) == (200, "confirmed", 2, "sha256")
        assert done["problems"] == [{"line": 2, "code": "not_a_hash"}]
        assert [one["id"] for one in (await client.get(f"{path}/imports")).json()["data"]] == [done["id"]]
        gone = (await client.post(f"{path}/withdraw", json={"hashes": [A]})).json()
        assert (gone["withdrawn"], gone["entries"]) == (1, 1)
        listed = (await client.get("/v1/hash-lists")).json()["data"]
        assert [(one["name"], one["version"], one["entries"]) for one in listed] == [("ours", 2, 1)]
        assert (await client.delete(path)).json()["state"] == "removed"
        assert (await client.post(f"{path}/import", content=text)).status_code == 404


@pytest.mark.parametrize(
    "said", [{"rows": 7}, {"sha256": "0" * 64}, {"hmac": "0" * 64}], ids=lambda said: next(iter(said))
)
async def test_a_file_that_is_not_what_was_said_is_422(site: Site, said: dict[str, Any]) -> None:
    async with await operator(site) as client:
        made = (await client.post("/v1/hash-lists", json=NEW)).json()
        answer = await client.post(f"/v1/hash-lists/{made['id']}/import", content=A, params=said)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/query/{next(iter(said))}"]
        assert (await client.get("/v1/hash-lists")).json()["data"][0]["version"] == 0


async def test_another_person_confirms(site: Site) -> None:
    people = [
        (await site.client.post("/v1/people", json={"name": name, "role": "admin"})).json() for name in ("Ada", "Bo")
    ]
    async with (
        await operator(site, person=people[0]["id"]) as ada,
        await operator(site, person=people[1]["id"]) as bo,
    ):
        made = (await ada.post("/v1/hash-lists", json=NEW)).json()
        waiting = (await ada.post(f"/v1/hash-lists/{made['id']}/import", content=A)).json()
        assert waiting["state"] == "proposed"
        own = await ada.post(f"/v1/hash-list-imports/{waiting['id']}/confirm")
        assert (own.status_code, own.json()["code"]) == (403, "not_allowed")
        done = (await bo.post(f"/v1/hash-list-imports/{waiting['id']}/confirm")).json()
        assert (done["state"], done["proposed_by"], done["confirmed_by"]) == (
            "confirmed",
            people[0]["id"],
            people[1]["id"],
        )
        late = await ada.post(f"/v1/hash-list-imports/{waiting['id']}/refuse")
        assert late.status_code == 409


async def test_a_tenant_changes_nothing_that_holds_for_everybody(site: Site) -> None:
    async with site.as_(await site.new_key(site.project, scopes=("moderation:manage",))) as tenant:
        answer = await tenant.post("/v1/hash-lists", json=NEW)
    assert (answer.status_code, "projects:manage" in answer.json()["detail"]) == (403, True)
