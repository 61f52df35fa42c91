"""`/v1/people`, and keys that belong to somebody."""

from webparts import Site


async def test_a_person_gets_a_key_a_role_and_an_end(site: Site) -> None:
    made = await site.client.post("/v1/people", json={"name": "Ada", "role": "reviewer"})
    ada = made.json()
    assert (made.status_code, ada["roles"], ada["password"]) == (201, {site.project: "reviewer"}, False)
    key = (await site.client.post("/v1/keys", json={"name": "laptop", "person": "Ada"})).json()
    assert (key["person"], sorted(key["scopes"])) == (ada["id"], ["images:read", "reviews:decide"])
    listed = (await site.client.get("/v1/people")).json()["data"]
    assert [person["name"] for person in listed] == ["Ada"]
    changed = await site.client.post(f"/v1/people/{ada['id']}/role", json={"role": "auditor"})
    assert changed.json()["roles"] == {site.project: "auditor"}
    gone = await site.client.post(f"/v1/people/{ada['id']}/disable")
    assert gone.json()["disabled_at"] is not None
    assert (await site.client.get(f"/v1/people/{ada['id']}")).json() == gone.json()
    async with site.as_(key["secret"]) as hers:
        assert (await hers.get("/v1/models")).status_code == 401


async def test_scopes_beyond_the_role_are_named(site: Site) -> None:
    await site.client.post("/v1/people", json={"name": "Ada", "role": "auditor"})
    body = {"name": "x", "person": "Ada", "scopes": ["audit:read", "images:write"]}
    answer = await site.client.post("/v1/keys", json=body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
        ("/scopes/1", "scope_not_in_role")
    ]


async def test_wrong_bodies_name_their_fields(site: Site) -> None:
    answer = await site.client.post("/v1/people", json={"name": "Ada", "role": "king", "password": "short"})
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/role", "/password"}
    again = [await site.client.post("/v1/people", json={"name": "Ada", "role": "editor"}) for _ in range(2)]
    assert [answer.status_code for answer in again] == [201, 409]
    assert (await site.client.post("/v1/keys", json={"name": "x", "person": "Nobody"})).status_code == 404


async def test_a_password_is_never_shown(site: Site) -> None:
    body = {"name": "Ada", "role": "editor", "password": "a long secret of hers"}
    answer = await site.client.post("/v1/people", json=body)
    assert answer.json()["password"] is True
    assert not [word for word in ("a long secret", "scrypt") if word in answer.text]
