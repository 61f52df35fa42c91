"""`platemark verify`: what image files say about their origin, read on this machine."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platemark.cli.connect import Data, Json
from platemark.cli.faults import FAILED

if TYPE_CHECKING:
    from platemark.core.inspection import FindingKind
    from platemark.imaging.decode import Facts

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_MAX_BYTES = 256 * 1024 * 1024
_MAX_PIXELS = 256_000_000
_UNSEEN: "tuple[FindingKind, ...]" = ("own_watermark", "third_party_watermark", "learned")
Look = Callable[[bytes, "Facts"], Awaitable[dict[str, Any]]]


def verify(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Read credentials and metadata of image files; with --data, also look whether they are among our own.

    One line a file. A verdict is an input to a decision, not proof. Exit code 1 when a file cannot be read as an image,
    or what it says contradicts itself.
    """
    from platemark.cli import output

    clean = True
    for path, answer in asyncio.run(_all(list(_files(paths)), data)):
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


async def _all(files: list[Path], data: Path | None) -> list[tuple[Path, dict[str, Any]]]:
    opened = _reader() if data is None else _registry(data)
    async with opened as look:
        return [(file, await _one(file, look)) for file in files]


async def _one(file: Path, look: Look) -> dict[str, Any]:
    from platemark.core.errors import PlatemarkError
    from platemark.imaging.decode import inspect_bytes

    try:
        content = file.read_bytes()  # noqa: ASYNC240 - nothing else waits for this loop
        facts = inspect_bytes(content, max_bytes=_MAX_BYTES, max_pixels=_MAX_PIXELS)
        return await look(content, facts)
    except OSError as error:
        return {"error": {"code": "unreadable", "detail": f"{error.strerror or error}"}}
    except PlatemarkError as error:
        return {"error": {"code": error.code, "detail": error.detail}}


@asynccontextmanager
async def _reader() -> AsyncGenerator[Look]:
    """Reads files alone: without a store the registry is not evaluated."""
    from platemark.core.inspection import LIMITS, Finding
    from platemark.flows.inspect import VERSION, fuse
    from platemark.provenance.certificates import development_identity
    from platemark.provenance.credential import Credential

    unseen = [
        Finding(kind="registry", status="not_evaluated", detail={"reason": "no --data was given"}),
        *(
            Finding(kind=kind, status="not_evaluated", detail={"reason": "no detector is installed"})
            for kind in _UNSEEN
        ),
    ]
    # Reading needs an identity, to tell our own signatures from others'; this one has signed nothing.
    with tempfile.TemporaryDirectory(prefix="platemark-verify-") as folder:
        provenance = Credential(development_identity(Path(folder), datetime.now(UTC)))

        async def look(content: bytes, facts: "Facts") -> dict[str, Any]:
            evidence = [unseen[0], *await provenance.read(content, facts.media_type), *unseen[1:]]
            verdict, tier, p_ai = fuse(evidence)
            return {
                "verdict": verdict,
                "tier": tier,
                "confidence": {"p_ai": p_ai},
                "is_proof": False,
                "evidence": [finding.model_dump(mode="json") for finding in evidence],
                "limits": LIMITS,
                "input": _input(content, facts),
                "versions": {"inspect": VERSION},
            }

        yield look


@asynccontextmanager
async def _registry(data: Path) -> AsyncGenerator[Look]:
    """Reads files beside the store in `data`, whose operator sees the images of every project."""
    from platemark.cli.offline import store
    from platemark.core.image import Fingerprint
    from platemark.core.project import Project
    from platemark.flows.inspect import inspect
    from platemark.imaging.fingerprint import pdq

    async with store(data) as platform:
        async with platform.store.reading() as read:
            projects = [project.id for project in await read.all(Project)]

        async def look(content: bytes, facts: "Facts") -> dict[str, Any]:
            digits, quality = pdq(content, max_bytes=_MAX_BYTES, max_pixels=_MAX_PIXELS)
            answer: dict[str, Any] = {}
            for project in projects:
                given = Fingerprint(id="img_", project=project, sha256=_digest(content), pdq=digits, quality=quality)
                size = facts.width, facts.height
                found = await inspect(
                    platform, content, facts.media_type, project=project, fingerprint=given, size=size
                )
                # The nearest thing to an owner is told; without one, what the file itself says.
                if not answer or found.verdict == "generated_by_us":
                    answer = found.model_dump(mode="json", exclude={"id", "image", "created_at", "media_type"})
            return {**answer, "is_proof": False, "input": _input(content, facts)}

        yield look


def _input(content: bytes, facts: "Facts") -> dict[str, Any]:
    return {"sha256": _digest(content), "mime": facts.media_type, "width": facts.width, "height": facts.height}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _said(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return f"not read ({answer['error']['detail']})"
    unseen = [str(finding["kind"]) for finding in answer["evidence"] if finding["status"] == "not_evaluated"]
    signers = [finding["detail"].get("signer") for finding in answer["evidence"] if finding["kind"] == "c2pa"]
    parts = [answer["verdict"], answer["tier"], *(f"signed by {name}" for name in signers if name)]
    return " · ".join([*map(str, parts), *([f"not evaluated: {', '.join(unseen)}"] if unseen else [])])
