"""The things that can be drawn, by kind."""

from collections.abc import Callable

from platemark.engine.training.palette import Colour
from platemark.engine.training.pen import Pen
from platemark.engine.training.things import animals, belongings, nature, shapes, vehicles

DRAW: dict[str, Callable[[Pen, Colour], None]] = {
    "circle": shapes.circle,
    "square": shapes.square,
    "triangle": shapes.triangle,
    "star": shapes.star,
    "heart": shapes.heart,
    "house": belongings.house,
    "tree": nature.tree,
    "flower": nature.flower,
    "mushroom": nature.mushroom,
    "fish": animals.fish,
    "cat": animals.cat,
    "boat": vehicles.boat,
    "car": vehicles.car,
    "balloon": vehicles.balloon,
    "dog": animals.dog,
    "bird": animals.bird,
    "rabbit": animals.rabbit,
    "duck": animals.duck,
    "butterfly": animals.butterfly,
    "apple": nature.apple,
    "cup": belongings.cup,
    "cake": belongings.cake,
    "ice cream": belongings.ice_cream,
    "umbrella": belongings.umbrella,
    "crown": belongings.crown,
    "rocket": vehicles.rocket,
    "plane": vehicles.plane,
    "bus": vehicles.bus,
    "robot": belongings.robot,
    "snowman": belongings.snowman,
    "cactus": nature.cactus,
    "mountain": nature.mountain,
}
KINDS = tuple(DRAW)
FIRST_EDITION = KINDS[:14]

# The colour of a thing whose caption names none.
CANON = {
    "circle": "red", "square": "blue", "triangle": "green", "star": "yellow", "heart": "red", "house": "red",
    "tree": "green", "flower": "pink", "mushroom": "red", "fish": "orange", "cat": "orange", "boat": "red",
    "car": "red", "balloon": "red", "dog": "brown", "bird": "blue", "rabbit": "white", "duck": "yellow",
    "butterfly": "purple", "apple": "red", "cup": "blue", "cake": "pink", "ice cream": "pink",
    "umbrella": "purple", "crown": "yellow",
    "rocket": "white", "plane": "white", "bus": "yellow", "robot": "blue", "snowman": "white", "cactus": "green",
    "mountain": "blue",
}  # fmt: skip

# Where a thing is found in a landscape; all others stand on the ground.
FLYING = frozenset({"balloon", "bird", "butterfly", "plane", "rocket", "star", "heart"})
AFLOAT = frozenset({"boat", "duck", "fish"})
# Lowest point of a thing in its unit space, where it is not the usual 0.97.
FOOT = {"car": 0.74, "bus": 0.77, "triangle": 0.86, "square": 0.88, "crown": 0.84, "plane": 0.74, "fish": 0.56}
