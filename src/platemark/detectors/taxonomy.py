"""What vendors call the subjects of our reason codes, and what their numbers mean on our scale."""

import math
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Annotated, Self

from pydantic import Field, RootModel, model_validator

from platemark.core.base import Part
from platemark.core.moderation import REASON_CODES
from platemark.yamlfile import read_yaml

UNKNOWN = "PROVIDER_UNSPECIFIED"
# Where the policy that ships labels, asks a person, and blocks.
LABEL, REVIEW, BLOCK, TOP = 0.3, 0.5, 0.85, 1.0
_FILE = "data/taxonomies.yaml"
# Read at import, so that opening a detector on the event loop blocks for nothing.
_TEXT = resources.files("platemark.detectors").joinpath(_FILE).read_text(encoding="utf-8")
Mark = Annotated[float, Field(gt=0)]


class Category(Part):
    """One category of a vendor: our code, and at which of the vendor's own numbers it means how much.

    `lower`: the code below `review`; `upper`: the code from `block` on. Both are `code` where they are absent.
    """

    code: str
    lower: str | None = None
    upper: str | None = None
    label: Mark | None = None
    review: Mark | None = None
    block: Mark

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        given = [mark for mark in (self.label, self.review, self.block) if mark is not None]
        if given != sorted(given):
            raise ValueError("label, review and block must not fall")
        for code in (self.code, self.lower, self.upper):
            if code is not None and code not in REASON_CODES:
                raise ValueError(f"{code} is no reason code")
        return self

    def code_at(self, ours: float) -> str:
        """Our code for one of our own numbers."""
        chosen = self.upper if ours >= BLOCK else self.lower if ours < REVIEW else None
        return chosen or self.code

    def points(self, top: float) -> Iterator[tuple[float, float]]:
        """The vendor's number and ours, rising."""
        for mark, ours in ((self.label, LABEL), (self.review, REVIEW), (self.block, BLOCK)):
            if mark is not None:
                yield mark, ours
        yield max(top, self.block), TOP


class Taxonomy(Part):
    """The categories of one vendor. `scale` says what its numbers are; `top` is the largest of them."""

    version: str
    source: str
    date: str
    scale: str
    top: Mark
    categories: dict[str, Category]
    ignored: tuple[str, ...] = ()
    ignored_prefixes: tuple[str, ...] = ()

    def knows(self, category: str) -> bool:
        """True for a category that is mapped."""
        return category in self.categories

    def ignores(self, category: str) -> bool:
        """True for a category that says that nothing is wrong."""
        return not self.knows(category) and (
            category in self.ignored or (bool(self.ignored_prefixes) and category.startswith(self.ignored_prefixes))
        )

    def measure(self, category: str, raw: float) -> tuple[str, float]:
        """Our code, and our number from 0 to 1. A category that is not known has its share of the vendor's scale."""
        known = self.categories.get(category)
        if known is None:
            return UNKNOWN, min(1.0, max(0.0, raw / self.top))
        ours = _between([*known.points(self.top)], raw)
        return known.code_at(ours), ours


class _Taxonomies(RootModel[dict[str, Taxonomy]]):
    """The whole file."""


def _between(points: list[tuple[float, float]], raw: float) -> float:
    """Zero below the first point; above, evenly from one to the next."""
    if math.isnan(raw) or raw < points[0][0]:
        return 0.0
    reached = points[0]
    for mark, ours in points[1:]:
        if raw < mark:
            share = (raw - reached[0]) / (mark - reached[0])
            return round(reached[1] + share * (ours - reached[1]), 4)
        reached = (mark, ours)
    return reached[1]


@cache
def taxonomies() -> dict[str, Taxonomy]:
    """All of them, by the vendor's kind."""
    return read_yaml(_TEXT, _Taxonomies, where=_FILE).root
