"""Characters that look like Latin letters and that no Unicode normalisation turns into them."""

# ruff: noqa: RUF001 - being ambiguous is what these are here for

# Upper case stands apart where it looks like another letter than the lower case does.
_BY_SIGHT = {
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
# Letters in a box or circle, and the letters of flags: the first code point of each run from A to Z.
_RUNS = (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)

LOOKALIKES = {ord(char): latin for chars, latin in _BY_SIGHT.items() for char in chars} | {
    first + offset: chr(ord("a") + offset) for first in _RUNS for offset in range(26)
}
