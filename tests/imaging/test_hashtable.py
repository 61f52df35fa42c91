"""The table of hashes answers as comparing them one by one would."""

import secrets
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from platemark.imaging.fingerprint import distance
from platemark.imaging.hashtable import HashTable, Row
from platemark.imaging.parts import low_of

HASH = st.binary(min_size=32, max_size=32).map(bytes.hex)
ROW = st.builds(
    Row,
    id=st.binary(min_size=16, max_size=16).map(bytes.hex),
    project=st.sampled_from(["prj_a", "prj_b"]),
    generated=st.booleans(),
    pdq=st.none() | HASH,
    core=st.none() | HASH,
)


def table_of(rows: list[Row]) -> HashTable:
    made = HashTable()
    made.add(rows)
    return made


def fitting(rows: list[Row], project: str | None, generated: bool) -> list[Row]:
    return [row for row in rows if project in (None, row.project) and row.generated >= generated]


@settings(max_examples=60)
@given(
    st.lists(ROW, max_size=12, unique_by=lambda row: row.id),
    st.lists(HASH, min_size=1, max_size=3),
    st.sampled_from([None, "prj_a", "prj_none"]),
    st.booleans(),
    st.integers(90, 150),
)
def test_it_finds_what_comparing_one_by_one_finds(
    rows: list[Row], hashes: list[str], project: str | None, generated: bool, most: int
) -> None:
    table, usable = table_of(rows), fitting(rows, project, generated)
    near = {row.id: min(distance(hash, row.pdq) for hash in hashes) for row in usable if row.pdq}
    wanted = sorted(bits for bits in near.values() if bits <= most)
    found = table.near(hashes, most, 100, project=project, generated=generated)
    # Half of the bits are looked at first: what is far in them alone is far in all.
    assert [bits for _, bits in found] == wanted
    assert all(near[id] == bits for id, bits in found)
    lows = [low_of(hash) for hash in hashes]
    parts = {row.id: min((low ^ low_of(row.core)).bit_count() for low in lows) for row in usable if row.core}
    got = table.parts(lows, 30, 100, project=project, generated=generated)
    assert set(got) == {id for id, bits in parts.items() if bits <= 30}
    assert [parts[id] for id in got] == sorted(parts[id] for id in got)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**64 - 1)), min_size=1, max_size=40),
    st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4),
    st.integers(0, 40),
)
def test_looks_that_are_near_to_each_other_find_what_each_of_them_does(
    changed: list[tuple[int, int]], middles: list[int], most: int
) -> None:
    # A quarter of the bits, or an eighth, or none are changed: near, at the edge, and one and the same.
    lows = [middles[which] ^ (bits & bits >> 7 & (bits >> 13 if which % 2 else -1)) for which, bits in changed]
    known = rows(300) + [core_row(low ^ (1 << place)) for low in lows for place in (0, 17, 63)]
    table = table_of(known)
    best = {row.id: min((low ^ low_of(row.core or "")).bit_count() for low in lows) for row in known}
    wanted = {id for id, bits in best.items() if bits <= most}
    got = table.parts(lows, most, 10_000)
    assert set(got) == wanted
    assert [best[id] for id in got] == sorted(best[id] for id in got)


def core_row(low: int) -> Row:
    """A row whose lowest frequencies are these."""
    core = bytes(byte for each in low.to_bytes(8, "little") for byte in (each, 0)) + bytes(16)
    return Row(secrets.token_hex(16), "prj", True, None, core.hex())


def rows(count: int) -> list[Row]:
    return [Row(secrets.token_hex(16), "prj", True, secrets.token_hex(32), secrets.token_hex(32)) for _ in range(count)]


def test_it_grows_past_every_bound_and_forgets() -> None:
    table, known, pieces = HashTable(), rows(70_000), 0
    rest = iter(known)
    while some := list(islice(rest, 9000)):
        table.add(some)
        pieces += 1
    assert (len(table), pieces) == (70_000, 8)
    for row in (known[0], known[32_768], known[-1]):
        assert table.near([row.pdq or ""], 31, 5) == [(row.id, 0)]
        assert table.parts([low_of(row.core or "")], 0, 5) == [row.id]
    table.drop([known[0].id, secrets.token_hex(16)])
    assert table.near([known[0].pdq or ""], 31, 5) == []
    assert table.parts([low_of(known[0].core or "")], 0, 5) == []


def test_the_limit_keeps_the_best_and_then_the_newest() -> None:
    first, second, third = rows(3)
    pdq = "00" * 32
    near = [Row(first.id, "p", True, pdq, None), Row(second.id, "p", True, "01" + pdq[2:], None)]
    table = table_of([*near, Row(third.id, "p", True, pdq, None)])
    assert table.near([pdq], 31, 2) == [(third.id, 0), (first.id, 0)]


def test_a_row_takes_61_bytes() -> None:
    table = table_of(rows(2048))
    assert table.nbytes == 61 * 2048
