"""Text as a lexicon compares it: disguises off, and every character knows where in the original it stood. Pure."""

import functools
import unicodedata
from dataclasses import dataclass

# Letters that look like Latin ones and that no Unicode normalisation turns into them, upper case beside lower case
# where the two look like different letters.
_LOOKALIKES = {
    # Cyrillic
    "аА": "a", "вВ": "b", "сС": "c", "ԁ": "d", "еЕёЁєЄ": "e", "ғҒ": "f", "ԍ": "g", "нНһҺ": "h", "іІїЇ": "i",
    "јЈ": "j", "кКқҚ": "k", "ӏӀ": "l", "мМ": "m", "п": "n", "оО": "o", "рР": "p", "ԛ": "q", "гя": "r", "ѕЅ": "s",
    "тТ": "t", "ԝѡ": "w", "хХҳҲ": "x", "уУүҮ": "y",
    # Greek
    "αΑ": "a", "βΒ": "b", "ϲϹ": "c", "εΕ": "e", "Η": "h", "ιΙ": "i", "κΚ": "k", "Μ": "m", "ηΝ": "n", "οΟσ": "o",
    "ρΡ": "p", "τΤ": "t", "υ": "u", "ν": "v", "ω": "w", "χΧ": "x", "γΥ": "y", "ζΖ": "z",
    # Armenian, Cherokee
    "ց": "g", "հ": "h", "ո": "n", "օՕ": "o", "զ": "q", "ս": "u", "ա": "w", "Ꭺ": "a", "Ᏼ": "b", "Ꮯ": "c", "Ꭰ": "d",
    "Ꭼ": "e", "Ꮋ": "h", "Ꭻ": "j", "Ꮶ": "k", "Ꮮ": "l", "Ꮇ": "m", "Ꮲ": "p", "Ꭱ": "r", "Ꮪ": "s", "Ꭲ": "t", "Ꮃ": "w",
    # Latin letters with a stroke or without a dot, and small capitals
    "ı": "i", "ȷ": "j", "łŁƚ": "l", "øØ": "o", "đĐɖ": "d", "ħĦ": "h", "ŧŦ": "t", "ƀ": "b", "ɡ": "g", "ɑ": "a",
    "ᴀ": "a", "ʙ": "b", "ᴄ": "c", "ᴅ": "d", "ᴇ": "e", "ꜰ": "f", "ɢ": "g", "ʜ": "h", "ɪ": "i", "ᴊ": "j", "ᴋ": "k",
    "ʟ": "l", "ᴍ": "m", "ɴ": "n", "ᴏ": "o", "ᴘ": "p", "ʀ": "r", "ꜱ": "s", "ᴛ": "t", "ᴜ": "u", "ᴠ": "v", "ᴡ": "w",
    "ʏ": "y", "ᴢ": "z",
}  # fmt: skip
CONFUSABLE = {ord(char): latin for chars, latin in _LOOKALIKES.items() for char in chars}
# Letters in a box or circle and flags, which have no decomposition: the first code point of each run from A to Z.
for _first in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6):
    CONFUSABLE |= {_first + offset: chr(ord("a") + offset) for offset in range(26)}
# Fillers that show nothing and yet count as letters or symbols.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# What stands for a letter inside a word: one reading, and a second one for the few that have two.
_LEET = str.maketrans("0134578@$!|€+", "oieastbasiiet")
_LEET_2 = str.maketrans("0134578@$!|€+", "oleastbasllet")


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
    folded = "".join(map(_plain, unicodedata.normalize("NFKD", char).translate(CONFUSABLE).casefold()))
    # Casefolding may uncover a letter with marks of its own.
    return "".join(map(_plain, unicodedata.normalize("NFKD", folded).translate(CONFUSABLE)))


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
    if not any(char.isalpha() for char in word):
        return ()
    return tuple(dict.fromkeys(read for read in (word.translate(_LEET), word.translate(_LEET_2)) if read != word))


def squeeze(word: str) -> str:
    """The word with every run of one letter made a single letter."""
    return "".join(char for index, char in enumerate(word) if index == 0 or word[index - 1] != char)


def is_stretched(word: str) -> bool:
    """True when some letter stands three times or more in a row."""
    return any(a == b == c for a, b, c in zip(word, word[1:], word[2:], strict=False))
