"""Keys, scopes, rate limits, and the walls between projects."""

from datetime import timedelta
from typing import Any

import anyio
import pytest
from webparts import ALL, Site

from platemark.flows import kept_reports
from platemark.samples import sample_report
from platemark.web.app import openapi_document
from platemark.web.openapi import scopes
from platemark.web.v1.policies import EXAMPLE

# Scopes that do where a route's own is missing.
INSTEAD = {
    "explain_verdict": "reviews:decide",
    **dict.fromkeys(("report_moderation", "list_detector_reports", "get_detector_report"), "reviews:decide"),
}
# What a route is sent when it takes a body; everything else takes none.
BODIES: dict[str, dict[str, Any]] = {
    "generate": {"json": {"prompt": "a house"}},
    "create_key": {"json": {"name": "x", "scopes": ["images:read"]}},
    "rotate_key": {"json": {}},
    "create_hash_list": {"json": {"name": "x", "source": "x"}},
    "withdraw_hashes": {"json": {"hashes": ["0" * 64]}},
    "create_person": {"json": {"name": "x", "role": "editor"}},
    "set_person_role": {"json": {"role": None}},
    "create_project": {"json": {"name": "x"}},
    "append_to_upload": {
        "headers": {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
        "content": b"x",
    },
    **{name: {"json": {}} for name in ("appeal_review", "appeal_generation", "appeal_image", "act_on_takedown")},
    "add_to_takedown": {"json": {"images": ["img_" + "0" * 32]}},
    "reject_takedown": {"json": {"reason_code": "LICENSED"}},
    "release_review": {"json": {"reason": "not_now"}},
    "decide_review": {"json": {"action": "reject", "reason_code": "GORE", "version": 1}},
    "preview_decision": {"json": {"action": "reject", "reason_code": "GORE", "version": 1}},
    "reveal_picture": {"json": {}},
    "publish_image": {"json": {}},
    "set_project_profile": {"json": {"profile": "standard"}},
}


def operations() -> list[tuple[str, str, str]]:
    """Method, path and operation id of every route of the API."""
    paths: dict[str, dict[str, Any]] = openapi_document()["paths"]
    return [
        (method.upper(), path, route["operationId"]) for path, item in paths.items() for method, route in item.items()
    ]


async def test_every_route_needs_a_key(site: Site) -> None:
    ids = {prefix: f"{prefix}_{'0' * 32}" for prefix in {*PREFIXES.values()}}
    async with site.as_(None) as nobody:
        for method, path, name in operations():
            if name == "get_publication_content":
                continue
            answer = await nobody.request(method, path.format(id=ids[prefix_of(path)]), **BODIES.get(name, {}))
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), name
            assert answer.headers["www-authenticate"].startswith('Bearer realm="platemark"')
    assert site.provider.calls.total() == 0


# The id that stands in the path of a noun; those that are not here take no part in a path, or any id.
PREFIXES = {
    "generations": "gen",
    "images": "img",
    "inspections": "ins",
    "keys": "key",
    "people": "per",
    "projects": "prj",
    "publications": "pub",
    "policies": "pol",
    "verdicts": "vdt",
    "reviews": "rev",
    "hash-lists": "hls",
    "hash-list-imports": "him",
    "uploads": "upl",
    "holds": "hld",
    "takedowns": "tdn",
    "detectors": "rpt",
}


def prefix_of(path: str) -> str:
    return PREFIXES.get(path.split("/")[2], "gen")


async def nouns(site: Site, generation: str, image: str) -> dict[str, str]:
    """Ids of what else a project may have."""
    until = (site.platform.clock.now() + timedelta(days=1)).isoformat()
    notice = {"kind": "copyright", "images": [image], "claimant": "A", "contact": "a@example.org", "statement": "Mine."}
    sent: dict[str, tuple[str, dict[str, Any]]] = {
        "pub": (f"/v1/images/{image}/publish", {}),
        "pol": ("/v1/policies", {"content": EXAMPLE}),
        "upl": ("/v1/uploads", {"sha256": "0" * 64, "size": 10}),
        "hld": ("/v1/holds", {"generation": generation, "reason_code": "other", "until": until}),
        "tdn": ("/v1/takedowns", notice | {"good_faith": True, "signature": "A"}),
    }
    made = {prefix: (await site.client.post(path, json=body)).json()["id"] for prefix, (path, body) in sent.items()}
    await site.client.post("/v1/generate", json={"prompt": "doubtful"}, headers={"Prefer": "respond-async"})
    (case,) = (await site.client.get("/v1/reviews")).json()["data"]
    report = sample_report(site.project)
    await kept_reports.keep(site.platform, [report])
    return {**made, "rev": case["id"], "rpt": report.id}


