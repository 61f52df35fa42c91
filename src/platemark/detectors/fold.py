"""Text as a lexicon compares it: disguises off, and every character knows where in the original it stood. Pure."""

import functools
import re
import unicodedata
from dataclasses import dataclass

from platemark.detectors.lookalikes import LOOKALIKES

# Fillers that show nothing and yet count as letters or symbols.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_LONGEST_EXPANSION = 4
# What stands for a letter inside a word: one reading, and a second one for the few that have two.
_LEET = str.maketrans("0134578@$!|€+", "oieastbasiiet")
_LEET_2 = str.maketrans("0134578@$!|€+", "oleastbasllet")
_SIGNS = frozenset(map(chr, _LEET))
_STRETCHED = re.compile(r"(.)\1\1", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Folded:
    """`text` is the folded string; its character `i` came from the original's character `origin[i]`."""

    text: str
    origin: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A non-empty range of the folded text as a range of the original."""
        return self.origin[start], self.origin[end - 1] + 1


@functools.lru_cache(maxsize=4096)
def fold_character(char: str) -> str:
    """One character as lower-case base letters: compatibility form, no marks, nothing invisible; may be empty."""
    if char.isascii():
        return char.lower()
    folded = "".join(map(_plain, unicodedata.normalize("NFKD", char).translate(LOOKALIKES).casefold()))
    # Casefolding may uncover a letter with marks of its own.
    folded = "".join(map(_plain, unicodedata.normalize("NFKD", folded).translate(LOOKALIKES)))
    # The longest expansions are whole phrases of other scripts; kept, they would make a text many times longer.
    return folded if len(folded) <= _LONGEST_EXPANSION else char


def _plain(char: str) -> str:
    hidden = char in _BLANK or unicodedata.category(char) in ("Cf", "Mn", "Me")
    return "" if hidden else char


def fold(text: str) -> Folded:
    """Fold `text`, in time linear in its length."""
    pieces = [fold_character(char) for char in text]
    origin = tuple(index for index, piece in enumerate(pieces) for _ in piece)
    return Folded("".join(pieces), origin)


def unleet(word: str) -> tuple[str, ...]:
    """Readings of a word whose letters may be digits or signs; none for a word without letters or without those."""
    # Most words have none of them, and this is asked of every word.
    if _SIGNS.isdisjoint(word) or not any(char.isalpha() for char in word):
        return ()
    return tuple(dict.fromkeys(read for read in (word.translate(_LEET), word.translate(_LEET_2)) if read != word))


def squeeze(word: str) -> str:
    """The word with every run of one letter made a single letter."""
    return "".join(char for index, char in enumerate(word) if index == 0 or word[index - 1] != char)


def is_stretched(word: str) -> bool:
    """True when some letter stands three times or more in a row."""
    return _STRETCHED.search(word) is not None
