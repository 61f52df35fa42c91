"""Who is drawn with whom, and when: pure decisions over orders and times."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from orders import order

from platemark.engine.drawing.batching import BATCH_LANE_SECONDS, QUIET, WINDOW, Batches, Item, by_job, halves, room_for

LATER = 1_000.0


def add(
    batches: Batches, job: int, *, key: object = "key", n: int = 1, room: int = 8, came: float = 0.0, **asked: Any
) -> None:
    wanted = order(seeds=tuple(range(n)), **asked)
    batches.add([Item(job, wanted, index) for index in range(n)], key, room, came)


def taken(batches: Batches, now: float = LATER) -> list[tuple[int, int]]:
    """Jobs and numbers of the pictures in the next batch."""
    batch = batches.take(now)
    return [(item.job, item.index) for item in batch.items] if batch else []


def rest(batches: Batches, now: float = LATER) -> list[list[tuple[int, int]]]:
    found: list[list[tuple[int, int]]] = []
    while batch := taken(batches, now):
        found.append(batch)
    return found


def test_a_lone_order_waits_for_company_no_longer_than_the_quiet_time() -> None:
    batches = Batches()
    assert batches.wait(0.0) is None
    add(batches, 1, came=5.0)
    assert taken(batches, 5.0) == []
    assert batches.wait(5.0) == pytest.approx(QUIET)
    assert taken(batches, 5.0 + QUIET) == [(1, 0)]
    assert batches.wait(5.0 + QUIET) is None


def test_company_that_keeps_coming_is_waited_for_until_the_window_ends() -> None:
    batches, came = Batches(), [0.0, 0.008, 0.016, 0.024]
    for job, moment in enumerate(came):
        add(batches, job, came=moment)
        assert taken(batches, moment) == []
    assert batches.wait(0.024) == pytest.approx(WINDOW - 0.024)
    assert taken(batches, WINDOW) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_a_full_batch_waits_for_nothing() -> None:
    batches = Batches()
    for job in range(3):
        add(batches, job, room=3)
    assert batches.wait(0.0) == 0
    assert taken(batches, 0.0) == [(0, 0), (1, 0), (2, 0)]


def test_what_waited_during_the_last_batch_does_not_wait_again() -> None:
    batches = Batches()
    add(batches, 1, came=1.0)
    add(batches, 2, came=1.5)
    assert taken(batches, 2.0) == [(1, 0), (2, 0)]


def test_a_group_that_is_ready_goes_before_one_that_still_waits_for_company() -> None:
    batches = Batches()
    add(batches, 1, key="slow", came=0.0)
    add(batches, 2, key="large", room=1, came=0.001)
    assert taken(batches, 0.001) == [(2, 0)]
    assert taken(batches, 0.001) == []


def test_only_equal_keys_share_a_batch_and_the_oldest_goes_first() -> None:
    batches = Batches()
    for job, key in enumerate("abab"):
        add(batches, job, key=key, came=float(job))
    assert rest(batches) == [[(0, 0), (2, 0)], [(1, 0), (3, 0)]]


def test_orders_of_several_pictures_are_split_and_take_turns_with_those_who_came_later() -> None:
    batches = Batches()
    add(batches, 1, n=6, room=4, came=0.0)
    add(batches, 2, n=1, room=4, came=1.0)
    assert rest(batches) == [[(1, 0), (1, 1), (1, 2), (1, 3)], [(2, 0), (1, 4), (1, 5)]]


@pytest.mark.parametrize("asked", [{"key": None}, {"reproducible": True}])
def test_what_must_be_alone_is_one_picture_at_a_time(asked: dict[str, Any]) -> None:
    batches = Batches()
    add(batches, 1, n=2, came=0.0, **asked)
    add(batches, 2, came=1.0)
    assert batches.wait(0.0) == 0
    assert sorted(rest(batches)) == [[(1, 0)], [(1, 1)], [(2, 0)]]


def test_two_reproducible_orders_are_not_drawn_together() -> None:
    batches = Batches()
    for job in (1, 2):
        add(batches, job, reproducible=True)
    assert rest(batches) == [[(1, 0)], [(2, 0)]]


def test_a_job_that_is_dropped_is_not_drawn_and_its_neighbours_are() -> None:
    batches = Batches()
    for job in (1, 2, 3):
        add(batches, job, n=2)
    batches.drop(2)
    batches.drop(99)
    assert rest(batches) == [[(1, 0), (1, 1), (3, 0), (3, 1)]]


def test_interactive_work_goes_first_but_not_for_ever() -> None:
    batches = Batches()
    add(batches, 1, key="a", came=0.0, lane="batch")
    add(batches, 2, key="b", came=BATCH_LANE_SECONDS - 1)
    add(batches, 3, key="c", came=BATCH_LANE_SECONDS + 1)
    assert rest(batches) == [[(2, 0)], [(1, 0)], [(3, 0)]]


def test_the_batch_lane_fills_the_places_that_are_left() -> None:
    batches = Batches()
    add(batches, 1, came=0.0, lane="batch", n=2, room=3)
    add(batches, 2, came=1.0, n=2, room=3)
    assert rest(batches) == [[(2, 0), (2, 1), (1, 0)], [(1, 1)]]


def test_a_batch_that_did_not_fit_makes_later_ones_of_its_key_smaller() -> None:
    batches = Batches()
    batches.shrink("key", 2)
    batches.shrink("key", 4)
    for job in range(3):
        add(batches, job)
        add(batches, job + 10, key="other")
    assert rest(batches) == [[(0, 0), (1, 0)], [(10, 0), (11, 0), (12, 0)], [(2, 0)]]


@given(
    some.lists(some.tuples(some.sampled_from("abc"), some.integers(1, 9), some.booleans(), some.floats(0, 60))),
    some.integers(1, 8),
)
def test_every_picture_is_drawn_once_in_batches_no_larger_than_the_room(
    jobs: list[tuple[str, int, bool, float]], room: int
) -> None:
    batches = Batches()
    for job, (key, n, slow, came) in enumerate(jobs):
        add(batches, job, key=key, n=n, room=room, came=came, lane="batch" if slow else "interactive")
    found = rest(batches)
    assert all(1 <= len(batch) <= room for batch in found)
    assert all(len({jobs[job][0] for job, _ in batch}) == 1 for batch in found)
    drawn = [item for batch in found for item in batch]
    assert sorted(drawn) == [(job, index) for job, (_, n, _, _) in enumerate(jobs) for index in range(n)]


def test_a_job_that_keeps_coming_back_does_not_starve_another() -> None:
    batches = Batches()
    add(batches, 1, key="a", n=100, room=1, came=0.0)
    add(batches, 2, key="b", n=100, room=1, came=0.0)
    jobs = [taken(batches, LATER + moment)[0][0] for moment in range(20)]
    assert jobs == [1, 2] * 10


@pytest.mark.parametrize(
    ("side", "device", "room"),
    [(128, "cpu", 8), (256, "cpu", 8), (512, "cpu", 2), (1024, "cpu", 1), (1024, "cuda", 4), (512, "cuda", 16)],
)
def test_large_pictures_have_small_batches(side: int, device: str, room: int) -> None:
    assert room_for(side * side, device) == room


def test_batches_are_divided_without_losing_a_picture() -> None:
    items = [Item(job, order(seeds=(1, 2)), index) for job in (1, 2) for index in (0, 1)][:3]
    assert [len(half) for half in halves(items)] == [2, 1]
    assert [[item.job for item in part] for part in by_job(items)] == [[1, 1], [2]]
