"""Lists, reading, cancelling, retrying, erasing, records, events and the audit export."""

import json

import anyio
from webparts import Site, call_of

from platemark.core.audit import AuditLine, verify
from platemark.core.errors import EngineCrashed, ProviderUnavailable
from platemark.core.updates import Order
from platemark.flows import look
from platemark.web import answers
from waiting import until


async def fail(site: Site) -> str:
    """A generation that failed for technical reasons, after all its attempts."""

    def script(number: int, order: Order) -> None:
        raise EngineCrashed("It died.")

    site.provider.script = script
    answer = await site.client.post("/v1/generate", json={"prompt": "a house"})
    site.provider.script = None
    return answer.json()["generation"]


async def test_pages_stay_whole_while_new_ones_arrive(site: Site) -> None:
    made = [(await site.generate())["id"] for _ in range(5)]
    first = (await site.client.get("/v1/generations", params={"limit": 2})).json()
    await site.generate()
    second = (await site.client.get("/v1/generations", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    third = (await site.client.get("/v1/generations", params={"limit": 2, "cursor": second["next_cursor"]})).json()
    ids = [entry["id"] for page in (first, second, third) for entry in page["data"]]
    assert ids == made[::-1]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert third["next_cursor"] is None


async def test_filters_find_what_they_name(site: Site) -> None:
    spring = await site.generate(tags={"campaign": "spring", "site": "a:b"}, lane="batch", user="u1")
    other = await site.generate(tags={"campaign": "summer"}, model="stable-diffusion-xl")
    failed = await fail(site)

    async def ids(**filters: str | list[str]) -> set[str]:
        return {entry["id"] for entry in (await site.client.get("/v1/generations", params=filters)).json()["data"]}

    assert await ids(tag="campaign:spring") == {spring["id"]}
    assert await ids(tag=["campaign:spring", "site:a:b"]) == {spring["id"]}
    assert await ids(tag=["campaign:summer", "site:a:b"]) == set()
    assert await ids(lane="batch") == {spring["id"]}
    assert await ids(user="u1") == {spring["id"]}
    assert await ids(status=["failed", "queued"]) == {failed}
    assert await ids(needs_attention="false") == {spring["id"], other["id"]}
    assert await ids(model="stable-diffusion-xl") == {spring["id"], other["id"], failed}
    assert await ids(model="scripted/other") == set()
    assert await ids(since=other["created_at"]) == {other["id"], failed}
    assert await ids(until=other["created_at"]) == {spring["id"]}


async def test_a_waiting_generation_is_canceled_at_once(site: Site) -> None:
    site.jobs.running = anyio.Event()
    answer = await site.client.post("/v1/generate", json={"prompt": "a house"}, headers={"Prefer": "respond-async"})
    url = answer.json()["urls"]["cancel"]
    first, second = [await site.client.post(url) for _ in range(2)]
    assert (first.status_code, first.json()["status"]) == (200, "canceled")
    assert second.json() == first.json()
    assert first.json()["error"]["code"] == "canceled"
    site.jobs.running.set()
    await site.jobs.settle()
    assert site.provider.calls.total() == 0


async def test_a_canceled_generation_is_409_to_who_waits(site: Site) -> None:
    site.jobs.running = anyio.Event()
    answers: list[int] = []

    async def call() -> None:
        answers.append((await site.client.post("/v1/generate", json={"prompt": "a house"})).status_code)

    async def begun() -> bool:
        return bool((await site.client.get("/v1/generations")).json()["data"])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await until(begun)
        (generation,) = (await site.client.get("/v1/generations")).json()["data"]
        await site.client.post(generation["urls"]["cancel"])
    assert answers == [409]


async def test_what_is_finished_cannot_be_canceled(site: Site) -> None:
    made = await site.generate()
    answer = await site.client.post(made["urls"]["cancel"])
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_a_failed_generation_is_retried_under_its_id(site: Site) -> None:
    id = await fail(site)
    answer = await site.client.post(f"/v1/generations/{id}/retry")
    assert (answer.status_code, answer.json()["id"]) == (202, id)
    assert answer.headers["location"] == answer.json()["urls"]["self"]

    async def finished() -> bool:
        return (await site.client.get(f"/v1/generations/{id}")).json()["status"] == "succeeded"

    await until(finished)
    again = await site.client.post(f"/v1/generations/{id}/retry")
    assert again.status_code == 409


async def test_attention_is_dismissed(site: Site) -> None:
    id = await fail(site)
    assert (await site.client.get(f"/v1/generations/{id}")).json()["needs_attention"] is True
    for _ in range(2):
        answer = await site.client.post(f"/v1/generations/{id}/dismiss")
        assert (answer.status_code, answer.json()["needs_attention"]) == (200, False)


async def test_erased_text_is_gone_and_the_chain_holds(site: Site) -> None:
    made = await site.generate(prompt="a very personal house", user="somebody")
    answer = await site.client.delete(f"/v1/generations/{made['id']}/text")
    assert answer.status_code == 200
    record = (await site.client.get(made["urls"]["record"])).json()
    assert record["request"]["prompt"] is None
    assert record["chain"]["verified"] is True
    assert "personal" not in json.dumps(record)


async def test_the_record_of_an_image_is_the_one_of_the_generation(site: Site) -> None:
    made = await site.generate(prompt="a red house")
    record = (await site.client.get(f"/v1/images/{made['images'][0]['id']}/record")).json()
    whole = (await site.client.get(made["urls"]["record"])).json()
    assert record["request"]["prompt"] == "a red house"
    assert record["request"] == whole["request"]
    assert record["attempts"] == whole["attempts"]
    assert record["chain"]["verified"] is True


async def test_inspections_are_read(site: Site) -> None:
    made = await site.generate()
    shown = made["images"][0]
    inspection = (await site.client.get(f"/v1/inspections/{shown['inspection']['id']}")).json()
    assert inspection["verdict"] == "generated_by_us"
    assert inspection["schema"] == "verifier/1"
    assert inspection["confidence"]["p_ai"] == 1.0
    assert inspection["is_proof"] is False
    assert inspection["input"] == {
        "sha256": shown["sha256"],
        "media_type": "image/png",
        "width": shown["width"],
        "height": shown["height"],
    }
    assert {finding["kind"] for finding in inspection["evidence"]} >= {"registry", "c2pa"}


async def test_events_are_read_on(site: Site) -> None:
    await site.generate()
    await site.jobs.settle()
    whole = (await site.client.get("/v1/events", params={"limit": 1000})).json()
    seen, after = [], 0
    while True:
        page = (await site.client.get("/v1/events", params={"limit": 2, "after": after})).json()
        seen += page["data"]
        after = page["data"][-1]["seq"]
        if not page["has_more"]:
            break
        assert page["next_cursor"] == str(after)
    assert seen == whole["data"]
    assert seen[0]["type"] == "generation.accepted"


async def test_the_audit_export_verifies_offline(site: Site) -> None:
    await site.generate(prompt="a secret house")
    await site.jobs.settle()
    answer = await site.client.get("/v1/audit")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert "attachment" in answer.headers["content-disposition"]
    header, *lines, footer = [json.loads(line) for line in answer.text.splitlines()]
    head = verify(AuditLine.model_validate(line) for line in lines)
    assert head is not None
    assert (header["project"], footer["head"], footer["lines"]) == (site.project, head.hash, len(lines))
    assert "secret" not in answer.text


async def test_models_and_providers_are_listed(site: Site) -> None:
    plain, studio = (await site.client.get("/v1/models")).json()["data"]
    assert (plain["id"], plain["aliases"]) == ("scripted/plain", ["stable-diffusion-xl"])
    assert (studio["id"], studio["capabilities"]["max_controls"]) == ("scripted/studio", 2)
    (provider,) = (await site.client.get("/v1/providers")).json()["data"]
    assert (provider["id"], provider["state"], provider["models"]) == (
        "scripted",
        "ok",
        ["scripted/plain", "scripted/studio"],
    )


async def test_a_route_can_be_discovered_and_is_shown_with_what_came_of_it(site: Site) -> None:
    plain, studio = (await site.client.get("/v1/models")).json()["data"]
    assert plain["routes"] == studio["routes"]
    assert plain["routes"] == [{"name": "final", "models": ["gone/away", "scripted/plain", "scripted/studio"]}]

    def fail_once(call: int, _order: Order) -> None:
        if call == 1:
            raise ProviderUnavailable("scripted cannot work at the moment.")

    site.provider.script = fail_once
    made = await site.generate(model="final")
    assert (made["requested_model"], made["model"]) == ("final", "scripted/studio")
    assert [(hop["model"], hop["state"], hop["code"]) for hop in made["route"]] == [
        ("gone/away", "skipped", "unknown_model"),
        ("scripted/plain", "left", "provider_unavailable"),
        ("scripted/studio", "chosen", None),
    ]
    assert {warning["code"] for warning in made["warnings"]} == {"model_alias", "model_skipped", "model_left"}
    listed = (await site.client.get("/v1/generations", params={"model": "final"})).json()["data"]
    assert [one["id"] for one in listed] == [made["id"]]
    record = (await site.client.get(f"/v1/generations/{made['id']}/record")).json()
    assert record["request"]["route"][1]["reason"] == "scripted cannot work at the moment."
    assert [tried["model"] for tried in record["attempts"]] == ["scripted/plain", "scripted/studio"]


async def test_what_a_provider_declares_is_reported_without_asking_it(site: Site) -> None:
    own = (await site.client.get("/v1/providers/scripted/readiness")).json()
    assert (own["id"], [one["id"] for one in own["models"]]) == ("scripted", ["scripted/plain", "scripted/studio"])
    assert own["authentication"]["needed"] is False
    vendor = (await site.client.get("/v1/providers/stability/readiness")).json()
    assert (vendor["authentication"]["scheme"], vendor["limits"]["calls"]) == ("Bearer", 150)
    assert {one["outcome"] for one in vendor["safety"]} == {"prompt_blocked", "output_blocked"}
    missing = await site.client.get("/v1/providers/nobody/readiness")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_one_that_ends_while_it_is_shown_is_shown_as_ended(site: Site) -> None:
    made = await site.generate()
    call = call_of(site)
    ended = await look.generation(site.platform, call.principal, made["id"])
    read_before = ended.model_copy(update={"status": "running", "finished_at": None})
    answer = await answers.generation(call, read_before, 202)
    assert answer.status_code == 200
    assert json.loads(bytes(answer.body))["status"] == "succeeded"
