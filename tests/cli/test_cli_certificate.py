"""`platemark doctor` about who signs: it says until when, tries it out, and makes nothing."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from platemark.cli import main
from platemark.provenance.certificates import development_identity
from platemark.provenance.issuing import LIFETIME, issue


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PLATEMARK_")]:
        monkeypatch.delenv(name)
    return tmp_path / "data"


def said(data: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What doctor says of the certificate: its state, and the words."""
    main(["doctor", "--json", "--data", str(data)])
    findings = json.loads(capsys.readouterr().out)
    (found,) = [each for each in findings if each["part"] == "certificate"]
    return found["state"], found["detail"]


def operator(folder: Path, monkeypatch: pytest.MonkeyPatch, *, days: int) -> None:
    """A certificate of the operator's that ends in so many days."""
    chain, key = issue(datetime.now(UTC) - LIFETIME + timedelta(days=days, hours=1))
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(key)
    monkeypatch.setenv("PLATEMARK_SIGNING_CERTIFICATE", str(folder / "chain.pem"))
    monkeypatch.setenv("PLATEMARK_SIGNING_KEY", f"file:{folder / 'key.pem'}")


def test_before_the_first_start_nothing_is_made(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, words = said(data, capsys)
    assert (state, "will be made at the first start" in words, data.exists()) == ("note", True, False)


def test_a_development_certificate_is_untrusted_and_has_an_end(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    development_identity(data, datetime.now(UTC))
    state, words = said(data, capsys)
    assert state == "note"
    assert "until 20" in words
    assert "never as trusted" in words


@pytest.mark.parametrize(("days", "state"), [(31, "ok"), (30, "note"), (0, "note")])
def test_the_operator_s_certificate_is_warned_about_before_it_ends(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, days: int, state: str
) -> None:
    operator(data.parent, monkeypatch, days=days)
    found, words = said(data, capsys)
    assert (found, f"({days} days)" in words, "Renew it" in words) == (state, True, state == "note")


def test_the_operator_says_how_early(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator(data.parent, monkeypatch, days=60)
    monkeypatch.setenv("PLATEMARK_SIGNING_WARN_DAYS", "90")
    assert said(data, capsys)[0] == "note"


def test_an_outside_signer_that_does_not_work_is_a_failure(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator(data.parent, monkeypatch, days=60)
    monkeypatch.delenv("PLATEMARK_SIGNING_KEY")
    monkeypatch.setenv("PLATEMARK_SIGNING_COMMAND", "/no/such/program")
    state, words = said(data, capsys)
    assert (state, "/no/such/program gave no signature" in words) == ("failed", True)
