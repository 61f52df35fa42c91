"""Conditions in CEL: compiled once, bounded before they run. The only place that imports the evaluator."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cel

from platemark.core.moderation import REASON_CODES
from platemark.policy.vocabulary import NAMES, Wanted

# A condition is for people to read; what needs more than this is more than one rule.
DEEPEST = 20
_FUNCTIONS = frozenset(
    (
        *("_>_", "_>=_", "_<_", "_<=_", "_==_", "_!=_", "_&&_", "_||_", "!_", "_?_:_"),
        *("_+_", "_-_", "_*_", "_/_", "-_", "@in", "_in_", "_[_]", "@not_strictly_false"),
        *("size", "contains", "startsWith", "endsWith", "has", "timestamp", "duration", "double", "int", "string"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes"),
    )
)
_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_CODE = re.compile(r"\b[A-Z][A-Z_]+\b")
_READ = re.compile(r"\bscores(?:\.|\[\s*['\"])(\w+)|\bby(?:\.|\[\s*['\"])(\w+)(?:['\"]\s*\])?(?:\.|\[\s*['\"])(\w+)")


class NoCondition(ValueError):
    """The text cannot be taken as a condition; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One compiled condition. `wanted`: what it reads. `codes`: the reason codes that it speaks of."""

    text: str
    program: cel.Program
    wanted: Wanted
    codes: frozenset[str]

    def holds(self, context: cel.Context) -> bool:
        """True or False. Raises whatever stands in the way of an answer."""
        answer = self.program.execute(context)
        if not isinstance(answer, bool):
            raise TypeError(f"the condition gives {type(answer).__name__}, not true or false")
        return answer


def condition(text: str) -> Condition:
    """Compile. Raises NoCondition for what is no CEL, reads what is not there, or could take long."""
    if _depth(text) > DEEPEST:
        raise NoCondition(f"nests deeper than {DEEPEST} brackets; write two rules")
    if len(_LOOP.findall(text)) > 1:
        raise NoCondition("goes through more than one list; write two rules")
    try:
        program = cel.compile(text)
        used = program.references()
    except Exception as error:  # whatever the parser raises about a text that a person wrote
        raise NoCondition(f"is not CEL: {_first_line(str(error))}") from error
    if strange := sorted(set(used["functions"]) - _FUNCTIONS):
        raise NoCondition(f"uses {', '.join(strange)}, which conditions may not (there is no pattern matching)")
    names = frozenset(used["variables"])
    bound = _bound(text)
    if unknown := sorted(names - NAMES.keys() - bound):
        raise NoCondition(f"reads {', '.join(unknown)}; there are {', '.join(NAMES)}")
    spoken = frozenset(_CODE.findall(text)) & frozenset(REASON_CODES)
    return Condition(text, program, _wanted(text, names & NAMES.keys()), spoken)


def reads(text: str) -> list[tuple[str | None, str]]:
    """What a condition reads of scores: detector (None: any) and code."""
    return [(detector or None, code or own) for code, detector, own in _READ.findall(text)]


def context(values: Mapping[str, Any]) -> cel.Context:
    """The values for all conditions of one ruling: made once, as making it is what costs."""
    return cel.Context(variables=dict(values))


def all_wanted(conditions: Iterable[Condition]) -> Wanted:
    """What any of these reads."""
    every = [one.wanted for one in conditions]
    codes = [one.codes for one in every if one.codes is not None]
    pairs = [one.pairs for one in every if one.pairs is not None]
    return Wanted(
        frozenset[str]().union(*(one.names for one in every)),
        frozenset[str]().union(*codes) if len(codes) == len(every) else None,
        frozenset[tuple[str, str]]().union(*pairs) if len(pairs) == len(every) else None,
    )


def _wanted(text: str, names: frozenset[str]) -> Wanted:
    found = reads(text)
    codes = [code for name, code in found if name is None]
    pairs = [(name, code) for name, code in found if name is not None]
    # A name that is read in another way than by a fixed word may ask for any.
    plain = len(re.findall(r"\bscores\b", text)) == len(codes)
    plainly = len(re.findall(r"\bby\b", text)) == len(pairs)
    known = frozenset(REASON_CODES)
    return Wanted(
        names,
        frozenset(codes) & known if plain else None,
        frozenset(pair for pair in pairs if pair[1] in known) if plainly else None,
    )


def _bound(text: str) -> set[str]:
    return set(re.findall(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*(\w+)\s*,", text))


def _depth(text: str) -> int:
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    # Signs and negations nest without brackets.
    return max(deepest, *(len(run) for run in re.findall(r"[!\-]+", text)), 0)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:200] if text.strip() else "it cannot be read"
