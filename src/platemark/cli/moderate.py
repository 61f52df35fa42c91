"""`platemark moderate`: what the policy says of texts and pictures, without generating."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from platemark.cli.connect import Json
from platemark.cli.faults import MISUSED

if TYPE_CHECKING:
    from io import BufferedIOBase

    from platemark.cli.asking import Input

Stage = Literal["before_request", "after_response", "before_publish"]
_STANDARD_INPUT = "-"
_SHOWN = 60


def moderate(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|-", help="Files of one text a line, or pictures; - is standard input."),
    ] = None,
    image: Annotated[list[Path] | None, typer.Option("--image", help="A picture; repeat it.")] = None,
    audience: Annotated[str | None, typer.Option(help="Who would see it, such as newsroom or education.")] = None,
    role: Annotated[str | None, typer.Option(help="Role of the person who asks, as policies know it.")] = None,
    stage: Annotated[Stage, typer.Option(help="At which of the three points is asked.")] = "before_request",
    json: Json = False,
    url: Annotated[
        str | None, typer.Option("--url", help="Ask this server instead; its key is found as for other commands.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Data directory whose store counts too; with --url, whose admin key is used."),
    ] = None,
) -> None:
    """Answer each line of text, or each picture, with what the policy would decide.

    Works without a server: detectors, lexicon and policy are those of the settings (PLATEMARK_… variables and
    platemark.toml of the data directory), with the store in --data, or in the default directory where there is one, for
    policies and hash lists that were put in force there. Nothing is written. With --url a server is asked.

    With --json one line of JSON an input: input, decision (allow, label, review or block), reason_code, signals,
    policy_version, then more. Exit code 2 when an input could not be read; its answer is review, with the error.
    """
    import asyncio
    from contextlib import ExitStack

    from platemark.cli import asking, connect, output

    def tell(answer: dict[str, Any]) -> None:
        if json:
            output.line(answer)
        else:
            typer.echo(_said(answer))

    given = asking.Given(audience, role, stage)
    with ExitStack() as stack:
        if url is not None:
            opened = asking.there(connect.client(url, data), given)
        else:
            opened = asking.here(stack.enter_context(asking.settings_here(data)), given)
        clean = asyncio.run(asking.answer(_inputs(files, image), opened, tell))
    if not clean:
        raise typer.Exit(MISUSED)


def _inputs(files: list[str] | None, images: list[Path] | None) -> "Iterator[Input]":
    import sys

    from platemark.cli import asking

    for name in files if files is not None else ([] if images else [_STANDARD_INPUT]):
        if name == _STANDARD_INPUT:
            yield from asking.read_stream(cast("BufferedIOBase", sys.stdin.buffer), _STANDARD_INPUT)
        else:
            yield from asking.read_file(Path(name))
    for path in images or []:
        yield asking.read_picture(path)


def _said(answer: dict[str, Any]) -> str:
    """One line of a table, written at once: the end of a long input may be far."""
    text = " ".join(str(answer["input"]).split())
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    reason = answer["error"]["detail"] if "error" in answer else answer["reason_code"] or "–"
    return f"{answer['decision']:<7} {reason:<26} {shown}"
