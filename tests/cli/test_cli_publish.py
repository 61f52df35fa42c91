"""How further files of a release are asked for on the command line."""

from typing import Any

import pytest
import typer

from platemark.cli.publish import size_of


@pytest.mark.parametrize(
    ("text", "size"),
    [("640", {"width": 640}), ("webp", {"format": "webp"}), ("640.webp", {"width": 640, "format": "webp"})],
)
def test_a_width_a_format_or_both(text: str, size: dict[str, Any]) -> None:
    assert size_of(text) == size


def test_what_is_neither_says_so() -> None:
    with pytest.raises(typer.BadParameter, match="6x4"):
        size_of("6x4")
