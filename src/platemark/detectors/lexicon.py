"""Detector: words and shapes in prompts that a policy wants to know of. Evidence says where, never what."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anyio

from platemark.core.moderation import NOTHING_FOUND, Signal
from platemark.detectors.book import SCORES, Library, Together, read_library
from platemark.detectors.fold import Folded, fold
from platemark.detectors.patterns import find_shapes
from platemark.detectors.phrases import Cover, Hit, Phrases

NEGATIVE = "negative_prompt"
# A word that the picture shall not show: worth a note, and no policy has a rule for nothing.
AVOIDED = 0.0
_LONG = 2_000
_TERMS, _LIST, _ALLOW, _OWN_ALLOW = "terms:", "list:", "allow", "own-allow"
# What no file of an operator can excuse.
_FIRM = frozenset({"MINOR_SAFETY"})
_SEPARATORS = ",;\n|"


@dataclass(frozen=True, slots=True)
class _Field:
    """One named text with what was found in it. `firm` excuses by the built-in phrases only, `soft` by all."""

    name: str
    text: str
    folded: Folded
    hits: Mapping[str, Sequence[Hit]]
    firm: Cover
    soft: Cover

    def found(self, group: str, code: str) -> list[Hit]:
        """Hits of a group that no allowed phrase excuses for a rule with this code."""
        cover = self.firm if code in _FIRM else self.soft
        return [hit for hit in self.hits.get(group, ()) if not cover.holds(hit.start, hit.end)]

    def place(self, hit: Hit) -> dict[str, Any]:
        """Where the hit stands in the original text, and whether it was written in a disguise."""
        start, end = self.folded.span(hit.start, hit.end)
        disguised = not hit.plain or self.text[start:end].lower() != self.folded.text[hit.start : hit.end]
        return {"field": self.name, "start": start, "end": end} | ({"disguised": True} if disguised else {})


class Lexicon:
    """Built-in and own phrases, and the shapes of `patterns`. Deterministic; no text leaves it."""

    name = "lexicon"

    def __init__(self, library: Library) -> None:
        self.version = library.version
        # With the groups that their phrases are found under.
        self._rules = tuple((rule, _TERMS + rule.id, _LIST + (rule.eased_by or "")) for rule in library.terms)
        self._beside = library.together
        self._phrases = _index(library)

    @classmethod
    def load(cls, path: Path | None) -> "Lexicon":
        """Read the built-in file and the operator's, which may add. Raises Misconfigured naming line and field."""
        return _built_in() if path is None else cls(read_library(path))

    async def look(self, texts: Mapping[str, str]) -> Sequence[Signal]:
        """One signal per rule and field that found something; one of category `none` when nothing did."""
        if sum(map(len, texts.values())) > _LONG:
            return await anyio.to_thread.run_sync(self.measure, texts)
        return self.measure(texts)

    def measure(self, texts: Mapping[str, str]) -> Sequence[Signal]:
        """As `look`, in this thread."""
        fields = [self._field(name, text) for name, text in texts.items()]
        signals = [*self._terms(fields), *self._together(fields), *self._shapes(texts)]
        return signals or [self._signal(NOTHING_FOUND, 0.0, {})]

    def _field(self, name: str, text: str) -> _Field:
        folded = fold(text)
        hits: dict[str, list[Hit]] = {}
        for hit in self._phrases.find(folded):
            hits.setdefault(hit.group, []).append(hit)
        allowed = _spans(hits.get(_ALLOW, ()))
        own = _spans(hits.get(_OWN_ALLOW, ()))
        return _Field(name, text, folded, hits, Cover(allowed), Cover([*allowed, *own]))

    def _terms(self, fields: Sequence[_Field]) -> Iterator[Signal]:
        found = {group for field in fields for group in field.hits}
        for rule, group, easing in self._rules:
            if group not in found:
                continue
            eased = any(easing in field.hits for field in fields if field.name != NEGATIVE)
            score = SCORES["label" if eased else rule.strength]
            for field in fields:
                if hits := field.found(group, rule.code):
                    notes = _notes(rule.id, hits, eased=eased, avoided=field.name == NEGATIVE)
                    yield self._signal(
                        rule.code, AVOIDED if field.name == NEGATIVE else score, field.place(hits[0]) | notes
                    )

    def _together(self, fields: Sequence[_Field]) -> Iterator[Signal]:
        for rule in self._beside:
            wanted = _members(rule, fields, lenient=False)
            places = wanted or _members(rule, fields, lenient=True)
            if places:
                evidence = {"rule": rule.id} | places[0] | {"with": places[1:]}
                if wanted:
                    yield self._signal(rule.code, SCORES[rule.strength], evidence)
                else:
                    yield self._signal(rule.code, AVOIDED, evidence | {"avoided": True})

    def _shapes(self, texts: Mapping[str, str]) -> Iterator[Signal]:
        for name, text in texts.items():
            found: dict[str, Signal] = {}
            for shape in find_shapes(text):
                evidence = {"field": name, "rule": shape.rule, "start": shape.start, "end": shape.end}
                found.setdefault(shape.rule, self._signal(shape.code, shape.score, evidence))
            yield from found.values()

    def _signal(self, category: str, score: float, evidence: dict[str, Any]) -> Signal:
        return Signal(detector=self.name, version=self.version, category=category, score=score, evidence=evidence)


