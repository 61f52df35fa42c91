"""The policy in force: the built-in bundle, or the operator's file with the built-in hard rules."""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from platemark.policy import conditions
from platemark.policy.bundle import Bundle, Rule
from platemark.policy.lattice import LatticePolicy
from platemark.yamlfile import read_text, read_yaml, refusal

# Read at import, so that opening a policy on the event loop blocks for nothing.
DEFAULT_TEXT = resources.files("platemark.policy").joinpath("data/default.yaml").read_text(encoding="utf-8")
_BUILT_IN = "policy/data/default.yaml"


@cache
def default_bundle() -> Bundle:
    """The bundle that ships with Platemark."""
    return read_yaml(DEFAULT_TEXT, Bundle, where=_BUILT_IN)


def load_policy(path: Path | None = None) -> LatticePolicy:
    """The built-in policy; with `path` that file in its place, but never without the built-in hard rules.

    Blocks while it reads `path`. Raises Misconfigured with line and field.
    """
    if path is None:
        return LatticePolicy(default_bundle())
    return open_policy(read_text(path, setting="policy"), where=str(path))


def open_policy(text: str, *, where: str, version: str | None = None, whole: bool = True) -> LatticePolicy:
    """The policy of a bundle, never without the built-in hard rules. Raises Misconfigured with line and field."""
    own, built_in = read_yaml(text, Bundle, where=where), default_bundle()
    hard = tuple(rule for rule in built_in.rules if rule.hard)
    for index, field, problem in (*misnamed(own.rules, hard), *_unusable(own.rules)):
        raise refusal(text, ("rules", index, field), problem, where=where)
    rules = hard + tuple(rule for rule in own.rules if rule.id not in {one.id for one in hard})
    merged = own.model_copy(update={"rules": rules, "aliases": built_in.aliases | own.aliases})
    return LatticePolicy(merged, version=version, whole=whole)


def misnamed(own: Sequence[Rule], hard: Sequence[Rule]) -> Iterator[tuple[int, str, str]]:
    """Index, field and problem where an id is taken: by another rule, or by a hard one that says otherwise."""
    fixed = {rule.id: _essence(rule) for rule in hard}
    seen: set[str] = set()
    for index, rule in enumerate(own):
        if rule.id in seen:
            yield index, "id", f"rule ids are used twice: {rule.id}; every rule needs its own"
        if _essence(rule) != fixed.get(rule.id, _essence(rule)):
            yield index, "id", f"{rule.id} is the id of a rule that cannot be changed; rename yours"
        seen.add(rule.id)


def _essence(rule: Rule) -> Rule:
    # What is said about a rule may be said in other words.
    return rule.model_copy(update={"tests": (), "note": "", "owner": "", "version": ""})


def _unusable(own: Sequence[Rule]) -> Iterator[tuple[int, str, str]]:
    for index, rule in enumerate(own):
        if rule.when is not None:
            try:
                conditions.condition(rule.when)
            except conditions.NoCondition as error:
                yield index, "when", f"the condition {error}"
