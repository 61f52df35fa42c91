"""The sweeper: heartbeats, adoption of dead workers' jobs, jobs that never reached a queue, what time must do."""

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

import anyio
import anyio.lowlevel
from dbos import DBOS

from platemark.core.generation import Generation
from platemark.core.ports import Platform
from platemark.flows import upkeep
from platemark.flows.keeping import retention
from platemark.jobs.engine import VERSION
from platemark.jobs.runtime import DurableJobs, queue_of, workflow_id
from platemark.store.database import Database
from platemark.telemetry import logger

log = logger(__name__)
_BEAT_SECONDS = 5.0
_ACTIVE = frozenset({"PENDING", "ENQUEUED", "DELAYED"})
_KEEP_FINISHED = timedelta(hours=24)
# Long enough for a client that lost its stream to read the rest of it.
_KEEP_TRANSIENT = timedelta(minutes=10)


async def beat(
    jobs: DurableJobs, database: Database, platform: Platform, dead_after: float, shared: Callable[[int], None]
) -> None:
    """Say every few seconds that this worker lives. One that cannot say so for long stops its own work.

    `shared` is told how many workers of this kind live, which share the providers' contracts.
    """
    boot, last = platform.ids.secret(8), platform.clock.monotonic()
    while True:
        try:
            await database.beat(jobs.executor, boot, jobs.role)
            last = platform.clock.monotonic()
            living = await database.live_workers(timedelta(seconds=dead_after))
            shared(sum(worker.role != "engine" for worker in living))
        except Exception:
            log.exception("heartbeat.failed")
            if platform.clock.monotonic() - last > dead_after * 2 / 3:
                log.error("heartbeat.fenced", executor=jobs.executor)
                jobs.fence()
        await anyio.sleep(_BEAT_SECONDS)


async def sweep(jobs: DurableJobs, database: Database, platform: Platform, every: float, dead_after: float) -> None:
    """Look after everything that nobody else does, for ever."""
    while True:
        for chore in (_adopt, _resubmit, _expire, _keep_up, _purge):
            try:
                await chore(jobs, database, platform, dead_after)
            except Exception:
                log.exception("sweep.failed", chore=chore.__name__.lstrip("_"))
        await anyio.sleep(every)


async def retain(database: Database, platform: Platform) -> None:
    """Delete what is over its time, for ever; one process at a time does it."""
    while True:
        try:
            async with database.leading("retain") as mine:
                while mine and (await retention.retain(platform)).more:
                    await anyio.lowlevel.checkpoint()
        except Exception:
            log.exception("retention.failed")
        await anyio.sleep(retention.EVERY.total_seconds())


async def _adopt(jobs: DurableJobs, database: Database, platform: Platform, dead_after: float) -> None:
    """Take over what dead workers were at. One process at a time does it."""
    async with database.leading("adopt") as mine:
        for worker in await database.dead_workers(timedelta(seconds=dead_after)) if mine else ():
            if worker.executor_id != jobs.executor:
                await _adopt_from(platform, worker.executor_id)
            await database.forget_worker(worker)


async def _adopt_from(platform: Platform, executor: str) -> None:
    rows = await DBOS.list_workflows_async(
        status="PENDING", executor_id=executor, app_version=VERSION, load_input=False, load_output=False
    )
    by_queue: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_queue[row.queue_name or await _home_queue(platform, row.workflow_id)].append(row.workflow_id)
    for queue, ids in by_queue.items():
        await DBOS.resume_workflows_async(ids, queue_name=queue)
    log.warning("worker.adopted", executor=executor, workflows=len(rows))


async def _home_queue(platform: Platform, workflow: str) -> str:
    """Where a workflow that was started directly would have been queued."""
    async with platform.store.reading() as read:
        generation = await read.get(Generation, workflow.split(".", 1)[0])
    return queue_of(generation.model.split("/", 1)[0], generation.lane)


async def _resubmit(jobs: DurableJobs, database: Database, platform: Platform, dead_after: float) -> None:
    """Close the gap between our database and the engine's: accepted work without a living workflow gets one."""
    waiting = await upkeep.lost(platform)
    if not waiting:
        return
    ids = [workflow_id(generation) for generation in waiting]
    rows = await DBOS.list_workflows_async(workflow_ids=ids, load_input=False, load_output=False)
    others = {worker.executor_id for worker in await database.live_workers(timedelta(seconds=dead_after))}
    # Work of another contract version is alive only while somebody may be there who runs that version.
    alive = {row.workflow_id: row.app_version == VERSION or others != {jobs.executor} for row in rows}
    status = {row.workflow_id: row.status if alive[row.workflow_id] else "STRANDED" for row in rows}
    for generation in waiting:
        await _resubmit_one(platform, generation, status.get(workflow_id(generation)))


async def _resubmit_one(platform: Platform, generation: Generation, status: str | None) -> None:
    if status in _ACTIVE:
        return
    again = generation if status is None else await upkeep.revive(platform, generation)
    if again is not None:
        log.warning("generation.resubmitted", generation=generation.id, workflow=status)
        await platform.jobs.submit(again)


async def _expire(_jobs: DurableJobs, database: Database, platform: Platform, _dead_after: float) -> None:
    await upkeep.expire(platform)
    await database.drop_transient(platform.clock.now() - _KEEP_TRANSIENT)


async def _keep_up(_jobs: DurableJobs, _database: Database, platform: Platform, _dead_after: float) -> None:
    await retention.keep_up(platform)


async def _purge(_jobs: DurableJobs, database: Database, platform: Platform, _dead_after: float) -> None:
    """The engine keeps finished workflows for ever; ours are told by our own rows after a day."""
    before = platform.clock.now() - _KEEP_FINISHED
    rows = await DBOS.list_workflows_async(
        status=["SUCCESS", "ERROR", "CANCELLED"],
        completed_before=before.isoformat(),
        limit=500,
        load_input=False,
        load_output=False,
    )
    if rows:
        await DBOS.delete_workflows_async([row.workflow_id for row in rows])
