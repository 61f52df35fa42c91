"""`platemark verify`: is it likely AI-made, is it ours, who signed it; read on this machine, without a server."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from platemark.cli.connect import Data, Json
from platemark.cli.faults import MISUSED

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp"})
_Kinds = list[str] | None


def verify(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    json: Json = False,
    data: Data = None,
    without: Annotated[
        _Kinds, typer.Option(help="A look that is not to be taken, as `learned`; repeat it.", metavar="KIND")
    ] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Also ask the remote detectors of --data: they see the files.")
    ] = False,
) -> None:
    """Say of image files whether they are likely AI-made, ours, and who signed them; --data also opens the registry.

    One line a file, with --json one JSON line. A verdict is an input to a decision, not proof. Exit code 0 when every
    file was read, 2 when some were not.
    """
    from platemark.cli import output, reading
    from platemark.cli.progress import counted
    from platemark.flows.evidence import Choice

    _check_kinds(without or ())
    files = list(_files(paths))
    unread = 0

    with counted(len(files), "reading", shown=len(files) > 1 and sys.stderr.isatty()) as advance:

        def tell(path: Path, answer: dict[str, Any]) -> None:
            nonlocal unread
            unread += "error" in answer
            if json:
                output.line({"path": str(path), **answer})
            else:
                typer.echo(f"{_printable(str(path))}: {_said(answer)}")
            advance()

        reading.read(files, reading.Wanted(data, Choice(without=frozenset(without or ())), remote), tell)
    if unread:
        output.note(f"{unread} of {len(files)} files could not be read as images")
    if unread or not files:
        if not files:
            output.note("there is no image file there")
        raise typer.Exit(MISUSED)


def _check_kinds(names: Iterable[str]) -> None:
    from typing import get_args

    from platemark.core.inspection import FindingKind

    known = get_args(FindingKind)
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{name} is no kind of finding; there are {', '.join(known)}.")


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        place = path.expanduser()
        if place.is_dir():
            yield from sorted(one for one in place.rglob("*") if one.suffix.lower() in _SUFFIXES and one.is_file())
        else:
            yield place


def _said(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return f"not read ({_printable(answer['error']['message'])})"
    evidence: list[dict[str, Any]] = answer["evidence"]
    p_ai = answer["confidence"]["p_ai"]
    reasons = [text for finding in evidence if (text := _reason(finding))]
    unseen = [str(finding["kind"]) for finding in evidence if finding["status"] == "not_evaluated"]
    parts = [str(answer["verdict"]), str(answer["tier"])]
    parts += [f"p(AI) {p_ai:.2f}"] if p_ai is not None and answer["tier"] != "conclusive" else []
    parts += reasons
    parts += [f"not evaluated: {', '.join(dict.fromkeys(unseen))}"] if unseen else []
    return " · ".join(map(_printable, parts))


def _reason(finding: dict[str, Any]) -> str | None:
    """What a finding adds, in a few words; None where it adds nothing."""
    kind, status = finding["kind"], finding["status"]
    if kind == "c2pa" and status not in ("none", "absent", "not_evaluated", "skipped", "off"):
        return _credential(finding)
    if kind == "registry" and status in ("exact", "near"):
        image = finding.get("image")
        return f"{status} match" + (f" of {image}" if image else "")
    if kind == "metadata" and status == "found":
        fields: dict[str, str] = finding.get("fields", {})
        named = fields.get("generator") or fields.get("xmp:DigitalSourceType", "").rpartition("/")[2]
        return f"metadata: {named}" if named else None
    if kind == "own_watermark" and status in ("id_resolved", "present"):
        return "our watermark" if status == "id_resolved" else "a watermark of ours that leads nowhere"
    if kind == "third_party_watermark" and finding["direction"] == "ai":
        return f"watermark {finding.get('scheme', '')}".strip()
    return None


def _credential(finding: dict[str, Any]) -> str:
    words = {"remote_not_fetched": "credential elsewhere, not fetched", "error": "unreadable credential"}
    status = str(finding["status"])
    parts = [words.get(status, f"{status.replace('_', ' ')} credential")]
    parts += [f"signed by {finding['signer']}"] if finding.get("signer") else []
    parts += ["a broken ingredient"] if finding.get("ingredient_failures") else []
    return ", ".join(parts)


def _printable(text: str) -> str:
    """What a file says about itself moves no cursor."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
