"""Reviews: cases that wait for a person, and appeals. The blocking class has its async twin below it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from pydantic import BaseModel

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps
from platemark.client.nouns import Page, route
from platemark.client.wire import Call, Server, body_of, perform
from platemark.core.base import JsonObject
from platemark.core.desk import (
    AgreementResource,
    AppealResource,
    ContextResource,
    DeskReportResource,
    ErasedResource,
    QueueResource,
    ReviewResource,
    StatementResource,
)
from platemark.core.review import Action, Desk, ReviewKind, ReviewState

T = TypeVar("T", bound=BaseModel)
# The classes below have a method of this name.
Rows = list[T]
Letting = Literal["not_now", "unsure", "conflict_of_interest", "distress", "other"]
_NOUNS = {"gen": "generations", "img": "images", "rev": "reviews"}
_NOTHING_WAITS = 204


class ReviewFilters(TypedDict, total=False):
    """Filters of the list of reviews."""

    order: Literal["queue", "newest"]
    state: Sequence[ReviewState]
    kind: ReviewKind
    stage: str
    reason_code: str
    audience: str
    desk: Desk
    level: int
    waiting_seconds: int
    limit: int
    cursor: str


class Deciding(TypedDict, total=False):
    """What goes with a decision. `desk` with `escalate`, `audience` with `restrict_audience`."""

    version: int
    note: str
    desk: Desk
    audience: str
    message: str


def _list(server: Server, wanted: ReviewFilters) -> Steps[Page[ReviewResource]]:
    return nouns.page(server, ReviewResource, "/v1/reviews", dict(wanted), lambda found: found)


def _next(server: Server) -> Steps[ReviewResource | None]:
    response = yield from perform(server, Call("POST", "/v1/reviews/next"))
    return None if response.status_code == _NOTHING_WAITS else nouns.parse(ReviewResource, body_of(response))


def _act(server: Server, review: str, verb: str, body: JsonObject | None = None) -> Steps[ReviewResource]:
    return nouns.act(server, ReviewResource, route("reviews", review, verb), body)


def _decide(server: Server, review: str, action: str, code: str, more: Deciding) -> Steps[ReviewResource]:
    body: dict[str, Any] = {"action": action, "reason_code": code, **more}
    if "version" not in more:
        found = yield from nouns.get(server, ContextResource, route("reviews", review))
        body["version"] = found.review["version"]
    return (yield from _act(server, review, "decide", body))


def _veiled(server: Server, review: str, grey: bool) -> Steps[bytes]:
    call = Call("GET", route("reviews", review, "veiled"), {"grey": "true"} if grey else {}, repeatable=True)
    return (yield from perform(server, call)).content


def _reveal(server: Server, review: str, image: str | None) -> Steps[bytes]:
    call = Call("POST", route("reviews", review, "reveal"), json={"image": image} if image else {})
    return (yield from perform(server, call)).content


def _appeal(server: Server, id: str, statement: str | None, of: str | None) -> Steps[AppealResource]:
    path = route(_NOUNS.get(id[:3], "reviews"), id, "appeal")
    said = {"statement": statement, "of": of}
    return nouns.act(server, AppealResource, path, {name: value for name, value in said.items() if value})


@dataclass(frozen=True, slots=True)
class Reviews:
    """Cases that wait for a person.

    >>> case = client.reviews.next()
    >>> client.reviews.decide(case.id, "approve", "NO_VIOLATION", version=case.version)
    """

    _link: Blocking

    def list(self, **wanted: Unpack[ReviewFilters]) -> Page[ReviewResource]:
        """A page of open cases, riskiest first, then what is due first; `order="newest"`: of all of them."""
        return self._link.run(_list(self._link.server, wanted))

    def queue(self, **wanted: Unpack[ReviewFilters]) -> Iterator[ReviewResource]:
        """Every case that `list` has pages of, read as it is asked for; `limit` is that of a page.

        >>> late = [case for case in client.reviews.queue(limit=100) if case.breached_at]
        """
        while True:
            page = self.list(**wanted)
            yield from page
            if page.next_cursor is None:
                return
            wanted["cursor"] = page.next_cursor

    def get(self, review: str) -> ContextResource:
        """Everything that is known about a case."""
        return self._link.run(nouns.get(self._link.server, ContextResource, route("reviews", review)))

    def next(self) -> ReviewResource | None:
        """Claim the first case of the queue that the caller may decide; None where there is none."""
        return self._link.run(_next(self._link.server))

    def claim(self, review: str) -> ReviewResource:
        """Hold a case for ten minutes. Raises Conflict where somebody else does."""
        return self._link.run(_act(self._link.server, review, "claim"))

    def heartbeat(self, review: str) -> ReviewResource:
        """Hold it for ten minutes more."""
        return self._link.run(_act(self._link.server, review, "heartbeat"))

    def release(self, review: str, reason: Letting) -> ReviewResource:
        """Give a case back."""
        return self._link.run(_act(self._link.server, review, "release", {"reason": reason}))

    def decide(self, review: str, action: Action, reason_code: str, **more: Unpack[Deciding]) -> ReviewResource:
        """Rule on a case that is held. `version` is read from the server where it is not given."""
        return self._link.run(_decide(self._link.server, review, action, reason_code, more))

    def undo(self, review: str) -> ReviewResource:
        """Take one's own decision back while its grace lasts."""
        return self._link.run(_act(self._link.server, review, "undo"))

    def veiled(self, review: str, *, grey: bool = False) -> bytes:
        """The picture of a case, blurred, as JPEG."""
        return self._link.run(_veiled(self._link.server, review, grey))

    def reveal(self, review: str, *, image: str | None = None) -> bytes:
        """The picture itself, for who holds the case. It is written down."""
        return self._link.run(_reveal(self._link.server, review, image))

    def appeal(self, id: str, statement: str | None = None, *, of: str | None = None) -> AppealResource:
        """Ask that a rejection (`rev_…`), a refused request (`gen_…`) or a blocked image (`img_…`) be seen again.

        `of`: which refusal of it, by its publication (`pub_…`) or verdict (`vdt_…`); the newest when absent.
        """
        return self._link.run(_appeal(self._link.server, id, statement, of))

    def erase_notes(self, review: str) -> ErasedResource:
        """Erase what people wrote at a case, for good; the chain keeps digests that say nothing any more."""
        return self._link.run(nouns.delete(self._link.server, ErasedResource, route("reviews", review, "notes")))

    def statement(self, review: str) -> StatementResource:
        """The reasons for a restriction, without personal data."""
        return self._link.run(nouns.get(self._link.server, StatementResource, route("reviews", review, "statement")))

    def queues(self) -> Rows[QueueResource]:
        """How many wait, by reason code, desk and level."""
        return self._link.run(nouns.listing(self._link.server, QueueResource, "/v1/reviews/queues"))

    def agreement(self) -> Rows[AgreementResource]:
        """How often two people said the same, by reason code."""
        return self._link.run(nouns.listing(self._link.server, AgreementResource, "/v1/reviews/agreement"))

    def report(self) -> DeskReportResource:
        """Backlog, times and overturned rules."""
        return self._link.run(nouns.get(self._link.server, DeskReportResource, "/v1/reviews/report"))


