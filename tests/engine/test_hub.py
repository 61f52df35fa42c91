"""Models of a hub: what is chosen, fetched, checked and linked, against a small server that speaks as a hub does."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from platemark.core.errors import ModelUnavailable
from platemark.engine.models.folder import POCKET
from platemark.engine.models.hub import Listed, choose, snapshot, verify

COMMIT = "1" * 40
CARD = b"---\nlicense: openrail++\n---\n"


def names(*files: str) -> list[str]:
    return [one.name for one in choose(Listed(name, 1) for name in files)]


def test_only_the_diffusers_folder_is_fetched_and_every_weight_once() -> None:
    weights = ["unet/a.safetensors", "unet/a.fp16.safetensors", "unet/a.non_ema.safetensors", "unet/a.bin"]
    cards = ["README.md", "LICENSE.md", "model_index.json"]
    others = ["v1.safetensors", "v1.ckpt", "x.py", "unet/deep/config.json", "safety_checker/config.json", "a.png"]
    assert names(*weights, *cards, *others, "unet/config.json") == sorted(
        [*cards, "unet/a.safetensors", "unet/config.json"]
    )


def test_shards_are_all_fetched_and_the_half_edition_where_there_is_no_other() -> None:
    shards = [f"unet/a-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = "unet/a.safetensors.index.json"
    assert names(*shards, index, "unet/a.fp16.safetensors", "unet/a.fp16.safetensors.index.json") == [*shards, index]
    assert names("vae/a.fp16.safetensors", "vae/a.weird.safetensors") == ["vae/a.fp16.safetensors"]


def test_a_file_that_is_not_the_listed_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    git = hashlib.sha1(b"blob 3\0abc", usedforsecurity=False).hexdigest()
    verify(tmp_path, [Listed("x", 3, hashlib.sha256(b"abc").hexdigest()), Listed("x", 3, git=git), Listed("x", 3)])
    for wrong in (Listed("x", 4), Listed("x", 3, "0" * 64), Listed("x", 3, git="0" * 40)):
        with pytest.raises(ModelUnavailable, match="size or hash differ"):
            verify(tmp_path, [wrong])
    with pytest.raises(ModelUnavailable, match="missing after the fetch"):
        verify(tmp_path, [Listed("y", 3)])


@dataclass
class Hub:
    """What the server holds, and what it was asked for."""

    url: str
    files: dict[str, bytes]
    served: list[str] = field(default_factory=list[str])
    lies: dict[str, bytes] = field(default_factory=dict[str, bytes])


class Server(http.server.ThreadingHTTPServer):
    """One hub over HTTP."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.hub = hub


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        hub = cast(Server, self.server).hub
        path = self.path.partition("?")[0]
        name = path.removeprefix(f"/some/model/resolve/{COMMIT}/")
        if path.startswith("/api/models/some/model"):
            tree, facts = listings(hub.files)
            self.reply(json.dumps(tree if "/tree/" in path else facts).encode(), {}, body)
        elif name in hub.files:
            etag = lfs(name, hub.files[name]).get("sha256") or git(hub.files[name])
            hub.served += [name] if body else []
            self.reply(hub.lies.get(name, hub.files[name]), {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, body)
        else:
            self.send_error(404)

    def reply(self, data: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(200)
        for header, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(header, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


def listings(files: dict[str, bytes]) -> tuple[object, object]:
    """The tree of files, and the facts of the model, as two addresses of a hub give them."""
    tree = [{"type": "file", "path": name, "size": len(data), "oid": git(data)} for name, data in files.items()]
    siblings = [
        {"rfilename": name, "size": len(data), "blobId": git(data), "lfs": lfs(name, data)}
        for name, data in files.items()
    ]
    return tree, {"id": "some/model", "sha": COMMIT, "siblings": siblings}


def git(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def lfs(name: str, data: bytes) -> dict[str, object]:
    if not name.endswith(".safetensors"):
        return {}
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}


@pytest.fixture
def hub() -> Iterator[Hub]:
    """It offers pocket, with a card and with files that nobody needs."""
    kept = (".json", ".txt", ".safetensors")
    files = {
        str(path.relative_to(POCKET)): path.read_bytes()
        for part in ("", "scheduler", "text_encoder", "tokenizer", "unet", "vae")
        for path in (POCKET / part).iterdir()
        if path.suffix in kept and path.is_file()
    }
    del files["words.txt"], files["platemark.json"]
    files |= {"README.md": CARD, "unet/pytorch_model.bin": b"\x80\x02.", "run.py": b"1/0"}
    held = Hub("", files)
    server = Server(held)
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield held
    server.shutdown()
    thread.join()
    server.server_close()


def platemark(home: Path, endpoint: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The library reads its addresses when it is imported, so each call is a process of its own."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PLATEMARK_", "HUGGING"))
    }
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"}
    environment |= {"PLATEMARK_DATA": str(home / "data"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", "import sys; from platemark.cli import main; sys.exit(main())", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_a_model_of_a_hub_is_added_fetched_checked_and_then_needs_no_network(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = platemark(tmp_path, hub.url, "models", "add", "theirs", "some/model")
    assert added.returncode == 0, added.stderr
    assert "models pull theirs" in added.stderr
    assert f'revision = "{COMMIT}"' in (tmp_path / "data" / "models.toml").read_text()
    missing = platemark(tmp_path, "http://127.0.0.1:9", "models", "inspect", "theirs")
    assert "not in the hub cache" in missing.stderr

    pulled = platemark(tmp_path, hub.url, "models", "pull", "theirs", "--json")
    assert pulled.returncode == 0, pulled.stderr
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    place = snapshot("some/model", COMMIT)
    monkeypatch.delenv("HF_HOME")
    assert json.loads(pulled.stdout) == [{"name": "theirs", "path": str(place)}]
    assert (place / "unet" / "diffusion_pytorch_model.safetensors").is_symlink()
    assert not {"run.py", "unet/pytorch_model.bin"} & set(hub.served)

    served = len(hub.served)
    offline = platemark(tmp_path, "http://127.0.0.1:9", "models", "inspect", "theirs", "--json")
    assert json.loads(offline.stdout)["licence"] == "openrail++"
    again = platemark(tmp_path, "http://127.0.0.1:9", "models", "pull", "theirs")
    assert again.returncode == 0, again.stderr
    assert len(hub.served) == served


def test_a_changed_file_of_a_hub_is_refused(hub: Hub, tmp_path: Path) -> None:
    assert platemark(tmp_path, hub.url, "models", "add", "theirs", "some/model").returncode == 0
    name = "vae/diffusion_pytorch_model.safetensors"
    hub.lies[name] = bytes(len(hub.files[name]))
    pulled = platemark(tmp_path, hub.url, "models", "pull", "theirs")
    assert pulled.returncode == 1
    assert "size or hash differ" in pulled.stderr


def test_without_a_network_the_reason_and_the_way_out_are_said(tmp_path: Path) -> None:
    added = platemark(tmp_path, "http://127.0.0.1:9", "models", "add", "theirs", "some/model", "--revision", COMMIT)
    assert added.returncode == 0
    pulled = platemark(tmp_path, "http://127.0.0.1:9", "models", "pull", "theirs")
    assert pulled.returncode == 1
    assert "could not be reached" in pulled.stderr
    assert "Traceback" not in pulled.stderr
