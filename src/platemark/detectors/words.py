"""Words of a folded text, and the ways in which each can be read. Pure, and linear in the length of the text."""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from platemark.detectors.fold import Folded, fold, is_stretched, squeeze, unleet

# Stands for a number of years below eighteen, in phrases of the data file and as a reading of such numbers.
AGE = "#age"
# The same with its unit in one word, as in `12yo`.
AGE_IN_YEARS = "#ageyo"
ANY_NUMBER = "#"
STRETCHED = "~"
# Longer names first; their stand-ins are words that folding leaves alone.
_STAND_INS = {AGE_IN_YEARS: "0ageyo0", AGE: "0age0", ANY_NUMBER: "0number0"}
_NAMES = {stand_in: name for name, stand_in in _STAND_INS.items()}
_WORD = re.compile(r"[^\W_]+")
_SIGNED = re.compile(r"(?:[^\W_]|[@$!|€+])+")
_EDGE_SIGNS = "!|+"
# fmt: off
_NUMBERS = frozenset({
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen",
})
# fmt: on
_LONGEST = 20
_AGE_AND_UNIT = re.compile(r"^(\d{1,2})(?:yo|yrs?|years?|yrold|yearold)$")


@dataclass(frozen=True, slots=True)
class Word:
    """Characters `start` to `end` of the folded text. The first `natural` forms are as written, or singular."""

    start: int
    end: int
    forms: tuple[str, ...]
    natural: int = 0


def words_of(text: str) -> list[str]:
    """The words of a phrase of the data file."""
    for name, stand_in in _STAND_INS.items():
        text = text.replace(name, f" {stand_in} ")
    found = (match.group() for match in _WORD.finditer(fold(text).text))
    return [_NAMES.get(word, word) for word in found]


def readings(folded: Folded, known: Container[str]) -> Iterator[Sequence[Word]]:
    """The text as written; then, where they differ, with signs for letters and with spelt-out words put together.

    Nothing shows where one spelt-out word ends and the next begins, so those that are `known` are looked for.
    """
    written = [_word(match.group(), match.start()) for match in _WORD.finditer(folded.text)]
    yield written
    if signed := list(_signed(folded.text)):
        yield _replaced(written, signed)
    if joined := list(_joined(folded.text, written, known)):
        yield _replaced(written, joined)


def _word(text: str, start: int) -> Word:
    natural = (text, *_singular(text), *_numbers(text))
    forms = (*natural, *unleet(text), *_squeezed((text, *unleet(text))))
    return Word(start, start + len(text), forms, len(natural))


def _squeezed(words: Iterable[str]) -> tuple[str, ...]:
    """What stretched words would be with single letters, marked so that only such words are compared this way."""
    single = [squeeze(word) for word in words if is_stretched(word)]
    return tuple(STRETCHED + form for word in single for form in (word, *_singular(word)))


def _singular(text: str) -> tuple[str, ...]:
    """The word without a plural's ending."""
    return tuple(text[: -len(ending)] for ending in ("s", "es") if len(text) > 3 and text.endswith(ending))


def _numbers(text: str) -> tuple[str, ...]:
    if text.isdecimal():
        return (ANY_NUMBER, AGE) if len(text) <= 2 and int(text) < 18 else (ANY_NUMBER,)
    if text in _NUMBERS:
        return (ANY_NUMBER, AGE)
    match = _AGE_AND_UNIT.match(text) if text[:1].isdecimal() else None
    return (AGE_IN_YEARS,) if match and int(match.group(1)) < 18 else ()


def _signed(text: str) -> Iterator[Word]:
    """Words in which signs stand for letters: `n@ked`, `$ex`."""
    for match in _SIGNED.finditer(text):
        core = match.group().strip(_EDGE_SIGNS)
        start = match.start() + match.group().find(core)
        if core and not core.isalnum() and (forms := unleet(core)):
            singular = (single for form in forms for single in _singular(form))
            yield Word(start, start + len(core), (*forms, *singular, *_squeezed(forms)))


def _joined(text: str, written: Sequence[Word], known: Container[str]) -> Iterator[Word]:
    """Words spelt letter by letter: three or more single characters with one separator between each two."""
    run: list[Word] = []
    for word in written:
        single = word.end - word.start == 1
        if run and not (single and word.start - run[-1].end == 1):
            yield from _spelt(text, run, known)
            run = []
        if single:
            run.append(word)
    yield from _spelt(text, run, known)


def _spelt(text: str, run: Sequence[Word], known: Container[str]) -> Iterator[Word]:
    letters = "".join(text[word.start] for word in run)
    if len(run) < 3 or not any(map(str.isalpha, letters)):
        return
    for read in unleet(letters) or (letters,):
        for start, end in _parts(len(read)):
            if (start, end) == (0, len(run)) or read[start:end] in known:
                yield Word(run[start].start, run[end - 1].end, (read[start:end],))


def _parts(length: int) -> Iterator[tuple[int, int]]:
    """Where a word may stand in a run of letters: anywhere when it has four or more, else at the edges."""
    yield 0, length
    for start in range(length):
        for end in range(start + 4, min(length, start + _LONGEST) + 1):
            if end - start < length:
                yield start, end
    if length == 4:
        yield from ((0, 3), (1, 4))


def _replaced(written: Sequence[Word], others: Sequence[Word]) -> list[Word]:
    """`written` with `others` in the place of the words that they cover."""
    covered = [(word.start, word.end) for word in others]
    return sorted([*_uncovered(written, covered), *others], key=lambda word: (word.start, word.end))


def _uncovered(written: Sequence[Word], covered: Sequence[tuple[int, int]]) -> Iterator[Word]:
    spans, at, until = sorted(covered), 0, -1
    for word in written:
        while at < len(spans) and spans[at][0] <= word.start:
            until = max(until, spans[at][1])
            at += 1
        if word.start >= until:
            yield word
