"""End: the only place where a generation becomes terminal."""

from typing import Any, Literal

from platemark.core.errors import PlatemarkError
from platemark.core.event import EventType
from platemark.core.generation import Generation
from platemark.core.ports import Platform, Transaction
from platemark.core.problem import document
from platemark.flows.note import tell
from platemark.telemetry import GENERATIONS, NEEDS_ATTENTION, RUN_SECONDS, logger

log = logger(__name__)
End = Literal["succeeded", "failed", "blocked", "canceled", "expired"]
_EVENT: dict[End, EventType] = {
    "succeeded": "generation.succeeded",
    "failed": "generation.failed",
    "blocked": "generation.blocked",
    "canceled": "generation.canceled",
    "expired": "generation.expired",
}


async def end(
    platform: Platform,
    tx: Transaction,
    generation: Generation,
    status: End,
    *,
    error: PlatemarkError | None = None,
    needs_attention: bool = False,
    **changes: Any,
) -> Generation:
    """Compare-and-set to a terminal status, with its event. Call `ended` after the transaction has committed."""
    kept = None if error is None else document(error) | {"generation": generation.id}
    generation = await tx.change(
        generation,
        status=status,
        finished_at=platform.clock.now(),
        retry_at=None,
        error=kept,
        needs_attention=needs_attention,
        **changes,
    )
    facts: dict[str, Any] = {"status": status, "needs_attention": needs_attention}
    await tell(platform, tx, _EVENT[status], generation, **facts, **({"code": kept["code"]} if kept else {}))
    return generation


def ended(platform: Platform, generation: Generation) -> None:
    """Wake whoever waits, count it, log it."""
    platform.notices.tell(generation.id)
    GENERATIONS.labels(generation.status, generation.model, generation.lane).inc()
    if generation.needs_attention:
        NEEDS_ATTENTION.labels(generation.model).inc()
    if generation.started_at is not None and generation.finished_at is not None:
        RUN_SECONDS.labels(generation.model).observe((generation.finished_at - generation.started_at).total_seconds())
    log.info(
        "generation.ended",
        generation=generation.id,
        status=generation.status,
        code=(generation.error or {}).get("code"),
    )
