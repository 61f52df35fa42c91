"""`platemark providers check`: without a server, against declared data and a fake vendor."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from platemark.cli import main
from platemark.cli.providers import _state
from platemark.core.resource import ProviderResource
from platemark.simulate.server import serve
from platemark.simulate.stability import FakeStability


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PLATEMARK_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    # Wide enough that no name is broken, wherever the tests run.
    monkeypatch.setenv("COLUMNS", "220")
    return tmp_path


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, FakeStability]]:
    fake = FakeStability()
    monkeypatch.setenv("VENDOR_KEY", "sk-simulated")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(fake)) as url:
        yield url, fake


def test_the_report_needs_neither_key_nor_server(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "check", "stability"]) == 0
    told = capsys.readouterr().out
    for words in ("Bearer KEY", "150 calls in 10 s", "x-request-id", "stability/ultra", "0.08 USD", "NOT VERIFIED"):
        assert words in told
    assert list(clean.iterdir()) == []


def test_a_server_of_ones_own_is_reported_by_its_name(
    clean: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"second": {"kind": "stability", "base_url": "http://10.0.0.1", "models": {"mine": {"like": "core"}}}}
    monkeypatch.setenv("PLATEMARK_HOSTED", json.dumps(said))
    assert main(["providers", "check", "second", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["id"], report["base_url"], report["trial"]) == ("second", "http://10.0.0.1", None)
    assert "second/mine" in {model["id"] for model in report["models"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "There is no provider nobody. There are: "),
        (["local"], "platemark models check"),
        (["stability", "--live"], "--max-cost 0.10"),
        (["stability", "--live", "--max-cost", "0.10"], "has no key"),
        (["stability", "--live", "--max-cost", "0.01"], "Nothing was sent"),
    ],
)
def test_what_cannot_be_checked_is_said(
    clean: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["providers", "check", *arguments]) in (1, 2)
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err


def test_a_real_request_is_reported_and_kept(
    clean: Path, vendor: tuple[str, FakeStability], capsys: pytest.CaptureFixture[str]
) -> None:
    live = ["--live", "--max-cost", "0.10", "--key", "env:VENDOR_KEY", "--base-url", vendor[0], "--save", "raw"]
    assert main(["providers", "check", "stability", "--json", *live]) == 0
    trial = json.loads(capsys.readouterr().out)["trial"]
    response, picture = (Path(path) for path in trial["saved"])
    assert json.loads(response.read_text())["status"] == 200
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(picture.read_bytes()) == trial["bytes"]
    assert main(["providers", "check", "stability", *live]) == 0
    assert "12345 sent, 12345 in the answer" in capsys.readouterr().out
    assert vendor[1].board.submissions() == 2


def test_a_request_without_a_picture_fails(
    clean: Path, vendor: tuple[str, FakeStability], capsys: pytest.CaptureFixture[str]
) -> None:
    vendor[1].board.next("prompt_blocked")
    live = ["--live", "--max-cost", "0.10", "--key", "env:VENDOR_KEY", "--base-url", vendor[0]]
    assert main(["providers", "check", "stability", *live]) == 1
    told = capsys.readouterr()
    assert "prompt_blocked" in told.out
    assert "sk-simulated" not in told.out + told.err


@pytest.mark.parametrize(
    ("code", "health", "words"),
    [
        (None, None, "ok"),
        ("misconfigured", {"circuit": "open"}, "misconfigured"),
        (None, {"circuit": "closed", "last_error": "overloaded"}, "ok"),
        (
            None,
            {"circuit": "open", "failures": 5, "probe_at": "2026-01-02T03:04:05Z"},
            "not asked until 03:04:05 UTC after 5 failures",
        ),
        (None, {"circuit": "half_open", "failures": 5}, "being tried"),
    ],
)
def test_the_state_of_a_provider_in_words(code: str | None, health: dict[str, object] | None, words: str) -> None:
    said: dict[str, object] = {
        "id": "x",
        "models": [],
        "concurrency": 1,
        "state": "failed" if code else "ok",
        "code": code,
    }
    assert _state(ProviderResource.model_validate({**said, "health": health})) == words


def test_an_option_before_the_command_is_not_dropped(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "--json", "check", "stability"]) == 1
    assert "Options go behind the command: platemark providers check --json" in capsys.readouterr().err
