"""The data behind `names`: known people, marks and characters, and the words beside which their names matter."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from platemark.core.base import Part
from platemark.detectors.book import Phrase
from platemark.yamlfile import read_text, read_yaml

DATA = Path(__file__).parent / "data"
R = TypeVar("R", bound="Roll")


class Roll(Part):
    """What every such file says of itself: `date` is when its content was true as far as its `source` knows."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    source: str
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]
    allow: tuple[Phrase, ...] = ()


class People(Part):
    """Names with their aliases. `tier` 1: offices, 2: public causes and business, 3: fame."""

    role: str
    tier: Annotated[int, Field(ge=1, le=3)]
    living: bool
    names: dict[Phrase, tuple[Phrase, ...]]


class FigureWords(Part):
    """Words beside which a person's name matters; `drawn` ones say that nobody will take it for a photo."""

    photoreal: tuple[Phrase, ...]
    fabricated: tuple[Phrase, ...]
    election: tuple[Phrase, ...]
    drawn: tuple[Phrase, ...]
    exposed: tuple[Phrase, ...]


class Figures(Roll):
    """The people whom many know."""

    people: tuple[People, ...]
    titles: tuple[Phrase, ...]
    words: FigureWords

    def living(self) -> tuple[str, ...]:
        """Names and aliases of everybody who lives."""
        some = (pair for group in self.people if group.living for pair in group.names.items())
        return tuple(name for first, others in some for name in (first, *others))


class Marks(Part):
    """Brands of one trade."""

    role: str
    names: tuple[Phrase, ...]


class BrandWords(Part):
    """Words beside which a brand (`taken`), a character (`copied`) or an ambiguous name (`beside`) matters."""

    taken: tuple[Phrase, ...]
    copied: tuple[Phrase, ...]
    beside: tuple[Phrase, ...]


class Brands(Roll):
    """Marks, characters, and names that are also words of every day."""

    marks: tuple[Marks, ...]
    ambiguous: tuple[Phrase, ...]
    characters: tuple[Phrase, ...]
    words: BrandWords


def read_roll(kind: Literal["figures", "brands"], model: type[R]) -> tuple[R, str]:
    """A file that ships, and its version with a digest of its content. Blocks. Raises Misconfigured."""
    path = DATA / f"{kind}.yaml"
    text = read_text(path, setting=kind)
    roll = read_yaml(text, model, where=str(path))
    return roll, f"{kind}-{roll.version}+{hashlib.sha256(text.encode()).hexdigest()[:12]}"
