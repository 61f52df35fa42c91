"""A policy as a person writes it: rules in YAML."""

import hashlib
from typing import Annotated

from pydantic import Field

from platemark.core.audit import canonical
from platemark.core.base import Part
from platemark.core.moderation import Decision, Stage

Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{1,60}$")]
Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]


class Rule(Part):
    """Fires on any signal of its categories with at least this score. Without stages or audiences it holds for all."""

    id: Word
    categories: Annotated[tuple[Code, ...], Field(min_length=1)]
    at_least: Annotated[float, Field(gt=0, le=1)]
    decision: Decision
    severity: Annotated[int, Field(ge=0, le=3)] = 1
    stages: tuple[Stage, ...] = ()
    audiences: tuple[Word, ...] = ()
    hard: bool = False
    note: str = ""


class Bundle(Part):
    """Rules. `required`: detectors that must have spoken at a stage. `aliases`: what providers call our codes."""

    version: str
    required: dict[Stage, tuple[Word, ...]] = {}
    aliases: dict[Word, Code] = {}
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @property
    def digest(self) -> str:
        """`pol_` and the content's SHA-256, shortened: equal content is the same policy, wherever it lies."""
        return "pol_" + hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()[:12]
