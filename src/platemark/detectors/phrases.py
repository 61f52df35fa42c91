"""Finds many phrases in the words of a text at once. Pure; the time grows with the text, not with the phrases."""

import bisect
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from platemark.detectors.fold import Folded, squeeze
from platemark.detectors.words import STRETCHED, Word, readings, words_of

DIGEST_LENGTH = 16
_CLOSE = re.compile(r"[\s'’-]{1,2}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase of `group` at characters `start` to `end` of the folded text; not `plain` when only a disguise off."""

    group: str
    start: int
    end: int
    plain: bool


@dataclass(frozen=True, slots=True)
class _Phrase:
    group: str
    words: tuple[frozenset[str], ...]
    close: bool


def digest_of(word: str) -> str:
    """How a word stands in a data file that nobody should have to read it in: its SHA-256, shortened."""
    return hashlib.sha256(word.encode()).hexdigest()[:DIGEST_LENGTH]


class Phrases:
    """An index of phrases by group. Those added as `close` match only where spaces or hyphens part their words."""

    def __init__(self) -> None:
        self._by_first: defaultdict[str, list[_Phrase]] = defaultdict(list)
        self._by_digest: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, group: str, phrases: Iterable[str], *, close: bool = False) -> None:
        """Phrases of words, compared after folding."""
        for phrase in phrases:
            words = tuple(frozenset((word, STRETCHED + squeeze(word))) for word in words_of(phrase))
            for form in words[0]:
                self._by_first[form].append(_Phrase(group, words, close))

    def add_digests(self, group: str, digests: Iterable[str]) -> None:
        """Single words, given as `digest_of`."""
        for digest in digests:
            self._by_digest[digest].append(group)

    def find(self, folded: Folded) -> list[Hit]:
        """Phrases in any reading of the text, in order; none that lies inside another one of its group."""
        found = {hit for words in readings(folded, self._by_first) for hit in self._in(folded.text, words)}
        reach: dict[str, int] = {}
        kept: list[Hit] = []
        # Of hits at one place the longest comes first, and of equal ones that without a disguise.
        for hit in sorted(found, key=lambda hit: (hit.start, -hit.end, not hit.plain, hit.group)):
            if hit.end > reach.get(hit.group, 0):
                reach[hit.group] = hit.end
                kept.append(hit)
        return kept

    def _in(self, text: str, words: Sequence[Word]) -> Iterator[Hit]:
        for at, word in enumerate(words):
            yield from self._hidden(word)
            for form in word.forms:
                for phrase in self._by_first.get(form, ()):
                    matched = words[at : at + len(phrase.words)]
                    if _fits(text, phrase, matched):
                        yield Hit(phrase.group, word.start, matched[-1].end, _is_plain(phrase, matched))

    def _hidden(self, word: Word) -> Iterator[Hit]:
        if self._by_digest and word.end - word.start > 2:
            for at, form in enumerate(word.forms):
                for group in self._by_digest.get(digest_of(form.removeprefix(STRETCHED)), ()):
                    yield Hit(group, word.start, word.end, at < word.natural)


def _fits(text: str, phrase: _Phrase, words: Sequence[Word]) -> bool:
    if len(words) < len(phrase.words):
        return False
    if any(part.isdisjoint(word.forms) for part, word in zip(phrase.words, words, strict=True)):
        return False
    gaps = (text[left.end : right.start] for left, right in pairwise(words))
    return not phrase.close or all(_CLOSE.fullmatch(gap) for gap in gaps)


def _is_plain(phrase: _Phrase, words: Sequence[Word]) -> bool:
    pairs = zip(phrase.words, words, strict=True)
    return not any(part.isdisjoint(word.forms[: word.natural]) for part, word in pairs)


class Cover:
    """Spans that excuse what lies wholly inside one of them."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(spans)
        self._starts = [start for start, _ in ordered]
        self._reach = list(accumulate((end for _, end in ordered), max))

    def holds(self, start: int, end: int) -> bool:
        """True when one span reaches from `start` or before to `end` or beyond."""
        last = bisect.bisect_right(self._starts, start)
        return last > 0 and self._reach[last - 1] >= end
