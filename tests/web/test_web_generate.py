"""POST /v1/generate: what a client gets, and when."""

import base64
import hashlib
import io
import json
from functools import partial

import anyio
import pytest
from PIL import Image
from webparts import ALL, Site

from platemark.core.errors import EngineCrashed, ProviderRejected
from platemark.core.updates import Order
from waiting import left_once, until

GUIDE_PYTHON = {
    "prompt": "a clean editorial illustration of a city skyline at sunrise, soft lighting, modern vector style",
    "negative_prompt": "blurry, distorted, extra limbs, text artifacts, watermark",
    "width": 1024,
    "height": 1024,
    "steps": 30,
    "cfg_scale": 7,
    "seed": 12345,
    "model": "stable-diffusion-xl",
}
GUIDE_CURL = {
    "prompt": "a product photo of a ceramic mug on a wooden desk, soft natural light",
    "negative_prompt": "blurry, warped handle, text, watermark",
    "width": 1024,
    "height": 1024,
    "steps": 30,
    "cfg_scale": 7,
}


@pytest.mark.parametrize("body", [GUIDE_PYTHON, GUIDE_CURL], ids=["python", "curl"])
async def test_the_requests_of_the_guide_work_as_they_stand(site: Site, body: dict[str, object]) -> None:
    small = {**body, "width": 64, "height": 48}
    answer = await site.client.post(
        "/v1/generate", content=json.dumps(small), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["status"] == "succeeded"
    assert made["model"] == "scripted/plain"
    assert made["requested_model"] == body.get("model")
    assert made["images"][0]["seed"] == made["parameters"]["seed"]
    assert made["parameters"]["seed"] == body.get("seed", made["parameters"]["seed"])
    picture = await site.client.get(f"/v1/images/{made['images'][0]['id']}/content")
    assert Image.open(io.BytesIO(picture.content)).size == (64, 48)


async def test_a_whole_number_may_be_written_as_any_json_number(site: Site) -> None:
    body = b'{"prompt": "a house", "width": 64.0, "height": 4.8e1, "seed": 7, "cfg_scale": 7}'
    answer = await site.client.post("/v1/generate", content=body, headers={"Content-Type": "application/json"})
    parameters = answer.json()["parameters"]
    assert (parameters["width"], parameters["height"], parameters["cfg_scale"]) == (64, 48, 7.0)


async def test_a_finished_answer_has_its_links_and_may_not_be_cached(site: Site) -> None:
    answer = await site.client.post("/v1/generate", json={"prompt": "a red house"})
    made = answer.json()
    assert made["urls"]["self"] == f"http://api.test/v1/generations/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"].startswith("req_")


