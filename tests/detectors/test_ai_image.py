"""The origin classifier as the verifier sees it: what it says, when it abstains, and when it could not look."""

import json
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync
from PIL import Image

from pictures import encoded, house, noise
from platemark.core.errors import InvalidImage, Misconfigured, ModelUnavailable
from platemark.detectors.ai_image import AiImage, Seen, look_at
from platemark.detectors.ai_image_head import SHIPPED, Head, probability, read_head, write_head
from platemark.detectors.encoder import LAST_SIZE, SIZE, features
from platemark.detectors.onnx import Weights
from platemark.detectors.pool import Pool, open_pool
from platemark.imaging.content import traits_of, warnings_of
from platemark.origin import encoder_weights, open_classifier
from platemark.settings import Settings

BOUNDS: dict[str, Any] = {"max_bytes": 32 * 1024 * 1024, "max_pixels": 4_000_000}
HEAD = read_head()
T_LO, T_HI = HEAD.calibration.t_lo, HEAD.calibration.t_hi


@pytest.fixture(scope="module")
def weights() -> Weights:
    found = encoder_weights(Settings().cache)
    if not found.path.exists():
        pytest.skip(f"no weights: platemark models pull {found.name}")
    return found


def saying(*seen: Seen | Exception) -> AiImage:
    answers = iter(seen)

    async def look(_: bytes) -> Seen:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return AiImage(look, HEAD)


async def test_only_a_score_above_the_upper_threshold_speaks_for_ai() -> None:
    sure = min((T_HI + 1) / 2, 0.999)
    finding = await saying(Seen(sure, 0.9, 0.999, ())).look(b"", "image/png")

    assert (finding.kind, finding.status, finding.direction, finding.weight) == ("learned", "scored", "ai", "weak")
    assert finding.detail["score"] <= 0.99
    assert finding.detail["thresholds"] == {"t_lo": round(T_LO, 2), "t_hi": round(T_HI, 2)}
    assert finding.detail["model_sha256"] == HEAD.sha256
    assert finding.detail["calibration"] == HEAD.calibration.id


async def test_between_the_thresholds_it_abstains() -> None:
    finding = await saying(Seen((T_LO + T_HI) / 2, 0.1, 0.9, ())).look(b"", "image/png")

    assert (finding.status, finding.direction, finding.detail["abstained"]) == ("abstained", "none", True)


async def test_a_low_score_speaks_for_nothing() -> None:
    finding = await saying(Seen(0.02, 0.0, 0.1, ("upscaled",))).look(b"", "image/png")

    assert (finding.status, finding.direction, finding.weight) == ("scored", "none", "none")
    assert finding.detail["warnings"] == ["upscaled"]


@pytest.mark.parametrize("warning", ["small_image", "flat_image", "screenshot_like"])
async def test_of_what_cannot_be_told_apart_it_abstains_whatever_the_score(warning: Any) -> None:
    finding = await saying(Seen(0.999, 0.9, 1.0, (warning,))).look(b"", "image/png")

    assert (finding.status, finding.direction, finding.weight) == ("abstained", "none", "none")


async def test_what_cannot_be_looked_at_is_not_evaluated_and_says_why() -> None:
    detector = saying(InvalidImage("This image is animated."), ModelUnavailable("The weights are not here."))

    for reason in ("This image is animated.", "The weights are not here."):
        finding = await detector.look(b"", "image/png")
        assert (finding.status, finding.direction, finding.detail["reason"]) == ("not_evaluated", "none", reason)


async def test_without_weights_it_says_how_to_get_them(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path, data=tmp_path)
    async with open_pool(1) as pool:
        detector = await run_sync(open_classifier, settings, pool)
        finding = await detector.look(encoded(house()), "image/png")

    assert finding.status == "not_evaluated"
    assert "platemark models pull origin/clip-vit-b16" in finding.detail["reason"]


