"""Watermarks: the numbers that stand in the pixels of pictures, and what each of them stands for."""

from platemark.core.base import Noun, Timestamp

NUMBER_BITS = 40
# What stands in an error where a picture cannot carry a number; a warning carries the same code.
NOT_CARRIED = "watermark_not_carried"


class WatermarkNumber(Noun):
    """A number given to one image, for its file or for one publication of it. Never given twice in an installation.

    `number` has 40 bits; the credential names it as soft binding, and without the key nobody can write it elsewhere.
    `version` is the method's; `key` tells which key it was written with.
    """

    project: str
    image: str
    publication: str | None = None
    number: int
    version: str
    key: str
    created_at: Timestamp
