"""Detector: living people whom many know, and marks of others, beside words that make a deception or a copy of them.

A name by itself is nothing; a character's is worth a label. Names are matched through disguises, as in the lexicon.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import anyio.to_thread

from platemark.core.moderation import NOTHING_FOUND, Signal
from platemark.detectors.book import SCORES
from platemark.detectors.fold import Folded, fold
from platemark.detectors.lexicon import NEGATIVE
from platemark.detectors.phrases import Cover, Hit, Phrases
from platemark.detectors.rolls import Brands, Figures, read_roll

NAME = "figures_and_brands"
_LONG = 2_000
_BLOCK, _REVIEW, _LABEL = SCORES["block"], SCORES["review"], SCORES["label"]
# A made-up event as a photo: as strong as what a policy may block, which the built-in one leaves to a person.
_STRONG = 0.9


@dataclass(frozen=True, slots=True)
class _Seen:
    """The first hit of each group in one field."""

    field: str
    folded: Folded
    first: Mapping[str, Hit]

    def has(self, *groups: str) -> bool:
        return all(group in self.first for group in groups)

    def places(self, groups: Sequence[str]) -> dict[str, Any]:
        spans = [self.folded.span(self.first[group].start, self.first[group].end) for group in groups]
        (start, end), *others = spans
        return {
            "field": self.field,
            "start": start,
            "end": end,
            "with": [{"field": self.field, "start": first, "end": last} for first, last in others],
        }


class FiguresAndBrands:
    """PUBLIC_FIGURE_DECEPTION, ELECTION_INTEGRITY, NCII, IP_TRADEMARK and IP_COPYRIGHT by names and words together."""

    name = NAME

    def __init__(self, figures: Figures, brands: Brands, version: str) -> None:
        self.version = version
        self._phrases = _index(figures, brands)

    @classmethod
    def load(cls) -> "FiguresAndBrands":
        """Read the files that ship, once a process. Blocks. Raises Misconfigured."""
        return _built_in()

    async def look(self, texts: Mapping[str, str], /) -> Sequence[Signal]:
        """One signal per rule and field that found something; one of category `none` when nothing did."""
        if sum(map(len, texts.values())) > _LONG:
            return await anyio.to_thread.run_sync(self.measure, texts)
        return self.measure(texts)

    def measure(self, texts: Mapping[str, str]) -> Sequence[Signal]:
        """As `look`, in this thread. What is to be avoided is not looked at."""
        fields = [self._see(name, text) for name, text in texts.items() if name != NEGATIVE]
        signals = [signal for seen in fields for signal in self._rules(seen)]
        return signals or [self._signal(NOTHING_FOUND, 0.0, {})]

    def _see(self, name: str, text: str) -> _Seen:
        folded = fold(text)
        hits = self._phrases.find(folded)
        allowed = Cover((hit.start, hit.end) for hit in hits if hit.group == "allow")
        first: dict[str, Hit] = {}
        for hit in hits:
            if not allowed.holds(hit.start, hit.end):
                first.setdefault(hit.group, hit)
        return _Seen(name, folded, first)

    def _rules(self, seen: _Seen) -> Iterator[Signal]:
        for rule, code, score, groups in (*_people(seen), *_marks(seen)):
            yield self._signal(code, score, {"rule": rule} | seen.places(groups))

    def _signal(self, category: str, score: float, evidence: dict[str, Any]) -> Signal:
        return Signal(detector=NAME, version=self.version, category=category, score=score, evidence=evidence)


@cache
def _built_in() -> FiguresAndBrands:
    """The one that ships: it holds no state, and its index takes long to make."""
    (figures, first), (brands, second) = read_roll("figures", Figures), read_roll("brands", Brands)
    return FiguresAndBrands(figures, brands, f"{first},{second}")


_Rule = tuple[str, str, float, tuple[str, ...]]
_DECEPTION, _ELECTION = "PUBLIC_FIGURE_DECEPTION", "ELECTION_INTEGRITY"


def _people(seen: _Seen) -> Iterator[_Rule]:
    if seen.has("figure", "exposed"):
        yield "figure-exposed", "NCII", _BLOCK, ("figure", "exposed")
    yield from _deceptions(seen)
    who = next(filter(seen.has, ("figure", "title")), None)
    if who and seen.has("election", "photoreal"):
        yield "figure-election", _ELECTION, _REVIEW, (who, "election", "photoreal")


def _deceptions(seen: _Seen) -> Iterator[_Rule]:
    """The strongest of: a made-up event as a photo, one without saying how, a photo of anything."""
    eased = seen.has("drawn")
    if seen.has("figure", "photoreal", "fabricated"):
        yield "figure-made-up-photo", _DECEPTION, _REVIEW if eased else _STRONG, ("figure", "photoreal", "fabricated")
    elif seen.has("figure", "fabricated"):
        yield "figure-made-up", _DECEPTION, _LABEL if eased else _REVIEW, ("figure", "fabricated")
    elif seen.has("figure", "photoreal"):
        yield "figure-photo", _DECEPTION, _LABEL if eased else _REVIEW, ("figure", "photoreal")
    elif seen.has("title", "photoreal", "fabricated"):
        yield "title-made-up-photo", _DECEPTION, _LABEL if eased else _REVIEW, ("title", "photoreal", "fabricated")


def _marks(seen: _Seen) -> Iterator[_Rule]:
    if seen.has("mark", "taken"):
        yield "mark-taken", "IP_TRADEMARK", _REVIEW, ("mark", "taken")
    elif seen.has("beside"):
        yield "mark-beside", "IP_TRADEMARK", _REVIEW, ("beside",)
    if seen.has("character", "copied"):
        yield "character-copied", "IP_COPYRIGHT", _REVIEW, ("character", "copied")
    elif seen.has("character"):
        yield "character", "IP_COPYRIGHT", _LABEL, ("character",)


def _index(figures: Figures, brands: Brands) -> Phrases:
    phrases = Phrases()
    phrases.add("figure", figures.living())
    phrases.add("title", figures.titles)
    for group in ("photoreal", "fabricated", "election", "drawn", "exposed"):
        phrases.add(group, getattr(figures.words, group))
    phrases.add("mark", (name for marks in brands.marks for name in marks.names))
    phrases.add("taken", brands.words.taken)
    phrases.add("character", brands.characters)
    phrases.add("copied", brands.words.copied)
    for name in brands.ambiguous:
        beside = (phrase for word in brands.words.beside for phrase in (f"{name} {word}", f"{word} {name}"))
        phrases.add("beside", beside, close=True)
    phrases.add("allow", (*figures.allow, *brands.allow), close=True)
    return phrases
