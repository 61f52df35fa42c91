"""Numbers that states give to people, told from other numbers by their check digits and letters. Pure.

Where many numbers of that length would pass, only its usual way of writing counts: seeds, sizes and prices are numbers,
too.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

# Position in these letters is the remainder by 23 (Spain, Real Decreto 1553/2005).
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
# Values of characters at odd places of a codice fiscale (Italy, Decreto 23 dicembre 1976); digits count as A to J.
_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
# Ends, beginnings and letters that HMRC does not give out.
_NOT_NI = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})


@dataclass(frozen=True, slots=True)
class Identifier:
    """A kind of number: how it is written, and what tells it from any other; `holds` gets digits and capitals only."""

    id: str
    expression: re.Pattern[str]
    holds: Callable[[str], bool]

    def fits(self, text: str) -> bool:
        """True for a number of this kind, spaces, points and hyphens left aside."""
        return self.holds("".join(filter(str.isalnum, text)).upper())


def _is_ssn(number: str) -> bool:
    """No check digit; areas 000, 666 and from 900, group 00 and serial 0000 are not given out (SSA, POMS RM 10201)."""
    area, group, serial = number[:3], number[3:5], number[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_ni(number: str) -> bool:
    """No check digit; not all letters are used (HMRC, NIM39110)."""
    return number[:2] not in _NOT_NI


def _is_dni(number: str) -> bool:
    """The letter of the number's remainder by 23; X, Y and Z of foreigners stand for 0, 1 and 2."""
    digits = number[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI_LETTERS[int(digits) % 23] == number[-1]


def _is_nir(number: str) -> bool:
    """The key is 97 less the remainder of the rest by 97; Corsica's 2A and 2B count as 19 and 18 (France, INSEE)."""
    month = int(number[3:5])
    digits = number[:13].replace("2A", "19").replace("2B", "18")
    return (1 <= month <= 12 or 20 <= month <= 42 or month >= 50) and 97 - int(digits) % 97 == int(number[13:])


def _is_fiscal_code(number: str) -> bool:
    """Values of odd and even places together, by 26, are the last letter."""
    places = [int(char, 36) - (0 if char.isdigit() else 10) for char in number[:15]]
    total = sum(_ODD[value] for value in places[::2]) + sum(places[1::2])
    return chr(ord("A") + total % 26) == number[15]


def _is_cpf(number: str) -> bool:
    """Two digits, each from all before it (Brazil, Receita Federal). Eleven times the same is not given out."""
    digits = [int(char) for char in number if char.isdigit()]
    checks = (sum(value * weight for value, weight in zip(digits, range(n + 1, 1, -1), strict=False)) for n in (9, 10))
    return len(set(digits)) > 1 and [check * 10 % 11 % 10 for check in checks] == digits[9:]


def _is_tax_id(number: str) -> bool:
    """ISO/IEC 7064, MOD 11,10; of the first ten digits just one comes twice or thrice (Germany, BZSt)."""
    rest = 10
    for char in number[:10]:
        rest = ((int(char) + rest) % 10 or 10) * 2 % 11
    counts = sorted(number[:10].count(digit) for digit in set(number[:10]))
    return (11 - rest) % 10 == int(number[10]) and counts[-1] in (2, 3) and counts[-2] == 1


IDENTIFIERS = (
    Identifier("us-ssn", re.compile(r"(?<![\w.,-])\d{3}-\d{2}-\d{4}(?![\w-])", re.ASCII), _is_ssn),
    Identifier(
        "uk-national-insurance",
        re.compile(r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)", re.ASCII),
        _is_ni,
    ),
    Identifier(
        "es-dni", re.compile(r"(?<![\w#.,-])(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z](?![\w-])", re.ASCII), _is_dni
    ),
    Identifier(
        "fr-nir",
        re.compile(r"(?<![\w.,-])[1-478] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?![\w-])", re.ASCII),
        _is_nir,
    ),
    Identifier(
        "it-codice-fiscale",
        re.compile(
            r"(?<!\w)[A-Za-z]{6}[0-9LMNP-V]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9LMNP-V]{2}[A-Za-z][0-9LMNP-V]{3}[A-Za-z](?!\w)",
            re.ASCII,
        ),
        _is_fiscal_code,
    ),
    Identifier("br-cpf", re.compile(r"(?<![\w.,-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])", re.ASCII), _is_cpf),
    Identifier("br-cpf-bare", re.compile(r"(?<!\w)(?:CPF|cpf)[ :.]{0,3}\d{11}(?!\w)", re.ASCII), _is_cpf),
    Identifier("de-tax-id", re.compile(r"(?<![\w.,-])[1-9]\d ?\d{3} ?\d{3} ?\d{3}(?![\w-])", re.ASCII), _is_tax_id),
)
