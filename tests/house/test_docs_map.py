"""docs/map.md draws the layers as import-linter checks them."""

import re
import tomllib
from typing import Any

from checkout import ROOT, SOURCE

PICTURE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def layers() -> list[set[str]]:
    """The layers from high to low, each with its siblings."""
    contracts: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (contract,) = (one for one in contracts if one["id"] == "layers")
    return [set(re.findall(r"\w+", line)) for line in contract["layers"]]


def drawn(picture: str) -> list[set[str]]:
    """The names on each line of a picture."""
    return [set(re.findall(r"\w+", line)) for line in picture.splitlines()]


def matches(picture: str) -> bool:
    """True when each layer has a line with all its names and none of another layer, in the same order."""
    every = set[str]().union(*layers())
    rows = [row & every for row in drawn(picture) if row & every]
    return rows == layers()


def test_the_picture_shows_the_layers_in_their_order() -> None:
    pictures = PICTURE.findall((ROOT / "docs" / "map.md").read_text(encoding="utf-8"))
    assert any(matches(picture) for picture in pictures), f"no picture in docs/map.md has these lines: {layers()}"


def test_every_part_of_the_package_is_on_the_map() -> None:
    text = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
    parts = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    parts |= {path.stem for path in SOURCE.glob("*.py") if not path.name.startswith("_")}
    assert sorted(part for part in parts if not re.search(rf"\b{part}\b", text)) == []


def test_every_part_of_the_package_has_its_layer() -> None:
    free = {"client", "testing"}  # client has a contract of its own; testing ships with all it needs
    parts = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()} - free
    assert sorted(parts - set[str]().union(*layers())) == []


def test_a_picture_in_another_order_is_seen() -> None:
    right = "\n".join(" | ".join(sorted(layer)) for layer in layers())
    assert matches(right)
    assert not matches("\n".join(reversed(right.splitlines())))
    assert not matches(right.replace("engine", "motor"))
