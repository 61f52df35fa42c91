"""Whether the parts of this process can work now, each asked with a bound on its time."""

from collections.abc import Awaitable, Callable

import anyio

from platemark.core.base import JsonObject
from platemark.core.errors import PlatemarkError
from platemark.core.ports import Platform
from platemark.telemetry import logger

log = logger(__name__)
_SECONDS = 5.0
Check = Callable[[], Awaitable[None]]


async def fault(name: str, check: Check) -> str | None:
    """The code of what stands in the way, or None. The words go to the log only: the answer may be read by anybody."""
    try:
        with anyio.fail_after(_SECONDS):
            await check()
    except PlatemarkError as error:
        log.warning("check.failed", part=name, code=error.code, detail=error.detail)
        return error.code
    except TimeoutError:
        log.warning("check.timed_out", part=name, seconds=_SECONDS)
        return "timed_out"
    except Exception:
        log.exception("check.failed", part=name)
        return PlatemarkError.code
    return None


async def faults(checks: dict[str, Check]) -> dict[str, str | None]:
    """All checks at once, in their order."""
    found = dict[str, str | None]()

    async def ask(name: str, check: Check) -> None:
        found[name] = await fault(name, check)

    async with anyio.create_task_group() as tasks:
        for name, check in checks.items():
            tasks.start_soon(ask, name, check)
    return {name: found[name] for name in checks}


async def state(platform: Platform, *, draws: bool) -> tuple[bool, JsonObject]:
    """Whether requests can be served, and the state of each part. `draws`: providers work in this process.

    One provider that works is enough: then the state is degraded, not down.
    """
    parts = {"store": platform.store.check, "blobs": platform.blobs.check, "jobs": platform.jobs.check}
    makers = {f"provider {name}": provider.check for name, provider in platform.providers.items()} if draws else {}
    found = await faults({**parts, **makers})
    broken = [name for name, code in found.items() if code]
    ready = not any(name in parts for name in broken) and (not makers or any(name not in broken for name in makers))
    shown = {name: {"state": "failed", "code": code} if code else {"state": "ok"} for name, code in found.items()}
    return ready, {"status": ("degraded" if broken else "ready") if ready else "not_ready", "parts": shown}
