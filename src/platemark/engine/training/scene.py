"""What is in one picture, and the rules by which pictures are drawn at random. Positions and sizes in pixels of 128."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from platemark.engine.training.palette import COLOURS, PLAINS
from platemark.engine.training.things import AFLOAT, CANON, FLYING, FOOT, KINDS

Size = Literal["small", "medium", "large"]
Place = Literal["centre", "left", "right", "top", "bottom"]
Light = Literal["day", "sunset", "night"]
Pair = Literal["beside", "stacked"]

SETTINGS = ("meadow", "sea", "beach", "snow", "city", "forest", "desert", "mountains")
HILLS = "hills"  # where it is sunset or night, and nothing else is said
LIGHTS: tuple[Light, ...] = ("day", "sunset", "night")
PLACES: tuple[Place, ...] = ("centre", "left", "right", "top", "bottom")
SIZES: dict[Size, float] = {"small": 21, "medium": 33, "large": 46}  # half of a thing's side
GROUND = 106  # the line that things stand on in a landscape
_CLASH = {("white", "white"), ("black", "black"), ("grey", "white"), ("yellow", "white")}

_LIGHT_ODDS: dict[Light, float] = {"day": 0.46, "sunset": 0.3, "night": 0.24}
_SIZE_ODDS: dict[Size, float] = {"small": 0.15, "medium": 0.5, "large": 0.35}
_PLACE_ODDS: dict[Place, float] = {"centre": 0.48, "left": 0.14, "right": 0.14, "top": 0.12, "bottom": 0.12}

Rng = np.random.Generator
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing: what it is, and where it was put. `radius` is half of its side."""

    kind: str
    colour: str
    size: Size = "medium"
    place: Place = "centre"
    x: float = 64
    y: float = 64
    radius: float = 33
    tint: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture. `background` is a colour of PLAINS when `plain`, else a setting (or HILLS) under a light.

    With two things, the first is the left or the upper one. `wiggle` are four numbers in 0..1 that vary the landscape.
    """

    things: tuple[Thing, ...]
    background: str
    plain: bool
    light: Light = "day"
    pair: Pair | None = None
    sun: bool = False
    moon: bool = False
    clouds: tuple[tuple[float, float, float], ...] = ()
    dots: tuple[tuple[float, float, float], ...] = ()
    wiggle: tuple[float, ...] = (0.5, 0.5, 0.5, 0.5)
    sun_at: tuple[float, float] = (104, 20)
    towers: tuple[float, ...] = field(default=(40,) * 7)

    @property
    def label(self) -> str:
        """The background's name in a held-out triple."""
        if self.plain or self.light == "day":
            return self.background
        return self.light if self.background == HILLS else f"{self.background} {self.light}"


def pick(rng: Rng, among: Sequence[T]) -> T:
    """One of them, all equally likely."""
    return among[int(rng.integers(len(among)))]


def weighted(rng: Rng, among: Mapping[T, float]) -> T:
    """One of the keys, as likely as its value says; the values add up to 1."""
    return list(among)[int(rng.choice(len(among), p=list(among.values())))]


def held_out(kind: str, colour: str, label: str) -> bool:
    """Whether the combination is kept from training: about 6 % of them, and the score asks for these only."""
    return zlib.crc32(f"{kind}/{colour}/{label}".encode()) % 16 == 0


def compose(
    rng: Rng, things: Sequence[Thing], background: str, *, plain: bool, light: Light = "day", pair: Pair | None = None
) -> Scene:
    """The scene with everything put into its place and the landscape varied."""
    scenic, day = not plain, light == "day"
    clear = scenic and light != "night" and background != "forest"
    stars = scenic and light == "night"
    count = 16 if stars else 18 if scenic and background == "snow" else 0
    left = rng.random() < 0.5
    scene = Scene(
        tuple(things), background, plain, light, pair,
        sun=bool(scenic and day and background != "snow" and rng.random() < 0.3),
        moon=bool(stars and rng.random() < 0.65),
        clouds=_clouds(rng) if clear and rng.random() < 0.35 else (),
        dots=_dots(rng, count),
        wiggle=tuple(float(value) for value in rng.random(4)),
        sun_at=(float((22 if left else 106) + rng.normal() * 3), float(20 + rng.normal() * 2)),
        towers=tuple(float(value) for value in rng.uniform(26, 60, 7)),
    )  # fmt: skip
    return replace(scene, things=tuple(_placed(rng, thing, scene) for thing in things))


