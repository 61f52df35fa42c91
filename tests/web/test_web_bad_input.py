"""Whatever is sent, the answer is a problem document that says what to do, and nothing is stored."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from webparts import Site

from platemark.core.request import GenerationRequest

WRONG: dict[str, tuple[Any, ...]] = {
    "prompt": (None, 1, True, [], {}, "", "   ", "x" * 20_001, "a\x00b", "a\u202eb", "a\u0007b", "\u2066x"),
    "negative_prompt": (1, [], "a\x00b", "x" * 20_001, "a\u202eb"),
    "model": (1, "", "x" * 201, "a\x00", []),
    "width": ("64", 64.5, 0, -8, 16_385, True, 2**70, [64], 1e30),
    "height": ("64", 64.5, 0, -8, 16_385, True),
    "steps": ("3", 0, 1_001, 2.5, False),
    "cfg_scale": ("7", -1, 101, True, []),
    "seed": ("7", -1, 2**32, 1.5, True),
    "n": ("1", 0, 65, None, True),
    "operation": (1, "draw", None, ""),
    "image": (1, "", [], {}),
    "mask": (1, "", [], {}),
    "strength": ("1", -0.1, 1.1, True),
    "variation": ("1", -0.1, 1.1, True),
    "mask_grow": ("1", -513, 513, 0.5, True),
    "mask_feather": ("1", -1, 513, 0.5),
    "clip_skip": ("1", -1, 13, 0.5),
    "guidance_rescale": ("1", -0.1, 1.1),
    "vae": (1, "", "a\x00"),
    "reproducible": ("true", 1, []),
    "left": (-1, 4_097, "1", 0.5),
    "right": (-1, 4_097, "1", 0.5),
    "up": (-1, 4_097, "1", 0.5),
    "down": (-1, 4_097, "1", 0.5),
    "controls": (
        None,
        {},
        "x",
        [1],
        [{}],
        [{"type": "canny", "image": "x", "more": 1}],
        [{"type": "a", "image": "b"}] * 9,
    ),
    "loras": (None, {}, "x", [1], [{}], [{"id": "a", "scale": 5}], [{"id": "a"}] * 9),
    "scheduler": (1, "", "a\x00"),
    "lane": (None, 1, "fast"),
    "user": (1, "", "x" * 201, "a\x00"),
    "role": (1, "", "x" * 201),
    "audience": (1, "", "x" * 201),
    "tags": (None, [], "a", {"a": 1}, {"": "x"}, {"a": "x" * 201}, {"a": "b\x00"}, {str(n): "" for n in range(33)}),
    "on_unsupported": (None, "ignore", 1),
    "response_format": (None, "bytes", 1),
    "output_format": (None, "gif", 1),
    "watermark": ("true", 1, [], "never"),
}
CASES = [(name, value) for name, values in WRONG.items() for value in values]
JARGON = ("Input should", "valid dictionary", "Extra inputs", "Field required", "instance of", "pydantic", "Traceback")


def problem_of(answer: Any) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["type"] == f"/docs/errors#{problem['code']}"
    assert not [word for word in JARGON if word in answer.text]
    return problem


def test_every_field_has_wrong_values() -> None:
    assert WRONG.keys() == GenerationRequest.model_fields.keys()


async def test_every_wrong_value_of_every_field_is_422_at_its_pointer(site: Site) -> None:
    for name, value in CASES:
        body = json.dumps({"prompt": "a house", name: value})
        answer = await site.client.post("/v1/generate", content=body, headers={"Content-Type": "application/json"})
        problem = problem_of(answer)
        assert answer.status_code == 422, (name, value, answer.text)
        assert {error["pointer"].split("/")[1] for error in problem["errors"]} == {name}, (name, value)
        assert all(error["message"] and error["code"] for error in problem["errors"])
    assert (await site.client.get("/v1/generations")).json()["data"] == []


async def test_all_problems_come_at_once(site: Site) -> None:
    body = {"promt": "a house", "width": "wide", "steps": 0, "loras": [{"id": "a"}, {"scale": "x"}]}
    problem = problem_of(await site.client.post("/v1/generate", json=body))
    found = {error["pointer"]: error for error in problem["errors"]}
    assert found.keys() == {"/prompt", "/promt", "/width", "/steps", "/loras/1/id", "/loras/1/scale"}
    assert found["/promt"]["message"] == "is not known here; did you mean prompt?"
    assert found["/width"]["message"] == "must be a whole number"
    assert found["/steps"]["message"] == "must be at least 1"


async def test_a_hostile_body_gives_a_short_answer(site: Site) -> None:
    body = {"prompt": "a house", **{f"field {number} {'~/' * 100}": number for number in range(5_000)}}
    answer = await site.client.post("/v1/generate", json=body)
    assert len(problem_of(answer)["errors"]) == 50
    assert len(answer.content) < 50_000


async def test_a_prompt_of_ten_megabytes_is_told_its_bound_and_not_echoed(site: Site) -> None:
    answer = await site.client.post("/v1/generate", json={"prompt": "x" * 10_000_000})
    (error,) = problem_of(answer)["errors"]
    assert (answer.status_code, error["code"]) == (422, "too_long")
    assert "20000" in error["message"]
    assert len(answer.content) < 2_000


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"prompt=x", "not valid JSON"),
        (b"[]", "not an object"),
        (b'"a house"', "not an object"),
        (b"null", "not an object"),
        (b'{"prompt": "a", "prompt": "b"}', "stands twice"),
        (b'{"prompt": NaN}', "NaN is not JSON"),
        (b'{"prompt": "\xff"}', "not UTF-8"),
        (b'{"seed": ' + b"9" * 5_000 + b"}", "too many digits"),
        (b"[" * 100_000, "nests too deep"),
        (b'{"prompt": "a"} {"b": 1}', "not valid JSON"),
    ],
)
async def test_what_is_not_a_json_object_is_400(site: Site, body: bytes, detail: str) -> None:
    answer = await site.client.post("/v1/generate", content=body, headers={"Content-Type": "application/json"})
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (400, "malformed_body")
    assert detail in problem["detail"]


@pytest.mark.parametrize(
    "body", [b'{"prompt": "\\ud800"}', b'{"prompt": "a", "\\ud800": 1}', b'{"prompt": "a", "tags": {"\\udfff": "x"}}']
)
async def test_half_a_surrogate_pair_is_a_problem_not_a_crash(site: Site, body: bytes) -> None:
    answer = await site.client.post("/v1/generate", content=body, headers={"Content-Type": "application/json"})
    assert problem_of(answer)["status"] == 422


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_other_content_types_are_415(site: Site, headers: dict[str, str]) -> None:
    answer = await site.client.post("/v1/generate", content=b'{"prompt": "a house"}', headers=headers)
    assert (answer.status_code, problem_of(answer)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_the_content_type_is_read_as_the_standard_says(site: Site, kind: str) -> None:
    answer = await site.client.post("/v1/generate", content=b'{"prompt": "a house"}', headers={"Content-Type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data; boundary=x", 400),
        (b"", "multipart/form-data", 400),
        (b"--x\r\nA: b\r\n\r\nc\r\n--x--\r\n", "multipart/form-data; boundary=x", 400),
        (b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na', "multipart/form-data; boundary=x", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\xff\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            422,
        ),
    ],
)
async def test_a_form_that_cannot_be_read_is_a_problem(site: Site, body: bytes, kind: str, status: int) -> None:
    answer = await site.client.post("/v1/generate", content=body, headers={"Content-Type": kind})
    assert problem_of(answer)["status"] == status


async def test_a_form_is_checked_like_json(site: Site) -> None:
    files = [
        ("prompt", (None, "a")),
        ("prompt", (None, "b")),
        ("width", ("wide.txt", b"64", "text/plain")),
        ("nope", ("x.png", b"", "image/png")),
    ]
    problem = problem_of(await site.client.post("/v1/generate", files=files))
    assert {(error["pointer"], error["code"]) for error in problem["errors"]} == {
        ("/prompt", "duplicate_field"),
        ("/width", "wrong_type"),
    }
    files = [("width", (None, "wide")), ("n", (None, "2.5")), ("tags", (None, "{")), ("nope", (None, "x"))]
    problem = problem_of(await site.client.post("/v1/generate", files=files))
    assert {error["pointer"] for error in problem["errors"]} == {"/prompt", "/width", "/n", "/tags", "/nope"}


async def test_unknown_query_parameters_are_422(site: Site) -> None:
    for method, path in [
        ("POST", "/v1/generate"),
        ("GET", "/v1/models"),
        ("GET", "/v1/generations"),
        ("GET", "/v1/events"),
    ]:
        answer = await site.client.request(method, path, params={"verbose": "1"})
        (error,) = problem_of(answer)["errors"]
        assert (answer.status_code, error["pointer"], error["code"]) == (422, "/query/verbose", "unknown_field")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=101", "/query/limit"),
        ("limit=x", "/query/limit"),
        ("status=done", "/query/status/0"),
        ("lane=fast", "/query/lane"),
        ("tag=campaign", "/query/tag/0"),
        ("tag=a:1&tag=a:2", "/query/tag"),
        ("since=yesterday", "/query/since"),
        ("since=2026-01-31T12:00:00", "/query/since"),
        ("since=0", "/query/since"),
        ("since=0001-01-01T00:00:00%2B23:59", "/query/since"),
        ("until=9999-12-31T23:59:59-23:59", "/query/until"),
        ("needs_attention=maybe", "/query/needs_attention"),
        ("cursor=%00", "/query/cursor"),
        ("cursor=nonsense", "/query/cursor"),
        ("user=%00", "/query/user"),
    ],
)
async def test_wrong_filters_are_422(site: Site, query: str, pointer: str) -> None:
    answer = await site.client.get(f"/v1/generations?{query}")
    problem = problem_of(answer)
    assert answer.status_code == 422
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    "id", ["x", "gen_", "img_" + "0" * 32, "gen_" + "g" * 32, "gen_" + "0" * 32, "%00", "a%2Fb", "'"]
)
async def test_an_id_that_is_none_is_404(site: Site, id: str) -> None:
    for path in (f"/v1/generations/{id}", f"/v1/generations/{id}/events", f"/v1/generations/{id}/record"):
        assert problem_of(await site.client.get(path))["code"] == "not_found"


async def test_bodies_over_the_bound_are_413_whether_announced_or_not(small_site: Site) -> None:
    headers = {"Content-Type": "application/json"}
    announced = await small_site.client.post("/v1/generate", content=b"x" * 5_000, headers=headers)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 500

    streamed = await small_site.client.post("/v1/generate", content=chunks(), headers=headers)
    for answer in (announced, streamed):
        assert (answer.status_code, problem_of(answer)["code"]) == (413, "too_large")


async def test_a_file_over_its_own_bound_is_413(small_site: Site) -> None:
    files = {"prompt": (None, "a"), "image": ("a.png", b"x" * 2_000, "image/png")}
    answer = await small_site.client.post("/v1/generate", files=files)
    assert (answer.status_code, problem_of(answer)["code"]) == (413, "too_large")
    answer = await small_site.client.post("/v1/images", content=b"x" * 2_000, headers={"Content-Type": "image/png"})
    assert (answer.status_code, problem_of(answer)["code"]) == (413, "too_large")