async def test_switched_off_it_says_so(tmp_path: Path) -> None:
    detector = await run_sync(open_classifier, Settings(origin_classifier=False, data=tmp_path), Pool(1))
    finding = await detector.look(encoded(house()), "image/png")

    assert finding.status == "not_evaluated"
    assert "origin_classifier" in finding.detail["reason"]


def test_a_head_of_another_encoder_is_refused() -> None:
    with pytest.raises(Misconfigured, match="trained on an encoder"):
        AiImage.in_pool(Pool(1), Weights("origin/other", Path("other.onnx"), "0" * 64), **BOUNDS)


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_head(HEAD, tmp_path / "head.json")
    again = read_head(tmp_path / "head.json")

    assert again.weights.tolist() == pytest.approx(HEAD.weights.tolist())
    assert (again.bias, again.calibration) == (pytest.approx(HEAD.bias), HEAD.calibration)


@pytest.mark.parametrize("change", [{"weights": [1.0]}, {"bias": "much"}, {"more": 1}])
def test_a_file_that_is_no_head_is_refused_by_field(change: dict[str, Any], tmp_path: Path) -> None:
    document = json.loads(SHIPPED.read_text(encoding="utf-8")) | change
    (tmp_path / "head.json").write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(Misconfigured, match=next(iter(change))):
        read_head(tmp_path / "head.json")


def test_the_shipped_head_is_of_the_listed_encoder_and_its_thresholds_are_in_order() -> None:
    assert encoder_weights(Path("cache")).sha256 == HEAD.encoder_sha256
    assert 0 < T_LO < T_HI < 1
    assert HEAD.calibration.fpr_at_t_hi <= HEAD.calibration.fpr_at_t_lo <= 0.05


def test_probabilities_rise_with_the_logit_and_lie_in_their_interval() -> None:
    found = [probability(HEAD.calibration, logit / 4) for logit in range(-20, 21)]

    assert [score for score, _, _ in found] == sorted(score for score, _, _ in found)
    assert all(low <= score <= high for score, low, high in found)


def test_what_kind_of_picture_it_seems_to_be() -> None:
    page = Image.new("RGB", (600, 600), "white")
    page.paste(Image.new("RGB", (300, 12), "black"), (40, 100))

    assert warnings_of(traits_of(noise(600))) == ()
    assert "small_image" in warnings_of(traits_of(noise(200)))
    assert "flat_image" in warnings_of(traits_of(Image.new("RGB", (600, 600), "grey")))
    assert "screenshot_like" in warnings_of(traits_of(page))
    assert "upscaled" in warnings_of(traits_of(noise(150).resize((600, 600), Image.Resampling.BICUBIC)))


def test_the_network_gives_its_middle_and_its_end_and_the_same_twice(weights: Weights) -> None:
    first, again = features(house(300), weights), features(house(300), weights)

    assert first.shape == (SIZE + LAST_SIZE,)
    assert (first == again).all()
    assert (first != features(noise(300), weights)).any()


async def test_a_worker_scores_a_picture_as_it_is_scored_here(weights: Weights) -> None:
    data = encoded(house(400))
    here = await run_sync(look_at, data, weights, SHIPPED, BOUNDS["max_bytes"], BOUNDS["max_pixels"])
    async with open_pool(1) as pool:
        detector = await run_sync(lambda: AiImage.in_pool(pool, weights, **BOUNDS))
        finding = await detector.look(data, "image/png")

    assert finding.status in ("scored", "abstained")
    assert finding.detail["score"] == pytest.approx(here.score, abs=0.011)


def test_thresholds_hold_on_photographs_of_the_corpus(weights: Weights, corpus: Path) -> None:
    head: Head = HEAD
    files = sorted((corpus / "real").iterdir())[::16]
    bounds = BOUNDS["max_bytes"], 64_000_000
    scores = [look_at(file.read_bytes(), weights, SHIPPED, *bounds).score for file in files]

    # It was trained on them, so this says that the whole way fits together, and not how good it is.
    assert sum(score > head.calibration.t_hi for score in scores) <= 1
