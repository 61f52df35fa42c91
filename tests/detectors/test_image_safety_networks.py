"""The real networks on harmless pictures, in real worker processes. Skipped where their weights were not pulled."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pictures import encoded, gradient, house, noise
from platemark.core.errors import ModelUnavailable
from platemark.core.moderation import Signal
from platemark.detectors.image_safety import ImageSafety
from platemark.detectors.networks import Networks, Scores, look_at
from platemark.detectors.onnx import Weights, open_session
from platemark.detectors.pool import Pool, open_pool
from platemark.settings import Settings
from platemark.wiring import image_networks

BOUNDS: dict[str, Any] = {"max_bytes": 32 * 1024 * 1024, "max_pixels": 4_000_000}
# sexual, graphic, open_nsfw: what the networks' own packages say of these pictures with their own preparation.
BY_THEIR_PACKAGES = {
    "house": (house(400), (0.0295, 0.0357, 0.0006)),
    "wide": (noise(600).crop((0, 0, 600, 300)), (0.0430, 0.0350, 0.0234)),
    "tall": (noise(500, seed=5).crop((0, 0, 300, 500)), (0.0407, 0.0627, 0.0024)),
    "gradient": (gradient(300, (250, 200, 170), (120, 60, 40)), (0.1098, 0.0274, 0.2004)),
}


@pytest.fixture(scope="module")
def networks() -> Networks:
    found = image_networks(Settings().cache)
    if not (found.classifier.path.exists() and found.open_nsfw.path.exists()):
        pytest.skip(f"no weights: platemark models pull {found.classifier.name} {found.open_nsfw.name}")
    return found


def scores_of(picture: Image.Image, networks: Networks) -> tuple[Scores, ...]:
    return look_at(encoded(picture), networks, **BOUNDS).scores


async def signals_of(data: bytes, networks: Networks, pool: Pool | None = None) -> Sequence[Signal]:
    if pool is not None:
        return await ImageSafety.in_pool(pool, networks, **BOUNDS).look(data)
    async with open_pool(1) as own:
        return await ImageSafety.in_pool(own, networks, **BOUNDS).look(data)


@pytest.mark.parametrize("name", BY_THEIR_PACKAGES)
def test_scores_are_those_of_the_packages_that_the_weights_come_from(name: str, networks: Networks) -> None:
    picture, expected = BY_THEIR_PACKAGES[name]
    (scores,) = scores_of(picture, networks)

    assert scores[1:] == pytest.approx(expected, abs=0.003)


def test_large_pictures_are_scored_in_five_views_and_transparent_ones_on_two_grounds(networks: Networks) -> None:
    assert [scores.view for scores in scores_of(house(1100), networks)] == [
        "whole",
        "top left",
        "top right",
        "bottom left",
        "bottom right",
    ]
    cut_out = house(200).convert("RGBA")
    cut_out.putalpha(Image.linear_gradient("L").resize((200, 200)))
    assert [scores.view for scores in scores_of(cut_out, networks)] == ["whole on white", "whole on black"]


async def test_a_harmless_picture_is_looked_at_in_a_worker_and_scores_low(networks: Networks) -> None:
    signals = await signals_of(encoded(house(300)), networks)

    assert all(signal.evaluated for signal in signals)
    assert {signal.detector for signal in signals} == {
        "blankness",
        "image_safety",
        "image_safety.classifier",
        "image_safety.open_nsfw",
    }
    assert max(signal.score or 0.0 for signal in signals) < 0.15


async def test_a_worker_loads_the_networks_and_nothing_of_the_server(networks: Networks) -> None:
    async with open_pool(1) as pool:
        await ImageSafety.in_pool(pool, networks, **BOUNDS).warm()
        loaded = set(await pool.run(eval, "list(__import__('sys').modules)"))

    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "fastapi", "sqlalchemy", "dbos", "anyio", "platemark.settings"}


@pytest.mark.parametrize("kind", ["animated", "words", "broken", "large"])
async def test_what_cannot_be_decoded_is_not_evaluated_with_the_reason(kind: str, networks: Networks) -> None:
    signals = await signals_of(_bad(kind), networks)

    assert [(signal.detector, signal.evaluated) for signal in signals] == [
        ("blankness", False),
        ("image_safety", False),
    ]
    assert all(signal.evidence["reason"] for signal in signals)


async def test_without_weights_it_says_what_to_do_and_finds_them_once_they_are_there(
    networks: Networks, tmp_path: Path
) -> None:
    missing = replace(networks, classifier=replace(networks.classifier, path=tmp_path / "net.onnx"))
    async with open_pool(1) as pool:
        blankness, safety = await signals_of(encoded(house()), missing, pool)
        assert (blankness.evaluated, safety.evaluated) == (True, False)
        assert "platemark models pull moderation/safety-classifier" in safety.evidence["reason"]

        (tmp_path / "net.onnx").symlink_to(networks.classifier.path)
        assert all(signal.evaluated for signal in await signals_of(encoded(house()), missing, pool))


async def test_weights_that_are_not_the_listed_file_are_not_run(networks: Networks, tmp_path: Path) -> None:
    other = tmp_path / "net.onnx"
    other.write_bytes(b"not a network")
    swapped = replace(networks, open_nsfw=replace(networks.open_nsfw, path=other))
    _, safety = await signals_of(encoded(house()), swapped)

    assert not safety.evaluated
    assert "not the file that was listed" in safety.evidence["reason"]
    with pytest.raises(ModelUnavailable, match="pull moderation/open-nsfw"):
        open_session(Weights("moderation/open-nsfw", other, networks.open_nsfw.sha256))


async def test_a_worker_that_takes_too_long_leaves_the_picture_unevaluated(networks: Networks) -> None:
    pool = Pool(1, seconds=0.001)
    try:
        signals = await signals_of(encoded(house()), networks, pool)
    finally:
        await pool.aclose()

    assert [signal.evaluated for signal in signals] == [False, False]


def _bad(kind: str) -> bytes:
    if kind == "animated":
        out = io.BytesIO()
        house().save(out, "WEBP", save_all=True, append_images=[noise()])
        return out.getvalue()
    whole = encoded(noise())
    return {"words": b"no picture", "broken": whole[: len(whole) // 2], "large": encoded(Image.new("1", (3000, 3000)))}[
        kind
    ]
