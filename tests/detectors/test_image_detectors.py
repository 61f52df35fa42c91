import pytest
from PIL import Image

from pictures import encoded, house
from platemark.core.moderation import Signal
from platemark.detectors.blankness import Blankness


async def measure(detector: Blankness, data: bytes) -> Signal:
    (signal,) = await detector.look(data)
    return signal


async def test_a_picture_is_not_blank() -> None:
    signal = await measure(Blankness(), encoded(house()))
    assert (signal.category, signal.evaluated, signal.score) == ("PROVIDER_OUTPUT_DEGRADED", True, 0.0)
    assert signal.evidence == {}


@pytest.mark.parametrize(("colour", "kind"), [((0, 0, 0), "black"), ((200, 30, 30), "constant")])
async def test_a_blank_one_is_told_with_its_kind(colour: tuple[int, int, int], kind: str) -> None:
    signal = await measure(Blankness(), encoded(Image.new("RGB", (64, 64), colour)))
    assert (signal.score, signal.evidence) == (1.0, {"kind": kind})


async def test_a_blurred_one_scores_by_its_softness() -> None:
    signal = await measure(Blankness(), encoded(house(512, blur=0.03)))
    assert signal.evidence == {"kind": "blurred"}
    assert 0.2 < (signal.score or 0) < 1


@pytest.mark.parametrize(
    ("detector", "data"),
    [
        (Blankness(), b"no picture"),
        (Blankness(max_bytes=10), encoded(house())),
        (Blankness(max_pixels=10), encoded(house())),
    ],
    ids=["broken", "bytes", "pixels"],
)
async def test_what_cannot_be_decoded_within_bounds_was_not_evaluated(detector: Blankness, data: bytes) -> None:
    signal = await measure(detector, data)
    assert not signal.evaluated
    assert signal.score is None
    assert signal.evidence["reason"]
