"""Colours of the picture world. A colour is red, green, blue in 0..255."""

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (226, 58, 58),
    "orange": (244, 140, 40),
    "yellow": (250, 208, 54),
    "green": (70, 170, 84),
    "blue": (52, 116, 222),
    "purple": (140, 82, 196),
    "pink": (244, 132, 176),
    "white": (248, 248, 250),
    "black": (48, 48, 58),
    "brown": (146, 94, 58),
}
PLAINS: dict[str, Colour] = {
    "white": (250, 250, 250),
    "grey": (196, 200, 206),
    "blue": (150, 200, 240),
    "green": (168, 216, 160),
    "yellow": (252, 232, 150),
    "pink": (250, 200, 214),
    "purple": (204, 184, 236),
    "black": (44, 46, 58),
    "orange": (252, 196, 140),
}
WHITE: Colour = (255, 255, 255)
INK: Colour = (40, 40, 50)
WOOD: Colour = (112, 74, 52)
LEAF: Colour = (78, 162, 80)
GLASS: Colour = (206, 234, 248)
LAMP: Colour = (255, 240, 170)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` (0..1) of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def light(colour: Colour, share: float = 0.25) -> Colour:
    """Towards white."""
    return mix(colour, WHITE, share)


def dark(colour: Colour, share: float = 0.22) -> Colour:
    """Towards a deep violet, which looks cleaner than black."""
    return mix(colour, (24, 16, 48), share)


def apart(one: Colour, other: Colour) -> int:
    """Distance of two colours, 0..765."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))
