"""At what size a picture is drawn: near the native one, on the grid, and cut to exactly what was asked for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from platemark.engine.drawing.sizes import direct, near_native

SIDES = some.integers(min_value=16, max_value=4096)
GRIDS = some.sampled_from([(128, 32), (64, 8), (512, 64), (1024, 32)])


@given(SIDES, SIDES, GRIDS)
def test_what_is_drawn_covers_what_is_asked_for(width: int, height: int, model: tuple[int, int]) -> None:
    native, grid = model
    plan = near_native(width, height, native=native, grid=grid)
    assert all(side % grid == 0 for side in plan.drawn)
    assert 0.7 <= math.prod(plan.drawn) / native**2 <= 1.3
    left, top, right, bottom = plan.crop
    assert 0 <= left <= right <= plan.covering[0]
    assert 0 <= top <= bottom <= plan.covering[1]
    assert (right - left, bottom - top) == plan.asked == (width, height)
    assert width in plan.covering or height in plan.covering


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ((1024, 1024), (128, 128)),
        ((128, 128), (128, 128)),
        ((1920, 1080), (160, 96)),
        ((768, 1024), (96, 128)),
        ((2048, 256), (192, 96)),
    ],
)
def test_shapes_are_kept_as_near_as_the_grid_allows(asked: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert near_native(*asked, native=128, grid=32).drawn == drawn


def test_a_direct_plan_changes_nothing() -> None:
    plan = direct(640, 480)
    assert not plan.resized
    assert plan.crop == (0, 0, 640, 480)