@dataclass(frozen=True, slots=True)
class AsyncReviews:
    """Cases that wait for a person; see `Reviews`."""

    _link: Async

    async def list(self, **wanted: Unpack[ReviewFilters]) -> Page[ReviewResource]:
        """A page of open cases, riskiest first, then what is due first; `order="newest"`: of all of them."""
        return await self._link.run(_list(self._link.server, wanted))

    async def queue(self, **wanted: Unpack[ReviewFilters]) -> AsyncIterator[ReviewResource]:
        """Every case that `list` has pages of, read as it is asked for; `limit` is that of a page.

        >>> late = [case async for case in client.reviews.queue(limit=100) if case.breached_at]
        """
        while True:
            page = await self.list(**wanted)
            for case in page:
                yield case
            if page.next_cursor is None:
                return
            wanted["cursor"] = page.next_cursor

    async def get(self, review: str) -> ContextResource:
        """Everything that is known about a case."""
        return await self._link.run(nouns.get(self._link.server, ContextResource, route("reviews", review)))

    async def next(self) -> ReviewResource | None:
        """Claim the first case of the queue that the caller may decide; None where there is none."""
        return await self._link.run(_next(self._link.server))

    async def claim(self, review: str) -> ReviewResource:
        """Hold a case for ten minutes. Raises Conflict where somebody else does."""
        return await self._link.run(_act(self._link.server, review, "claim"))

    async def heartbeat(self, review: str) -> ReviewResource:
        """Hold it for ten minutes more."""
        return await self._link.run(_act(self._link.server, review, "heartbeat"))

    async def release(self, review: str, reason: Letting) -> ReviewResource:
        """Give a case back."""
        return await self._link.run(_act(self._link.server, review, "release", {"reason": reason}))

    async def decide(self, review: str, action: Action, reason_code: str, **more: Unpack[Deciding]) -> ReviewResource:
        """Rule on a case that is held. `version` is read from the server where it is not given."""
        return await self._link.run(_decide(self._link.server, review, action, reason_code, more))

    async def undo(self, review: str) -> ReviewResource:
        """Take one's own decision back while its grace lasts."""
        return await self._link.run(_act(self._link.server, review, "undo"))

    async def veiled(self, review: str, *, grey: bool = False) -> bytes:
        """The picture of a case, blurred, as JPEG."""
        return await self._link.run(_veiled(self._link.server, review, grey))

    async def reveal(self, review: str, *, image: str | None = None) -> bytes:
        """The picture itself, for who holds the case. It is written down."""
        return await self._link.run(_reveal(self._link.server, review, image))

    async def appeal(self, id: str, statement: str | None = None, *, of: str | None = None) -> AppealResource:
        """Ask that a rejection (`rev_…`), a refused request (`gen_…`) or a blocked image (`img_…`) be seen again.

        `of`: which refusal of it, by its publication (`pub_…`) or verdict (`vdt_…`); the newest when absent.
        """
        return await self._link.run(_appeal(self._link.server, id, statement, of))

    async def erase_notes(self, review: str) -> ErasedResource:
        """Erase what people wrote at a case, for good; the chain keeps digests that say nothing any more."""
        return await self._link.run(nouns.delete(self._link.server, ErasedResource, route("reviews", review, "notes")))

    async def statement(self, review: str) -> StatementResource:
        """The reasons for a restriction, without personal data."""
        return await self._link.run(
            nouns.get(self._link.server, StatementResource, route("reviews", review, "statement"))
        )

    async def queues(self) -> Rows[QueueResource]:
        """How many wait, by reason code, desk and level."""
        return await self._link.run(nouns.listing(self._link.server, QueueResource, "/v1/reviews/queues"))

    async def agreement(self) -> Rows[AgreementResource]:
        """How often two people said the same, by reason code."""
        return await self._link.run(nouns.listing(self._link.server, AgreementResource, "/v1/reviews/agreement"))

    async def report(self) -> DeskReportResource:
        """Backlog, times and overturned rules."""
        return await self._link.run(nouns.get(self._link.server, DeskReportResource, "/v1/reviews/report"))
