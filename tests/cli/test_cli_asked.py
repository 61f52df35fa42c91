"""`generate` with pictures: what its options mean, and that nothing is sent when a file is not there."""

from pathlib import Path
from typing import Any

import pytest
import typer

from platemark.cli import asked
from platemark.cli.root import main

ID = "img_" + "0a" * 16


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "house.png"
    file.write_bytes(b"picture")
    return file


@pytest.mark.parametrize("given", [None, ID, "https://pictures.example/a.png", "data:image/png;base64,AAAA"])
def test_what_is_elsewhere_stays_as_it_is(given: str | None) -> None:
    assert asked.picture(given, "--image") == given


def test_a_file_is_a_path(house: Path) -> None:
    assert asked.picture("house.png", "--image") == Path("house.png")


def test_controls_have_a_type_a_file_and_perhaps_a_strength(house: Path) -> None:
    (house.parent / "12:5").write_bytes(b"oddly named")
    found = asked.controls(["canny=house.png", "scribble=house.png:0.4", f"depth={ID}:2", "canny=12:5"])
    assert found == [
        {"type": "canny", "image": Path("house.png")},
        {"type": "scribble", "image": Path("house.png"), "strength": 0.4},
        {"type": "depth", "image": ID, "strength": 2.0},
        {"type": "canny", "image": Path("12:5")},
    ]
    assert asked.controls(["canny=house.png"], preprocess=False) == [
        {"type": "canny", "image": Path("house.png"), "preprocess": False}
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ([], None),
        (["ink"], [{"id": "ink"}]),
        (["ink:0.5", "team/paper:-1"], [{"id": "ink", "scale": 0.5}, {"id": "team/paper", "scale": -1.0}]),
    ],
)
def test_loras_have_an_id_and_perhaps_a_scale(given: list[str] | None, expected: Any) -> None:
    assert asked.loras(given) == expected


@pytest.mark.parametrize("given", ["canny", "canny=", "=house.png", "house.png:0.5"])
def test_a_control_of_another_form_is_refused(house: Path, given: str) -> None:
    with pytest.raises(typer.BadParameter, match="TYPE=FILE"):
        asked.controls([given])


def test_tags_have_a_name_and_a_value() -> None:
    assert asked.tags(["a:b", "c:d:e"]) == {"a": "b", "c": "d:e"}
    assert asked.tags(None) is None
    with pytest.raises(typer.BadParameter, match="name:value"):
        asked.tags(["campaign"])


@pytest.mark.parametrize(
    "options",
    [
        ["--image", "nowhere.png"],
        ["--image", "house.png", "--mask", "nowhere.png"],
        ["--control", "canny=nowhere.png:0.5"],
    ],
)
def test_a_file_that_is_not_there_is_said_without_a_server(
    house: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    code = main(["generate", "x", "--url", "http://127.0.0.1:9", "--operation", "inpaint", *options])
    said = capsys.readouterr().err
    assert code == 2
    assert options[-2] in said
    assert "nowhere.png does not exist" in said


def test_a_folder_is_no_picture(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "x", "--image", str(house.parent)]) == 2
    assert "is a folder" in capsys.readouterr().err