async def test_no_route_shows_or_changes_what_belongs_to_another_project(site: Site) -> None:
    made = await site.generate(prompt="a secret house", user="somebody", tags={"a": "secret"})
    image = made["images"][0]
    key = (await site.client.get("/v1/keys")).json()["data"][0]
    ids = {
        # These belong to the installation, or to every project for who manages projects, as these keys do.
        "prj": "prj_" + "0" * 32,
        "per": "per_" + "0" * 32,
        "hls": "hls_" + "0" * 32,
        "him": "him_" + "0" * 32,
        "gen": made["id"],
        "img": image["id"],
        "ins": image["inspection"]["id"],
        "key": key["id"],
        "vdt": made["id"],
        **await nouns(site, made["id"], image["id"]),
    }
    before = [
        (await site.client.get(f"/v1/{path}")).json() for path in (f"generations/{made['id']}/record", "keys", "events")
    ]
    stranger = await site.new_key()
    async with site.as_(stranger) as other:
        for method, path, name in operations():
            if name == "get_publication_content":
                # What is published is for anybody.
                continue
            answer = await other.request(method, path.format(id=ids[prefix_of(path)]), **BODIES.get(name, {}))
            if "{id}" in path:
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), name
            else:
                assert not [id for id in ids.values() if id in answer.text], name
            if name != "list_projects":
                assert not [word for word in ("secret house", "somebody", site.project) if word in answer.text], name
    after = [
        (await site.client.get(f"/v1/{path}")).json() for path in (f"generations/{made['id']}/record", "keys", "events")
    ]
    assert after == before


async def test_a_key_without_manage_sees_its_own_project_only(site: Site) -> None:
    async with site.as_(await site.new_key(scopes=("images:read",))) as other:
        projects = (await other.get("/v1/projects")).json()["data"]
    assert site.project not in {project["id"] for project in projects}
    assert len(projects) == 1


async def test_every_route_needs_its_scope_and_says_so(site: Site) -> None:
    needed = {(method, path): scope for path, method, scope in scopes(site.app)}
    ids = {prefix: f"{prefix}_{'0' * 32}" for prefix in {*PREFIXES.values()}}
    for method, path, name in operations():
        scope = needed[method, path]
        if scope is None:
            assert name in ("get_image_content", "get_publication_content")
            continue
        poor = await site.new_key(site.project, scopes=tuple(set(ALL) - {scope, INSTEAD.get(name)}))
        async with site.as_(poor) as client:
            answer = await client.request(method, path.format(id=ids[prefix_of(path)]), **BODIES.get(name, {}))
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), name
        assert scope in answer.json()["detail"]


@pytest.mark.parametrize(
    "header",
    ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer " + "x" * 300, "pm_123", "Bearer pm_" + "0" * 64, "Bearer é"],
)
async def test_a_key_that_is_none_is_401(site: Site, header: str) -> None:
    async with site.as_(None) as nobody:
        answer = await nobody.get("/v1/models", headers=[(b"authorization", header.encode("latin-1"))])
    assert answer.status_code == 401
    assert "0" * 64 not in answer.text


async def test_the_scheme_is_read_without_regard_to_case(site: Site) -> None:
    async with site.as_(None, Authorization=f"bEARER  {site.key}") as client:
        assert (await client.get("/v1/models")).status_code == 200


async def test_revoked_and_expired_keys_are_401_and_say_which(site: Site) -> None:
    past = site.platform.clock.now() - timedelta(seconds=1)
    endings: dict[str, dict[str, Any]] = {"revoked": {"revoked_at": past}, "expired": {"expires_at": past}}
    for word, changes in endings.items():
        async with site.as_(await site.new_key(site.project, **changes)) as client:
            answer = await client.get("/v1/models")
        assert answer.status_code == 401
        assert word in answer.json()["detail"]


async def test_a_key_in_the_query_is_not_taken(site: Site) -> None:
    async with site.as_(None) as nobody:
        assert (await nobody.get("/v1/models", params={"api_key": site.key})).status_code == 401


async def test_every_authenticated_answer_tells_what_is_left(slow_site: Site) -> None:
    first = await slow_site.client.get("/v1/models")
    second = await slow_site.client.get("/v1/generations/gen_x")
    assert [first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]] == ["3", "2"]
    assert (second.status_code, second.headers["ratelimit-remaining"]) == (404, "1")
    assert int(second.headers["ratelimit-reset"]) > 0


