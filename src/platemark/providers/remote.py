"""The frame of every hosted provider: checks, calls, classifies, waits by ticket, fetches, records.

An adapter adds a `Vendor`: data and pure functions. How to write one: docs/explanation/providers.md.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from platemark.core.base import JsonObject
from platemark.core.errors import FetchRefused, InvalidImage, Misconfigured, ModelUnavailable, NotFound, PlatemarkError
from platemark.core.generation import Warning
from platemark.core.health import Health
from platemark.core.model import Model
from platemark.core.money import Cost
from platemark.core.ports import Clock, Fetch
from platemark.core.updates import Accepted, Answered, Charged, Order, Picture, Preview, Progress, Update, Withheld
from platemark.imaging.blank import find_blankness
from platemark.imaging.header import sniff
from platemark.providers.breaker import Breaker
from platemark.providers.catalogue import Declared, check, header_of
from platemark.providers.forgetting import Forgetting, forget
from platemark.providers.http import Call, Keys, Lost, Reply, Transport, decode_payload, decoding_once, kept
from platemark.providers.listening import listening
from platemark.providers.outcomes import NOTHING_MADE, Outcome, Verdict, classify, error_of
from platemark.providers.pacer import Pacer
from platemark.providers.vendor import Asked, Found, Reading, Vendor
from platemark.providers.webhooks import Hinting, Hints

PICTURES = ("image/png", "image/jpeg", "image/webp")
# Polls that may fail one after the other before the wait is given up.
_MAX_FAILED_POLLS = 5
_MAX_POLL_SECONDS = 60.0
_FETCH_TRIES = 3
_MAX_FOLLOWED = 3
_STOP_SECONDS = 5.0
_LARGE = 64 * 1024
OnUnknown = Literal["retry", "fail"]
T = TypeVar("T")
Given = TypeVarTuple("Given")
Tell = Callable[[Update], None]
OK = Verdict("ok")
_ABOUT_THE_KEY: frozenset[Outcome] = frozenset({"auth", "out_of_credit"})
# Said about a poll, not about the work that is asked after: that goes on.
_ABOUT_THE_POLL: frozenset[Outcome] = frozenset({"rate_limited", "overloaded", "timed_out", "unknown", "auth"})
# Said inside a success, about the work: it ended so.
_ABOUT_THE_WORK: frozenset[Outcome] = frozenset({"overloaded", "timed_out"})
_WITH_PICTURES: frozenset[Outcome] = frozenset({"ok", "partial"})
_BLOCKED: frozenset[Outcome] = frozenset({"prompt_blocked", "output_blocked"})


@dataclass
class Exchange:
    """What became of one call: pictures or a verdict, the ticket, and what is kept of the last answer.

    `texts`: the order's prompts, which are not kept again. `ended`: a poll was answered, and the work came to nothing.
    """

    asked: Asked
    texts: tuple[str, ...] = field(default=(), repr=False)
    verdict: Verdict = OK
    reading: Reading = field(default_factory=Reading)
    pictures: list[Picture] = field(default_factory=list[Picture])
    withheld: list[Withheld] = field(default_factory=list[Withheld])
    response: JsonObject | None = None
    request_id: str | None = None
    ended: bool = False


@dataclass(frozen=True)
class Remote:
    """A provider over HTTP. `fetch` reads results behind URLs by the rules for strangers' URLs.

    `on_unknown`: what the operator says about calls without an answer. `platform`: to the API that deletes, where that
    lives elsewhere.
    """

    vendor: Vendor
    transport: Transport
    keys: Keys
    clock: Clock
    fetch: Fetch
    on_unknown: OnUnknown | None = None
    max_pixels: int = 64_000_000
    hints: Hints = field(default_factory=Hints)
    platform: Transport | None = None
    models: Mapping[str, Model] = field(init=False)
    breaker: Breaker = field(init=False)
    pacer: Pacer = field(init=False)

    def __post_init__(self) -> None:
        """Show the declared models as the nouns that clients see; begin in good health."""
        object.__setattr__(self, "models", {id: each.as_model() for id, each in self.vendor.models.items()})
        object.__setattr__(self, "breaker", Breaker(self.clock))
        object.__setattr__(self, "pacer", Pacer(self.vendor.rate, self.clock))

    @property
    def name(self) -> str:
        """The vendor's name."""
        return self.vendor.name

    @property
    def free_repeat(self) -> bool:
        """True where asking again costs nothing."""
        return self.vendor.free_repeat

    @property
    def repeats_unknown(self) -> bool:
        """True where a call without an answer is made again: as configured, else where that cannot cost twice."""
        if self.on_unknown is not None:
            return self.on_unknown == "retry"
        return self.vendor.free_repeat or self.vendor.replays_keys

    @property
    def concurrency(self) -> int:
        """Calls at once, by the vendor's contract."""
        return self.vendor.rate.concurrency

    @property
    def health(self) -> Health:
        """What its answers of late say of it."""
        return self.breaker.health

    def estimate(self, order: Order) -> Cost:
        """The expected cost. Raises Unsupported for what the declaration rules out: before money is spent."""
        model = self._declared(order.model)
        check(order, model)
        return model.cost(order)

    async def check(self) -> None:
        """Raise Misconfigured when there is no key."""
        if self.vendor.needs_key and not self.keys.in_turn():
            raise Misconfigured(f"{self.name} has no key. Name one for it in the settings.")

    async def cancel(self, model: str, ticket: str) -> bool:
        """Ask the vendor to stop; False where it cannot be told or does not answer."""
        declared = self._declared(model)
        ends = (self.vendor.cancel(each, declared) for each in _tickets(ticket, 1) if each)
        calls = [call for end in ends for call in ((end,) if isinstance(end, Call) else end or ())]
        replies = [await self._send(call) for call in calls]
        return bool(replies) and all(isinstance(reply, Reply) and reply.status < 400 for reply in replies)

    @property
    def forgets(self) -> bool:
        """Whether the vendor deletes what it keeps of a request, when it is asked."""
        return isinstance(self.vendor, Forgetting)

    async def forget(self, ticket: str) -> bool | None:
        """True: nothing is kept any more; False: the vendor refuses; None: it did not answer."""
        vendor: object = self.vendor
        if not isinstance(vendor, Forgetting):
            return False
        tickets = [each for each in _tickets(ticket, 1) if each]
        return await forget(vendor, self.platform or self.transport, self.keys, self.vendor.authorise, tickets)

    async def hint(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Poll at once for what a genuine webhook is about; False where nobody waits for it here.

        Raises NotFound where no webhooks are expected, WebhookRefused, Unavailable.
        """
        vendor: object = self.vendor
        if not isinstance(vendor, Hinting) or vendor.webhook_url is None:
            raise NotFound(f"No webhooks of {self.name} are expected here.")
        secret = await self.hints.secret_of(vendor, self.clock)
        return self.hints.wake(vendor.hint(headers, body, secret, self.clock.now()))

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        """Ask for an order's pictures, or for what became of a ticket.

        Raises Unsupported, BlockedByProvider, ProviderError and its kinds, ModelUnavailable, Misconfigured.
        """
        model = self._declared(order.model)
        try:
            await self.check()
            await anyio.to_thread.run_sync(check, order, model)
            if ticket is None:
                self.breaker.enter(self.name)
        except PlatemarkError:
            yield Charged(Cost(status="settled", micro_usd=0, basis="nothing was sent"))
            raise
        texts = (order.prompt, order.negative_prompt or "")
        # In a thread: sources become base64, or masks holes.
        exchanges = [Exchange(each, texts) for each in await anyio.to_thread.run_sync(self.vendor.ask, order, model)]
        if ticket is None:
            async with aclosing(_telling(partial(self._each, exchanges, self._submit, order, model))) as updates:
                async for update in updates:
                    yield update
            for each in exchanges:
                self.breaker.note(each.verdict.outcome)
            if any(each.reading.ticket for each in exchanges):
                yield Accepted(_joined([each.reading.ticket for each in exchanges]))
        else:
            for each, part in zip(exchanges, _tickets(ticket, len(exchanges)), strict=True):
                each.reading = Reading(ticket=part, pending=part is not None)
                each.verdict = Verdict("pending" if part else "unknown")
        async with aclosing(_telling(partial(self._each, exchanges, self._finish, order, model))) as updates:
            async for update in updates:
                yield update
        async with aclosing(self._told(exchanges, order, model)) as updates:
            async for update in updates:
                yield update

    async def _told(self, exchanges: list[Exchange], order: Order, model: Declared) -> AsyncGenerator[Update]:
        """Everything that came, then the error where nothing did: a paid picture is not lost for one that failed."""
        for each in exchanges:
            for picture in each.pictures:
                yield picture
        if any(each.pictures for each in exchanges):
            for withheld in _withheld(exchanges):
                yield withheld
        yield Answered(
            _together(exchanges, len(order.seeds)),
            request_id=next((each.request_id for each in exchanges if each.request_id), None),
            model_revision=next((r for each in exchanges if (r := each.reading.model_revision)), None),
        )
        yield Charged(_cost(exchanges, order, model, self.free_repeat))
        if not any(each.pictures for each in exchanges):
            raise error_of(self.name, _worst(exchanges), may_repeat=self.repeats_unknown)

    async def _each(
        self,
        exchanges: list[Exchange],
        work: Callable[[Exchange, Order, Declared, Tell], Awaitable[None]],
        order: Order,
        model: Declared,
        tell: Tell,
    ) -> None:
        """All at once, as far as the contract allows."""
        limit = anyio.CapacityLimiter(max(1, self.concurrency))

        async def one(exchange: Exchange) -> None:
            async with limit:
                await work(exchange, order, model, tell)

        async with anyio.create_task_group() as group:
            for exchange in exchanges:
                group.start_soon(one, exchange)

    async def _submit(self, exchange: Exchange, order: Order, model: Declared, tell: Tell) -> None:
        """What comes first, then the call; where the vendor says beside it how far it is, that is told."""
        call = await self._prepared(exchange, model)
        if call is None:
            return
        watching = exchange.asked.beside
        if watching is None:
            await self._take(exchange, await self._told_to_stop(call, exchange.asked.stop), model)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, watching, exchange, order, model, tell)
            await self._take(exchange, await self._told_to_stop(call, exchange.asked.stop), model)
            group.cancel_scope.cancel()

    async def _told_to_stop(self, call: Call, stop: Call | None) -> Reply | Lost:
        """The answer; where we go away before it comes, the vendor is told."""
        try:
            return await self._send(call)
        except asyncio.CancelledError:
            if stop is not None:
                with anyio.move_on_after(_STOP_SECONDS, shield=True):
                    await self._send(stop)
            raise

    async def _prepared(self, exchange: Exchange, model: Declared) -> Call | None:
        """The call that makes pictures, once all that comes before it was answered; None where that went wrong."""
        asked, replies = exchange.asked, list[Reply]()
        for first in asked.before:
            reply = await self._send(first)
            if isinstance(reply, Lost) or self._classified(reply).outcome not in _WITH_PICTURES:
                await self._take(exchange, reply, model)
                # Nothing was asked for yet: whatever went wrong can be tried again.
                if exchange.verdict.outcome == "unknown":
                    exchange.verdict = Verdict("overloaded", exchange.verdict.words)
                return None
            replies.append(reply)
        return asked.fill(replies) if asked.fill else asked.call

    async def _watch(self, call: Call, exchange: Exchange, order: Order, model: Declared, tell: Tell) -> None:
        while True:
            await self.clock.sleep(model.poll_seconds)
            reply = await self._send(call)
            if isinstance(reply, Reply) and self._classified(reply).outcome in _WITH_PICTURES:
                reading = await _aside(reply, self.vendor.read, reply, model)
                _tell_progress(reading, exchange, order, tell)

    async def _finish(self, exchange: Exchange, order: Order, model: Declared, tell: Tell) -> None:
        """Wait where something is to be waited for, then bring the pictures."""
        if exchange.verdict.outcome == "pending" and not exchange.reading.ticket:
            exchange.verdict = Verdict("unknown", ("it was taken without an id to ask after",))
        if exchange.verdict.outcome == "pending" and exchange.reading.ticket:
            told = partial(_tell_progress, exchange=exchange, order=order, tell=tell)
            async with (
                listening(self.transport, exchange.asked.socket, self._authorised, told),
                self.hints.expected(exchange.reading.ticket),
            ):
                await self._wait(exchange, exchange.reading.ticket, model, told)
        if exchange.verdict.outcome in _WITH_PICTURES:
            await self._bring(exchange, order, model)

    async def _wait(self, exchange: Exchange, ticket: str, model: Declared, told: Callable[[Reading], None]) -> None:
        """Poll until it is done. Bounded by the model's `max_wait_seconds`; what is then unfinished is unknown."""
        pause, failed, end = model.poll_seconds, 0, self.clock.monotonic() + model.max_wait_seconds
        while failed <= _MAX_FAILED_POLLS and self.clock.monotonic() < end:
            await self.hints.pause(ticket, self.clock, pause)
            outcome = await self._poll(exchange, ticket, model)
            if outcome in _ABOUT_THE_POLL and not exchange.ended:
                failed += 1
                wait = exchange.verdict.retry_after or model.poll_seconds * 2**failed
                pause = min(max(wait, model.poll_seconds), _MAX_POLL_SECONDS)
            elif outcome == "pending":
                told(exchange.reading)
                pause, failed = model.poll_seconds, 0
            else:
                return
        why = f"{failed} questions without an answer" if failed else f"not done in {model.max_wait_seconds:g} s"
        exchange.verdict = Verdict("unknown", (*exchange.verdict.words, f"taken as {ticket}; {why}"))

    async def _poll(self, exchange: Exchange, ticket: str, model: Declared) -> Outcome:
        """Ask once, and whatever the answer says to ask next."""
        await self._take(exchange, await self._send(self.vendor.poll(ticket, model)), model)
        for _ in range(_MAX_FOLLOWED):
            follow = exchange.reading.follow
            if follow is None or exchange.verdict.outcome not in _WITH_PICTURES:
                break
            await self._take(exchange, await self._send(follow(ticket) if callable(follow) else follow), model)
        return exchange.verdict.outcome

    async def _send(self, call: Call) -> Reply | Lost:
        """Send with the first key that is not refused. What goes wrong on the way is returned, not raised."""
        if not self.vendor.needs_key and not self.keys.values:
            return await self._sent(call)
        reply: Reply | Lost = Lost("not_sent", "there is no key")
        for key in self.keys.in_turn():
            reply = await self._sent(self.vendor.authorise(call, key))
            if isinstance(reply, Lost) or (await _aside(reply, self._classified, reply)).outcome not in _ABOUT_THE_KEY:
                break
            self.keys.refused(key)
        return reply

    def _authorised(self, call: Call) -> Call:
        return next((self.vendor.authorise(call, key) for key in self.keys.in_turn()), call)

    async def _sent(self, call: Call) -> Reply | Lost:
        await self.pacer.turn()
        try:
            return await self.transport.send(call)
        except Lost as lost:
            return lost

    def _classified(self, reply: Reply) -> Verdict:
        found = classify(reply, self.vendor.table, self.clock.now())
        return Verdict(found.outcome, tuple(self.keys.clean(word) for word in found.words), found.retry_after)

    async def _take(self, exchange: Exchange, reply: Reply | Lost, model: Declared) -> None:
        """Note what an answer means for its exchange."""
        if isinstance(reply, Lost):
            exchange.verdict = Verdict(_OF_LOST[reply.cut], (self.keys.clean(reply.words),))
            exchange.reading = Reading(ticket=exchange.reading.ticket)
        else:
            await _aside(reply, self._noted, exchange, reply, model)

    def _noted(self, exchange: Exchange, reply: Reply, model: Declared) -> None:
        with decoding_once():
            self._note(exchange, reply, model)

    def _note(self, exchange: Exchange, reply: Reply, model: Declared) -> None:
        ticket = exchange.reading.ticket
        exchange.response = kept(reply, self.keys, texts=exchange.texts)
        named = (reply.headers.get(name) for name in self.vendor.request_id_headers)
        exchange.request_id = next(filter(None, named), exchange.request_id)
        exchange.verdict, exchange.reading = self._classified(reply), Reading(ticket=ticket)
        exchange.ended = reply.status < 300 and exchange.verdict.outcome in _ABOUT_THE_WORK
        if exchange.verdict.outcome not in (*_WITH_PICTURES, "pending"):
            return
        reading = self.vendor.read(reply, model)
        if reading.ticket is None and ticket is not None:
            reading = replace(reading, ticket=ticket)
        exchange.reading = reading
        if reading.pending:
            exchange.verdict = Verdict("pending")

    async def _bring(self, exchange: Exchange, order: Order, model: Declared) -> None:
        """The pictures of an answer, each fetched, sniffed and measured; the verdict follows from what is left."""
        asked, reasons = exchange.asked, list[Verdict]()
        for number, found in enumerate(exchange.reading.found[: len(asked.indices)]):
            data = await self._bytes(found) if found.outcome == "ok" else self._refused(found)
            picture = (
                data if isinstance(data, Verdict) else await self._picture(data, found, asked, number, order, model)
            )
            if isinstance(picture, Verdict):
                reasons.append(picture)
                if picture.outcome in _BLOCKED:
                    exchange.withheld.append(Withheld(asked.indices[number], picture.words))
            else:
                exchange.pictures.append(picture)
        if not exchange.pictures:
            exchange.verdict = next(iter(reasons), Verdict("unusable", ("the answer has no picture",)))
        elif len(exchange.pictures) < len(asked.indices):
            exchange.verdict = Verdict("partial")

    def _refused(self, found: Found) -> Verdict:
        return Verdict(found.outcome, tuple(self.keys.clean(word) for word in found.words))

    async def _bytes(self, found: Found) -> bytes | Verdict:
        if found.url is None:
            return found.data or Verdict("unusable", ("a picture cannot be decoded from the answer",))
        words = ""
        for number in range(_FETCH_TRIES):
            try:
                return _picture_bytes(await self.fetch(found.url))
            except FetchRefused as error:
                words = self.keys.clean(error.detail)
                await self.clock.sleep(float(number))
        return Verdict("unusable", (f"the result cannot be fetched: {words}",))

    async def _picture(
        self, data: bytes, found: Found, asked: Asked, number: int, order: Order, model: Declared
    ) -> Picture | Verdict:
        media_type = sniff(data)
        if media_type not in PICTURES:
            return Verdict("unusable", (f"what it sent as a picture is {media_type or 'of no known type'}",))
        try:
            header = await anyio.to_thread.run_sync(header_of, data, media_type)
            if order.looks and model.blank_means_blocked and await self._is_blank(data):
                return Verdict("output_blocked", ("it sent a blank picture",))
        except InvalidImage as error:
            return Verdict("unusable", (error.detail,))
        index = asked.indices[number]
        seed = found.seed if found.seed is not None else asked.seeds[number] if model.capabilities.seed else None
        size = (header.width, header.height)
        warnings = _warnings(size, order, model)
        return Picture(
            data,
            media_type,
            index,
            seed,
            warnings=warnings,
            flags=found.flags,
            vendors=True,
            revised_prompt=found.revised_prompt,
        )

    async def _is_blank(self, data: bytes) -> bool:
        look = partial(find_blankness, data, max_bytes=self.transport.max_bytes, max_pixels=self.max_pixels)
        return (await anyio.to_thread.run_sync(look)).kind in ("black", "constant")

    def _declared(self, model: str) -> Declared:
        declared = self.vendor.models.get(model)
        if declared is None:
            raise ModelUnavailable(f"{self.name} has no model {model} any more. Send the request to another model.")
        return declared


async def _telling(work: Callable[[Tell], Awaitable[None]]) -> AsyncGenerator[Update]:
    """What `work` tells while it goes on, as it comes. Closed early, the work is ended with it."""
    said = asyncio.Queue[Update | None]()

    async def run() -> None:
        try:
            await work(said.put_nowait)
        finally:
            said.put_nowait(None)

    task = asyncio.create_task(run())
    try:
        while (update := await said.get()) is not None:
            yield update
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])


