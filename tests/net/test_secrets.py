import sys
from pathlib import Path

import pytest

from platemark.core.errors import Misconfigured
from platemark.net.secrets import resolve_secret

CANARY = "canary-3f9a"


def complaint(reference: str, seconds: float = 10.0) -> str:
    with pytest.raises(Misconfigured) as caught:
        resolve_secret(reference, setting="signing_key", seconds=seconds)
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert CANARY not in shown
    assert caught.value.detail.startswith("signing_key")
    return caught.value.detail


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", CANARY)
    assert resolve_secret("env:SOME_KEY", setting="signing_key") == CANARY
    monkeypatch.setenv("SOME_KEY", "")
    assert "is empty" in complaint("env:SOME_KEY")
    monkeypatch.delenv("SOME_KEY")
    assert "SOME_KEY is not set" in complaint("env:SOME_KEY")


def test_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{CANARY}\n")
    assert resolve_secret(f"file:{file}", setting="signing_key") == CANARY
    file.write_bytes(b"\xff" + CANARY.encode())
    assert "not UTF-8" in complaint(f"file:{file}")
    file.write_text(CANARY * 10_000)
    assert "no secret" in complaint(f"file:{file}")
    assert "cannot be read" in complaint(f"file:{tmp_path / 'missing'}")
    assert "cannot be read" in complaint(f"file:{tmp_path}")


def test_from_a_command() -> None:
    assert resolve_secret(f"exec:{sys.executable} -c 'print(\"a b\")'", setting="signing_key") == "a b"


def test_commands_run_without_a_shell() -> None:
    assert resolve_secret("exec:echo $HOME; id", setting="signing_key") == "$HOME; id"


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        (f"{sys.executable} -c 'import sys; sys.exit(\"{CANARY}\")'", 10),
        (f"no-such-program --token {CANARY}", 10),
        (f"echo '{CANARY}", 10),
        (f"{sys.executable} -c 'import time; print(\"{CANARY}\", flush=True); time.sleep(60)'", 0.2),
    ],
)
def test_a_command_that_fails_tells_nothing_of_what_it_was_given_or_said(command: str, seconds: float) -> None:
    assert "gave no secret" in complaint(f"exec:{command}", seconds)


@pytest.mark.parametrize("reference", ["", CANARY, f"{CANARY}:x", "env:", "file: ", "exec:", f"vault:{CANARY}"])
def test_a_secret_in_place_of_a_reference_is_refused_without_repeating_it(reference: str) -> None:
    assert "env:NAME, file:PATH or exec:COMMAND" in complaint(reference)
