"""Looking again: history stays, the run goes on where it stopped, and what was not asked again is not forgotten."""

from dataclasses import dataclass
from typing import Any

import pytest

from pictures import encoded, noise
from platemark.core.errors import Gone
from platemark.core.image import Image
from platemark.core.inspection import Finding, Inspection
from platemark.flows.evidence import EVERYTHING, Choice
from platemark.flows.keeping.delete import delete
from platemark.flows.reinspect import inspect_again, library, stale
from platemark.flows.upload import upload
from workbench import Bench

pytestmark = pytest.mark.anyio
OURS, THEIRS = Choice(without=frozenset({"remote"})), EVERYTHING


@dataclass
class Guess:
    """A detector that says `score`; `seen` counts."""

    name: str
    kind: Any
    score: float
    version: str = "1"
    seen: int = 0

    async def look(self, data: bytes, media_type: str) -> Finding:
        self.seen += 1
        high = self.score > 0.7
        return Finding(
            kind=self.kind,
            status="evaluated",
            direction="ai" if high else "none",
            weight="weak" if high else "none",
            detail={"score": self.score},
        )


async def photo(bench: Bench, seed: int) -> Image:
    return await upload(bench.platform, bench.caller, encoded(noise(64, seed)))


async def inspection_of(bench: Bench, image: str) -> Inspection:
    async with bench.platform.store.reading() as read:
        return await read.get(Inspection, (await read.get(Image, image)).inspection or "")


async def found(bench: Bench, **wanted: Any) -> list[str]:
    return [id async for id in stale(bench.platform, bench.caller.project, **wanted)]


async def done(bench: Bench, ids: list[str], choice: Choice = EVERYTHING) -> list[str]:
    return [one.image async for one in library(bench.platform, ids, by="test", choice=choice) if one.inspection]


async def test_only_what_is_older_than_the_detectors_is_looked_at_again(bench: Bench) -> None:
    images = [(await photo(bench, seed)).id for seed in range(3)]
    assert await found(bench) == []
    bench.change(origin_detectors=(Guess("ours", "learned", 0.9),))
    assert await found(bench) == images
    # Stopped after the first two, a second run has one left.
    assert await done(bench, images[:2]) == images[:2]
    assert await found(bench) == images[2:]
    assert await done(bench, await found(bench)) == images[2:]
    assert await found(bench) == []
    assert await found(bench, every=True) == images
    assert await found(bench, older_than=2) == []
    assert await found(bench, older_than=99) == images
    assert {(await inspection_of(bench, image)).verdict for image in images} == {"likely_ai"}
    bench.change(origin_detectors=(Guess("ours", "learned", 0.1, version="2"),))
    assert await found(bench, after=images[0]) == images[1:]


async def test_what_is_not_asked_again_is_not_forgotten(bench: Bench) -> None:
    theirs = Guess("theirs", "remote", 0.9)
    bench.change(origin_detectors=(theirs,))
    image = await photo(bench, 1)
    first = await inspection_of(bench, image.id)
    assert (theirs.seen, first.verdict) == (1, "likely_ai")
    ours = Guess("ours", "learned", 0.9)
    bench.change(origin_detectors=(ours, theirs))
    assert await found(bench, choice=OURS) == [image.id]
    await done(bench, [image.id], OURS)
    second = await inspection_of(bench, image.id)
    assert (ours.seen, theirs.seen, second.verdict) == (1, 1, "likely_ai")
    (remote,) = [one for one in second.evidence if one.kind == "remote"]
    assert (remote.status, remote.detail["found_in"]) == ("evaluated", first.id)
    assert await found(bench, choice=OURS) == []
    assert await found(bench) == []


async def test_the_older_inspections_stay(bench: Bench) -> None:
    image = await photo(bench, 1)
    for _ in range(2):
        await inspect_again(bench.platform, bench.caller, image.id)
    async with bench.platform.store.reading() as read:
        kept = await read.all(Inspection, image=image.id)
        events = [e for e in await read.events(bench.caller.project) if e.type == "inspection.made"]
    assert len(kept) == 3
    assert kept[-1] == await inspection_of(bench, image.id)
    assert [event.data["before"] for event in events] == [one.id for one in kept[:2]]


async def test_our_own_pictures_are_known_and_nobody_guesses_about_them(bench: Bench) -> None:
    (image,) = await bench.images(await bench.make())
    guess = Guess("ours", "learned", 0.0)
    bench.change(origin_detectors=(guess,))
    again = await inspect_again(bench.platform, bench.caller, image.id)
    assert (again.verdict, again.tier, guess.seen) == ("generated_by_us", "conclusive", 0)
    assert next(one.status for one in again.evidence if one.kind == "learned") == "skipped"
    async with bench.platform.store.reading() as read:
        assert (await read.get(Image, image.id)).credential_state == image.credential_state == "valid"


async def test_what_has_no_bytes_is_passed_over(bench: Bench) -> None:
    image, other = await photo(bench, 1), await photo(bench, 2)
    await delete(bench.platform, bench.caller, image.id)
    with pytest.raises(Gone):
        await inspect_again(bench.platform, bench.caller, image.id)
    assert await found(bench, every=True) == [other.id]
    results = [one async for one in library(bench.platform, [image.id, "img_" + "0" * 32, other.id], by="test")]
    assert [(one.inspection is None, one.error is None) for one in results] == [
        (True, False),
        (True, False),
        (False, True),
    ]


async def test_old_rows_stay_readable_and_come_out_flat() -> None:
    old = {"kind": "c2pa", "status": "none", "direction": "none", "weight": "none", "detail": {"own": False}}
    flat = {"kind": "c2pa", "status": "none", "direction": "none", "weight": "none", "own": False}
    assert Finding.model_validate(old) == Finding.model_validate(flat)
    assert Finding.model_validate(old).model_dump(mode="json") == flat