def _tell_progress(reading: Reading, exchange: Exchange, order: Order, tell: Tell) -> None:
    index, total = exchange.asked.indices[0], order.parameters.steps or 100
    done = None if reading.progress is None else round(min(1.0, max(0.0, reading.progress)) * total)
    if done is not None:
        tell(Progress(done, total, index))
    if order.previews and reading.preview and (media_type := sniff(reading.preview)) in PICTURES:
        tell(Preview(reading.preview, media_type, done or 0, index))


async def _aside(reply: Reply, work: Callable[[*Given], T], *given: *Given) -> T:
    """In a thread where the answer is large: reading megabytes of JSON would hold up everybody else."""
    if len(reply.body) < _LARGE:
        return work(*given)
    return await anyio.to_thread.run_sync(work, *given)


def _picture_bytes(data: bytes) -> bytes:
    """What lay behind a URL; some vendors put base64 there, as a text."""
    if sniff(data) is None and data[:64].isascii() and (decoded := decode_payload(data.decode("ascii", "replace"))):
        return decoded
    return data


_OF_LOST: Mapping[str, Outcome] = {
    "not_sent": "overloaded",
    "no_answer": "unknown",
    "cut_off": "unknown",
    "too_large": "unusable",
}


def _warnings(size: tuple[int, int], order: Order, model: Declared) -> tuple[Warning, ...]:
    wanted = (order.parameters.width, order.parameters.height)
    found = list[Warning]()
    if size != wanted:
        message = f"{model.model} chose {size[0]} × {size[1]} pixels; {wanted[0]} × {wanted[1]} were asked for."
        found.append(Warning(code="size_differs", field="width", message=message))
    if not model.prompt_used:
        found.append(Warning(code="prompt_ignored", field="prompt", message=f"{model.model} does not read the prompt."))
    return tuple(found)


