"""Which detectors of pictures a platform gets, and that what they lack never stops it."""

from pathlib import Path

from pictures import encoded, house
from platemark.core.errors import ModelUnavailable
from platemark.core.moderation import Signal
from platemark.core.ports import Circumstances, Platform
from platemark.flows.screen import screen_image
from platemark.wiring import _warm, open_parts, open_platform
from workbench import configure, open_bench

AFTER = Circumstances(stage="after_response")


async def safety_of(platform: Platform) -> Signal:
    _, signals = await screen_image(platform, encoded(house()), AFTER)
    (found,) = (signal for signal in signals if signal.detector == "image_safety")
    return found


async def test_without_weights_pictures_are_not_evaluated_and_the_reason_says_what_to_do(tmp_path: Path) -> None:
    settings = configure(tmp_path, image_classifiers=True, cache=tmp_path / "cache")
    async with open_parts(settings) as platform:
        signal = await safety_of(platform)

    assert not signal.evaluated
    assert "platemark models pull moderation/safety-classifier" in signal.evidence["reason"]


async def test_switched_off_they_are_not_evaluated_and_no_worker_is_needed(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        signal = await safety_of(bench.platform)
        assert not signal.evaluated
        assert "image_classifiers" in signal.evidence["reason"]
        assert "blankness" in {detector.name for detector in bench.platform.image_detectors}


async def test_a_platform_that_works_starts_without_weights_too(tmp_path: Path) -> None:
    settings = configure(tmp_path, image_classifiers=True, cache=tmp_path / "cache")
    async with open_platform(settings) as platform:
        assert not (await safety_of(platform)).evaluated


async def test_a_detector_that_cannot_be_warmed_does_not_keep_the_next_one_from_it(tmp_path: Path) -> None:
    class Cold:
        name, version, warmed = "cold", "1", False

        def __init__(self, error: Exception | None) -> None:
            self.error = error

        async def warm(self) -> None:
            self.warmed = True
            if self.error:
                raise self.error

        async def look(self, _: bytes, /) -> list[Signal]:
            return []

    first, second = Cold(ModelUnavailable("The weights are missing.")), Cold(None)
    async with open_bench(tmp_path) as bench:
        bench.change(image_detectors=(first, second))
        await _warm(bench.platform)

    assert (first.warmed, second.warmed) == (True, True)
