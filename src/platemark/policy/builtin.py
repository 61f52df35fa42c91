"""The policy in force: the built-in bundle, or the operator's file with the built-in hard rules."""

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from platemark.policy.bundle import Bundle, Rule
from platemark.policy.lattice import LatticePolicy
from platemark.yamlfile import read_text, read_yaml, refusal

# Read at import, so that opening a policy on the event loop blocks for nothing.
_DEFAULT = resources.files("platemark.policy").joinpath("data/default.yaml").read_text(encoding="utf-8")


def default_bundle() -> Bundle:
    """The bundle that ships with Platemark."""
    return read_yaml(_DEFAULT, Bundle, where="policy/data/default.yaml")


def load_policy(path: Path | None = None) -> LatticePolicy:
    """The built-in policy; with `path` that file in its place, but never without the built-in hard rules.

    Blocks while it reads `path`. Raises Misconfigured with line and field.
    """
    if path is None:
        return LatticePolicy(default_bundle())
    text = read_text(path, setting="policy")
    own, built_in = read_yaml(text, Bundle, where=str(path)), default_bundle()
    hard = tuple(rule for rule in built_in.rules if rule.hard)
    for index, problem in _misnamed(own.rules, hard):
        raise refusal(text, ("rules", index, "id"), problem, where=str(path))
    rules = hard + tuple(rule for rule in own.rules if rule not in hard)
    return LatticePolicy(own.model_copy(update={"rules": rules, "aliases": built_in.aliases | own.aliases}))


def _misnamed(own: Sequence[Rule], hard: Sequence[Rule]) -> Iterator[tuple[int, str]]:
    """Rules of a file whose id is taken: by another one of it, or by a hard rule that says something else."""
    fixed = {rule.id: rule for rule in hard}
    seen: set[str] = set()
    for index, rule in enumerate(own):
        if rule.id in seen:
            yield index, f"rule ids are used twice: {rule.id}; every rule needs its own"
        if rule != fixed.get(rule.id, rule):
            yield index, f"{rule.id} is the id of a rule that cannot be changed; rename yours"
        seen.add(rule.id)