def _clouds(rng: Rng) -> tuple[tuple[float, float, float], ...]:
    return tuple(
        (float(x + rng.normal() * 7), float(22 + rng.normal() * 4), float(7 + rng.random() * 3)) for x in (30, 96)
    )


def _dots(rng: Rng, count: int) -> tuple[tuple[float, float, float], ...]:
    return tuple(
        (float(rng.random() * 128), float(rng.random() * 70), float(0.9 + rng.random() * 0.8)) for _ in range(count)
    )


def _placed(rng: Rng, thing: Thing, scene: Scene) -> Thing:
    radius = SIZES[thing.size] * float(rng.uniform(0.94, 1.06)) * (0.86 if scene.pair else 1)
    x = {"left": 34.0, "right": 94.0}.get(thing.place, 64.0) + float(rng.normal()) * 2
    y = {"top": 34.0, "bottom": 94.0}.get(thing.place, 64.0) + float(rng.normal()) * 2
    if not scene.plain and thing.place in ("left", "right", "centre", "bottom"):
        y = _height(thing, scene, radius) + float(rng.normal()) * 1.5
    margin = radius + 1
    red, green, blue = (int(value) for value in rng.normal(size=3) * 4)
    return Thing(
        thing.kind, thing.colour, thing.size, thing.place,
        float(np.clip(x, margin, 128 - margin)), float(np.clip(y, margin, 128 - margin)), radius, (red, green, blue),
    )  # fmt: skip


def _height(thing: Thing, scene: Scene, radius: float) -> float:
    """Centre of a thing in a landscape: in the sky, on the water or on the ground."""
    if thing.place == "bottom":
        return 112 - radius * FOOT.get(thing.kind, 0.97)
    if thing.kind in FLYING:
        return max(46, radius + 3)
    if thing.kind in AFLOAT and scene.background == "sea":
        return max((92 if thing.kind == "fish" else 98) - radius * (0.1 if thing.kind == "fish" else 0.8), 50)
    return max(GROUND - radius * FOOT.get(thing.kind, 0.97), radius + 3)


def sample(rng: Rng, *, held: bool = False) -> Scene:
    """A random scene. Training gets those without a held-out combination; with `held` every thing is one."""
    while True:
        plain = bool(rng.random() < 0.36)
        background, light = (pick(rng, list(PLAINS)), "day") if plain else _landscape(rng)
        count = 1 if held else weighted(rng, {0: 0 if plain else 0.05, 1: 0.79 if plain else 0.74, 2: 0.21})
        things, pair = _things(rng, count, scenic=not plain)
        scene = compose(rng, things, background, plain=plain, light=light, pair=pair)
        if _allowed(scene) and all(held_out(t.kind, t.colour, scene.label) == held for t in things):
            return scene


def _landscape(rng: Rng) -> tuple[str, Light]:
    light = weighted(rng, _LIGHT_ODDS)
    if light != "day" and rng.random() < 0.3:
        return HILLS, light
    return pick(rng, SETTINGS), light


def _things(rng: Rng, count: int, *, scenic: bool) -> tuple[list[Thing], Pair | None]:
    if count == 2:
        pair: Pair = "beside" if rng.random() < 0.6 else "stacked"
        places: tuple[Place, Place] = ("left", "right") if pair == "beside" else ("top", "bottom")
        return [_thing(rng, "medium", place) for place in places], pair
    if not count:
        return [], None
    size = weighted(rng, _SIZE_ODDS)
    place = weighted(rng, _PLACE_ODDS)
    if size == "large" and place != "centre":
        size = "medium"
    thing = _thing(rng, size, place)
    if scenic and place == "top" and thing.kind not in FLYING and rng.random() < 0.8:
        thing = Thing(thing.kind, thing.colour, size)
    return [thing], None


def _thing(rng: Rng, size: Size, place: Place) -> Thing:
    kind = pick(rng, KINDS)
    colour = CANON[kind] if rng.random() < 0.18 else pick(rng, list(COLOURS))
    return Thing(kind, colour, size, place)


def _allowed(scene: Scene) -> bool:
    """No thing that its background hides, and no pair of the same kind."""
    if len({thing.kind for thing in scene.things}) < len(scene.things):
        return False
    return not (scene.plain and any(_hidden(thing.colour, scene.background) for thing in scene.things))


def _hidden(colour: str, background: str) -> bool:
    return colour == background or (background, colour) in _CLASH
