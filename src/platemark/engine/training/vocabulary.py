"""The words of the captions: names of everything that a scene has. Repeated words are drawn more often."""

import re
from collections.abc import Iterable
from itertools import chain

THINGS: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "circle", "ball", "disc", "dot"),
    "square": ("square", "square", "box", "block"),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
    "house": ("house", "house", "home", "cottage"),
    "tree": ("tree",),
    "flower": ("flower", "flower", "blossom"),
    "mushroom": ("mushroom", "mushroom", "toadstool"),
    "fish": ("fish",),
    "cat": ("cat", "cat", "kitten", "kitty"),
    "boat": ("boat", "boat", "sailboat", "ship"),
    "car": ("car", "car", "automobile"),
    "balloon": ("balloon", "hot air balloon"),
    "dog": ("dog", "dog", "puppy"),
    "bird": ("bird",),
    "rabbit": ("rabbit", "rabbit", "bunny"),
    "duck": ("duck",),
    "butterfly": ("butterfly",),
    "apple": ("apple",),
    "cup": ("cup", "mug", "cup of coffee"),
    "cake": ("cake", "cake", "birthday cake"),
    "ice cream": ("ice cream", "ice cream", "ice cream cone"),
    "umbrella": ("umbrella",),
    "crown": ("crown",),
    "rocket": ("rocket", "rocket", "spaceship"),
    "plane": ("plane", "airplane", "aeroplane"),
    "bus": ("bus",),
    "robot": ("robot",),
    "snowman": ("snowman",),
    "cactus": ("cactus",),
    "mountain": ("mountain",),
}
GROUNDS: dict[str, tuple[str, ...]] = {
    "meadow": (
        "in a meadow", "in a green meadow", "on a green field", "in the grass", "in a green landscape", "on a meadow",
        "in nature", "in a park", "in the meadow",
    ),
    "sea": ("at sea", "on the sea", "in the ocean", "on the water", "on the blue sea", "by the sea", "in the sea"),
    "beach": ("on a beach", "at the beach", "on the beach", "on the sand", "on a sandy beach", "on the shore"),
    "snow": ("in the snow", "in winter", "in a snowy landscape", "on snow", "in deep snow"),
    "city": ("in a city", "in the city", "in town", "on a city street", "in front of buildings"),
    "forest": ("in a forest", "in the forest", "in the woods", "among trees", "in front of a forest"),
    "desert": ("in the desert", "in a desert", "on a sand dune", "in a hot desert"),
    "mountains": ("in the mountains", "in front of mountains", "with mountains behind", "near mountains"),
}  # fmt: skip
LIGHTS: dict[str, tuple[str, ...]] = {
    "day": ("by day", "on a sunny day", "during the day", "in the morning"),
    "sunset": ("at sunset", "at sunset", "in the sunset", "at dusk", "in the evening", "under a sunset sky"),
    "night": ("at night", "at night", "in the night", "under the night sky", "under the stars", "in a starry night"),
}
PLAIN = (
    "on a {} background", "on a {} background", "{} background", "against a {} background", "on {}",
    "in front of a {} background", "with a {} background", "on plain {}",
)  # fmt: skip
PLACES: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side", "to the left", "at the left", "left"),
    "right": ("on the right", "on the right side", "to the right", "at the right", "right"),
    "top": ("at the top", "on top", "in the upper part", "top", "up high"),
    "bottom": ("at the bottom", "in the lower part", "bottom", "down low"),
    "centre": ("in the centre", "in the center", "in the middle", "centered", "center"),
}
SIZES: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "large": ("large", "big", "huge"),
    "medium": ("medium sized", "medium"),
}
# Two things: {0} is the left or upper one, {1} the other.
BESIDE = (
    "{0} on the left and {1} on the right", "{1} on the right and {0} on the left", "{0} to the left of {1}",
    "{1} to the right of {0}", "{0} left of {1}", "{1} right of {0}", "{0} and {1}", "{0} next to {1}",
    "{0} beside {1}", "{0} with {1}",
)  # fmt: skip
STACKED = (
    "{0} above {1}", "{0} above {1}", "{0} over {1}", "{1} below {0}", "{1} below {0}", "{1} under {0}",
    "{0} at the top and {1} at the bottom", "{0} on top of {1}", "{1} beneath {0}",
)  # fmt: skip
EMPTY = ("an empty landscape", "a landscape", "a view", "a scene", "")
EXTRAS: dict[str, tuple[str, ...]] = {
    "sun": ("with a sun", "sunny", "with the sun", "and a sun in the sky"),
    "moon": ("with a moon", "and a moon", "under the moon"),
    "clouds": ("with clouds", "cloudy sky", "and white clouds", "with clouds in the sky"),
}
PREFIXES = (
    "a picture of ", "an illustration of ", "a drawing of ", "flat illustration of ", "an image of ", "illustration: ",
    "a simple drawing of ", "show me ", "draw ",
)  # fmt: skip
FILLERS = (
    "cute", "nice", "beautiful", "pretty", "lovely", "simple", "shiny", "colorful", "colourful", "bright", "happy",
    "funny",
)  # fmt: skip
TAILS = (
    "high quality", "detailed", "4k", "digital art", "flat style", "vector art", "minimalist", "clean", "illustration",
    "cartoon", "masterpiece",
)  # fmt: skip

_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown", "grey", "gray")
_SMALL = ("a", "an", "the", "and", "is", "are", "of", "with", "in", "on", "at", "it", "draw", "drawing")


def words() -> dict[str, list[str]]:
    """Every word of the captions by heading, each word once, in alphabetical order under its heading."""
    tables: dict[str, Iterable[str]] = {
        "Things": chain(*THINGS.values()),
        "Colours": _COLOURS,
        "Sizes": chain(*SIZES.values()),
        "Places and arrangements": (
            text.replace("{0}", "").replace("{1}", "") for text in chain(*PLACES.values(), BESIDE, STACKED)
        ),
        "Backgrounds": (
            text.replace("{}", "") for text in chain(*GROUNDS.values(), GROUNDS, *LIGHTS.values(), LIGHTS, PLAIN)
        ),
        "Extras": chain(*EXTRAS.values()),
        "Small words": _SMALL,
        "Wordings that do no harm": chain(EMPTY, PREFIXES, FILLERS, TAILS),
    }
    taken: set[str] = set(_SMALL)
    found: dict[str, list[str]] = {}
    for heading, texts in tables.items():
        here = set(re.findall(r"\w+", " ".join(texts).lower())) - (set() if heading == "Small words" else taken)
        found[heading] = sorted(here)
        taken |= here
    return found
