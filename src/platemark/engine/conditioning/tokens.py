"""From weighted text to the token chunks that a text encoder reads, each as long as the encoder was trained for."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from platemark.engine.conditioning.prompt_syntax import Piece


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `starts` a word; `vector` stands for it in place of the encoder's own embedding."""

    id: int
    weight: float
    starts: bool
    vector: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Token ids with start, end and padding; the weight of each; vectors by position; which of them are padding."""

    ids: list[int]
    weights: list[float]
    vectors: dict[int, Tensor]
    mask: list[int]

    @property
    def weighted(self) -> bool:
        """Whether any weight is other than 1."""
        return any(weight != 1.0 for weight in self.weights)


def tokens_of(tokenizer: Any, pieces: Sequence[Piece], learned: Mapping[str, Tensor | None]) -> list[Token]:
    """Tokens of all pieces. A name in `learned` becomes one token per vector (count, width); none where it has None."""
    return [token for piece in pieces for token in _piece(tokenizer, piece, learned)]


def _piece(tokenizer: Any, piece: Piece, learned: Mapping[str, Tensor | None]) -> Iterator[Token]:
    for text in _parts(piece.text, learned):
        if text in learned:
            stand_in, vectors = _ordinary(tokenizer), learned[text]
            for number, vector in enumerate(() if vectors is None else vectors):
                yield Token(stand_in, piece.weight, number == 0, vector)
        else:
            encoding = tokenizer(text, add_special_tokens=False, verbose=False)
            before: int | None = None
            for id, word in zip(encoding.input_ids, encoding.word_ids(), strict=True):
                yield Token(id, piece.weight, word is None or word != before)
                before = word


def _parts(text: str, names: Mapping[str, Any]) -> list[str]:
    if not names:
        return [text]
    longest_first = sorted(names, key=len, reverse=True)
    return [part for part in re.split(f"({'|'.join(map(re.escape, longest_first))})", text) if part]


def _ordinary(tokenizer: Any) -> int:
    """A token that no encoder takes for the end of the text."""
    special = set(tokenizer.all_special_ids)
    return next(id for id in range(len(tokenizer)) if id not in special)


def split(tokens: Sequence[Token], room: int, most: int) -> tuple[list[list[Token]], int]:
    """At most `most` chunks of at most `room` tokens, and how many tokens are left unread. Words stay whole.

    There is always one chunk, if only an empty one.
    """
    chunks: list[list[Token]] = []
    first = 0
    while first < len(tokens) and len(chunks) < most:
        end = _end(tokens, first, room)
        chunks.append(list(tokens[first:end]))
        first = end
    return chunks or [[]], len(tokens) - first


def _end(tokens: Sequence[Token], first: int, room: int) -> int:
    end = min(first + room, len(tokens))
    if end == len(tokens):
        return end
    starts = (place for place in range(end, first, -1) if tokens[place].starts)
    return next(starts, end)


def framed(tokens: Sequence[Token], tokenizer: Any, length: int, *, opened: bool = True) -> Chunk:
    """The chunk with its start (when `opened`) and end tokens, padded to `length` as the tokenizer pads."""
    before = [tokenizer.bos_token_id] if opened else []
    padding = length - len(before) - len(tokens) - 1
    return Chunk(
        ids=[*before, *(token.id for token in tokens), tokenizer.eos_token_id, *[tokenizer.pad_token_id] * padding],
        weights=[*[1.0] * len(before), *(token.weight for token in tokens), *[1.0] * (padding + 1)],
        vectors={place: token.vector for place, token in enumerate(tokens, len(before)) if token.vector is not None},
        mask=[1] * (length - padding) + [0] * padding,
    )
