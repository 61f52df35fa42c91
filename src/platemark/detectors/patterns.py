"""What is known by its shape, not by its words: personal data, encoded text, letters of two scripts in one word. Pure.

Every expression is bounded or cannot fail after it began, so the time is linear in the text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from platemark.detectors.identifiers import IDENTIFIERS
from platemark.detectors.lookalikes import LOOKALIKES


@dataclass(frozen=True, slots=True)
class Shape:
    """Characters `start` to `end` of the original text have the shape `rule`."""

    rule: str
    code: str
    score: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    code: str
    score: float
    expression: re.Pattern[str]
    holds: Callable[[str], bool]


def _any(_: str) -> bool:
    return True


def _is_card(text: str) -> bool:
    """A number of 13 to 19 digits that card networks give out, with its check digit (ISO/IEC 7812-1, Luhn)."""
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return digits[0] in (2, 3, 4, 5, 6) and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 13616: the country and check digits moved to the end make a number that leaves 1 when divided by 97."""
    compact = text.replace(" ", "")
    moved = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def _is_phone(text: str) -> bool:
    return 9 <= sum(char.isdigit() for char in text) <= 15


def _is_base64(text: str) -> bool:
    """Long, and mixed as no word and no name is."""
    shares = [sum(map(test, text)) / len(text) for test in (str.isupper, str.islower, str.isdigit)]
    return shares[0] > 0.15 and shares[1] > 0.15 and (shares[2] > 0.02 or text.endswith("="))


def _is_hex(text: str) -> bool:
    return any(char.isdigit() for char in text) and any(char.isalpha() for char in text)


def _is_mixed(text: str) -> bool:
    """Latin letters beside letters of another script that look like Latin ones."""
    if text.isascii():
        return False
    latin = any(unicodedata.name(char, "").startswith("LATIN") for char in text)
    return latin and any(
        ord(char) in LOOKALIKES and unicodedata.name(char, "").startswith(("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"))
        for char in text
    )


_RULES = (
    _Rule(
        "email",
        "PII_IN_PROMPT",
        0.3,
        re.compile(r"(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?!\w)"),
        _any,
    ),
    _Rule("card-number", "PII_IN_PROMPT", 0.6, re.compile(r"(?<![\d.,])[0-9](?:[ -]?[0-9]){12,18}(?!\d)"), _is_card),
    _Rule(
        "iban",
        "PII_IN_PROMPT",
        0.6,
        re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"),
        _is_iban,
    ),
    _Rule(
        "phone",
        "PII_IN_PROMPT",
        0.3,
        re.compile(
            r"(?<![\w.+-])(?:\+[0-9](?:[ ().-]{0,2}[0-9]){8,14}"
            r"|\(?[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}"
            r"|0[0-9]{2,4}[ /-][0-9]{3,4}[ -]?[0-9]{3,5})(?![\w-])"
        ),
        _is_phone,
    ),
    _Rule("encoded-base64", "EVASION_SUSPECTED", 0.6, re.compile(r"[A-Za-z0-9+/]{40,}={0,2}"), _is_base64),
    _Rule(
        "encoded-base64-short",
        "EVASION_SUSPECTED",
        0.6,
        re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{14,39}={1,2}(?![=\w])"),
        _is_base64,
    ),
    _Rule("encoded-hex", "EVASION_SUSPECTED", 0.6, re.compile(r"(?<!\w)(?:0x)?[0-9a-fA-F]{32,}(?!\w)"), _is_hex),
    _Rule(
        "encoded-hex-bytes",
        "EVASION_SUSPECTED",
        0.6,
        re.compile(r"(?<!\w)(?:[0-9a-fA-F]{2}[ :]){8,}[0-9a-fA-F]{2}(?!\w)"),
        _is_hex,
    ),
    _Rule("mixed-scripts", "EVASION_SUSPECTED", 0.3, re.compile(r"[^\W\d_]{3,}"), _is_mixed),
    *(_Rule(each.id, "PII_IN_PROMPT", 0.6, each.expression, each.fits) for each in IDENTIFIERS),
)


def find_shapes(text: str) -> Iterator[Shape]:
    """Every place of the original text whose shape says something."""
    for rule in _RULES:
        for match in rule.expression.finditer(text):
            if rule.holds(match.group()):
                yield Shape(rule.id, rule.code, rule.score, *match.span())
