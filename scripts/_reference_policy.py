"""The generated part of docs/reference/policy.md: fields of a bundle, what conditions may read, codes of lint."""

from collections.abc import Iterator

from platemark.core.base import Part
from platemark.core.moderation import REASON_CODES
from platemark.policy.bundle import Bundle, Rule, Situation
from platemark.policy.vocabulary import DETECTORS, NAMES

_PARTS: tuple[tuple[str, str, type[Part]], ...] = (
    ("The bundle", "The file itself.", Bundle),
    ("A rule", "One of `rules`. It has `categories` with `at_least`, or `when`, or both.", Rule),
    ("A test", "One of a rule's `tests` is `fires:` or `stays:` with these fields.", Situation),
)


def policy() -> Iterator[str]:
    """Tables, one after the other."""
    for title, about, part in _PARTS:
        yield from (f"## {title}", "", about, "", "| field | meaning |", "| --- | --- |")
        for name, field in part.model_fields.items():
            must = " **Needed.**" if field.is_required() else ""
            yield f"| `{name}` | {field.description}{must} |"
        yield ""
    yield from ("## What a condition may read", "", "| name | type | what it is |", "| --- | --- | --- |")
    for name, (kind, about) in NAMES.items():
        yield f"| `{name}` | `{kind}` | {about} |"
    yield from ("", "Reason codes: " + ", ".join(f"`{code}`" for code in REASON_CODES) + ".", "")
    yield "Detectors: " + ", ".join(f"`{name}`" for name in DETECTORS) + "."
