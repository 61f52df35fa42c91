"""A review as a table for the person who is to decide it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from platemark.cli import people_story, story
from platemark.cli.people_story import Row, as_map, when, words

if TYPE_CHECKING:
    from rich.table import Table


def table(context: Mapping[str, Any]) -> "Table":
    """What is known of a case, the verdict and its rules first. `context`: as `GET /v1/reviews/{id}` gives it."""
    rows = [*_case(context), *_request(context), *_pictures(context), *_ruling(context), *_before(context)]
    return story.grid(rows)


def _case(context: Mapping[str, Any]) -> Iterator[Row]:
    case = as_map(context.get("review"))
    again = f"of {case['of']}" if case.get("of") else None
    yield "review", words(case.get("id"), case.get("kind"), again, case.get("state"), f"version {case.get('version')}")
    desk = words(case.get("desk"), f"level {case.get('level')}", f"severity {case.get('severity')}")
    yield "desk", words(desk, f"due {when(case.get('due_at'))}")
    yield "user is told", str(context.get("told"))


def _request(context: Mapping[str, Any]) -> Iterator[Row]:
    request = as_map(context.get("request"))
    if request:
        yield "prompt", request.get("prompt") or "(erased)"
        if request.get("negative_prompt"):
            yield "without", str(request["negative_prompt"])
        yield "asked", words(request.get("generation"), request.get("operation"), request.get("model"))
    user = as_map(context.get("user"))
    if user.get("known"):
        yield "user", words(f"{user.get('strikes')} refused", f"{len(user.get('past') or ())} earlier reviews")


def _pictures(context: Mapping[str, Any]) -> Iterator[Row]:
    for picture in map(as_map, context.get("pictures") or ()):
        size = f"{picture.get('width')}×{picture.get('height')}"
        hidden = None if picture.get("shown") else "shown to nobody"
        yield "picture", words(picture.get("image"), picture.get("role"), size, picture.get("moderation"), hidden)
    for alike in map(as_map, context.get("near") or ()):
        yield "alike", words(alike.get("image"), alike.get("state"), alike.get("reason_code"), alike.get("review"))


def _ruling(context: Mapping[str, Any]) -> Iterator[Row]:
    yield "verdict", words(*people_story.ruled(as_map(context.get("verdict"))))
    for rule in map(as_map, context.get("rules") or ()):
        yield "  rule", words(rule.get("decision"), rule.get("rule"), rule.get("reason_code"), rule.get("note"))


def _before(context: Mapping[str, Any]) -> Iterator[Row]:
    for made in map(as_map, context.get("decisions") or ()):
        moment = when(made.get("decided_at"))
        yield "decided", words(made.get("action"), made.get("reason_code"), made.get("by"), moment)
    for note in map(as_map, context.get("notes") or ()):
        yield "note", words(note.get("body") or "(erased)", note.get("by"), when(note.get("created_at")))
