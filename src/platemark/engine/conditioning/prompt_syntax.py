"""Weights in a prompt, as the field writes them: `(word)`, `(word:1.2)`, `[word]`, and escapes such as `\\(`."""

import re
from dataclasses import dataclass

# What one pair of brackets without a number does.
STEP = 1.1
HEAVIEST = 10.0
_MARK = re.compile(r"\\[()\[\]]|[()\[\]]")
_NUMBER = re.compile(r":\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*$")
# Longer numbers are not looked for, so that reading stays linear.
_NUMBER_LENGTH = 24
_PARTNER = {")": "(", "]": "["}
# Deep nesting multiplies without end; no product leaves these bounds, so none is infinite or not a number.
_BOUND = 1e6


@dataclass(frozen=True, slots=True)
class Piece:
    """Text to read with one weight, 0 to 10; 1 is what text without brackets has."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class _Pair:
    """A bracket and its partner: `end` is where the text inside ends, `close` where the closing bracket stands."""

    end: int
    close: int
    factor: float


def parse(prompt: str) -> tuple[Piece, ...]:
    """The prompt in pieces of one weight. Brackets without a partner are text. Never raises; work is linear."""
    marks = [(found.start(), found.group()) for found in _MARK.finditer(prompt)]
    pairs = _pairs(prompt, marks)
    closing = {pair.close for pair in pairs.values()}
    pieces: list[Piece] = []
    text: list[str] = []
    weights, ends, at = [1.0], [len(prompt)], 0

    def read_to(end: int) -> None:
        if at < min(end, ends[-1]):
            text.append(prompt[at : min(end, ends[-1])])

    def finish() -> None:
        if text:
            pieces.append(Piece("".join(text), min(weights[-1], HEAVIEST)))
            text.clear()

    for place, mark in marks:
        read_to(place)
        at = place + len(mark)
        if pair := pairs.get(place):
            finish()
            weights.append(min(weights[-1] * pair.factor, _BOUND))
            ends.append(pair.end)
        elif place in closing:
            finish()
            weights.pop()
            ends.pop()
        else:
            text.append(mark[-1])
    read_to(len(prompt))
    finish()
    return tuple(pieces)


def _pairs(prompt: str, marks: list[tuple[int, str]]) -> dict[int, _Pair]:
    """Opening places to their pairs. A bracket that another pair closes over stays without a partner."""
    pairs: dict[int, _Pair] = {}
    waiting: list[tuple[int, str]] = []
    count = {"(": 0, "[": 0}
    for place, mark in marks:
        if mark in count:
            waiting.append((place, mark))
            count[mark] += 1
        elif count.get(_PARTNER.get(mark, ""), 0):
            opening, other = waiting.pop()
            count[other] -= 1
            while other != _PARTNER[mark]:
                opening, other = waiting.pop()
                count[other] -= 1
            pairs[opening] = _pair(prompt, opening, place, mark)
    return pairs


def _pair(prompt: str, opening: int, close: int, mark: str) -> _Pair:
    if mark == "]":
        return _Pair(close, close, 1 / STEP)
    start = max(opening + 1, close - _NUMBER_LENGTH)
    if found := _NUMBER.search(prompt[start:close]):
        return _Pair(start + found.start(), close, max(0.0, float(found.group(1))))
    return _Pair(close, close, STEP)