@cache
def _built_in() -> Lexicon:
    """The one that ships: it holds no state, and its index takes long to make."""
    return Lexicon(read_library(None))


def _index(library: Library) -> Phrases:
    phrases = Phrases()
    for rule in library.terms:
        phrases.add(_TERMS + rule.id, rule.words)
        phrases.add_digests(_TERMS + rule.id, rule.digests)
    for name, words in library.lists():
        phrases.add(_LIST + name, words)
    phrases.add(_ALLOW, library.allow, close=True)
    phrases.add(_OWN_ALLOW, library.own.allow if library.own else (), close=True)
    return phrases


def _spans(hits: Iterable[Hit]) -> list[tuple[int, int]]:
    return [(hit.start, hit.end) for hit in hits]


def _notes(rule: str, hits: Sequence[Hit], *, eased: bool, avoided: bool) -> dict[str, Any]:
    """What a reviewer has to know beside the place of the first hit; left out where it says nothing."""
    notes = {
        "count": len(hits) if len(hits) > 1 else None,
        "eased": eased,
        "avoided": avoided,
    }
    return {"rule": rule} | {name: value for name, value in notes.items() if value}


def _wanted(fields: Sequence[_Field], group: str, code: str) -> dict[str, Any] | None:
    """Place of the first hit in a text that says what to draw."""
    places = (field.place(hit) for field in fields if field.name != NEGATIVE for hit in field.found(group, code)[:1])
    return next(places, None)


def _members(rule: Together, fields: Sequence[_Field], *, lenient: bool) -> list[dict[str, Any]]:
    """Places of one phrase of each list, or nothing. Lenient: a word to avoid counts like one to draw."""
    places: list[dict[str, Any]] = []
    for member in rule.all:
        group = _LIST + member.list
        if member.avoided:
            place = _avoided(fields, group, rule.code)
        else:
            place = _wanted(fields, group, rule.code) or (_in_any(fields, group, rule.code) if lenient else None)
        if place is None:
            return []
        places.append(place)
    return places


def _in_any(fields: Sequence[_Field], group: str, code: str) -> dict[str, Any] | None:
    return next((field.place(hit) for field in fields for hit in field.found(group, code)[:1]), None)


def _avoided(fields: Sequence[_Field], group: str, code: str) -> dict[str, Any] | None:
    """Place of the first phrase that is a whole item of the negative prompt."""
    negatives = (field for field in fields if field.name == NEGATIVE)
    hits = ((field, hit) for field in negatives for hit in field.found(group, code))
    return next((field.place(hit) for field, hit in hits if _is_item(field.folded.text, hit)), None)


def _is_item(text: str, hit: Hit) -> bool:
    """True when only weights and brackets stand beside the phrase up to the next separators: `(clothes:1.3)`."""
    before = max(text.rfind(sign, 0, hit.start) for sign in _SEPARATORS) + 1
    ends = [end for sign in _SEPARATORS if (end := text.find(sign, hit.end)) >= 0]
    beside = text[before : hit.start] + text[hit.end : min(ends, default=len(text))]
    return not any(char.isalpha() for char in beside)