async def test_too_many_requests_are_429_with_a_hint_and_only_for_that_key(slow_site: Site) -> None:
    answers = [await slow_site.client.get("/v1/models") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.json()["code"] == "rate_limited"
    assert refused.json()["retryable"] is True
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["ratelimit-remaining"] == "0"
    async with slow_site.as_(await slow_site.new_key(slow_site.project)) as other:
        assert (await other.get("/v1/models")).status_code == 200


async def test_a_new_key_works_and_its_secret_is_shown_once(site: Site) -> None:
    answer = await site.client.post("/v1/keys", json={"name": "news", "scopes": ["images:read"]})
    key = answer.json()
    assert answer.status_code == 201
    async with site.as_(key["secret"]) as client:
        assert (await client.get("/v1/generations")).status_code == 200
        assert (await client.post("/v1/generate", json={"prompt": "x"})).status_code == 403
    listed = (await site.client.get("/v1/keys")).json()["data"]
    assert {entry["name"]: entry["secret"] for entry in listed} == {"test": None, "news": None}
    assert "sha256" not in str(listed)


async def test_a_rotated_key_has_a_successor_and_an_end(site: Site) -> None:
    key = (await site.client.post("/v1/keys", json={"name": "news"})).json()
    answer = await site.client.post(f"/v1/keys/{key['id']}/rotate", json={"overlap_seconds": 0})
    assert answer.status_code == 201
    async with site.as_(key["secret"]) as old, site.as_(answer.json()["secret"]) as new:
        assert (await old.get("/v1/models")).status_code == 401
        assert (await new.get("/v1/models")).status_code == 200
    again = await site.client.post(f"/v1/keys/{key['id']}/rotate", json={})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_a_revoked_key_stops_at_once(site: Site) -> None:
    key = (await site.client.post("/v1/keys", json={"name": "news"})).json()
    for _ in range(2):
        assert (await site.client.post(f"/v1/keys/{key['id']}/revoke")).status_code == 200
    async with site.as_(key["secret"]) as old:
        assert (await old.get("/v1/models")).status_code == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x", "scopes": ["images:paint"]}, "/scopes/0"),
        ({"name": "x", "scopes": []}, "/scopes"),
        ({"name": ""}, "/name"),
        ({"name": "x", "expires_at": "soon"}, "/expires_at"),
        ({"name": "x", "expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
        ({"name": "x", "expires_at": 0}, "/expires_at"),
        ({"name": "x", "expires_at": "1893456000"}, "/expires_at"),
        ({"name": "x", "expires_at": "9999-12-31T23:59:59-23:59"}, "/expires_at"),
        ({"name": "x", "secret": "mine"}, "/secret"),
        ({}, "/name"),
    ],
)
async def test_a_key_that_cannot_be_made_says_why(site: Site, body: dict[str, Any], pointer: str) -> None:
    answer = await site.client.post("/v1/keys", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_key_gives_no_scope_that_it_lacks(site: Site) -> None:
    keeper = await site.new_key(site.project, scopes=("keys:manage",))
    async with site.as_(keeper) as client:
        answer = await client.post("/v1/keys", json={"name": "x", "scopes": ["audit:read"]})
    assert answer.json()["errors"][0]["code"] == "scope_not_held"


async def test_a_new_project_gets_its_first_key(site: Site) -> None:
    project = (await site.client.post("/v1/projects", json={"name": "market"})).json()
    key = (await site.client.post("/v1/keys", json={"name": "first", "project": project["id"]})).json()
    assert key["project"] == project["id"]
    async with site.as_(key["secret"]) as client:
        assert (await client.get("/v1/generations")).json()["data"] == []
    assert project["id"] in {entry["id"] for entry in (await site.client.get("/v1/projects")).json()["data"]}


async def test_a_project_is_made_with_a_profile_and_may_change_it(site: Site) -> None:
    made = (await site.client.post("/v1/projects", json={"name": "fast", "profile": "pass_through"})).json()
    assert made["profile"] == "pass_through"
    address = f"/v1/projects/{made['id']}/profile"
    assert (await site.client.post(address, json={"profile": "standard"})).json()["profile"] == "standard"
    refused = await site.client.post(address, json={"profile": "strict"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/profile")
    assert "pass_through" in refused.json()["errors"][0]["message"]
    nowhere = f"/v1/projects/prj_{'0' * 32}/profile"
    assert (await site.client.post(nowhere, json={"profile": "standard"})).status_code == 404
    shown = {entry["id"]: entry["profile"] for entry in (await site.client.get("/v1/projects")).json()["data"]}
    assert shown[made["id"]] == "standard"
    async with site.as_(await site.new_key(site.project, scopes=("keys:manage",))) as client:
        assert (await client.post(address, json={"profile": "pass_through"})).status_code == 403


async def test_a_key_is_checked_under_load_without_mixing_projects(site: Site) -> None:
    keys = {await site.new_project(): "" for _ in range(3)}
    keys = {project: await site.new_key(project) for project in keys}
    seen: list[tuple[str, str]] = []

    async def call(project: str, secret: str) -> None:
        async with site.as_(secret) as client:
            made = (await client.post("/v1/generate", json={"prompt": project})).json()
            record = (await client.get(made["urls"]["record"])).json()
            seen.append((project, record["request"]["project"]))

    async with anyio.create_task_group() as tasks:
        for project, secret in list(keys.items()) * 3:
            tasks.start_soon(call, project, secret)
    assert len(seen) == 9
    assert all(asked == found for asked, found in seen)
