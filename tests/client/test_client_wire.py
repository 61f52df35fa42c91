"""Addresses, keys, redirects, errors: what leaves the SDK, where to, and what it says when something is wrong."""

import logging
import subprocess
import sys
import traceback

import httpx2
import pytest
from wires import KEY, PIXELS, URL, Script, client, generation, image, ok, problem

import platemark
from platemark.client import AsyncClient, Client, Retry, Unreachable
from platemark.core.errors import (
    InvalidRequest,
    Misconfigured,
    NotAllowed,
    PlatemarkError,
    RateLimited,
    Unauthenticated,
    Unsupported,
)

ELSEWHERE = "https://bucket.example/pictures/1?signature=s"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PLATEMARK_URL", "PLATEMARK_API_KEY", "SD_API_KEY"):
        monkeypatch.delenv(variable, raising=False)


def redirect(to: str, status: int = 302) -> httpx2.Response:
    return httpx2.Response(status, headers={"location": to})


def test_the_environment_names_server_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEMARK_URL", "https://pictures.example/platemark/")
    monkeypatch.setenv("SD_API_KEY", KEY)
    script = Script([ok({"data": []})])
    with Client(transport=httpx2.MockTransport(script)) as sdk:
        sdk.models()
        monkeypatch.setenv("PLATEMARK_API_KEY", "pm_of_ours")
        Client(transport=httpx2.MockTransport(script)).models()
    assert str(script.seen[0].url) == "https://pictures.example/platemark/v1/models"
    assert [request.headers["authorization"] for request in script.seen] == [f"Bearer {KEY}", "Bearer pm_of_ours"]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(Misconfigured, match="PLATEMARK_URL"):
        Client(api_key=KEY)
    with pytest.raises(Misconfigured, match="PLATEMARK_API_KEY or SD_API_KEY"):
        Client(URL)


@pytest.mark.parametrize(
    "address", ["localhost:8460", "ftp://host", "http://", "https://me:secret@host", "https://host?a=b", "http://[::1"]
)
def test_an_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Client(address, KEY)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["pm_1 2", "pm_\n1", "pm_é", '"pm_1" "'])
def test_a_key_that_cannot_be_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Client(URL, key)
    assert key not in str(caught.value)


def test_spaces_around_a_key_are_dropped() -> None:
    script = Script([ok({"data": []})])
    Client(URL, f" {KEY}\n", transport=httpx2.MockTransport(script)).models()
    assert script.seen[0].headers["authorization"] == f"Bearer {KEY}"


def test_p9_the_key_is_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sdk = client(Script([ok(generation()), problem("not_allowed", 403), httpx2.ConnectError("refused")]))
    texts = [repr(sdk), str(vars(sdk)), repr(sdk.generate("a red house")), repr(AsyncClient(URL, KEY)), repr(sdk.keys)]
    for _ in range(2):
        with pytest.raises(PlatemarkError) as caught:
            sdk.models()
        texts += traceback.format_exception(caught.value)
    assert URL in texts[0]
    assert not [text for text in [*texts, caplog.text] if KEY in text or KEY[3:] in text]


def test_the_key_goes_to_its_own_origin_only() -> None:
    script = Script([ok(image()), redirect(ELSEWHERE), httpx2.Response(200, content=PIXELS)])
    assert client(script).images.get("img_1").read() == PIXELS
    own, away = script.seen[-2:]
    assert own.headers["authorization"] == f"Bearer {KEY}"
    assert str(away.url) == ELSEWHERE
    assert "authorization" not in away.headers


@pytest.mark.parametrize(
    "other", ["http://platemark.test:9999/x", "https://platemark.test:8460/x", "http://other.test/x"]
)
def test_another_port_scheme_or_host_is_another_origin(other: str) -> None:
    script = Script([redirect(other), ok({"data": []})])
    client(script).models()
    assert "authorization" not in script.seen[1].headers


