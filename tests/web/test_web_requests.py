"""The frame around every request: ids, methods, the net under errors, health, metrics."""

import re
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from webparts import Site, unavailable

from platemark.core.errors import StorageUnavailable, all_errors


async def test_a_sane_request_id_comes_back_and_any_other_is_replaced(site: Site) -> None:
    assert (await site.client.get("/healthz", headers={"X-Request-Id": "abc-1:2"})).headers["x-request-id"] == "abc-1:2"
    for bad in ("", "a b", "x" * 200, "a\tb", "<x>"):
        answer = await site.client.get("/healthz", headers={"X-Request-Id": bad})
        assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_every_error_carries_the_request_id(site: Site) -> None:
    answer = await site.client.get("/v1/nowhere", headers={"X-Request-Id": "mine"})
    assert answer.json()["request_id"] == "mine"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nowhere", "/v1/models/", "/docs", "/v2/generate"])
async def test_an_address_that_is_none_is_a_problem_document(site: Site, path: str) -> None:
    answer = await site.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_another_method_is_405_with_those_that_go(site: Site) -> None:
    answer = await site.client.put("/v1/images", content=b"")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    answer = await site.client.request("BREW", "/v1/generate")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_options_names_the_methods_and_allows_no_origin(site: Site) -> None:
    async with site.as_(None) as nobody:
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        answer = await nobody.options("/v1/images/img_x", headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS")
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_head_is_get_without_the_body(site: Site) -> None:
    made = await site.generate()
    for path in (f"/v1/images/{made['images'][0]['id']}/content", f"/v1/generations/{made['id']}", "/healthz"):
        got, head = await site.client.get(path), await site.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers["content-type"] == got.headers["content-type"]
    stream = await site.client.head(f"/v1/generations/{made['id']}/events")
    assert (stream.status_code, stream.content) == (200, b"")
    assert (await site.client.head("/v1/generate")).status_code == 405


async def test_what_nobody_foresaw_is_500_with_an_id_and_nothing_else(site: Site) -> None:
    made = await site.generate()
    site.blobs.fault = RuntimeError("the password is swordfish")
    with capture_logs(processors=[merge_contextvars]) as logs:
        answer = await site.client.get(f"/v1/images/{made['images'][0]['id']}/content")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "swordfish" not in answer.text
    assert "Traceback" not in answer.text
    (entry,) = [entry for entry in logs if entry["event"] == "request.failed"]
    assert entry["request_id"] == answer.json()["request_id"]
    assert (entry["log_level"], entry["exc_info"]) == ("error", True)


async def test_our_error_is_found_inside_a_group(site: Site) -> None:
    made = await site.generate()
    site.blobs.fault = ExceptionGroup("tasks", [StorageUnavailable("It does not answer.")])
    answer = await site.client.get(f"/v1/images/{made['images'][0]['id']}/content")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert "retry-after" in answer.headers


async def test_urls_name_the_host_that_was_asked_unless_one_is_configured(site: Site) -> None:
    answer = await site.client.post("/v1/generate", json={"prompt": "x"}, headers={"Host": "pictures.example:8443"})
    assert answer.json()["urls"]["self"].startswith("http://pictures.example:8443/v1/")
    site.app.state.settings = site.app.state.settings.model_copy(update={"public_url": "https://pics.example/api/"})
    again = (await site.client.get(f"/v1/generations/{answer.json()['id']}")).json()
    assert again["urls"]["self"].startswith("https://pics.example/api/v1/")


@pytest.mark.parametrize("host", ["evil.example/path", "a b", "<x>", "x@y", "[::1", ""])
async def test_a_host_that_is_none_goes_into_no_url(site: Site, host: str) -> None:
    made = await site.generate()
    answer = await site.client.get(f"/v1/generations/{made['id']}", headers={"Host": host})
    assert answer.status_code == (400 if host else 200)


async def test_health_needs_no_key_and_no_database(site: Site) -> None:
    site.app.state.platform = None
    async with site.as_(None) as nobody:
        answer = await nobody.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_readiness_tells_part_by_part(site: Site) -> None:
    async with site.as_(None) as nobody:
        ready = await nobody.get("/readyz")
        assert ready.json() == {
            "status": "ready",
            "parts": {name: {"state": "ok"} for name in ("store", "blobs", "jobs", "provider scripted")},
        }
        site.jobs.fault = unavailable()
        site.blobs.fault = RuntimeError("a secret path")
        with capture_logs():
            down = await nobody.get("/readyz")
    assert (down.status_code, down.json()["code"]) == (503, "unavailable")
    assert "retry-after" in down.headers
    assert down.json()["parts"]["jobs"] == {"state": "failed", "code": "unavailable"}
    assert down.json()["parts"]["blobs"] == {"state": "failed", "code": "internal_error"}
    assert "secret" not in down.text


async def test_one_of_two_providers_is_enough_to_be_ready(site: Site) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(site.provider, name)

        async def check(self) -> None:
            raise unavailable()

    site.app.state.platform = replace(site.platform, providers={"scripted": site.provider, "broken": Broken()})
    answer = await site.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    listed = (await site.client.get("/v1/providers")).json()["data"]
    assert {entry["id"]: entry["code"] for entry in listed} == {"broken": "unavailable", "scripted": None}
    site.app.state.platform = replace(site.platform, providers={"broken": Broken()})
    assert (await site.client.get("/readyz")).status_code == 503


async def test_a_stopping_server_is_not_ready(site: Site) -> None:
    site.stopping.ask()
    answer = await site.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "shutting_down")


async def test_metrics_are_for_this_machine_and_for_operators(site: Site) -> None:
    await site.generate(prompt="a secret house")

    async def ask(host: str, secret: str | None, **headers: str) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=site.app, client=(host, 1))
        auth = {"Authorization": f"Bearer {secret}"} if secret else {}
        async with httpx2.AsyncClient(transport=transport, base_url="http://api.test") as client:
            return await client.get("/metrics", headers={**auth, **headers})

    local = await ask("127.0.0.1", None)
    assert local.status_code == 200
    assert 'platemark_http_requests_total{method="POST",route="/v1/generate",status="200"}' in local.text
    assert not [word for word in ("secret", site.key, site.project, "gen_", "img_") if word in local.text]
    assert (await ask("203.0.113.7", None)).status_code == 401
    assert (await ask("127.0.0.1", None, **{"X-Forwarded-For": "203.0.113.7"})).status_code == 401
    assert (await ask("203.0.113.7", site.key)).status_code == 200
    poor = await site.new_key(site.project, scopes=("images:read",))
    assert (await ask("203.0.113.7", poor)).status_code == 403


async def test_the_type_of_a_problem_leads_to_its_explanation(site: Site) -> None:
    answer = await site.client.get("/docs/errors")
    assert answer.headers["content-type"].startswith("text/html")
    assert [error.code for error in all_errors() if f'id="{error.code}"' not in answer.text] == []
    assert "http" not in answer.text.replace("<!doctype html>", "").replace("<html", "").replace("</html", "")


async def test_a_worker_has_no_api(worker_site: Site) -> None:
    assert (await worker_site.client.get("/healthz")).status_code == 200
    assert (await worker_site.client.get("/readyz")).status_code == 200
    assert (await worker_site.client.get("/v1/models")).status_code == 404
