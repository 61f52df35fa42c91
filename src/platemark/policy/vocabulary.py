"""What a condition may read, and the values of it for one ruling. Every name is always filled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from platemark.core.moderation import REASON_CODES, Signal
from platemark.core.ports import Circumstances

# The types as CEL writes them, and what stands there.
NAMES: dict[str, tuple[str, str]] = {
    "scores": ("map(string, double)", "highest score of each reason code over all detectors, 0.0 where none spoke"),
    "by": ("map(string, map(string, double))", "the same for each detector; `provider` is what the provider said"),
    "evaluated": ("list(string)", "detectors that looked"),
    "not_evaluated": ("list(string)", "detectors that could not look"),
    "flags": ("list(string)", "what the provider said about its output, in its own words"),
    "stage": ("string", "`before_request`, `after_response` or `before_publish`"),
    "audience": ("string", "for whom it is meant; empty when nobody said"),
    "role": ("string", "the role that the caller asserts; empty when none"),
    "operation": ("string", "`text_to_image`, `inpaint` …; empty for an upload"),
    "model": ("string", "`provider/model`; empty before it is known"),
    "provider": ("string", "the part of it before the slash"),
    "inspection": (
        "map(string, string)",
        "what was read from the picture: `verdict` as `likely_ai`, `tier` as `inferred`; both empty without one",
    ),
    "p_ai": ("double", "how likely the picture is AI-made by that inspection, 0.0 where no number is supported"),
    "now": ("timestamp", "the moment of the ruling"),
}
PROVIDER = "provider"
# Detectors of this release and its extras. A rule that speaks of another is taken for a slip.
DETECTORS: tuple[str, ...] = (
    "lexicon",
    "prompt_examples",
    "figures_and_brands",
    "strikes",
    "blankness",
    "image_safety",
    "hash_list",
    "openai_moderation",
    "azure_content_safety",
    "sightengine",
    "hive",
    "ai_image_classifier",
    PROVIDER,
)
# They guess where a picture comes from. What they say alone may never block (docs/explanation/policy.md).
LEARNED: frozenset[str] = frozenset({"ai_image_classifier"})
ASLEEP = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO = dict.fromkeys(REASON_CODES, 0.0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the conditions of one ruling read. Only that is handed over: handing over is most of what they cost.

    `codes` of `scores`, `pairs` of detector and code of `by`; None where a condition may read any.
    """

    names: frozenset[str]
    codes: frozenset[str] | None = None
    pairs: frozenset[tuple[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """Signals that can be read, by our codes."""

    signals: tuple[tuple[str, float, Signal], ...]
    evaluated: tuple[str, ...]
    not_evaluated: tuple[str, ...]


def measured(signals: Sequence[Signal], aliases: Mapping[str, str]) -> Measured:
    """Codes and scores of the signals that were evaluated and have a score, and who did and did not look."""
    found: list[tuple[str, float, Signal]] = []
    looked: dict[str, None] = {}
    blind: dict[str, None] = {}
    for signal in signals:
        if not signal.evaluated:
            blind[_detector(signal)] = None
            continue
        looked[_detector(signal)] = None
        score = signal.score
        if score is not None and score == score:  # NaN is not itself
            found.append((aliases.get(signal.category, signal.category), score, signal))
    return Measured(tuple(found), tuple(looked), tuple(blind))


def _detector(signal: Signal) -> str:
    # A provider's flags carry the attempt that they were given in.
    return PROVIDER if signal.detector.startswith("provider:") else signal.detector


def values(wanted: Wanted, seen: Measured, where: Circumstances) -> dict[str, Any]:
    """The values of what is wanted, by name."""
    found = {name: _VALUES[name](seen, where) for name in wanted.names & _VALUES.keys()}
    if "scores" in wanted.names:
        found["scores"] = _scores(seen, wanted.codes)
    if "by" in wanted.names:
        found["by"] = _all_by(seen) if wanted.pairs is None else _some_by(seen, wanted.pairs)
    return found


def _scores(seen: Measured, codes: frozenset[str] | None) -> dict[str, float]:
    scores = _ZERO.copy() if codes is None else dict.fromkeys(codes, 0.0)
    for code, score, _ in seen.signals:
        if (codes is None or code in codes) and score > scores.get(code, 0.0):
            scores[code] = score
    return scores


def _some_by(seen: Measured, pairs: frozenset[tuple[str, str]]) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for name, code in pairs:
        table.setdefault(name, {})[code] = 0.0
    for code, score, signal in seen.signals:
        name = _detector(signal)
        if (name, code) in pairs and score > table[name][code]:
            table[name][code] = score
    return table


def _all_by(seen: Measured) -> dict[str, dict[str, float]]:
    table = dict.fromkeys(DETECTORS, _ZERO)
    table.update(dict.fromkeys((*seen.evaluated, *seen.not_evaluated), _ZERO))
    for code, score, signal in seen.signals:
        name = _detector(signal)
        if score > table[name].get(code, 0.0):
            table[name] = table[name] | {code: score}
    return table


def _inspection(_: Measured, where: Circumstances) -> dict[str, str]:
    found = where.inspection
    return {"verdict": found.verdict if found else "", "tier": found.tier if found else ""}


def _flags(seen: Measured, _: Circumstances) -> list[str]:
    return [signal.category for _, _, signal in seen.signals if _detector(signal) == PROVIDER]


_VALUES: dict[str, Callable[[Measured, Circumstances], Any]] = {
    "evaluated": lambda seen, _: list(seen.evaluated),
    "not_evaluated": lambda seen, _: list(seen.not_evaluated),
    "flags": _flags,
    "stage": lambda _, where: where.stage,
    "audience": lambda _, where: where.audience or "",
    "role": lambda _, where: where.role or "",
    "operation": lambda _, where: where.operation or "",
    "model": lambda _, where: where.model or "",
    "provider": lambda _, where: (where.model or "").partition("/")[0],
    "inspection": _inspection,
    "p_ai": lambda _, where: (where.inspection.p_ai if where.inspection else None) or 0.0,
    "now": lambda _, where: where.now or ASLEEP,
}
