"""Prefixed, sortable identifiers: `gen_` + UUIDv7 in hexadecimal (RFC 9562)."""

import re
from typing import Literal, get_args

Prefix = Literal[
    "gen",
    "img",
    "att",
    "rev",
    "pub",
    "ins",
    "evt",
    "key",
    "prj",
    "per",
    "bat",
    "exp",
    "pol",
    "vdt",
    "use",
    "txt",
    "req",
    "hls",
    "hen",
    "him",
    "dec",
    "nte",
    "rvl",
    "hld",
    "tdn",
    "tdi",
    "upl",
    "rnd",
    "dlv",
    "reg",
    "wmk",
    "rpt",
]
PREFIXES: frozenset[str] = frozenset(get_args(Prefix))
_SHAPE = re.compile(r"([a-z]{3})_[0-9a-f]{32}")


def uuid7_hex(unix_ms: int, random: int) -> str:
    """UUIDv7 as 32 hexadecimal digits from a time in milliseconds and 74 random bits."""
    high, low = (random >> 62) & 0xFFF, random & ((1 << 62) - 1)
    value = (unix_ms & ((1 << 48) - 1)) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low
    return f"{value:032x}"


def is_id(text: str, prefix: str) -> bool:
    """True when `text` has the shape of an id with this prefix."""
    match = _SHAPE.fullmatch(text)
    return match is not None and match.group(1) == prefix
