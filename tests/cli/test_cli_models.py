"""`platemark models` without a server: models are added, described, checked and taken out again."""

import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from platemark.cli import main
from platemark.cli.models import show
from platemark.core.resource import ModelResource, RouteResource
from platemark.engine.models.folder import POCKET
from platemark.settings import Settings


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PLATEMARK_")]:
        monkeypatch.delenv(name)
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of pocket that says nothing about its licence but in its card."""
    path = Path(shutil.copytree(POCKET, tmp_path / "my model"))
    (path / "platemark.json").unlink()
    (path / "README.md").write_text("---\nlicense: openrail++\nlicense_link: https://example.org/terms\n---\n")
    return path


def test_a_model_is_added_served_described_and_removed(
    data: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "add", "mine", str(folder), "--data", str(data)]) == 0
    assert "local/mine is in" in capsys.readouterr().out
    assert Settings(data=data).models["mine"].path == folder
    assert main(["models", "inspect", "mine", "--json", "--data", str(data)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["pipeline"], facts["form"], facts["native_size"]) == (
        "StableDiffusionPipeline",
        "diffusers folder",
        128,
    )
    assert (facts["licence"], facts["licence_note"]) == ("openrail++", "The terms: https://example.org/terms")
    assert {part["name"]: part["dtypes"] for part in facts["components"]}["unet"] == ["F16"]
    assert sum(part["parameters"] for part in facts["components"]) == facts["parameters"] > 10_000_000
    assert facts["capabilities"]["operations"] == sorted(facts["capabilities"]["operations"])
    assert main(["models", "check", "--json", "--data", str(data)]) == 0
    states = {row["name"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert states["local/mine"] == states["local/pocket"] == "ok"
    assert main(["models", "remove", "mine", "--json", "--data", str(data)]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == str(folder)
    assert Settings(data=data).models == {}
    assert folder.is_dir()


def test_what_is_inspected_need_not_be_configured(data: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "loras").mkdir(exist_ok=True)
    (folder / "loras" / "bad.safetensors").write_bytes(b"PK\x03\x04")
    assert main(["models", "inspect", str(folder), "--data", str(data)]) == 0
    said = capsys.readouterr()
    assert "openrail++" in said.out
    assert "left out" in said.err
    assert "bad.safetensors is not a readable safetensors file" in " ".join(said.err.split())
    assert not data.exists()


def test_adapters_and_their_odd_names_survive_the_file(
    data: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from platemark.engine.models.headers import read_header

    lora = tmp_path / 'odd "name" ünï \\ .safetensors'
    config = json.loads((POCKET / "unet" / "config.json").read_text())
    width = config["cross_attention_dim"]
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    tensor = {"dtype": "F16", "shape": [1, width], "data_offsets": [0, 2 * width]}
    header = json.dumps({f"{layer}.lora_A.weight": tensor}).encode()
    lora.write_bytes(len(header).to_bytes(8, "little") + header + bytes(2 * width))
    assert read_header(lora).tensors
    given = ["--lora", f"flat look={lora}", "--data", str(data), "--json"]
    assert main(["models", "add", "pocket", *given]) == 0
    assert main(["models", "add", "mine", str(folder), *given]) == 0
    written = tomllib.loads((data / "models.toml").read_text())["models"]
    assert written["pocket"] == {"loras": {"flat look": str(lora)}}
    assert written["mine"] == {"path": str(folder), "loras": {"flat look": str(lora)}}
    capsys.readouterr()
    assert main(["models", "inspect", "pocket", "--json", "--data", str(data)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert "flat look" in facts["capabilities"]["loras"]
    assert str(lora) in {one["path"] for one in facts["adapters"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "mine", "{folder}/unet"], "model_index.json is missing"),
        (["add", "mine", "{folder}/gone/at/all"], "does not exist"),
        (["add", "mine"], "needs a path"),
        (["add", "pocket", "{folder}"], "pocket is the model that ships"),
        (["add", "../mine", "{folder}"], "cannot be added"),
        (["add", "mine", "{folder}", "--sha256", "abc"], "sha256"),
        (["add", "mine", "{folder}", "--revision", "main"], "--revision is for models of a hub"),
        (["add", "mine", "{folder}", "--lora", "x"], "NAME=PATH"),
        (["add", "mine", "{folder}", "--lora", "x=gone.safetensors"], "Nothing was added"),
        (["remove", "mine"], "There is none of that name"),
        (["inspect", "mine"], "no local model mine"),
        (["inspect", "{folder}/model_index.json"], "neither a diffusers folder nor"),
        (["pull", "mine"], "clip_vocabulary"),
        (["pull"], "--all"),
        (["bench", "mine"], "no local model mine"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    data: Path, folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.format(folder=folder) for argument in arguments]
    assert main(["models", *given, "--data", str(data)]) != 0
    said = capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err
    assert not (data / "models.toml").exists()


def test_names_are_taken_once_and_replaced_only_when_asked(
    data: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add = ["models", "add", "mine", str(folder), "--data", str(data)]
    data.mkdir()
    (data / "platemark.toml").write_text(f"# mine\nmodels = {{ theirs = {json.dumps(str(folder))} }}\n")
    assert main(add) == 0
    assert main(add) == 1
    assert "--replace replaces it" in capsys.readouterr().err
    assert main([*add, "--replace"]) == 0
    assert main(["models", "add", "theirs", str(folder), "--data", str(data)]) == 1
    assert "platemark.toml" in capsys.readouterr().err
    assert main(["models", "remove", "theirs", "--data", str(data)]) == 1
    assert "platemark.toml" in capsys.readouterr().err
    # Both files are read, and neither is changed by the other.
    assert set(Settings(data=data).models) == {"mine", "theirs"}
    assert (data / "platemark.toml").read_text().startswith("# mine\n")
    assert {path.name for path in data.iterdir()} == {"platemark.toml", "models.toml"}


def test_a_broken_file_of_models_is_named_and_left_alone(
    data: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.mkdir()
    (data / "models.toml").write_text("[models")
    assert main(["models", "add", "mine", str(folder), "--data", str(data)]) == 2
    assert "models.toml" in capsys.readouterr().err
    assert (data / "models.toml").read_text() == "[models"


def test_a_model_that_is_damaged_fails_the_check_and_an_adapter_does_not(
    data: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "add", "mine", str(folder), "--data", str(data)]) == 0
    (folder / "embeddings").mkdir()
    (folder / "embeddings" / "bad.pt").write_bytes(b"\x80\x02.")
    capsys.readouterr()
    assert main(["models", "check", "--json", "--data", str(data)]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["local/mine"]["state"] == "note"
    assert "bad.pt is in a format that can run code" in rows["local/mine"]["reason"]
    (folder / "unet" / "bad.pt").write_bytes(b"\x80\x02.")
    assert main(["models", "check", "--data", str(data)]) == 1
    assert "failed" in capsys.readouterr().out


def test_routes_are_listed_under_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    final = RouteResource(name="final", models=("b/two", "a/one"))
    nothing = dict.fromkeys(("revision", "licence", "licence_note"))
    facts: dict[str, Any] = {**nothing, "description": "", "capabilities": {}}
    one = ModelResource(id="a/one", provider="a", **facts, aliases=("draft",), routes=(final,))
    two = ModelResource(id="b/two", provider="b", **facts, routes=(final,))
    show([one, two])
    shown = capsys.readouterr().out
    assert shown.count("final") == 1
    assert "b/two, a/one" in shown
    show([one.model_copy(update={"routes": ()})])
    assert "ROUTE" not in capsys.readouterr().out
