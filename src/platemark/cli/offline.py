"""The store without a server: for operators, when none runs."""

import asyncio
from functools import partial
from pathlib import Path

from anyio.to_thread import run_sync

from platemark.cli.serve import settings
from platemark.client.files import WholeFile
from platemark.core.errors import InvalidRequest, Misconfigured
from platemark.core.ports import Platform
from platemark.core.project import SYSTEM_PROJECT, Principal, Project
from platemark.flows import audit
from platemark.settings import Settings
from platemark.wiring import open_platform


def configured(data: Path | None) -> Settings:
    """Settings to open the store with, for reading only: nothing is drawn. Raises Misconfigured where there is none."""
    found: Settings = settings(data=data, role="api")
    # Opening makes a store where there is none; what is asked for here can only be in one that is there.
    if found.database_url is None and not (found.data / "platemark.db").is_file():
        raise Misconfigured(f"There is no store in {found.data}. Name its directory with --data.")
    return found


def export(out: Path, data: Path | None, project: str | None, *, overwrite: bool) -> None:
    """Write the chain of one project to `out`, whole or not at all."""
    asyncio.run(_export(out.expanduser(), configured(data), project, overwrite=overwrite))


async def _export(out: Path, found: Settings, project: str | None, *, overwrite: bool) -> None:
    async with open_platform(found) as platform:
        chosen = await _chosen(platform, project)
        principal = Principal(project=chosen, key="offline", scopes=frozenset({"audit:read"}))
        with await run_sync(partial(WholeFile, out, overwrite=overwrite)) as file:
            async for line in audit.export(platform, principal):
                await run_sync(file.write, line.encode())
            await run_sync(file.finish)


async def _chosen(platform: Platform, project: str | None) -> str:
    async with platform.store.reading() as read:
        known = [one.id for one in await read.all(Project)]
    if project is None and len(known) == 1:
        return known[0]
    # The installation has a chain of its own, of what concerns every project.
    if project in (*known, SYSTEM_PROJECT):
        return project
    raise InvalidRequest(f"Name one of these with --project: {', '.join(known) or 'there is none yet'}.")
