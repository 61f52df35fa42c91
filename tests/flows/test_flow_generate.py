"""Generate: what a provider does becomes images, or one clear, recorded outcome."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from platemark.core.errors import (
    BlockedByProvider,
    EngineCrashed,
    PlatemarkError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimedOut,
    ProviderUnavailable,
    StorageFull,
)
from platemark.core.generation import Generation
from platemark.core.image import Publication
from platemark.core.moderation import Verdict
from platemark.core.ports import Blobs
from platemark.core.updates import Order, Picture, Progress, Update
from platemark.flows import generate, retry
from platemark.flows.cancel import cancel
from platemark.flows.record import image_record
from platemark.simulate.scripted import Scripted
from waiting import until
from workbench import Bench, open_bench


async def test_p1_four_things_per_image(bench: Bench) -> None:
    generation = await bench.make(n=3, seed=40)
    assert generation.status == "succeeded"
    images = await bench.images(generation)
    assert [(image.index, image.seed) for image in images] == [(0, 40), (1, 41), (2, 42)]
    for image in images:
        assert await bench.platform.blobs.exists(f"{image.project}/{image.sha256}")
        record = await image_record(bench.platform, bench.caller, image.id)
        assert record.chain.verified
        assert record.image.stored
        assert record.moderation
        assert record.inspection is not None
        assert record.inspection["verdict"] == "generated_by_us"
        assert record.credential == {"state": "valid", "signer": bench.platform.provenance.signer}
        assert [publication["state"] for publication in record.publications] == ["draft"]


async def test_the_providers_bytes_are_gone_and_their_hash_is_kept(bench: Bench, tmp_path: Path) -> None:
    generation = await bench.make()
    (image,) = await bench.images(generation)
    assert image.original_sha256 != image.sha256
    assert await anyio.to_thread.run_sync(stored, tmp_path) == {image.sha256}


async def test_generations_of_the_same_bytes_take_nothing_from_each_other(bench: Bench, tmp_path: Path) -> None:
    both = [await bench.ask(seed=5) for _ in range(2)]
    for generation in both:
        await generate.call(bench.platform, generation.id)
    for generation in both:
        await generate.finish(bench.platform, generation.id)
    images = [image for generation in both for image in await bench.images(generation)]
    assert len({image.original_sha256 for image in images}) == 1
    assert await anyio.to_thread.run_sync(stored, tmp_path) == {image.sha256 for image in images}


def stored(data: Path) -> set[str]:
    """The names of everything that the store of bytes holds."""
    return {path.name for path in data.rglob("*") if path.is_file() and len(path.name) == 64}


async def test_finishing_twice_is_finishing_once(bench: Bench) -> None:
    generation = await bench.make()
    assert (await generate.finish(bench.platform, generation.id)).kind == "ended"
    assert (await generate.call(bench.platform, generation.id)).kind == "ended"
    assert len(await bench.images(generation)) == 1
    assert bench.provider.calls.total() == 1


async def test_p2_a_call_that_succeeded_is_not_made_again(bench: Bench) -> None:
    generation = await bench.ask()
    await generate.call(bench.platform, generation.id)
    assert (await generate.call(bench.platform, generation.id)).kind == "made"
    assert bench.provider.calls.total() == 1


@pytest.mark.parametrize(
    ("error", "status", "needs_attention", "attempt"),
    [
        (ProviderRejected("steps too high"), "failed", False, "failed"),
        (BlockedByProvider("its filter said no", code="SEXUAL_EXPLICIT"), "blocked", False, "refused"),
        (RuntimeError("a bug"), "failed", False, "failed"),
    ],
)
async def test_what_cannot_succeed_is_not_tried_again(
    bench: Bench, error: Exception, status: str, needs_attention: bool, attempt: str
) -> None:
    def fail(_call: int, _order: Order) -> None:
        raise error

    bench.provider.script = fail
    generation = await bench.make()
    assert (generation.status, generation.needs_attention) == (status, needs_attention)
    assert [made.state for made in await bench.attempts(generation)] == [attempt]
    assert generation.error is not None
    assert generation.error["generation"] == generation.id
    assert "bug" not in str(generation.error)


async def test_a_technical_failure_is_tried_again(bench: Bench) -> None:
    def fail_once(call: int, _order: Order) -> None:
        if call == 1:
            raise ProviderUnavailable("connection reset")

    bench.provider.script = fail_once
    generation = await bench.make()
    assert generation.status == "queued"
    assert generation.retry_at is not None
    generation = await bench.run(generation)
    assert generation.status == "succeeded"
    assert [made.state for made in await bench.attempts(generation)] == ["failed", "succeeded"]
    assert generation.cost.status == "unknown", "the failed call may have cost something"


@pytest.mark.parametrize(("error", "attempts"), [(ProviderTimedOut("slow"), 4), (EngineCrashed("signal 11"), 3)])
async def test_p2_no_loop_is_unbounded(bench: Bench, error: PlatemarkError, attempts: int) -> None:
    def fail(_call: int, _order: Order) -> None:
        raise error

    bench.provider.script = fail
    generation = await bench.ask()
    for _ in range(10):
        generation = await bench.run(generation)
    assert (generation.status, generation.needs_attention) == ("failed", True)
    assert len(await bench.attempts(generation)) == attempts
    again = await retry.retry(bench.platform, bench.caller, generation.id)
    assert (again.status, again.failures, again.needs_attention) == ("queued", 0, False)
    bench.provider.script = None
    assert (await bench.run(again)).status == "succeeded"


async def test_dismissing_ends_the_attention(bench: Bench) -> None:
    def fail(_call: int, _order: Order) -> None:
        raise EngineCrashed("signal 9")

    bench.provider.script = fail
    generation = await bench.ask()
    for _ in range(3):
        generation = await bench.run(generation)
    dismissed = await retry.dismiss(bench.platform, bench.caller, generation.id)
    assert (dismissed.status, dismissed.needs_attention) == ("failed", False)


async def test_a_limit_is_waited_for_and_does_not_count_as_failure(bench: Bench) -> None:
    def limited(call: int, _order: Order) -> None:
        if call <= 8:
            raise ProviderRateLimited("slow down", retry_after=30)

    bench.provider.script = limited
    generation = await bench.ask()
    before = bench.clock.now()
    generation = await bench.run(generation)
    assert generation.status == "queued"
    assert generation.retry_at is not None
    assert generation.retry_at - before >= timedelta(seconds=30)
    for _ in range(8):
        generation = await bench.run(generation)
    assert (generation.status, generation.failures) == ("succeeded", 0)


async def test_a_call_is_bounded_in_time(bench: Bench) -> None:
    bench.provider.steps, bench.provider.step_seconds = 1, 60
    bench.change(limits=replace(bench.platform.limits, attempt_timeout=timedelta(seconds=0.05), max_attempts=1))
    generation = await bench.make()
    assert generation.error is not None
    assert (generation.status, generation.error["code"]) == ("failed", "provider_timed_out")


@dataclass
class Busy(Scripted):
    """Others are drawn first."""

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        for _ in range(6):
            await anyio.sleep(0.2)
            yield Progress(0, 1)
        async for update in super().generate(order, ticket=ticket):
            yield update


async def test_waiting_behind_the_work_of_others_is_not_bounded_as_work_is(bench: Bench) -> None:
    busy = Busy(steps=1)
    limits = replace(bench.platform.limits, attempt_timeout=timedelta(seconds=1), max_attempts=1)
    bench.change(limits=limits, providers={busy.name: busy})
    generation = await bench.make()
    assert generation.status == "succeeded"
    assert "generation.progress" in await bench.events(generation)


async def test_canceled_while_it_waits(bench: Bench) -> None:
    generation = await bench.ask()
    assert (await cancel(bench.platform, bench.caller, generation.id)).status == "canceled"
    assert (await cancel(bench.platform, bench.caller, generation.id)).status == "canceled"
    assert (await bench.run(generation)).status == "canceled"
    assert bench.provider.calls.total() == 0


async def test_canceled_while_it_runs(bench: Bench) -> None:
    bench.provider.steps, bench.provider.step_seconds = 1, 60
    generation = await bench.ask()
    async with anyio.create_task_group() as group:
        group.start_soon(bench.run, generation)
        await until(lambda: bool(bench.provider.calls))
        await cancel(bench.platform, bench.caller, generation.id)
    generation = await bench.again(generation)
    assert generation.status == "canceled"
    assert [made.state for made in await bench.attempts(generation)] == ["canceled"]


async def test_too_late_is_expired(bench: Bench) -> None:
    generation = await bench.ask()
    bench.clock.pass_(timedelta(hours=25))
    generation = await bench.run(generation)
    assert generation.status == "expired"
    assert bench.provider.calls.total() == 0


@dataclass
class FullBlobs:
    inner: Blobs

    async def put(self, key: str, data: bytes) -> None:
        raise StorageFull("No space is left. Free some, or choose another place with PLATEMARK_BLOBS.")

    async def get(self, key: str) -> bytes:
        return await self.inner.get(key)

    async def exists(self, key: str) -> bool:
        return await self.inner.exists(key)

    async def delete(self, key: str) -> None:
        await self.inner.delete(key)

    async def check(self) -> None: ...


async def test_a_full_disk_is_waited_out(bench: Bench) -> None:
    working = bench.platform.blobs
    generation = await bench.ask()
    bench.change(blobs=FullBlobs(working))
    generation = await bench.run(generation)
    assert generation.status == "queued"
    bench.change(blobs=working)
    assert (await bench.run(generation)).status == "succeeded"


async def test_a_full_disk_for_good_fails_with_its_name(bench: Bench) -> None:
    bench.change(blobs=FullBlobs(bench.platform.blobs))
    generation = await bench.ask()
    for _ in range(4):
        generation = await bench.run(generation)
    assert generation.error is not None
    assert (generation.status, generation.error["code"], generation.needs_attention) == ("failed", "storage_full", True)
    assert await bench.images(generation) == []


class Garbage(Scripted):
    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        yield Picture(b"not a picture", "image/png", 0, 1)


class Nothing(Scripted):
    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        for _ in ():
            yield Picture(b"", "image/png", 0, 1)


@pytest.mark.parametrize(("kind", "code"), [(Garbage, "invalid_image"), (Nothing, "provider_error")])
async def test_an_odd_success_is_a_failure(bench: Bench, kind: type[Scripted], code: str) -> None:
    bench.change(providers={"scripted": kind()})
    generation = await bench.make()
    assert generation.error is not None
    assert (generation.status, generation.error["code"]) == ("failed", code)


class Half(Scripted):
    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        async for update in super().generate(order, ticket=ticket):
            if not (isinstance(update, Picture) and update.index):
                yield update


async def test_fewer_pictures_than_asked_for_is_partial(bench: Bench) -> None:
    bench.change(providers={"scripted": Half()})
    generation = await bench.make(n=2)
    assert [made.state for made in await bench.attempts(generation)] == ["partial"]
    assert len(await bench.images(generation)) == 1
    assert "fewer_images" in {warning.code for warning in generation.warnings}


class Flagging(Scripted):
    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        async for update in super().generate(order, ticket=ticket):
            yield (
                replace(update, flags={"reason_codes": ["SEXUAL_EXPLICIT"]}) if isinstance(update, Picture) else update
            )


async def test_what_the_provider_flags_is_not_given_out(bench: Bench) -> None:
    bench.change(providers={"scripted": Flagging()})
    generation = await bench.make()
    assert generation.status == "succeeded"
    (image,) = await bench.images(generation)
    assert image.moderation_state in {"blocked", "in_review"}
    assert image.reason_code == "SEXUAL_EXPLICIT"
    async with bench.platform.store.reading() as read:
        (publication,) = await read.all(Publication, image=image.id)
        verdicts = await read.all(Verdict, image=image.id)
    assert publication.state in {"held", "rejected"}
    assert [ruled.stage for ruled in verdicts] == ["after_response"]


class Blind:
    name, version = "blind", "1"

    async def look(self, data: bytes) -> list[object]:
        raise MemoryError("the detector fell over")


async def test_p5_a_detector_that_fails_says_so_and_the_draft_reaches_its_owner(bench: Bench) -> None:
    bench.change(image_detectors=(Blind(),))
    generation = await bench.make()
    (image,) = await bench.images(generation)
    assert image.readable
    record = await image_record(bench.platform, bench.caller, image.id)
    signals = [
        signal for entry in record.moderation if entry["stage"] == "after_response" for signal in entry["signals"]
    ]
    assert [(signal["detector"], signal["evaluated"]) for signal in signals] == [("blind", False)]


async def test_p9_other_projects_do_not_see_it(bench: Bench) -> None:
    generation = await bench.make()
    stranger = await bench.stranger()
    with pytest.raises(PlatemarkError, match="There is no generation"):
        await cancel(bench.platform, stranger, generation.id)


async def test_limits_come_from_the_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with open_bench(tmp_path_factory.mktemp("limits"), max_attempts=2) as bench:

        def fail(_call: int, _order: Order) -> None:
            raise ProviderUnavailable("down")

        bench.provider.script = fail
        generation: Generation = await bench.ask()
        for _ in range(3):
            generation = await bench.run(generation)
        assert len(await bench.attempts(generation)) == 2
