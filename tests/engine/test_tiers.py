"""Models leave in the order in which they were used, as far as they must and no further."""

from hypothesis import given
from hypothesis import strategies as some

from platemark.engine.memory.tiers import Tiers


def fetch(tiers: Tiers, name: str, size: int) -> list[tuple[str, str]]:
    moves = tiers.make_room(name, size)
    tiers.use(name, size)
    return [(name, place) for name, place in moves]


def test_what_fits_stays() -> None:
    tiers = Tiers(10, None)
    assert [fetch(tiers, name, 5) for name in "abab"] == [[], [], [], []]
    assert tiers.all() == {"a": ("device", 5), "b": ("device", 5)}


def test_where_the_device_is_the_memory_the_one_used_longest_ago_is_given_up() -> None:
    tiers = Tiers(10, None)
    for name in "aba":
        fetch(tiers, name, 5)
    assert fetch(tiers, "c", 5) == [("b", "disk")]
    assert (tiers.place("a"), tiers.place("b"), "b" in tiers) == ("device", "disk", False)


def test_a_device_of_its_own_moves_models_to_memory_first_and_gives_up_what_does_not_fit_there() -> None:
    tiers = Tiers(10, 12)
    for name in "ab":
        fetch(tiers, name, 10)
    assert tiers.all() == {"a": ("memory", 10), "b": ("device", 10)}
    assert fetch(tiers, "c", 10) == [("b", "memory"), ("a", "disk")]
    # It comes back, and what it leaves behind in memory has room for the other.
    assert fetch(tiers, "b", 10) == [("c", "memory")]


def test_a_model_larger_than_everything_is_tried_alone() -> None:
    tiers = Tiers(10, 10)
    fetch(tiers, "a", 5)
    assert fetch(tiers, "huge", 50) == [("a", "memory")]
    assert fetch(tiers, "b", 5) == [("huge", "disk")]


def test_what_drawing_takes_is_kept_free() -> None:
    tiers = Tiers(10, None)
    fetch(tiers, "a", 4)
    tiers.reserve = 3
    assert fetch(tiers, "b", 4) == [("a", "disk")]


def test_clearing_leaves_only_the_model_that_draws() -> None:
    tiers = Tiers(100, 100)
    for name in "abc":
        fetch(tiers, name, 5)
    assert tiers.clear_device("b") == [("a", "memory"), ("c", "memory")]
    assert tiers.all() == {"a": ("memory", 5), "b": ("device", 5), "c": ("memory", 5)}


@given(some.lists(some.sampled_from("abcdef")), some.integers(0, 30), some.none() | some.integers(1, 30))
def test_limits_hold_and_the_last_one_is_on_the_device(uses: list[str], device: int, memory: int | None) -> None:
    tiers = Tiers(device, memory)
    for name in uses:
        fetch(tiers, name, "abcdef".index(name) * 3 + 1)
        held = tiers.all()
        others = sum(size for other, (place, size) in held.items() if place == "device" and other != name)
        mine = held[name][1]
        assert held[name][0] == "device"
        assert others == 0 or others + mine <= device
        assert sum(size for place, size in held.values() if place == "memory") <= (memory or 0)
