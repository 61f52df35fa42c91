"""Legal holds, takedown notices and retention. Each blocking class has its async twin below it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps
from platemark.client.nouns import Page
from platemark.client.wire import Server
from platemark.core.hold import HoldReason
from platemark.core.keeping import HoldResource, PurgeResource, RetentionResource, TakedownResource
from platemark.core.resource import Resource
from platemark.core.takedown import TakedownKind

R = TypeVar("R", bound=Resource)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _place(server: Server, reason: str, until: datetime, **what: str | None) -> Steps[HoldResource]:
    return nouns.act(server, HoldResource, "/v1/holds", _given(reason_code=reason, until=until.isoformat(), **what))


def _holds(server: Server, cursor: str | None) -> Steps[Page[HoldResource]]:
    return nouns.page(server, HoldResource, "/v1/holds", _given(cursor=cursor), lambda hold: hold)


def _release(server: Server, hold: str) -> Steps[HoldResource]:
    return nouns.act(server, HoldResource, nouns.route("holds", hold, "release"))


def _file(server: Server, kind: str, images: Sequence[str], said: Mapping[str, Any]) -> Steps[TakedownResource]:
    body = {"kind": kind, "images": list(images), **_given(**said)}
    return nouns.act(server, TakedownResource, "/v1/takedowns", body)


def _takedowns(server: Server, state: Sequence[str], cursor: str | None) -> Steps[Page[TakedownResource]]:
    wanted = _given(state=list(state) or None, cursor=cursor)
    return nouns.page(server, TakedownResource, "/v1/takedowns", wanted, lambda notice: notice)


def _decide(server: Server, notice: str, verb: str, body: dict[str, Any] | None = None) -> Steps[TakedownResource]:
    repeatable = verb == "act"
    return nouns.act(server, TakedownResource, nouns.route("takedowns", notice, verb), body, repeatable=repeatable)


def _erase(server: Server, kind: type[R], noun: str, id: str) -> Steps[R]:
    return nouns.delete(server, kind, nouns.route(noun, id, "text"))


@dataclass(frozen=True, slots=True)
class Holds:
    """Legal holds: what must be kept for a while."""

    _link: Blocking

    def place(
        self,
        reason_code: HoldReason,
        until: datetime,
        *,
        image: str | None = None,
        generation: str | None = None,
        user: str | None = None,
        note: str | None = None,
    ) -> HoldResource:
        """Keep one image, one generation, or everything of one end user, until a time."""
        what = {"image": image, "generation": generation, "user": user, "note": note}
        return self._link.run(_place(self._link.server, reason_code, until, **what))

    def get(self, hold: str) -> HoldResource:
        """One hold with its note."""
        return self._link.run(nouns.get(self._link.server, HoldResource, nouns.route("holds", hold)))

    def list(self, *, cursor: str | None = None) -> Page[HoldResource]:
        """One page, newest first, those that have ended too."""
        return self._link.run(_holds(self._link.server, cursor))

    def release(self, hold: str) -> HoldResource:
        """End a hold before its time."""
        return self._link.run(_release(self._link.server, hold))

    def erase_text(self, hold: str) -> HoldResource:
        """Erase the note of a hold that has ended, for good."""
        return self._link.run(_erase(self._link.server, HoldResource, "holds", hold))


@dataclass(frozen=True, slots=True)
class AsyncHolds:
    """Legal holds; see `Holds`."""

    _link: Async

    async def place(
        self,
        reason_code: HoldReason,
        until: datetime,
        *,
        image: str | None = None,
        generation: str | None = None,
        user: str | None = None,
        note: str | None = None,
    ) -> HoldResource:
        """Keep one image, one generation, or everything of one end user, until a time."""
        what = {"image": image, "generation": generation, "user": user, "note": note}
        return await self._link.run(_place(self._link.server, reason_code, until, **what))

    async def get(self, hold: str) -> HoldResource:
        """One hold with its note."""
        return await self._link.run(nouns.get(self._link.server, HoldResource, nouns.route("holds", hold)))

    async def list(self, *, cursor: str | None = None) -> Page[HoldResource]:
        """One page, newest first, those that have ended too."""
        return await self._link.run(_holds(self._link.server, cursor))

    async def release(self, hold: str) -> HoldResource:
        """End a hold before its time."""
        return await self._link.run(_release(self._link.server, hold))

    async def erase_text(self, hold: str) -> HoldResource:
        """Erase the note of a hold that has ended, for good."""
        return await self._link.run(_erase(self._link.server, HoldResource, "holds", hold))


@dataclass(frozen=True, slots=True)
class Takedowns:
    """Notices that pictures must go."""

    _link: Blocking

    def file(
        self,
        kind: TakedownKind,
        images: Sequence[str],
        *,
        claimant: str,
        contact: str,
        statement: str,
        signature: str,
        good_faith: bool,
        on_behalf_of: str | None = None,
    ) -> TakedownResource:
        """Write a notice down; its clock runs from now on, and copies are looked for."""
        said = {"claimant": claimant, "contact": contact, "statement": statement, "signature": signature}
        more = {"good_faith": good_faith, "on_behalf_of": on_behalf_of}
        return self._link.run(_file(self._link.server, kind, images, said | more))

    def get(self, takedown: str) -> TakedownResource:
        """One notice with its statement, pictures and copies."""
        return self._link.run(nouns.get(self._link.server, TakedownResource, nouns.route("takedowns", takedown)))

    def list(self, *, state: Sequence[str] = (), cursor: str | None = None) -> Page[TakedownResource]:
        """One page, newest first, without what claimants wrote."""
        return self._link.run(_takedowns(self._link.server, state, cursor))

    def add(self, takedown: str, images: Sequence[str]) -> TakedownResource:
        """Further pictures of an open notice."""
        return self._link.run(_decide(self._link.server, takedown, "add", {"images": list(images)}))

    def act(self, takedown: str) -> TakedownResource:
        """Withdraw, block and list every picture of the notice."""
        return self._link.run(_decide(self._link.server, takedown, "act"))

    def reject(self, takedown: str, reason_code: str) -> TakedownResource:
        """Refuse a notice."""
        return self._link.run(_decide(self._link.server, takedown, "reject", {"reason_code": reason_code}))

    def withdraw(self, takedown: str) -> TakedownResource:
        """Note that the claimant took the notice back."""
        return self._link.run(_decide(self._link.server, takedown, "withdraw"))

    def erase_text(self, takedown: str) -> TakedownResource:
        """Erase what the claimant of a decided notice wrote, for good."""
        return self._link.run(_erase(self._link.server, TakedownResource, "takedowns", takedown))


@dataclass(frozen=True, slots=True)
class AsyncTakedowns:
    """Notices that pictures must go; see `Takedowns`."""

    _link: Async

    async def file(
        self,
        kind: TakedownKind,
        images: Sequence[str],
        *,
        claimant: str,
        contact: str,
        statement: str,
        signature: str,
        good_faith: bool,
        on_behalf_of: str | None = None,
    ) -> TakedownResource:
        """Write a notice down; its clock runs from now on, and copies are looked for."""
        said = {"claimant": claimant, "contact": contact, "statement": statement, "signature": signature}
        more = {"good_faith": good_faith, "on_behalf_of": on_behalf_of}
        return await self._link.run(_file(self._link.server, kind, images, said | more))

    async def get(self, takedown: str) -> TakedownResource:
        """One notice with its statement, pictures and copies."""
        return await self._link.run(nouns.get(self._link.server, TakedownResource, nouns.route("takedowns", takedown)))

    async def list(self, *, state: Sequence[str] = (), cursor: str | None = None) -> Page[TakedownResource]:
        """One page, newest first, without what claimants wrote."""
        return await self._link.run(_takedowns(self._link.server, state, cursor))

    async def add(self, takedown: str, images: Sequence[str]) -> TakedownResource:
        """Further pictures of an open notice."""
        return await self._link.run(_decide(self._link.server, takedown, "add", {"images": list(images)}))

    async def act(self, takedown: str) -> TakedownResource:
        """Withdraw, block and list every picture of the notice."""
        return await self._link.run(_decide(self._link.server, takedown, "act"))

    async def reject(self, takedown: str, reason_code: str) -> TakedownResource:
        """Refuse a notice."""
        return await self._link.run(_decide(self._link.server, takedown, "reject", {"reason_code": reason_code}))

    async def withdraw(self, takedown: str) -> TakedownResource:
        """Note that the claimant took the notice back."""
        return await self._link.run(_decide(self._link.server, takedown, "withdraw"))

    async def erase_text(self, takedown: str) -> TakedownResource:
        """Erase what the claimant of a decided notice wrote, for good."""
        return await self._link.run(_erase(self._link.server, TakedownResource, "takedowns", takedown))


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept, and deleting what is due."""

    _link: Blocking

    def due(self) -> RetentionResource:
        """The periods, and what is due now. Nothing is deleted."""
        return self._link.run(nouns.get(self._link.server, RetentionResource, "/v1/retention"))

    def purge(self) -> PurgeResource:
        """Delete one bounded batch of what is due; again while `more` is true."""
        return self._link.run(nouns.act(self._link.server, PurgeResource, "/v1/retention/purge", repeatable=True))


@dataclass(frozen=True, slots=True)
class AsyncRetention:
    """How long what is kept, and deleting what is due; see `Retention`."""

    _link: Async

    async def due(self) -> RetentionResource:
        """The periods, and what is due now. Nothing is deleted."""
        return await self._link.run(nouns.get(self._link.server, RetentionResource, "/v1/retention"))

    async def purge(self) -> PurgeResource:
        """Delete one bounded batch of what is due; again while `more` is true."""
        return await self._link.run(nouns.act(self._link.server, PurgeResource, "/v1/retention/purge", repeatable=True))