def _worst(exchanges: list[Exchange]) -> Verdict:
    """Why nothing came. A refusal decides, then what may have cost money, then what forbids another try."""
    order = ("prompt_blocked", "output_blocked", "unknown", "unusable", "bad_request", "out_of_credit", "auth")
    ranked = sorted(exchanges, key=lambda each: [*order, each.verdict.outcome].index(each.verdict.outcome))
    return ranked[0].verdict if ranked else Verdict("unusable", ("nothing was asked",))


def _cost(exchanges: list[Exchange], order: Order, model: Declared, free: bool) -> Cost:
    """Pictures at the declared price, unless the vendor named numbers; unknown where one may have been charged."""
    named = [each.reading.cost for each in exchanges if each.reading.cost is not None]
    rest = [each for each in exchanges if each.reading.cost is None]
    made = sum(len(each.pictures) for each in rest)
    doubtful = [each for each in rest if not each.pictures and each.verdict.outcome not in NOTHING_MADE]
    doubtful = [each for each in doubtful if each.verdict.outcome != "overloaded"]
    if doubtful and not free:
        basis = f"{len(doubtful)} of {len(exchanges)} calls may have been charged ({doubtful[0].verdict.outcome})"
        return Cost(status="unknown", micro_usd=None, basis=basis)
    if not made and not named:
        return Cost(status="settled", micro_usd=0, basis="nothing was made")
    wanted = order.parameters
    if made and model.price is None:
        return model.cost(order)
    price = model.price.cost(wanted.width, wanted.height, wanted.steps, made) if made and model.price else None
    costs = [*named, *([price] if price else [])]
    total = [cost.micro_usd for cost in costs if cost.micro_usd is not None]
    if len(total) < len(costs):
        return Cost(status="unknown", micro_usd=None, basis=costs[0].basis)
    status = "estimated" if price else "settled"
    return Cost(status=status, micro_usd=sum(total), basis="; ".join(dict.fromkeys(cost.basis for cost in costs)))


