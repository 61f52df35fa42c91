import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platemark.detectors.fold import fold, is_stretched, squeeze, unleet


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Sunset", "sunset"),
        ("\uff53\uff55\uff4e", "sun"),  # full width
        ("\U0001d42c\U0001d42e\U0001d427", "sun"),  # mathematical bold
        ("\U0001f142\U0001f1fa\U0001f17d", "sun"),  # squared, flag and negative squared letters
        ("s\u200bu\u00adn\ufe0f\u2060", "sun"),  # zero width, soft hyphen, variation selector, word joiner
        ("s\U000e0061un", "sun"),  # a tag character
        ("s\u3164u\u2800n", "sun"),  # fillers
        ("\u0455\u03c5\u0578", "sun"),  # Cyrillic, Greek, Armenian
        ("\ua731\u1d1c\u0274", "sun"),  # small capitals
        ("s\u00fcn", "sun"),
        ("s\u0336u\u0336n\u0336", "sun"),  # struck through
        ("n\u20e3", "n"),  # a keycap
        ("\ufb01re", "fire"),
        ("Stra\u00dfe", "strasse"),
        ("\u041d\u0415N", "hen"),  # capitals that look like others than their small letters
        ("", ""),
    ],
)
def test_disguises_come_off(text: str, folded: str) -> None:
    assert fold(text).text == folded


def test_the_place_in_the_original_is_kept() -> None:
    text = "a\u200b \ufb01re \u200bsu\u0301n"
    found = fold(text)
    at = found.text.index("fire")
    assert text[slice(*found.span(at, at + 4))] == "\ufb01re"
    at = found.text.index("sun")
    assert text[slice(*found.span(at, at + 3))] == "su\u0301n"


@given(st.text())
def test_any_text_folds_to_something_that_folds_to_itself(text: str) -> None:
    found = fold(text)
    assert fold(found.text).text == found.text
    assert len(found.origin) == len(found.text)
    assert list(found.origin) == sorted(found.origin)
    assert not any(unicodedata.category(char) in ("Cf", "Mn", "Me") for char in found.text)


@given(st.text(), st.text())
def test_text_folds_character_by_character(left: str, right: str) -> None:
    assert fold(left + right).text == fold(left).text + fold(right).text


@pytest.mark.parametrize(
    ("word", "readings"),
    [
        ("h0use", ("house",)),
        ("h1ll", ("hill", "hlll")),
        ("c@$tle", ("castle",)),
        ("1024", ()),
        ("$5", ()),
        ("house", ()),
    ],
)
def test_digits_and_signs_are_read_as_letters_only_beside_letters(word: str, readings: tuple[str, ...]) -> None:
    assert unleet(word) == readings


def test_stretched_words_are_squeezed() -> None:
    assert is_stretched("suuun")
    assert not is_stretched("moon")
    assert squeeze("suuunn") == "sun"
