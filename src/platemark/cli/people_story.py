"""The part of a record's table that is about rulings: verdicts, what people decided, publications, holds, notices."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

Row = tuple[str, str]
BETWEEN = " · "
_QUIET = (None, "not_required")
_KINDS = {
    "first": ("review", None),
    "second": ("review", "by a second person"),
    "sample": ("review", "blind sample"),
    "appeal": ("appeal", None),
}


def rows(record: Mapping[str, Any]) -> Iterator[Row]:
    """Cases with their decisions, then publications, legal holds, takedown notices and the deletion."""
    for case in map(as_map, record.get("reviews") or ()):
        yield from _case(case)
    for release in map(as_map, record.get("publications") or ()):
        yield "publication", words(release.get("state"), *_to(release), when(release.get("changed_at")), release["id"])
    for hold in map(as_map, record.get("holds") or ()):
        ended = hold.get("released_at")
        span = f"released {when(ended)}" if ended else f"until {when(hold.get('until'))}"
        yield "legal hold", words(hold.get("reason_code"), span, hold.get("created_by"), hold.get("id"))
    for notice in map(as_map, record.get("takedowns") or ()):
        moment = when(notice.get("done_at") or notice.get("created_at"))
        yield "takedown", words(notice.get("state"), notice.get("kind"), moment, notice.get("id"))
    gone = as_map(record.get("image")).get("deleted_at")
    if gone:
        yield "deleted", when(gone)


def ruled(verdict: Mapping[str, Any]) -> Iterator[Any]:
    """A verdict in words: what, at which stage and for whom, by whom, why, and what became of it."""
    yield verdict.get("decision")
    yield str(verdict.get("stage")).replace("_", " ")
    yield from _to(verdict)
    yield "by the provider" if verdict.get("blocked_by_provider") else None
    yield verdict.get("reason_code")
    status = verdict.get("review_status")
    yield None if status in _QUIET else f"review: {status}"


def _case(case: Mapping[str, Any]) -> Iterator[Row]:
    opened = f"opened {when(case.get('created_at'))}"
    label, kind = _KINDS.get(str(case.get("kind")), ("review", case.get("kind")))
    yield label, words(case.get("state"), kind, case.get("reason_code"), opened, case.get("id"))
    for made in map(as_map, case.get("decisions") or ()):
        undone = "undone" if made.get("state") == "undone" else None
        second = "needs a second person" if made.get("second") == "required" else None
        moment = when(made.get("decided_at"))
        yield "  decided", words(made.get("action"), made.get("reason_code"), undone, second, made.get("by"), moment)


def _to(of: Mapping[str, Any]) -> Iterator[str]:
    if of.get("audience"):
        yield f"for {of['audience']}"


def when(moment: Any) -> str:
    """A time of a record to the second, in UTC; empty where there is none."""
    return f"{datetime.fromisoformat(str(moment)):%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def words(*parts: Any) -> str:
    """The parts that there are, with dots between them."""
    return BETWEEN.join(str(part) for part in parts if part not in (None, ""))


def as_map(value: Any) -> dict[str, Any]:
    """The value where it is a mapping; else nothing."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]
