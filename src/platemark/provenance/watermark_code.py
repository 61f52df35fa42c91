"""The watermark's payload: version, number and checksum, as bits of a convolutional code that corrects errors.

56 bits are 4 of version, 40 of number and 12 of CRC. The code is the usual one of constraint length 7 and rate 1/2
(generators 171 and 133 octal, free distance 10), ended by six zeros: 124 bits. It is read from soft values, so that
what is doubtful counts less.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from platemark.core.watermark import NUMBER_BITS

VERSION = 1
_VERSION_BITS, _CRC_BITS = 4, 12
PAYLOAD_BITS = _VERSION_BITS + NUMBER_BITS + _CRC_BITS
# Of the CRC known as CRC-12/UMTS: x^12 + x^11 + x^3 + x^2 + x + 1.
_POLYNOMIAL = 0x80F
_MEMORY = 6
_GENERATORS = (0o171, 0o133)
CODE_BITS = (PAYLOAD_BITS + _MEMORY) * len(_GENERATORS)
_STATES = 1 << _MEMORY

Soft = NDArray[np.float64]


def payload_of(number: int) -> int:
    """The 56 bits for a number, 0 to 2^40 - 1, the version in the highest four. Raises ValueError for another one."""
    if not 0 <= number < 1 << NUMBER_BITS:
        raise ValueError(f"a watermark's number has {NUMBER_BITS} bits, not {number.bit_length()}")
    body = VERSION << NUMBER_BITS | number
    return body << _CRC_BITS | crc12(body, _VERSION_BITS + NUMBER_BITS)


def number_of(payload: int) -> int | None:
    """The number in 56 bits; None where version or checksum are not what we write."""
    body, crc = payload >> _CRC_BITS, payload & ((1 << _CRC_BITS) - 1)
    if body >> NUMBER_BITS != VERSION or crc != crc12(body, _VERSION_BITS + NUMBER_BITS):
        return None
    return body & ((1 << NUMBER_BITS) - 1)


def crc12(value: int, bits: int) -> int:
    """The remainder of the lowest `bits` of `value`, the highest first."""
    # All ones to begin with, so that zeros do not check out.
    register = (1 << _CRC_BITS) - 1
    for place in range(bits - 1, -1, -1):
        out = register >> (_CRC_BITS - 1) ^ (value >> place & 1)
        register = (register << 1 & ((1 << _CRC_BITS) - 1)) ^ (_POLYNOMIAL if out else 0)
    return register


def encode(payload: int) -> Soft:
    """124 values of -1 or 1 for 56 bits."""
    bits = [payload >> place & 1 for place in range(PAYLOAD_BITS - 1, -1, -1)]
    out, register = list[float](), 0
    for bit in (*bits, *([0] * _MEMORY)):
        register = register >> 1 | bit << _MEMORY
        out += [1.0 if (register & generator).bit_count() & 1 else -1.0 for generator in _GENERATORS]
    return np.array(out)


def likeness(code: Soft, soft: Soft) -> float:
    """The cosine between a code and what was read; 0 where nothing was."""
    length = float(np.sqrt(np.mean(soft**2)))
    return float(np.mean(code * soft)) / length if length > 0 else 0.0


def decode(soft: Sequence[float] | Soft) -> int:
    """The 56 bits whose code agrees best with 124 soft values (Viterbi's algorithm)."""
    values = np.asarray(soft, dtype=np.float64).reshape(-1, len(_GENERATORS))
    before, expected = _trellis()
    metric = np.full(_STATES, -np.inf)
    metric[0] = 0.0
    chosen = np.empty((len(values), _STATES), dtype=np.int64)
    rows = np.arange(_STATES)
    for step, pair in enumerate(values):
        arriving = metric[before] + expected @ pair
        chosen[step] = arriving.argmax(axis=1)
        metric = arriving[rows, chosen[step]]
    return _walk_back(chosen, before)


def _walk_back(chosen: NDArray[np.int64], before: NDArray[np.int64]) -> int:
    # The six zeros at the end lead to state 0. A state's highest bit is the bit that led to it.
    state, payload = 0, 0
    for step in range(len(chosen) - 1, -1, -1):
        if step < PAYLOAD_BITS:
            payload |= (state >> (_MEMORY - 1)) << (PAYLOAD_BITS - 1 - step)
        state = int(before[state, chosen[step, state]])
    return payload


@cache
def _trellis() -> tuple[NDArray[np.int64], Soft]:
    """For each state the two before it (64 × 2), and what is written between them (64 × 2 × 2, of -1 or 1)."""
    before = np.empty((_STATES, 2), dtype=np.int64)
    expected = np.empty((_STATES, 2, len(_GENERATORS)))
    for state in range(_STATES):
        for lost in range(2):
            register = state << 1 | lost
            before[state, lost] = register & (_STATES - 1)
            expected[state, lost] = [1.0 if (register & each).bit_count() & 1 else -1.0 for each in _GENERATORS]
    return before, expected
