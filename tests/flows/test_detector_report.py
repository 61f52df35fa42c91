"""The report on detectors: per model and for confirmed real uploads, on what this installation really has."""

from typing import Any

from pictures import encoded, noise
from platemark.core.inspection import Finding, FindingKind
from platemark.core.upload import Said
from platemark.flows.detector_report import REAL, report
from platemark.flows.upload import upload
from workbench import Bench


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
        score: dict[str, Any] = {"score": 0.9 if ours else 0.1, "abstained": False}
        return Finding(kind="learned", status="scored", direction="ai" if ours else "none", detail=score)


def quiet(_: int, __: int) -> None:
    pass


async def send(bench: Bench, seed: int, **tags: str) -> None:
    data = encoded(noise(200, seed=seed), "JPEG")
    await upload(bench.platform, bench.caller, data, Said(tags=tags))


async def test_models_and_real_uploads_are_counted_apart(bench: Bench) -> None:
    generation = await bench.make(n=2)
    await send(bench, 1, origin="camera")
    await send(bench, 2)
    bench.change(origin_detectors=(Guess(),))

    (answer,) = (await report(bench.platform, most=50, tell=quiet))["detectors"]
    rows = {row["group"]: row for row in answer["groups"]}

    assert set(rows) == {generation.model, REAL}
    assert (rows[generation.model]["pictures"], rows[generation.model]["above"]) == (2, 2)
    assert (rows[REAL]["pictures"], rows[REAL]["above"], rows[REAL]["rate"]) == (1, 0, 0.0)
    assert rows[REAL]["scores"][1] == 1
    assert 0 < rows[generation.model]["low"] < 1
    assert answer["recommended"] is None
    assert "origin:camera" in answer["notes"][0]


async def test_no_more_are_looked_at_than_were_asked_for(bench: Bench) -> None:
    await bench.make(n=3)
    guess = Guess()
    bench.change(origin_detectors=(guess,))
    told: list[tuple[int, int]] = []

    await report(bench.platform, most=2, tell=lambda done, total: told.append((done, total)))

    assert guess.asked == 2
    assert told[-1] == (2, 2)


async def test_a_detector_that_cannot_look_has_no_rate(bench: Bench) -> None:
    generation = await bench.make()
    bench.change(origin_detectors=(Guess(blind=True),))

    (answer,) = (await report(bench.platform, most=5, tell=quiet))["detectors"]
    (row,) = answer["groups"]

    assert (row["group"], row["pictures"], row["rate"], row["not_evaluated"]) == (generation.model, 0, None, 1)
    assert row["reasons"] == ["no weights"]


async def test_an_empty_installation_has_an_empty_report(bench: Bench) -> None:
    bench.change(origin_detectors=(Guess(),))

    (answer,) = (await report(bench.platform, most=5, tell=quiet))["detectors"]

    assert answer["groups"] == []
