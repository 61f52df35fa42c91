"""`scripts/demo`: one prompt, one picture, its record, and nothing left behind."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from platemark.cli.demo import started

pytestmark = [pytest.mark.torch, pytest.mark.timeout(240)]
DEMO = [sys.executable, "-m", "platemark.cli.demo"]


def left_behind(data: Path) -> list[str]:
    return [
        " ".join(process.cmdline())
        for process in psutil.process_iter(["cmdline"])
        if str(data) in " ".join(process.info["cmdline"] or ())
    ]


def test_json_is_the_record_and_nothing_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [
        *DEMO,
        "a blue boat on the sea",
        "--json",
        "--data",
        str(data),
        "--seed",
        "7",
        "--width",
        "128",
        "--height",
        "128",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    (picture,) = (tmp_path / "platemark-demo").iterdir()
    assert picture.name == f"{record['image']['id']}.png"
    assert hashlib.sha256(picture.read_bytes()).hexdigest() == record["image"]["sha256"]
    assert record["request"]["parameters"]["seed"] == 7
    assert record["chain"]["verified"] is True
    assert left_behind(data) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_server_ends_with_the_demo(tmp_path: Path, how: signal.Signals) -> None:
    data = tmp_path / "data"
    process = subprocess.Popen(
        [*DEMO, "--data", str(data)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (data / "admin.key").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[how]
    assert "Traceback" not in errors
    assert left_behind(data) == []


def test_a_server_that_cannot_start_tells_why(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    done = subprocess.run(
        [*DEMO, "--data", str(tmp_path / "data")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("platemark: error: The server did not start. It said: ")
    assert "data" in done.stderr
    assert done.stdout == ""


def test_nothing_runs_once_the_block_has_failed(tmp_path: Path) -> None:
    data = tmp_path / "data"

    def fail() -> None:
        with started(data) as client:
            assert client.models()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert left_behind(data) == []
    assert (data / "admin.key").stat().st_mode & 0o077 == 0
