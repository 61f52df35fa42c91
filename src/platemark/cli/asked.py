"""Options of `generate` that stand for more than one value: pictures, controls, LoRAs, tags."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

_ELSEWHERE = re.compile(r"img_[0-9a-f]{32}|https?://.*|data:.*", re.IGNORECASE)
_SCALE = re.compile(r"(?P<name>.+):(?P<number>-?\d+(?:\.\d+)?)")


def picture(text: str | None, option: str) -> str | Path | None:
    """A file that is there, or an `img_` id or URL as it is. Raises BadParameter before anything is sent."""
    if text is None or _ELSEWHERE.fullmatch(text):
        return text
    path = Path(text).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise typer.BadParameter(f"{text} {what}; give a picture file, an img_ id or an https URL", param_hint=option)
    return path


def controls(given: Sequence[str] | None, *, preprocess: bool = True) -> list[dict[str, Any]] | None:
    """From TYPE=FILE or TYPE=FILE:STRENGTH."""
    made: list[dict[str, Any]] = []
    for text in given or ():
        kind, equals, rest = text.partition("=")
        if not kind or not equals or not rest:
            raise typer.BadParameter(
                f"{text} is not of the form TYPE=FILE or TYPE=FILE:STRENGTH", param_hint="--control"
            )
        # A file may have such a name: it goes before a number after a colon.
        number = None if Path(rest).expanduser().is_file() else _SCALE.fullmatch(rest)
        place = number["name"] if number else rest
        strength = {"strength": float(number["number"])} if number else {}
        plain = {} if preprocess else {"preprocess": False}
        made.append({"type": kind, "image": picture(place, "--control"), **strength, **plain})
    return made or None


def loras(given: Sequence[str] | None) -> list[dict[str, Any]] | None:
    """From ID or ID:SCALE."""
    found = [(text, _SCALE.fullmatch(text)) for text in given or ()]
    return [
        {"id": number["name"], "scale": float(number["number"])} if number else {"id": text} for text, number in found
    ] or None


def tags(given: Sequence[str] | None) -> dict[str, str] | None:
    """From name:value."""
    pairs = [tag.partition(":") for tag in given or ()]
    if any(not name or not colon for name, colon, _ in pairs):
        raise typer.BadParameter("a tag has the form name:value")
    return {name: value for name, _, value in pairs} or None