def _withheld(exchanges: list[Exchange]) -> Iterator[Withheld]:
    """Each picture that a refusal kept back, of an answer or of a whole call."""
    for each in exchanges:
        if each.pictures or each.verdict.outcome not in _BLOCKED:
            yield from each.withheld
        else:
            yield from (Withheld(index, each.verdict.words) for index in each.asked.indices)


def _together(exchanges: list[Exchange], pictures: int) -> JsonObject:
    """What is kept of all answers of an attempt."""
    calls = [
        {
            "outcome": each.verdict.outcome,
            "words": list(each.verdict.words),
            "retry_after": each.verdict.retry_after,
            "pictures": list(each.asked.indices),
            "seeds": list(each.asked.seeds),
            "sent": dict(each.asked.chosen),
            "request_id": each.request_id,
            **(each.response or {"status": None, "headers": {}, "body": None}),
        }
        for each in exchanges
    ]
    made = sum(len(each.pictures) for each in exchanges)
    outcome = "ok" if made == pictures else "partial" if made else _worst(exchanges).outcome
    return {"outcome": outcome, **calls[0]} if len(calls) == 1 else {"outcome": outcome, "calls": calls}


def _joined(tickets: list[str | None]) -> str:
    """One ticket for an attempt: the vendor's own where there is one call, else a JSON list."""
    return tickets[0] if len(tickets) == 1 and tickets[0] else json.dumps(tickets)


def _tickets(ticket: str, count: int) -> list[str | None]:
    if not ticket.startswith("["):
        return [ticket, *[None] * (count - 1)]
    return list(json.loads(ticket))