async def test_respond_async_answers_at_once_with_where_to_look(site: Site) -> None:
    site.jobs.running = anyio.Event()
    answer = await site.client.post("/v1/generate", json={"prompt": "a red house"}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["location"] == answer.json()["urls"]["self"]
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["status"] == "queued"
    site.jobs.running.set()


async def test_a_wait_that_ends_early_gives_202(site: Site) -> None:
    site.jobs.running = anyio.Event()
    answer = await site.client.post("/v1/generate", json={"prompt": "a house"}, headers={"Prefer": "wait=0, foo=bar"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0")


async def test_a_stop_releases_who_waits(site: Site) -> None:
    site.jobs.running = anyio.Event()
    answers: list[int] = []

    async def call() -> None:
        answers.append((await site.client.post("/v1/generate", json={"prompt": "a house"})).status_code)

    async def begun() -> bool:
        return bool((await site.client.get("/v1/generations")).json()["data"])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await until(begun)
        site.stopping.ask()
    assert answers == [202]


async def test_a_client_that_leaves_does_not_cancel(site: Site) -> None:
    site.jobs.running = anyio.Event()
    ask = partial(site.client.post, "/v1/generate", json={"prompt": "a house"})
    await left_once(lambda: site.jobs.submitted == 1, ask)
    site.jobs.running.set()
    (generation,) = (await site.client.get("/v1/generations")).json()["data"]

    async def finished() -> bool:
        return (await site.client.get(generation["urls"]["self"])).json()["status"] == "succeeded"

    await until(finished)


async def test_what_is_held_is_202_at_once(site: Site) -> None:
    answer = await site.client.post("/v1/generate", json={"prompt": "a doubtful house"})
    assert (answer.status_code, answer.json()["status"]) == (202, "held")


async def test_what_is_blocked_is_the_same_document_everywhere(site: Site) -> None:
    answer = await site.client.post("/v1/generate", json={"prompt": "a weapon"})
    problem = answer.json()
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["reason_code"]) == ("blocked_by_app_policy", "word_weapon")
    kept = (await site.client.get(f"/v1/generations/{problem['generation']}")).json()
    assert kept["status"] == "blocked"
    assert kept["error"] == problem | {"request_id": None}


async def test_what_failed_is_the_same_document_everywhere(site: Site) -> None:
    def script(number: int, order: Order) -> None:
        raise ProviderRejected("It says no.")

    site.provider.script = script
    answer = await site.client.post("/v1/generate", json={"prompt": "a house"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (502, "provider_rejected")
    assert problem["type"] == "/docs/errors#provider_rejected"
    kept = (await site.client.get(f"/v1/generations/{problem['generation']}")).json()
    assert kept["error"] == problem | {"request_id": None}


async def test_an_attempt_that_failed_is_not_yet_a_failure(site: Site) -> None:
    def script(number: int, order: Order) -> None:
        if number == 1:
            raise EngineCrashed("It died.")

    site.provider.script, site.jobs.repeats = script, False
    answer = await site.client.post("/v1/generate", json={"prompt": "a house"}, headers={"Prefer": "respond-async"})
    await until(lambda: site.provider.calls.total() == 1)
    await site.jobs.settle()
    generation = (await site.client.get(answer.headers["location"])).json()
    assert (generation["status"], generation["error"]) == ("queued", None)
    assert generation["retry_at"] is not None


async def test_an_unknown_model_is_named_with_those_there_are(site: Site) -> None:
    answer = await site.client.post("/v1/generate", json={"prompt": "a house", "model": "nope"})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"], error["code"]) == (422, "/model", "unknown_model")
    assert "scripted/plain" in error["message"]


async def test_what_the_model_cannot_do_is_422_field_by_field(site: Site) -> None:
    body = {"prompt": "a house", "width": 4096, "steps": 999, "scheduler": "euler"}
    answer = await site.client.post("/v1/generate", json=body)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/width", "/steps", "/scheduler"}
    assert (await site.client.get("/v1/generations")).json()["data"] == []


async def test_what_may_be_dropped_is_said(site: Site) -> None:
    made = await site.generate(scheduler="euler", on_unsupported="drop")
    assert [warning["field"] for warning in made["warnings"]] == ["scheduler"]


async def test_base64_is_the_file(site: Site) -> None:
    made = await site.generate(response_format="b64_json", n=3, tags={"a": "b"})
    assert len(made["images"]) == 3
    for image in made["images"]:
        assert hashlib.sha256(base64.b64decode(image["b64_json"])).hexdigest() == image["sha256"]
    assert (await site.client.get(f"/v1/generations/{made['id']}")).json()["images"] == made["images"]
    (listed,) = (await site.client.get("/v1/generations")).json()["data"]
    assert [image["b64_json"] for image in listed["images"]] == [None] * 3


async def test_base64_of_a_deleted_image_is_null(site: Site) -> None:
    made = await site.generate(response_format="b64_json", n=2)
    await site.client.delete(f"/v1/images/{made['images'][0]['id']}")
    again = (await site.client.get(f"/v1/generations/{made['id']}")).json()
    assert [image["b64_json"] is None for image in again["images"]] == [True, False]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("image/*", "image/png"), ("image/webp", "image/webp"), ("image/jpeg;q=0.9, image/webp;q=0.1", "image/jpeg")],
)
async def test_accept_an_image_gives_its_bytes(site: Site, accept: str, kind: str) -> None:
    answer = await site.client.post("/v1/generate", json={"prompt": "a house"}, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    image = (await site.client.get(f"/v1/images/{answer.headers['x-image-id']}")).json()
    assert hashlib.sha256(answer.content).hexdigest() == image["sha256"]
    assert answer.headers["x-generation-id"] == image["generation"]
    assert answer.headers["x-model"] == "scripted/plain"
    assert image["id"] in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("accept", "body"),
    [("image/*", {"n": 2}), ("image/webp", {"output_format": "png"}), ("image/gif", {}), ("text/html", {})],
)
async def test_what_cannot_be_answered_so_is_406_and_not_begun(
    site: Site, accept: str, body: dict[str, object]
) -> None:
    answer = await site.client.post("/v1/generate", json={"prompt": "a house", **body}, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert (await site.client.get("/v1/generations")).json()["data"] == []


async def test_warnings_are_said_beside_the_bytes(site: Site) -> None:
    body = {"prompt": "a house", "model": "stable-diffusion-xl"}
    answer = await site.client.post("/v1/generate", json=body, headers={"Accept": "image/png"})
    assert answer.headers["x-warnings"] == "model_alias"


async def test_a_repeat_under_the_same_key_is_a_replay(site: Site) -> None:
    first, second = [
        await site.client.post("/v1/generate", json={"prompt": "a house"}, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]
    assert first.json()["id"] == second.json()["id"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert site.provider.calls.total() == 1


async def test_another_body_under_the_same_key_is_a_conflict(site: Site) -> None:
    headers = {"Idempotency-Key": "one"}
    await site.client.post("/v1/generate", json={"prompt": "a house"}, headers=headers)
    answer = await site.client.post("/v1/generate", json={"prompt": "two houses"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


async def test_the_replay_of_a_refusal_is_marked_too(site: Site) -> None:
    headers = {"Idempotency-Key": "one"}
    first, second = [
        await site.client.post("/v1/generate", json={"prompt": "a weapon"}, headers=headers) for _ in range(2)
    ]
    assert first.json()["generation"] == second.json()["generation"]
    assert (second.status_code, second.headers["idempotency-replayed"]) == (403, "true")


async def test_equal_requests_at_once_become_one_generation(site: Site) -> None:
    ids: list[str] = []

    async def call() -> None:
        answer = await site.client.post("/v1/generate", json={"prompt": "a house"}, headers={"Idempotency-Key": "one"})
        ids.append(answer.json()["id"])

    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(call)
    assert len(ids) == 12
    assert len(set(ids)) == 1
    assert site.provider.calls.total() == 1


async def test_two_projects_may_use_the_same_idempotency_key(site: Site) -> None:
    headers = {"Idempotency-Key": "one"}
    mine = await site.client.post("/v1/generate", json={"prompt": "a house"}, headers=headers)
    async with site.as_(await site.new_key()) as other:
        theirs = await other.post("/v1/generate", json={"prompt": "another"}, headers=headers)
    assert theirs.status_code == 200
    assert theirs.json()["id"] != mine.json()["id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
async def test_an_idempotency_key_of_the_wrong_form_is_422(site: Site, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    answer = await site.client.post("/v1/generate", json={"prompt": "a house"}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/header/Idempotency-Key"


async def test_a_role_needs_the_scope_to_assert_it(site: Site) -> None:
    plain = await site.new_key(site.project, scopes=("images:read", "images:write"))
    async with site.as_(plain) as client:
        answer = await client.post("/v1/generate", json={"prompt": "a house", "role": "editor"})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert "roles:assert" in ALL
    assert (await site.generate(role="editor"))["status"] == "succeeded"


async def test_a_form_with_the_same_names_is_the_same_request(site: Site) -> None:
    form = {
        "prompt": "a red house",
        "width": "64",
        "height": "48",
        "cfg_scale": "7.5",
        "seed": "7",
        "n": "2",
        "tags": '{"campaign": "spring"}',
        "loras": "[]",
        "lane": "batch",
    }
    answer = await site.client.post("/v1/generate", files={name: (None, text) for name, text in form.items()})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["parameters"] == {"width": 64, "height": 48, "steps": 30, "cfg_scale": 7.5, "seed": 7, "n": 2}
    assert (made["tags"], made["lane"]) == ({"campaign": "spring"}, "batch")


async def test_a_file_part_is_taken_as_the_source_image(site: Site) -> None:
    files = {"prompt": (None, "a red house"), "image": ("a.png", b"\x89PNG", "image/png")}
    answer = await site.client.post("/v1/generate", files=files)
    # The model of this test takes no source: that it is refused for that shows that it arrived.
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/image"]
    assert answer.json()["code"] == "unsupported_by_model"
