"""Audit: the project's chain as JSON lines that anybody can verify without this server."""

import json
from collections.abc import AsyncGenerator

from platemark.core.audit import GENESIS
from platemark.core.ports import Platform
from platemark.core.project import Principal

_PAGE = 500


async def export(platform: Platform, principal: Principal) -> AsyncGenerator[str]:
    """A header, every line of the chain in order, and a footer with the head, each one JSON line."""
    principal.require("audit:read")
    yield _line(
        {
            "object": "platemark.audit",
            "version": 1,
            "project": principal.project,
            "exported_at": platform.clock.now().isoformat(),
        }
    )
    head, seq = GENESIS, 0
    while True:
        async with platform.store.reading() as read:
            lines = await read.chain(principal.project, after=seq, limit=_PAGE)
        for line in lines:
            yield _line(line.model_dump(mode="json"))
            head, seq = line.hash, line.seq
        if len(lines) < _PAGE:
            break
    yield _line({"object": "platemark.audit.end", "lines": seq, "head": head})


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
