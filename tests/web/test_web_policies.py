"""`/v1/policies` and the explanation of verdicts."""

from webparts import ALL, Site

from platemark.web.v1.policies import EXAMPLE


async def test_a_policy_is_written_tried_put_in_force_and_taken_out(site: Site) -> None:
    made = await site.client.post("/v1/policies", json={"content": EXAMPLE, "note": "for the brand desk"})
    assert made.status_code == 201
    policy = made.json()
    assert (policy["state"], policy["content"], policy["note"]) == ("draft", EXAMPLE, "for the brand desk")
    again = await site.client.post("/v1/policies", json={"content": EXAMPLE})
    assert again.json()["id"] == policy["id"]
    for verb, state in (("shadow", "shadow"), ("activate", "active"), ("retire", "retired"), ("activate", "active")):
        moved = await site.client.post(f"/v1/policies/{policy['id']}/{verb}")
        assert (moved.status_code, moved.json()["state"]) == (200, state)
    (listed,) = (await site.client.get("/v1/policies")).json()["data"]
    assert (listed["id"], listed["content"], listed["state"]) == (policy["id"], None, "active")
    report = await site.client.get(f"/v1/policies/{policy['id']}/shadow-report", params={"replay": 5})
    assert report.json()["verdicts"] == 0


async def test_a_draft_cannot_leave_by_a_way_that_is_not_there(site: Site) -> None:
    policy = (await site.client.post("/v1/policies", json={"content": EXAMPLE})).json()["id"]
    await site.client.post(f"/v1/policies/{policy}/activate")
    refused = await site.client.post(f"/v1/policies/{policy}/shadow")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_mistakes_are_listed_with_line_and_field(site: Site) -> None:
    wrong = EXAMPLE.replace("IP_TRADEMARK]", "TRADEMARK]").replace("decision: block", "decision: allow")
    checked = (await site.client.post("/v1/policies/lint", json={"content": wrong})).json()
    assert not checked["valid"]
    assert {"unknown_code", "relaxes"} <= {one["code"] for one in checked["problems"]}
    refused = await site.client.post("/v1/policies", json={"content": wrong})
    assert refused.status_code == 422
    assert any("line 6, rules[0].decision" in one["message"] for one in refused.json()["errors"])
    assert (await site.client.post("/v1/policies/lint", json={"content": EXAMPLE})).json() == {
        "valid": True,
        "problems": [],
    }


async def test_verdicts_are_explained_to_staff_and_compared(site: Site) -> None:
    made = await site.generate("a red house")
    told = await site.client.get(f"/v1/verdicts/{made['id']}/explain")
    assert told.status_code == 200
    assert {one["generation"] for one in told.json()["data"]} == {made["id"]}
    image = made["images"][0]["id"]
    assert (await site.client.get(f"/v1/verdicts/{image}/explain")).json()["data"][0]["image"] == image
    found = (await site.client.post("/v1/policies/diff", json={"a": "in_force", "b": EXAMPLE})).json()
    assert found["verdicts"] >= 2
    assert found["same"] + found["changed"] == found["verdicts"]
    refused = await site.client.post("/v1/policies/diff", json={"a": "in_force", "b": "nonsense"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/b")


async def test_who_lacks_the_scope_sees_nothing_and_strangers_find_nothing(site: Site) -> None:
    policy = (await site.client.post("/v1/policies", json={"content": EXAMPLE})).json()["id"]
    made = await site.generate("a red house")
    plain = await site.new_key(site.project, ("images:read", "images:write"))
    async with site.as_(plain) as user:
        for path in ("/v1/policies", f"/v1/policies/{policy}", f"/v1/verdicts/{made['id']}/explain"):
            assert (await user.get(path)).status_code == 403
    async with site.as_(await site.new_key(scopes=ALL)) as stranger:
        for path in (f"/v1/policies/{policy}", f"/v1/verdicts/{made['id']}/explain", "/v1/policies/pol_1"):
            assert (await stranger.get(path)).status_code == 404
