from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platemark.detectors.patterns import find_shapes

# Published examples and made-up numbers; the check digits are right.
WRITTEN = {
    "us-ssn": ["123-45-6789", "her number 001-01-0001 on a form"],
    "uk-national-insurance": ["QQ 12 34 56 C".replace("QQ", "AB"), "JG103759A"],
    "es-dni": ["12345678Z", "X1234567L", "12345678-Z", "X-1234567-L"],
    "fr-nir": ["1 85 05 78 006 084 91", "255081416802538", "2 69 05 49 588 157 80"],
    "it-codice-fiscale": ["RSSMRA85T10A562S", "rssmra85t10a562s"],
    "br-cpf": ["111.444.777-35"],
    "br-cpf-bare": ["CPF 11144477735", "cpf: 52998224725"],
    "de-tax-id": ["86095742719", "47 036 892 816", "a letter with 65929970489 on it"],
}
QUIET = [
    "123-45-67890",
    "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000",
    "BG123456A",
    "12345678A",
    "X1234567A",
    "2 69 05 49 588 157 81",
    "RSSMRA85T10A562T",
    "111.444.777-36",
    "111.111.111-11",
    "11144477735",  # eleven digits by themselves may be anything
    "86095742718",
    "99999999999, 00000000000, 10000000000",
    "1024x1024, 3840 x 2160, 35mm, f/1.8, ISO 12800",
    "seed 4294967295, seed=18446744073709551615, seed 98765432101",
    "in 1969, 1990-2000, 2024-01-15, 20240115T123000Z, 12/31/1999",
    "USD 1,299.00, EUR 1.299.000,50, 12 345 678 EUR",
    "RTX 4090, Nikon Z6 II, EOS 5D Mark IV, XJ220, Boeing 747-400, R1200GS, gpt-image-1, SDXL-1.0",
    "#ff8800, #12345678, 0x1a2b3c4d, rgb(12,34,56), #00112233",
    "version 1.2.345-67, 192.168.100.200, ISBN 978-3-16-148410-0",
]


@dataclass(frozen=True)
class Made:
    """How numbers of one kind are made: characters before the check, and what completes them."""

    rule: str
    pattern: str
    complete: Callable[[str], str]


def _dni(text: str) -> str:
    return text + "TRWAGMYFPDXBNJZSQVHLCKE"[int(text.replace("X", "0").replace("Y", "1").replace("Z", "2")) % 23]


def _nir(text: str) -> str:
    return f"{text}{97 - int(text) % 97:02}"


def _fiscal_code(text: str) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    plain = text.translate(str.maketrans("0123456789", letters[:10]))
    # The letters in the order of their values at odd places.
    odd = "BAKPLCQDREVOSFTGUHMINJWZYX"
    total = sum(map(odd.index, plain[::2])) + sum(map(letters.index, plain[1::2]))
    return text + letters[total % 26]


def _cpf(text: str) -> str:
    digits = [int(char) for char in text]
    for _ in range(2):
        rest = sum(digit * weight for weight, digit in enumerate(reversed(digits), start=2)) % 11
        digits.append(0 if rest < 2 else 11 - rest)
    whole = "".join(map(str, digits))
    return f"{whole[:3]}.{whole[3:6]}.{whole[6:9]}-{whole[9:]}"


def _card(text: str) -> str:
    return next(text + digit for digit in "0123456789" if _luhn(text + digit))


def _luhn(text: str) -> bool:
    total = 0
    for place, char in enumerate(reversed(text)):
        value = int(char) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _iban(text: str) -> str:
    return f"DE{98 - int(text + '131400') % 97:02}{text}"


MADE = [
    Made("es-dni", "[0-9]{8}|[XYZ][0-9]{7}", _dni),
    Made("fr-nir", "[12][0-9]{2}(0[1-9]|1[0-2])[0-9]{8}", _nir),
    Made("it-codice-fiscale", "[A-Z]{6}[0-9]{2}[ABCDEHLMPRST][0-9]{2}[A-Z][0-9]{3}", _fiscal_code),
    Made("br-cpf", "12[0-9]{7}", _cpf),
    Made("card-number", "[456][0-9]{14}", _card),
    Made("iban", "[0-9]{18}", _iban),
]


def rules(text: str) -> set[str]:
    return {shape.rule for shape in find_shapes(text)}


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in WRITTEN.items() for text in texts])
def test_numbers_of_people_are_found_in_their_usual_ways_of_writing(rule: str, text: str) -> None:
    shapes = [shape for shape in find_shapes(f"a mug with {text}, please") if shape.rule == rule]
    assert [shape.code for shape in shapes] == ["PII_IN_PROMPT"]
    assert shapes[0].score >= 0.5


@pytest.mark.parametrize("text", QUIET)
def test_other_numbers_and_names_are_left_alone(text: str) -> None:
    found = rules(text)
    assert found.isdisjoint(WRITTEN)
    assert "card-number" not in found
    assert "iban" not in found


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.rule)
@given(data=st.data())
def test_every_valid_number_is_found_and_none_with_another_digit(kind: Made, data: st.DataObject) -> None:
    number = kind.complete(data.draw(st.from_regex(f"^({kind.pattern})$", fullmatch=True).map(str.strip)))
    assert kind.rule in rules(f"the number {number}.")
    places = [place for place, char in enumerate(number) if char.isdigit()]
    # The check digits of a CPF are 0 for two remainders, so that some changes before them do not show.
    at = data.draw(st.sampled_from(places[-2:] if kind.rule == "br-cpf" else places))
    changed = number[:at] + data.draw(st.sampled_from("0123456789".replace(number[at], ""))) + number[at + 1 :]
    assert kind.rule not in rules(f"the number {changed}.")


@given(st.permutations("123456789").map("".join), st.sampled_from("123456789"), st.integers(1, 9))
def test_german_tax_numbers_are_known_by_their_check_digit(digits: str, twice: str, place: int) -> None:
    first = digits[:place] + twice + digits[place:]
    found = [last for last in "0123456789" if "de-tax-id" in rules(f"no. {first}{last}")]
    assert len(found) == 1
