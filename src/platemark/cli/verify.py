"""`platemark verify`: what image files say about their origin, read on this machine."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from platemark.cli.connect import Data, Json
from platemark.cli.faults import FAILED

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})


def verify(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Read credentials and metadata of image files; with --data, also look whether they are among our own.

    One line a file. A verdict is an input to a decision, not proof. Exit code 1 when a file cannot be read as an image,
    or what it says contradicts itself.
    """
    from platemark.cli import output, reading

    clean = True
    for path, answer in reading.read(list(_files(paths)), data):
        clean = clean and answer.get("verdict") not in (None, "conflicting")
        if json:
            output.line({"path": str(path), **answer})
        else:
            typer.echo(f"{path}: {_said(answer)}")
    if not clean:
        raise typer.Exit(FAILED)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.suffix.lower() in _SUFFIXES and one.is_file())
        else:
            yield path


def _said(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return f"not read ({answer['error']['detail']})"
    unseen = [str(finding["kind"]) for finding in answer["evidence"] if finding["status"] == "not_evaluated"]
    signers = [finding["detail"].get("signer") for finding in answer["evidence"] if finding["kind"] == "c2pa"]
    parts = [answer["verdict"], answer["tier"], *(f"signed by {name}" for name in signers if name)]
    return " · ".join([*map(str, parts), *([f"not evaluated: {', '.join(unseen)}"] if unseen else [])])
