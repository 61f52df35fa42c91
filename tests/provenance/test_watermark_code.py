import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platemark.provenance.watermark_code import (
    CODE_BITS,
    PAYLOAD_BITS,
    crc12,
    decode,
    encode,
    number_of,
    payload_of,
)

NUMBERS = st.integers(0, 2**40 - 1)


@given(NUMBERS)
def test_a_number_comes_back(number: int) -> None:
    payload = payload_of(number)
    assert payload.bit_length() <= PAYLOAD_BITS
    assert number_of(payload) == number
    code = encode(payload)
    assert len(code) == CODE_BITS == 124
    assert decode(code) == payload


@given(NUMBERS, st.integers(0, PAYLOAD_BITS - 1))
def test_one_wrong_bit_of_a_payload_is_noticed(number: int, place: int) -> None:
    assert number_of(payload_of(number) ^ 1 << place) is None


@given(NUMBERS, st.sets(st.integers(0, CODE_BITS - 1), max_size=4))
def test_any_four_wrong_values_are_corrected(number: int, wrong: set[int]) -> None:
    # The free distance is 10, so four errors leave the right code the nearest.
    code = encode(payload_of(number))
    code[list(wrong)] *= -1
    assert number_of(decode(code)) == number


@given(NUMBERS, st.sets(st.integers(0, CODE_BITS - 1), max_size=9))
def test_any_nine_values_that_say_nothing_are_made_up_for(number: int, silent: set[int]) -> None:
    code = encode(payload_of(number))
    code[list(silent)] = 0
    assert number_of(decode(code)) == number


def test_noise_as_strong_as_seven_tenths_of_the_signal_is_read_through() -> None:
    rng = np.random.default_rng(7)
    numbers = [int(number) for number in rng.integers(0, 2**40, 100)]
    right = sum(number_of(decode(encode(payload_of(n)) + rng.normal(0, 0.7, CODE_BITS))) == n for n in numbers)
    assert right >= 97


@pytest.mark.parametrize("number", [-1, 2**40, 2**60])
def test_other_numbers_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="40 bits"):
        payload_of(number)


def test_nothing_and_another_version_are_no_number() -> None:
    assert number_of(0) is None
    assert number_of((1 << PAYLOAD_BITS) - 1) is None
    body = 2 << 40 | 99
    assert number_of(body << 12 | crc12(body, 44)) is None


def test_payload_and_code_do_not_change_from_version_to_version() -> None:
    # Marks that are out in the world are read by this.
    assert f"{payload_of(0x0123456789):014x}" == "101234567893be"
    bits = encode(payload_of(0x0123456789)) > 0
    assert np.packbits(bits).tobytes().hex() == "03bc73b28cb64f4e70a540addf3b9ac0"
