"""The parts of a prompt that are compared by themselves, so that one clause does not drown in the others. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from platemark.detectors.fold import fold, unleet

# A text of this many words is one thought; a longer one is also looked at clause by clause.
_SHORT = 14
_CLAUSE = 5
# Windows of a long clause, and of the whole: under the network's limit even where words are many tokens.
_WINDOW, _STEP = 40, 30
_CHARACTERS = 400
_WORD = re.compile(r"\S+")
_END = re.compile(r"[.!?;:,|\n]+(?=\s|$)|\n")
# How weights and adapters are written in prompts; no part of what is to be seen.
_SYNTAX = re.compile(r"<[a-z]+:[^<>]{1,80}>|:\d+(?:\.\d+)?(?=[)\]])|[()\[\]{}]|\b(?:BREAK|AND)\b")
_SIGNS = frozenset("0134578@$!|€+")
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters `start` to `end` of the original, as the sentence model shall read them. `whole`: all there is."""

    start: int
    end: int
    text: str
    whole: bool


def pieces_of(text: str) -> Iterator[Piece]:
    """The text itself, and where it is long also its clauses; every word stands in one of them at least."""
    words = [match.span() for match in _WORD.finditer(text)]
    if not words:
        return
    yield from _read(text, list(_windows(words)), whole=True)
    if len(words) > _SHORT:
        yield from _read(text, [span for part in _clauses(text, words) for span in _windows(part)], whole=False)


def _read(text: str, spans: Sequence[Span], *, whole: bool) -> Iterator[Piece]:
    for start, end in spans:
        plain = fold(_SYNTAX.sub(" ", text[start:end])).text
        words = plain.split()
        for read in dict.fromkeys((" ".join(words), " ".join(map(_undisguised, words)))):
            if read:
                yield Piece(start, end, read, whole)


def _undisguised(word: str) -> str:
    """The word with letters in the place of the signs that stand between letters: `n@k3d`, and not `35mm`."""
    inside = word.strip("".join(_SIGNS) + ".,;:?'\"")
    return next(iter(unleet(inside)), word) if _SIGNS.intersection(inside) else word


def _windows(words: Sequence[Span]) -> Iterator[Span]:
    """Words in a row, cut where they are too many or too long; each cut overlaps the one before."""
    for at in range(0, max(1, len(words) - (_WINDOW - _STEP)), _STEP):
        window = words[at : at + _WINDOW]
        start, end = window[0][0], window[-1][1]
        # Text without spaces, such as Chinese, counts as one word however long it is.
        for cut in range(start, end, _CHARACTERS):
            yield cut, min(end, cut + _CHARACTERS + _CHARACTERS // 4)


def _clauses(text: str, words: Sequence[Span]) -> Iterator[list[Span]]:
    """Words up to the next stop, with as many clauses as it takes to say something."""
    clause: list[Span] = []
    for word in words:
        clause.append(word)
        if len(clause) >= _CLAUSE and _END.search(text[word[0] : word[1] + 1]):
            yield clause
            clause = []
    if clause:
        yield clause
