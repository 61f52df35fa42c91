"""The store without a server: for operators, when none runs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from platemark.cli.serve import settings
from platemark.client.files import WholeFile
from platemark.core.errors import InvalidRequest, Misconfigured
from platemark.core.project import Principal, Project

if TYPE_CHECKING:
    from platemark.core.ports import Platform
    from platemark.settings import Settings


@asynccontextmanager
async def store(data: Path | None) -> "AsyncGenerator[Platform]":
    """The platform of a data directory, reading only: nothing is drawn. Raises Misconfigured where there is none."""
    from platemark.wiring import open_platform

    configured: Settings = settings(data=data, role="api")
    # Opening makes a store where there is none; what is asked for here can only be in one that is there.
    if configured.database_url is None and not (configured.data / "platemark.db").is_file():
        raise Misconfigured(f"There is no store in {configured.data}. Name its directory with --data.")
    async with open_platform(configured) as platform:
        yield platform


def export(out: Path, data: Path | None, project: str | None, *, overwrite: bool) -> None:
    """Write the chain of one project to `out`, whole or not at all."""
    asyncio.run(_export(out.expanduser(), data, project, overwrite=overwrite))


async def _export(out: Path, data: Path | None, project: str | None, *, overwrite: bool) -> None:
    from platemark.flows import audit

    async with store(data) as platform:
        chosen = await _chosen(platform, project)
        principal = Principal(project=chosen, key="offline", scopes=frozenset({"audit:read"}))
        with WholeFile(out, overwrite=overwrite) as file:
            async for line in audit.export(platform, principal):
                file.write(line.encode())
            file.finish()


async def _chosen(platform: "Platform", project: str | None) -> str:
    async with platform.store.reading() as read:
        known = [one.id for one in await read.all(Project)]
    if project is None and len(known) == 1:
        return known[0]
    if project in known:
        return project
    raise InvalidRequest(f"Name one of these with --project: {', '.join(known) or 'there is none yet'}.")
