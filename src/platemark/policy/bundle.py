"""A policy as a person writes it: rules in YAML."""

import hashlib
from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from platemark.core.audit import canonical
from platemark.core.base import Part
from platemark.core.inspection import Inspected
from platemark.core.moderation import Decision, Stage

Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{1,60}$")]
Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]
Score = Annotated[float, Field(ge=0, le=1)]
Day = Annotated[date, Field(strict=False)]
Line = Annotated[str, Field(max_length=1000)]
LONGEST_CONDITION = 600
MOST_RULES = 500


class Situation(Part):
    """What a test puts before a rule. What is left out is what the rule asks for: its stage, audience and role."""

    scores: Annotated[dict[Code, Score], Field(description="Scores by reason code, from one detector.")] = {}
    by: Annotated[dict[Word, dict[Code, Score]], Field(description="Scores by detector and reason code.")] = {}
    not_evaluated: Annotated[tuple[Word, ...], Field(description="Detectors that could not look.")] = ()
    flags: Annotated[tuple[str, ...], Field(description="What the provider said, in its own words.")] = ()
    stage: Annotated[Stage | None, Field(description="The stage.")] = None
    audience: Annotated[Word | None, Field(description="The audience.")] = None
    role: Annotated[Word | None, Field(description="The role that the caller asserts.")] = None
    operation: Annotated[str | None, Field(description="The operation.")] = None
    model: Annotated[str | None, Field(description="The model, `provider/model`.")] = None
    inspection: Annotated[Inspected | None, Field(description="What was read: verdict, tier, p_ai.")] = None
    day: Annotated[Day | None, Field(description="The day.")] = None


class Case(Part):
    """A test of a rule: it fires in this situation, or stays silent."""

    fires: Situation | None = None
    stays: Situation | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.fires is None) == (self.stays is None):
            raise PydanticCustomError("one_of", "a test says either fires or stays")
        return self

    @property
    def situation(self) -> Situation:
        """What is put before the rule."""
        return self.fires or self.stays or Situation()


class Rule(Part):
    """Fires on any signal of `categories` with at least this score, where its condition `when` holds.

    Either form may stand alone. Without stages, audiences or roles it holds for all.
    """

    id: Annotated[Word, Field(description="Its name, once in a bundle. It stands in every verdict.")]
    version: Annotated[str, Field(max_length=40, description="Yours to count.")] = ""
    stages: Annotated[tuple[Stage, ...], Field(description="Where it holds; everywhere when absent.")] = ()
    audiences: Annotated[tuple[Word, ...], Field(description="For whom it holds; for all when absent.")] = ()
    roles: Annotated[tuple[Word, ...], Field(description="Callers that it holds for; all when absent.")] = ()
    categories: Annotated[tuple[Code, ...], Field(description="Reason codes whose score is compared.")] = ()
    at_least: Annotated[float | None, Field(gt=0, le=1, description="The score from which it fires.")] = None
    when: Annotated[
        str | None,
        Field(max_length=LONGEST_CONDITION, description="A condition in CEL that has to hold, too."),
    ] = None
    decision: Annotated[Decision, Field(description="`label`, `review` or `block`; the strictest of all holds.")]
    reason_code: Annotated[
        Code | None, Field(description="What is told; the category that fired when absent. A condition alone needs it.")
    ] = None
    severity: Annotated[int, Field(ge=0, le=3, description="0 none, 1 low, 2 medium, 3 high.")] = 1
    priority: Annotated[
        int, Field(ge=0, le=100, description="Which of equally strict reasons is told first; never what is decided.")
    ] = 0
    hard: Annotated[bool, Field(description="Nobody overrides its ruling: no role, no other policy, no reviewer.")] = (
        False
    )
    starts: Annotated[Day | None, Field(description="It sleeps before this day (UTC).")] = None
    expires: Annotated[Day | None, Field(description="It sleeps from this day on (UTC).")] = None
    owner: Annotated[Line, Field(description="Who answers for it: a desk, not a person's name.")] = ""
    note: Annotated[Line, Field(description="Why it is there; `explain` shows it.")] = ""
    tests: Annotated[tuple[Case, ...], Field(max_length=50, description="Situations in which it fires or stays.")] = ()

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if bool(self.categories) != (self.at_least is not None):
            raise PydanticCustomError("together", "categories and at_least belong together")
        if not self.categories and self.when is None:
            raise PydanticCustomError("no_condition", "needs categories with at_least, or when")
        if not self.categories and self.reason_code is None:
            raise PydanticCustomError("no_code", "a rule with nothing but when needs a reason_code")
        return self


class Bundle(Part):
    """Rules. `required`: detectors that must have spoken at a stage. `aliases`: what providers call our codes."""

    version: Annotated[str, Field(description="Yours to choose; the policy's id is made of the content.")]
    required: Annotated[
        dict[Stage, tuple[Word, ...]], Field(description="By stage: detectors that must have looked.")
    ] = {}
    required_for: Annotated[
        dict[Word, dict[Stage, tuple[Word, ...]]], Field(description="The same for one audience, on top of it.")
    ] = {}
    detectors: Annotated[
        tuple[Word, ...], Field(description="Detectors of your own that rules speak of, beside ours.")
    ] = ()
    aliases: Annotated[dict[Word, Code], Field(description="What a provider or model calls one of our codes.")] = {}
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=MOST_RULES, description="The rules.")]

    @property
    def digest(self) -> str:
        """`pol_` and the content's SHA-256, shortened: equal content is the same policy, wherever it lies."""
        return "pol_" + hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()[:32]
