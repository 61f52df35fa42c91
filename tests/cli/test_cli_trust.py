"""`platemark doctor` about whom the reader of credentials trusts."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from platemark.cli import main
from platemark.provenance.issuing import issue


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PLATEMARK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PLATEMARK_CACHE", str(tmp_path / "cache"))
    return tmp_path


def said(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    main(["doctor", "--json", "--data", str(folder / "data")])
    (found,) = [each for each in json.loads(capsys.readouterr().out) if each["part"] == "trust lists"]
    return found["state"], found["detail"]


def test_lists_that_are_missing_are_named_with_what_gets_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, words = said(folder, capsys)
    assert (state, words.startswith("nobody is trusted.")) == ("note", True)
    assert "platemark models pull provenance/c2pa-trust-list provenance/interim-anchors" in words


def test_the_operator_s_own_list_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "roots.pem").write_bytes(issue(datetime.now(UTC))[0])
    monkeypatch.setenv("PLATEMARK_TRUST_ANCHORS", str(folder / "roots.pem"))
    monkeypatch.setenv("PLATEMARK_TRUST_LISTS", "[]")
    assert said(folder, capsys) == ("ok", "operator")
    monkeypatch.delenv("PLATEMARK_TRUST_ANCHORS")
    assert said(folder, capsys) == ("note", "no signer is trusted: trust_lists is empty")


def test_a_list_that_is_none_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "roots.pem").write_text("words")
    monkeypatch.setenv("PLATEMARK_TRUST_ANCHORS", str(folder / "roots.pem"))
    state, words = said(folder, capsys)
    assert (state, "is not a PEM file of certificates" in words) == ("failed", True)
