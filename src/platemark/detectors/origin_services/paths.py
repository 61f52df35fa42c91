"""Paths into JSON: where a number stands in an answer, and where a picture goes in a question."""

import re
from typing import Any, cast

_STEP = re.compile(r"\.?([^.\[\]=]+)|\[(\d{1,4})\]|\[([^=\[\]]+)=([^\[\]]*)\]")
MISSING = object()
# A name of an object, a place in a list, or what an entry of a list has under a name.
Step = str | int | tuple[str, str]


def parsed(path: str) -> tuple[Step, ...]:
    """The steps of `data.results[0].score` or `classes[class=ai_generated].value`. Raises ValueError."""
    steps, at = list[Step](), 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or (not at and path.startswith(".")):
            raise ValueError(f"{path!r} is no path: write names with dots, [0] for a place in a list, [name=value]")
        name, place, key, value = found.groups()
        steps.append(name if name is not None else int(place) if place is not None else (key, value))
        at = found.end()
    if not steps:
        raise ValueError("a path is empty")
    return tuple(steps)


def found_at(body: Any, steps: tuple[Step, ...]) -> Any:
    """What stands there, or MISSING."""
    for step in steps:
        body = _below(body, step)
        if body is MISSING:
            return MISSING
    return body


def built(steps: tuple[Step, ...], value: Any) -> Any:
    """A JSON value in which `value` stands there. Raises ValueError for a path that only an answer can have."""
    for step in reversed(steps):
        if isinstance(step, tuple) or step not in (0, step if isinstance(step, str) else 0):
            raise ValueError("a question has names and [0] only")
        value = [value] if step == 0 else {step: value}
    return value


def _below(body: Any, step: Step) -> Any:
    if isinstance(step, str):
        return cast("dict[str, Any]", body).get(step, MISSING) if isinstance(body, dict) else MISSING
    if not isinstance(body, list):
        return MISSING
    entries = cast("list[Any]", body)
    if isinstance(step, int):
        return entries[step] if step < len(entries) else MISSING
    name, wanted = step
    return next((each for each in entries if str(_below(each, name)) == wanted), MISSING)
