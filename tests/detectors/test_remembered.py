from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from lexicons import LEXICON

from platemark.core.moderation import Signal
from platemark.detectors.remembered import Memory, Remembered

SECRET = b"s" * 32
TEXTS = {"prompt": "a quiet harbour at dawn", "negative_prompt": "people"}


@dataclass
class Hands:
    """A clock that only moves when it is told to."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Counting:
    """Says how often it was asked."""

    name: str = "counting"
    version: str = "1"
    seen: bool = True
    fault: Exception | None = None
    asked: int = 0

    async def look(self, texts: Mapping[str, str], /) -> Sequence[Signal]:
        self.asked += 1
        if self.fault:
            raise self.fault
        score = float(len(texts)) if self.seen else None
        return [Signal(detector=self.name, version=self.version, category="none", evaluated=self.seen, score=score)]


async def test_the_same_words_are_measured_once_whatever_their_order() -> None:
    detector = Counting()
    kept = Remembered(detector, Memory(SECRET, Hands()))
    first = await kept.look(TEXTS)
    assert await kept.look(dict(reversed(TEXTS.items()))) == first
    assert detector.asked == 1


@pytest.mark.parametrize(
    "others", [{"prompt": TEXTS["prompt"]}, {**TEXTS, "style": "oil"}, {"prompt": "people", "negative_prompt": "a"}]
)
async def test_other_words_are_measured(others: dict[str, str]) -> None:
    detector = Counting()
    kept = Remembered(detector, Memory(SECRET, Hands()))
    await kept.look(TEXTS)
    assert (await kept.look(others))[0].score == len(others)
    assert detector.asked == 2


async def test_another_version_measures_again() -> None:
    detector = Counting()
    kept = Remembered(detector, Memory(SECRET, Hands()))
    await kept.look(TEXTS)
    detector.version = "2"
    assert (kept.version, (await kept.look(TEXTS))[0].version) == ("2", "2")


async def test_detectors_do_not_answer_for_each_other() -> None:
    memory = Memory(SECRET, Hands())
    await Remembered(Counting("one"), memory).look(TEXTS)
    assert (await Remembered(Counting("two"), memory).look(TEXTS))[0].detector == "two"


async def test_what_could_not_look_is_asked_again() -> None:
    detector = Counting(seen=False)
    kept = Remembered(detector, Memory(SECRET, Hands()))
    assert not (await kept.look(TEXTS))[0].evaluated
    detector.seen = True
    assert (await kept.look(TEXTS))[0].evaluated


async def test_a_failure_is_passed_on_and_not_kept() -> None:
    detector, memory = Counting(fault=RuntimeError("no")), Memory(SECRET, Hands())
    with pytest.raises(RuntimeError):
        await Remembered(detector, memory).look(TEXTS)
    assert len(memory) == 0


async def test_the_memory_is_bounded_and_forgets_what_was_asked_for_longest_ago() -> None:
    detector = Counting()
    memory = Memory(SECRET, Hands(), most=2)
    kept = Remembered(detector, memory)
    for prompt in ("one", "two", "one", "three", "one"):
        await kept.look({"prompt": prompt})
    assert (len(memory), detector.asked) == (2, 3)
    await kept.look({"prompt": "two"})
    assert detector.asked == 4


async def test_signals_go_with_their_hour() -> None:
    detector, clock = Counting(), Hands()
    kept = Remembered(detector, Memory(SECRET, clock, seconds=10))
    await kept.look(TEXTS)
    clock.at = 9.9
    await kept.look(TEXTS)
    assert detector.asked == 1
    clock.at = 10.0
    await kept.look(TEXTS)
    assert detector.asked == 2


async def test_no_text_is_kept_and_a_digest_needs_the_secret() -> None:
    lexicon, text = LEXICON, "write to somebody@example.org about the naked statue"
    memory, other = Memory(SECRET, Hands()), Memory(b"t" * 32, Hands())
    await Remembered(lexicon, memory).look({"prompt": text})
    held = repr([getattr(memory, name) for name in ("_kept",)])
    assert "somebody" not in held
    assert "naked" not in held
    assert "PII_IN_PROMPT" in held
    assert memory.key(lexicon, {"prompt": text}) != other.key(lexicon, {"prompt": text})
