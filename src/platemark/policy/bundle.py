"""What a policy file may say, and how it is read. The built-in hard rules stay, whatever a file says."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from platemark.core.audit import canonical
from platemark.core.base import Part
from platemark.core.moderation import REASON_CODES, Decision, Stage
from platemark.yamlfile import Document, read_document

BUILT_IN = Path(__file__).parent / "data" / "default.yaml"


def _known(code: str) -> str:
    if code not in REASON_CODES:
        raise ValueError(f"{code!r} is not a reason code; those are {', '.join(REASON_CODES)}")
    return code


Code = Annotated[str, AfterValidator(_known)]
Score = Annotated[float, Field(ge=0, le=1)]
RuleId = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]


class Condition(Part):
    """When a rule may fire. No stages: at all of them; no audiences: for everybody."""

    id: RuleId
    stages: tuple[Stage, ...] = ()
    audiences: tuple[str, ...] = ()
    decision: Decision
    severity: Annotated[int, Field(ge=0, le=3)] = 0


class Rule(Condition):
    """Fires for a signal of `category` whose score is `at_least` this. A hard rule cannot be relaxed or left out."""

    category: Code
    at_least: Score
    hard: bool = False


class Bundle(Part):
    """A policy file. `aliases` give other names of categories; `not_evaluated` rules on signals without a score."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    aliases: dict[str, Code] = {}
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    not_evaluated: Annotated[tuple[Condition, ...], Field(min_length=1)] | None = None


def read_bundle(path: Path | None) -> Bundle:
    """The built-in bundle, or the file's with what may not be missing from the built-in one.

    Raises Misconfigured naming file, line and field.
    """
    built_in = read_document(BUILT_IN, Bundle)
    _refuse_equal_ids(built_in)
    if path is None:
        return built_in.value
    document = read_document(path, Bundle)
    _refuse_equal_ids(document)
    return _completed(document, built_in.value)


def version_of(bundle: Bundle) -> str:
    """`pol_` and 12 hexadecimal digits of the content: the same rules have the same version everywhere."""
    return "pol_" + hashlib.sha256(canonical(bundle.model_dump(mode="json"))).hexdigest()[:12]


def _completed(document: Document[Bundle], built_in: Bundle) -> Bundle:
    ours = document.value
    hard = {rule.id: rule for rule in built_in.rules if rule.hard}
    for index, rule in enumerate(ours.rules):
        if rule.id in hard and rule != hard[rule.id]:
            document.refuse(("rules", index), f"{rule.id!r} is a hard rule and stays as it is; leave it out")
        if rule.hard and rule.decision != "block":
            document.refuse(("rules", index, "decision"), "a hard rule blocks")
    own = {rule.id for rule in ours.rules}
    rules = (*(rule for id, rule in hard.items() if id not in own), *ours.rules)
    return ours.model_copy(
        update={"rules": rules, "not_evaluated": ours.not_evaluated or built_in.not_evaluated}
    )


def _refuse_equal_ids(document: Document[Bundle]) -> None:
    seen: set[str] = set()
    parts = (("rules", document.value.rules), ("not_evaluated", document.value.not_evaluated or ()))
    for name, rules in parts:
        for index, rule in enumerate(rules):
            if rule.id in seen:
                document.refuse((name, index, "id"), f"another rule is called {rule.id!r} too")
            seen.add(rule.id)