def test_a_redirect_within_the_origin_keeps_the_key() -> None:
    script = Script([redirect("/prefix/v1/models", 308), ok({"data": []})])
    client(script).models()
    assert script.seen[1].url.path == "/prefix/v1/models"
    assert script.seen[1].headers["authorization"] == f"Bearer {KEY}"


def test_redirects_never_leave_tls() -> None:
    script = Script([redirect("http://platemark.test/v1/models"), ok({"data": []})])
    sdk = Client("https://platemark.test", KEY, transport=httpx2.MockTransport(script))
    with pytest.raises(Unreachable, match="redirects to"):
        sdk.models()
    assert len(script.seen) == 1


def test_a_purchase_is_never_redirected() -> None:
    script = Script([redirect("https://platemark.test/v1/generate", 307)])
    with pytest.raises(Unreachable, match="use its address as base_url"):
        client(script).generate("a red house")
    assert len(script.seen) == 1


def test_redirects_end() -> None:
    with pytest.raises(Unreachable, match="more than 5 times"):
        client(Script([redirect("/v1/models")])).models()


def test_a_problem_becomes_its_error_with_everything_in_it() -> None:
    errors = [{"pointer": "/width", "code": "unsupported", "message": "too wide", "later": 1}, "odd"]
    answer = problem("unsupported_by_model", 422, errors=errors, reason_code="r", unknown=1, generation="gen_1")
    with pytest.raises(Unsupported) as caught:
        client(Script([answer])).generate("a red house", width=9999)
    error = caught.value
    assert (error.detail, error.request_id, error.generation) == ("unsupported_by_model happened", "req_9", "gen_1")
    assert [(field.pointer, field.message) for field in error.errors] == [("/width", "too wide")]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Unauthenticated), (403, NotAllowed), (422, InvalidRequest), (429, RateLimited), (418, PlatemarkError)],
)
def test_a_code_of_a_later_version_becomes_the_error_of_its_status(status: int, kind: type[PlatemarkError]) -> None:
    with pytest.raises(kind) as caught:
        client(Script([problem("invented_later", status)]), retry=Retry(total=0)).models()
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "answer",
    [httpx2.Response(200, text="<html>"), ok([1]), ok({"data": [{"id": 5}]}), ok({"data": [1]})],
    ids=["html", "list", "shape", "entry"],
)
def test_an_answer_of_another_server_is_recognised(answer: httpx2.Response) -> None:
    with pytest.raises(Unreachable):
        client(Script([answer])).models()


def test_any_call_can_be_made() -> None:
    script = Script([ok({"fine": True})])
    assert client(script).request("get", "/v1/events", params={"after": 3, "limit": None}).json() == {"fine": True}
    assert str(script.seen[0].url) == f"{URL}/v1/events?after=3"


def test_ids_cannot_leave_their_place_in_the_path() -> None:
    script = Script([ok(generation())])
    client(script).generations.get("../keys?x=1")
    assert script.seen[0].url.raw_path == b"/v1/generations/..%2Fkeys%3Fx%3D1"


def test_importing_platemark_loads_no_part_of_the_server() -> None:
    code = (
        "import sys, platemark; assert 'httpx2' not in sys.modules; platemark.Client; platemark.errors.NotFound;"
        "bad = [n for n in sys.modules if n.split('.')[0] in ('fastapi', 'torch', 'sqlalchemy', 'PIL', 'dbos')];"
        "parts = {n.split('.')[1] for n in sys.modules if n.startswith('platemark.')};"
        "ours = sorted(parts - {'client', 'core', 'errors'});"
        "print(bad + ours)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_package_lists_what_it_exports() -> None:
    assert set(platemark.__all__) <= set(dir(platemark))
    with pytest.raises(AttributeError, match="no attribute 'Clientele'"):
        platemark.Clientele  # type: ignore[attr-defined]  # noqa: B018
