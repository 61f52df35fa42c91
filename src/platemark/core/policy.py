"""Policies as they are kept: a bundle of rules, its state, and what a rule says when it is asked why."""

import hashlib
from typing import Literal

from platemark.core.base import Noun, Part, Timestamp
from platemark.core.inspection import Inspected
from platemark.core.moderation import Decision, Signal

PolicyState = Literal["draft", "shadow", "active", "retired"]
POLICY_MOVES: dict[str, frozenset[str]] = {
    "draft": frozenset({"shadow", "active", "retired"}),
    "shadow": frozenset({"draft", "active", "retired"}),
    "active": frozenset({"retired"}),
    # Going back to an earlier policy is a new activation of it, confirmed like any other.
    "retired": frozenset({"shadow", "active"}),
}


class Policy(Noun):
    """One bundle of one project. Its id is a digest of project and content: equal content is the same policy.

    `project` is `system` for what holds in the whole installation. `content` is the bundle as it was written. At most
    one policy of a project is `active` and at most one in `shadow`. `author` and `approver` are persons or keys;
    `approver` is who activated it last.
    """

    project: str
    state: PolicyState = "draft"
    content: str
    author: str
    approver: str | None = None
    note: str | None = None
    created_at: Timestamp
    changed_at: Timestamp


class Reason(Part):
    """Why one rule fired: its threshold or condition, and the signals that met it.

    `error`: the condition could not be evaluated, which counts as *review*. `policy`: the bundle that the rule is of.
    """

    rule: str
    decision: Decision
    reason_code: str
    severity: int = 0
    hard: bool = False
    at_least: float | None = None
    when: str | None = None
    owner: str = ""
    note: str = ""
    signals: tuple[Signal, ...] = ()
    error: str | None = None
    policy: str = ""


class Problem(Part):
    """What is wrong with a bundle, and where: `line` from 1, `field` as in `rules[3].when`. A `note` is no fault."""

    level: Literal["error", "note"] = "error"
    line: int
    field: str
    code: str
    message: str


def policy_id(project: str, digest: str) -> str:
    """The id of a content in a project, from the digest of the content."""
    return "pol_" + hashlib.sha256(f"{project}\n{digest}".encode()).hexdigest()[:32]


class Change(Part):
    """Verdicts that would come out otherwise, alike in all of this; `examples` are ids of some of them."""

    before: Decision
    after: Decision
    reason_code: str | None
    audience: str | None
    stage: str
    count: int
    examples: tuple[str, ...] = ()


class Difference(Part):
    """What another policy would have ruled on the same signals. `same` and `changed` count verdicts."""

    a: str
    b: str
    verdicts: int
    same: int
    changed: int
    stricter: int
    looser: int
    changes: tuple[Change, ...] = ()


class Explanation(Part):
    """Why a verdict came out as it did: each rule that fires on its signals, in the words of its policy.

    `unknown`: policies of the verdict that are not here any more, so that their rules cannot be shown.
    """

    verdict: str
    generation: str | None
    image: str | None
    stage: str
    audience: str | None
    role: str | None
    decision: str
    reason_code: str | None
    policy_version: str
    reasons: tuple[Reason, ...] = ()
    unknown: tuple[str, ...] = ()
    signals: tuple[Signal, ...] = ()
    inspection: Inspected | None = None
