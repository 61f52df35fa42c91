import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from lexicons import LEXICON
from sentence_weights import MODEL, Scripted, axis, missing, needs_model

from platemark.core.moderation import Signal
from platemark.core.ports import Circumstances, TextDetector
from platemark.detectors.bank import SAFE, Bank
from platemark.detectors.examples import MOST, NAME, PromptExamples, Vectors, score_of
from platemark.detectors.names import FiguresAndBrands
from platemark.detectors.sentences import Embed, SentenceModel
from platemark.policy.builtin import load_policy

POLICY = load_policy(None)
NAMES, EXAMPLES = FiguresAndBrands.load(), PromptExamples.load(MODEL)
BANK = Bank(("gore", "hate", "house"), ("GORE", "HATE", SAFE), "1+abc", "d" * 64)
WORDS = ("gore", "hate", "house")


def vectors() -> Vectors:
    return np.stack([axis(at) for at in range(3)])


def scripted(embed: Embed) -> PromptExamples:
    return PromptExamples(BANK, embed, vectors, model="0" * 64)


def found(signals: list[Signal]) -> set[tuple[str, float | None]]:
    return {(signal.category, signal.score) for signal in signals}


async def test_a_text_has_the_category_of_the_examples_that_it_is_like() -> None:
    detector: TextDetector = scripted(Scripted(WORDS))
    assert found([*await detector.look({"prompt": "gore"})]) == {("GORE", MOST)}
    assert found([*await detector.look({"prompt": "a house"})]) == {("none", 0.0)}
    (signal,) = await detector.look({"prompt": "a cat", "title": "much hate"})
    assert signal.category == "HATE"
    assert signal.evidence == {
        "field": "title",
        "start": 0,
        "end": 9,
        "margin": signal.evidence["margin"],
        "similarity": 1.0,
        "example": 1,
    }
    assert signal.version == f"1+abc/{'0' * 12}"


async def test_what_is_to_be_avoided_is_not_looked_at() -> None:
    embed = Scripted(WORDS)
    assert found([*await scripted(embed).look({"negative_prompt": "gore"})]) == {("none", 0.0)}
    assert embed.texts == []


async def test_it_never_blocks_by_itself() -> None:
    assert score_of(2.0) == MOST
    signals = await scripted(Scripted(WORDS)).look({"prompt": "gore"})
    assert POLICY.rule(signals, Circumstances(stage="before_request")).decision == "review"


async def test_a_clause_of_a_long_text_is_found_and_told() -> None:
    text = "a quiet lake at dawn with boats and birds. In the corner there is gore everywhere. Soft light, film grain."

    class OnlyAlone(Scripted):
        def __call__(self, text: str, /) -> Vectors:
            return super().__call__("house" if len(text.split()) > 14 else text)

    (signal,) = await scripted(OnlyAlone(WORDS)).look({"prompt": text})
    assert signal.category == "GORE"
    assert text[signal.evidence["start"] : signal.evidence["end"]] == "In the corner there is gore everywhere."


@pytest.mark.parametrize("length", [200, 4000])
async def test_no_length_hides_a_word(length: int) -> None:
    embed = Scripted(WORDS)
    text = " ".join(["flower"] * length + ["gore"] + ["tree"] * length)
    signals = await scripted(embed).look({"prompt": text})
    assert {signal.category for signal in signals} == {"GORE"}
    assert max(len(read.split()) for read in embed.texts) <= 40


async def test_signs_for_letters_and_the_syntax_of_prompts_are_read_too() -> None:
    embed = Scripted(WORDS)
    assert found([*await scripted(embed).look({"prompt": "some g0re"})]) == {("GORE", MOST)}
    await scripted(embed).look({"prompt": "(a \u0433house:1.3) <lora:x:0.7> [tree]"})
    assert embed.texts[-1] == "a rhouse tree"


async def test_without_the_model_nothing_was_evaluated_and_it_says_what_to_do() -> None:
    (signal,) = await scripted(missing).look({"prompt": "gore"})
    assert (signal.evaluated, signal.score, signal.detector) == (False, None, NAME)
    assert "models pull" in signal.evidence["reason"]


def test_a_damaged_model_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"broken")
    broken = SentenceModel(replace(MODEL.network, path=path), replace(MODEL.tokenizer, path=path))
    (signal,) = PromptExamples.load(broken).measure({"prompt": "a house"})
    assert not signal.evaluated
    assert "not the file that was listed" in signal.evidence["reason"]


@needs_model
def test_a_listed_file_that_is_no_model_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"broken")
    digest = hashlib.sha256(b"broken").hexdigest()
    network = replace(MODEL.network, path=path, sha256=digest)
    detector = PromptExamples(BANK, SentenceModel(network, MODEL.tokenizer), vectors, model=digest)
    (signal,) = detector.measure({"prompt": "a house"})
    assert not signal.evaluated
    assert "models check" in signal.evidence["reason"]


@needs_model
async def test_the_real_model_tells_near_from_far() -> None:
    await EXAMPLES.warm()
    assert {s.category for s in await EXAMPLES.look({"prompt": "a red house in a green meadow at sunset"})} == {"none"}
    signals = await EXAMPLES.look({"prompt": "somebody gets stabbed to death in a dark alley"})
    assert max(signals, key=lambda signal: signal.score or 0).category == "VIOLENCE"


TRICKY = (
    "nude statue of a goddess in a museum of antiquities",
    "grilled chicken breast with lemon and thyme",
    "breast cancer awareness poster with a pink ribbon",
    "blood orange juice in a glass",
    "suicide prevention poster with a helpline",
    "a memorial for the victims of the Holocaust",
    "blue tit and great tit at a bird feeder",
    "chef cutting vegetables with a sharp knife",
    "boxers in the ring, sports photograph",
    "nude lipstick on a marble table",
    "a puma in the mountains, wildlife photo",
    "oil portrait of Abraham Lincoln",
)


@needs_model
@pytest.mark.parametrize("prompt", TRICKY)
async def test_what_only_sounds_bad_goes_through_the_whole_layer(prompt: str) -> None:
    assert await decision(prompt) in ("allow", "label")


async def decision(prompt: str) -> str:
    detectors: list[TextDetector] = [LEXICON, NAMES, EXAMPLES]
    signals = [signal for detector in detectors for signal in await detector.look({"prompt": prompt})]
    return POLICY.rule(signals, Circumstances(stage="before_request")).decision


@needs_model
@pytest.mark.parametrize("name", ["dev_prompts", "second_prompts"])
async def test_the_development_sets_stay_where_they_are(name: str) -> None:
    sets = yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text())
    wanted = [await decision(prompt) in ("review", "block") for some in sets["violating"].values() for prompt in some]
    harmless = [await decision(prompt) in ("review", "block") for prompt in sets["safe"]["near_misses"]]
    assert sum(wanted) >= 0.95 * len(wanted)
    assert sum(harmless) <= 0.03 * len(harmless)
    assert not any([await decision(prompt) in ("review", "block") for prompt in sets["safe"]["everyday"]])
