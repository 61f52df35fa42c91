"""`platemark reinspect`: the library is looked at again with what there is to look with now."""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platemark.cli.connect import Json
from platemark.cli.faults import MISUSED

if TYPE_CHECKING:
    from platemark.core.ports import Platform
    from platemark.flows.reinspect import Again

_AT_ONCE = 2


def reinspect(
    data: Annotated[Path | None, typer.Option("--data", help="Data directory of the server.")] = None,
    project: Annotated[str | None, typer.Option(help="Only this project (prj_…); all of them when absent.")] = None,
    older_than_version: Annotated[
        int | None, typer.Option(min=1, help="Only what an inspector of a lower version looked at.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also what the present detectors have looked at.")] = False,
    remote: Annotated[
        bool, typer.Option("--remote", help="Also ask the remote detectors: they see the pictures, and may cost.")
    ] = False,
    json: Json = False,
) -> None:
    """Inspect stored images again where the inspector or a detector is newer than their inspection.

    Every image keeps its older inspections. Stop it when you like: the next run goes on where this one stopped. With
    --json one line an image. Exit code 2 when some could not be looked at.
    """
    counts = asyncio.run(_run(data, project, older_than_version, every, remote, json))
    if not json:
        changed = f", {counts['changed']} with another verdict" if counts["changed"] else ""
        typer.echo(f"{counts['seen']} images inspected again{changed}")
    if counts["failed"]:
        raise typer.Exit(MISUSED)


async def _run(
    data: Path | None, project: str | None, older_than: int | None, every: bool, remote: bool, json: bool
) -> Counter[str]:
    from platemark import telemetry
    from platemark.cli.offline import configured
    from platemark.core.project import Project
    from platemark.flows.evidence import Choice
    from platemark.flows.reinspect import library, stale
    from platemark.wiring import open_platform

    telemetry.configure(level="error")
    choice = Choice() if remote else Choice(without=frozenset({"remote"}))
    counts: Counter[str] = Counter()
    async with open_platform(configured(data)) as platform:
        async with platform.store.reading() as read:
            known = [one.id for one in await read.all(Project)]
        for each in _chosen(known, project):
            ids = [id async for id in stale(platform, each, older_than=older_than, every=every, choice=choice)]
            with _bar(len(ids), each) as advance:
                async for done in library(platform, ids, by="reinspect", at_once=_AT_ONCE, choice=choice):
                    counts.update(await _told(platform, done, json))
                    advance()
    return counts


def _chosen(known: list[str], project: str | None) -> list[str]:
    from platemark.core.errors import InvalidRequest

    if project is None:
        return known
    if project not in known:
        raise InvalidRequest(f"There is no project {project} in this store; there are {', '.join(known)}.")
    return [project]


async def _told(platform: "Platform", done: "Again", json: bool) -> list[str]:
    """Say what became of one image; what it counts as."""
    from platemark.cli import output
    from platemark.core.inspection import Inspection

    if done.inspection is None:
        error = {"code": done.error.code, "message": done.error.detail} if done.error else None
        if json:
            output.line({"image": done.image, "verdict": None, "error": error})
        elif error:
            output.note(f"{done.image}: {error['message']}")
        return ["failed"]
    async with platform.store.reading() as read:
        before = await read.find(Inspection, done.before) if done.before else None
    now = done.inspection
    if json:
        was = before.verdict if before else None
        output.line({"image": done.image, "inspection": now.id, "verdict": now.verdict, "tier": now.tier, "was": was})
    return ["seen", *(["changed"] if before and before.verdict != now.verdict else [])]


def _bar(total: int, project: str) -> Any:
    from platemark.cli.progress import counted

    return counted(total, project, shown=total > 0 and sys.stderr.isatty())
