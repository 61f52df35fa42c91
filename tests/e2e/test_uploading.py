"""Uploads to a real server: a connection that breaks, a server that is killed, folders with bad files."""

import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pictures import encoded, noise
from platemark.client import Client
from platemark.client.upload import Sent
from platemark.core.errors import InvalidImage
from serving import ADMIN_KEY, Served, serve

PHOTO = encoded(noise(400))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serve(tmp_path_factory.mktemp("uploading") / "data", providers="[]") as server:
        yield server


def begun(served: Served, data: bytes) -> str:
    with served.http as http:
        announced = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        return http.post("/v1/uploads", json=announced).json()["id"]


def offset_of(served: Served, upload: str) -> int:
    with served.http as http:
        return int(http.head(f"/v1/uploads/{upload}").headers["upload-offset"])


def break_off(served: Served, upload: str, data: bytes, after: int) -> None:
    """Announce all bytes, send some, and hang up."""
    place = urlsplit(served.url)
    head = (
        f"PATCH /v1/uploads/{upload} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
        f"Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection((place.hostname or "", place.port or 0)) as line:
        line.sendall(head.encode() + data[:after])


def test_a_connection_that_breaks_costs_only_what_was_on_its_way(served: Served) -> None:
    upload = begun(served, PHOTO)
    break_off(served, upload, PHOTO, 100_000)
    for _ in range(200):
        if offset_of(served, upload):
            break
        time.sleep(0.05)
    assert 65_536 <= offset_of(served, upload) <= 100_000
    with Client(served.url, ADMIN_KEY) as client:
        seen: list[Sent] = []
        image = client.upload(PHOTO, on_progress=seen.append, piece=70_000)
        assert (image.sha256, image.read()) == (hashlib.sha256(PHOTO).hexdigest(), PHOTO)
        assert seen[0].done >= 65_536
        assert [one.done for one in seen] == sorted(one.done for one in seen)
        assert seen[-1].done == len(PHOTO)
        assert client.upload(PHOTO, on_progress=seen.append).id == image.id
        assert seen[-1].existing


def test_what_was_sent_outlives_the_server(tmp_path: Path) -> None:
    with serve(tmp_path / "data", providers="[]") as first:
        upload = begun(first, PHOTO)
        piece = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        with first.http as http:
            assert http.patch(f"/v1/uploads/{upload}", headers=piece, content=PHOTO[:80_000]).status_code == 200
        first.stop(signal.SIGKILL)
    with serve(tmp_path / "data", providers="[]") as second:
        assert offset_of(second, upload) == 80_000
        with Client(second.url, ADMIN_KEY) as client:
            assert client.upload(PHOTO).read() == PHOTO


def test_a_file_that_is_no_picture_is_said_and_forgotten(served: Served) -> None:
    with Client(served.url, ADMIN_KEY) as client, pytest.raises(InvalidImage):
        client.upload(b"GIF89a" + b"." * 100)


def test_the_command_goes_on_past_bad_files(served: Served, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.png").write_bytes(encoded(noise(64, seed=5)))
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "in" / "notes.txt").write_text("not looked at")
    command = [sys.executable, "-m", "platemark", "upload", str(tmp_path / "in"), "--json", "--url", served.url]
    done = subprocess.run(
        [*command, "--tag", "set:one"],
        capture_output=True,
        text=True,
        check=False,
        env={"PLATEMARK_API_KEY": ADMIN_KEY},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, len(lines)) == (2, 2), done.stderr
    assert [Path(line["file"]).name for line in lines if "error" in line] == ["bad.png"]
    assert [line["image"]["origin"] for line in lines if "image" in line] == ["uploaded"]
