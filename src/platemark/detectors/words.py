"""Words of a folded text, and the ways in which each can be read. Pure, and linear in the length of the text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from platemark.detectors.fold import Folded, fold, is_stretched, squeeze, unleet

# Stands for a number of years below eighteen, in phrases of the data file and as a reading of such numbers.
AGE = "#age"
ANY_NUMBER = "#"
STRETCHED = "~"
_WORD = re.compile(r"[^\W_]+")
_SIGNED = re.compile(r"(?:[^\W_]|[@$!|€+])+")
_EDGE_SIGNS = "!|+"
_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
).split()
_AGE_AND_UNIT = re.compile(r"^(\d{1,2})(?:yo|yrs?|years?|yrold|yearold)$")


@dataclass(frozen=True, slots=True)
class Word:
    """Characters `start` to `end` of the folded text. `plain` when read as written, else a disguise was taken off."""

    start: int
    end: int
    forms: tuple[str, ...]
    plain: bool = True


def words_of(text: str) -> list[str]:
    """The words of a phrase of the data file."""
    marked = text.replace(AGE, " 0age0 ").replace(ANY_NUMBER, " 0number0 ")
    names = {"0age0": AGE, "0number0": ANY_NUMBER}
    return [names.get(word, word) for word in _WORD.findall(fold(marked).text)]


def readings(folded: Folded) -> Iterator[Sequence[Word]]:
    """The text as written; then, where they differ, with signs for letters and with spelt-out words put together."""
    written = [_word(match.group(), match.start()) for match in _WORD.finditer(folded.text)]
    yield written
    if signed := list(_signed(folded.text)):
        yield _replaced(written, signed)
    if joined := list(_joined(folded.text, written)):
        yield _replaced(written, joined)


def _word(text: str, start: int) -> Word:
    forms = (text, *_singular(text), *_numbers(text), *unleet(text))
    if is_stretched(text):
        forms += tuple(STRETCHED + squeeze(form) for form in (text, *unleet(text)))
    return Word(start, start + len(text), tuple(dict.fromkeys(forms)))


def _singular(text: str) -> tuple[str, ...]:
    """The word without a plural's ending."""
    return tuple(text[: -len(ending)] for ending in ("s", "es") if len(text) > 3 and text.endswith(ending))


def _numbers(text: str) -> tuple[str, ...]:
    if text.isdecimal():
        return (ANY_NUMBER, AGE) if len(text) <= 2 and int(text) < 18 else (ANY_NUMBER,)
    if text in _NUMBERS:
        return (ANY_NUMBER, AGE)
    match = _AGE_AND_UNIT.match(text)
    return (AGE + "yo",) if match and int(match.group(1)) < 18 else ()


def _signed(text: str) -> Iterator[Word]:
    """Words in which signs stand for letters: `n@ked`, `$ex`."""
    for match in _SIGNED.finditer(text):
        core = match.group().strip(_EDGE_SIGNS)
        start = match.start() + match.group().find(core)
        if core and not core.isalnum() and (forms := unleet(core)):
            stretched = tuple(STRETCHED + squeeze(form) for form in forms if is_stretched(form))
            plural = tuple(single for form in forms for single in _singular(form))
            yield Word(start, start + len(core), (*forms, *plural, *stretched), plain=False)


def _joined(text: str, written: Sequence[Word]) -> Iterator[Word]:
    """Words spelt letter by letter: three or more single characters with one separator between each two."""
    run: list[Word] = []
    for word in written:
        single = word.end - word.start == 1
        if run and not (single and word.start - run[-1].end == 1):
            yield from _spelt(text, run)
            run = []
        if single:
            run.append(word)
    yield from _spelt(text, run)


def _spelt(text: str, run: Sequence[Word]) -> Iterator[Word]:
    if len(run) < 3:
        return
    letters = "".join(text[word.start] for word in run)
    for read in unleet(letters) or (letters,):
        yield from _parts(read, run)


_LONGEST = 20


def _parts(letters: str, run: Sequence[Word]) -> Iterator[Word]:
    """The whole run, and every part that could be a word, as nothing shows where one spelt word ends."""
    last = len(run)
    for start in range(last):
        for end in range(start + 4, min(last, start + _LONGEST) + 1):
            yield Word(run[start].start, run[end - 1].end, (letters[start:end],), plain=False)
    for start, end in {(0, last), (1, last), (0, last - 1)}:
        if end - start == 3:
            yield Word(run[start].start, run[end - 1].end, (letters[start:end],), plain=False)


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
