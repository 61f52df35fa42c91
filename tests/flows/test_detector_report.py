"""The report on detectors: per model and for confirmed real uploads, on what this installation really has."""

from typing import Any

import pytest

from pictures import encoded, noise
from platemark.core.detector_report import REAL, DetectorReport, ReportGroup, Thresholds
from platemark.core.errors import InvalidRequest
from platemark.core.inspection import Finding, FindingKind
from platemark.core.project import SYSTEM_PROJECT
from platemark.core.upload import Said
from platemark.flows.detector_report import report
from platemark.flows.upload import upload
from workbench import Bench

MADE_WITH = {
    "model": "line",
    "model_sha256": "ab" * 32,
    "calibration": "cal-1",
    "thresholds": {"t_lo": 0.5, "t_hi": 0.8},
}


class Guess:
    """Calls whatever it is told to AI-made, by media type."""

    name, version = "guess", "1"
    kind: FindingKind = "learned"

    def __init__(self, *, blind: bool = False) -> None:
        self.blind, self.asked = blind, 0

    async def look(self, data: bytes, media_type: str, /) -> Finding:
        self.asked += 1
        if self.blind:
            return Finding(kind="learned", status="not_evaluated", detail={"reason": "no weights"})
        ours = media_type == "image/png"
        score: dict[str, Any] = {"score": 0.9 if ours else 0.1, "abstained": False, **MADE_WITH}
        return Finding(kind="learned", status="scored", direction="ai" if ours else "none", detail=score)


def quiet(_: int, __: int) -> None:
    pass


async def send(bench: Bench, seed: int, **tags: str) -> None:
    data = encoded(noise(200, seed=seed), "JPEG")
    await upload(bench.platform, bench.caller, data, Said(tags=tags))


async def measured(bench: Bench, most: int = 50, **more: Any) -> DetectorReport:
    (found,) = await report(bench.platform, most=most, tell=quiet, by="a test", **more)
    return found


def rows(found: DetectorReport) -> dict[str, ReportGroup]:
    return {row.group: row for row in found.groups}


async def test_models_and_real_uploads_are_counted_apart(bench: Bench) -> None:
    generation = await bench.make(n=2)
    await send(bench, 1, origin="camera")
    await send(bench, 2)
    bench.change(origin_detectors=(Guess(),))

    found = await measured(bench)
    made, real = rows(found)[generation.model], rows(found)[REAL]

    assert set(rows(found)) == {generation.model, REAL}
    assert (made.pictures, made.above, made.real) == (2, 2, False)
    assert (real.pictures, real.above, real.rate, real.real) == (1, 0, 0.0, True)
    assert real.scores[1] == 1
    assert 0 < made.low < 1
    assert found.recommended is None
    assert "origin:camera" in found.notes[0]


async def test_a_report_says_what_it_was_measured_with(bench: Bench) -> None:
    await bench.make()
    bench.change(origin_detectors=(Guess(),))

    found = await measured(bench)

    assert (found.project, found.by, found.detector, found.version) == (SYSTEM_PROJECT, "a test", "guess", "1")
    assert (found.head, found.head_sha256, found.calibration) == ("line", "ab" * 32, "cal-1")
    assert found.thresholds == Thresholds(t_lo=0.5, t_hi=0.8)
    assert found.created_at == bench.clock.now()


async def test_thirty_real_uploads_give_thresholds(bench: Bench) -> None:
    for seed in range(30):
        await send(bench, seed, origin="camera")
    bench.change(origin_detectors=(Guess(),))

    found = await measured(bench)

    assert found.recommended == Thresholds(t_lo=0.1, t_hi=0.1)
    assert found.notes == ("Of 30 real uploads, the recommended t_hi is the highest score; 99 are needed for 99 %.",)


async def test_no_more_are_looked_at_than_were_asked_for(bench: Bench) -> None:
    await bench.make(n=3)
    guess = Guess()
    bench.change(origin_detectors=(guess,))
    told: list[tuple[int, int]] = []

    await report(bench.platform, most=2, tell=lambda done, total: told.append((done, total)), by="a test")

    assert guess.asked == 2
    assert told[-1] == (2, 2)


async def test_of_several_projects_the_newest_pictures_count_or_those_of_one(bench: Bench) -> None:
    await bench.make(n=2)
    ours, bench.caller = bench.caller, await bench.stranger()
    await send(bench, 1, origin="camera")
    await send(bench, 2, origin="camera")
    theirs, bench.caller = bench.caller, ours
    await send(bench, 3, origin="camera")
    bench.change(origin_detectors=(Guess(),))

    whole, one = await measured(bench), await measured(bench, project=theirs.project)
    newest = await measured(bench, most=1)

    assert rows(whole)[REAL].pictures == 3
    assert (set(rows(one)), one.project) == ({REAL}, theirs.project)
    assert rows(one)[REAL].pictures == 2
    assert {row.pictures for row in newest.groups} == {1}
    with pytest.raises(InvalidRequest, match="no project 'prj_x'"):
        await measured(bench, project="prj_x")


async def test_a_detector_that_cannot_look_has_no_rate(bench: Bench) -> None:
    generation = await bench.make()
    bench.change(origin_detectors=(Guess(blind=True),))

    found = await measured(bench, 5)
    (row,) = found.groups

    assert (row.group, row.pictures, row.rate, row.not_evaluated) == (generation.model, 0, None, 1)
    assert row.reasons == ("no weights",)
    assert (found.head, found.thresholds) == (None, None)


async def test_an_empty_installation_has_an_empty_report(bench: Bench) -> None:
    bench.change(origin_detectors=(Guess(),))

    assert (await measured(bench, 5)).groups == ()
