"""Every seam: what flows need from the outside, as Protocols, and the Platform that carries them.

Contract suites in `platemark.testing` run on every implementation.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

from platemark.core.audit import AuditLine
from platemark.core.base import Noun
from platemark.core.event import Event
from platemark.core.generation import Generation
from platemark.core.health import Health
from platemark.core.ids import Prefix
from platemark.core.inspection import Finding, FindingKind, Inspected
from platemark.core.limits import Limits
from platemark.core.model import Model
from platemark.core.moderation import Ruling, Signal, Stage
from platemark.core.money import Cost
from platemark.core.policy import Problem, Reason
from platemark.core.updates import Order, Update

N = TypeVar("N", bound=Noun)


class Clock(Protocol):
    """Time. `now` is UTC; `monotonic` is seconds that only grow."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class Ids(Protocol):
    """Identifiers and randomness."""

    def new(self, prefix: Prefix) -> str: ...
    def seed(self) -> int:
        """A seed, 0 to 2**32 - 1."""
        ...

    def secret(self, length: int) -> str:
        """`length` random bytes in hexadecimal, fit for secrets and salts."""
        ...

    def fraction(self) -> float:
        """Uniform in [0, 1): jitter."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """A list request. `equals` maps field names to a value or to a tuple of values; `tags` must all match.

    `beside`: further owners whose rows are in the list too, for who may see them; `page` alone heeds it.
    """

    project: str
    limit: int = 20
    cursor: str | None = None
    equals: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    since: datetime | None = None
    until: datetime | None = None
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page(Generic[N]):
    """Some rows of a list, in its order. `next_cursor` is None on the last page."""

    data: tuple[N, ...]
    next_cursor: str | None


class Reading(Protocol):
    """Reads of one consistent moment."""

    async def get(self, kind: type[N], id: str) -> N:
        """The noun with this id. Raises NotFound."""
        ...

    async def find(self, kind: type[N], id: str) -> N | None: ...

    async def all(self, kind: type[N], *, order_by: str = "id", limit: int | None = None, **equals: Any) -> list[N]:
        """Rows whose fields equal the given values (a tuple or frozenset: any of them; None: is null)."""
        ...

    async def before(
        self,
        kind: type[N],
        field: str,
        moment: datetime,
        *,
        limit: int = 100,
        skip: int = 0,
        having: str | None = None,
        **equals: Any,
    ) -> list[N]:
        """Rows whose timestamp `field` lies before `moment`, oldest first, without the first `skip`.

        `having`: only those in which this field is not None.
        """
        ...

    async def fields(
        self, kind: type[Noun], names: Sequence[str], *, after: str = "", limit: int = 5000, **equals: Any
    ) -> list[tuple[Any, ...]]:
        """Plain fields of rows with an id greater than `after`, by id: for what is too many to be read as nouns."""
        ...

    async def page(self, kind: type[N], query: Query) -> Page[N]:
        """One page, newest id first. Raises InvalidRequest for a cursor that is not ours."""
        ...

    async def page_by(self, kind: type[N], field: str, query: Query) -> Page[N]:
        """One page by a text field, the smallest first, and where that is equal by id. Raises as `page` does."""
        ...

    async def count_by(
        self,
        kind: type[N],
        by: Sequence[str],
        *,
        project: str,
        since: datetime | None = None,
        until: datetime | None = None,
        most: int = 10_000,
    ) -> list[tuple[tuple[str | None, ...], int]]:
        """How many rows of a project share the values of these fields, which are texts; the most first.

        `day` stands for the day of `created_at` in UTC, as ISO 8601. `since` is included, `until` is not. More than
        `most` groups raise TooLarge.
        """
        ...

    async def events(
        self, project: str, *, generation: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]:
        """Events with `seq` greater than `after`, oldest first."""
        ...

    async def chain(self, project: str, *, after: int = 0, limit: int = 1000) -> list[AuditLine]:
        """Lines of the project's chain with `seq` greater than `after`, in order."""
        ...

    async def chain_span(
        self, project: str, *, generation: str | None = None, image: str | None = None
    ) -> tuple[int, int] | None:
        """First and last chain line about a generation or image; None when there is none."""
        ...


class Transaction(Reading, Protocol):
    """Reads and writes that happen together or not at all."""

    async def add(self, *nouns: Noun) -> None:
        """Insert. Raises Conflict when an id, or another unique field, is taken."""
        ...

    async def change(self, noun: N, **changes: Any) -> N:
        """Compare-and-set: the row must still be in the state that `noun` shows, and the move must be allowed.

        Raises Conflict otherwise. Returns the new value.
        """
        ...

    async def change_all(self, kind: type[Noun], changes: Mapping[str, Any], **equals: Any) -> int:
        """Set plain fields of every row whose fields equal the given values; how many there were.

        For what is too much to be changed one by one: no state is checked, so `equals` has to name it.
        """
        ...

    async def remove_all(self, kind: type[Noun], **equals: Any) -> int:
        """Delete every row whose fields equal the given values; how many there were."""
        ...

    async def remove(self, noun: Noun) -> None: ...

    async def emit(self, event: Event) -> Event:
        """Append the event and, unless it is transient, its line in the audit chain. Returns it with its `seq`."""
        ...


class Store(Protocol):
    """Where nouns live. A transaction is opened by the flow, so that it can be seen."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...
    def reading(self) -> AbstractAsyncContextManager[Reading]: ...
    async def check(self) -> None:
        """Raise DatabaseUnavailable when a trivial query fails."""
        ...


class Blobs(Protocol):
    """Bytes by key. Keys are `project/sha256`, so equal content is one object."""

    async def put(self, key: str, data: bytes) -> None:
        """Create-only; existing content is success. Raises StorageFull, StorageUnavailable."""
        ...

    async def get(self, key: str) -> bytes:
        """Raises NotFound, StorageUnavailable."""
        ...

    async def exists(self, key: str) -> bool: ...
    async def delete(self, key: str) -> None:
        """Missing is success."""
        ...

    async def check(self) -> None:
        """Raise StorageUnavailable or StorageFull when nothing can be written."""
        ...


class Fetch(Protocol):
    """Reads what lies behind a URL that a stranger chose."""

    async def __call__(self, url: str, /) -> bytes:
        """The body, bounded in size and time, from public addresses only. Raises FetchRefused."""
        ...


class Provider(Protocol):
    """Makes images for its models. `free_repeat`: asking again costs nothing.

    `repeats_unknown`: a call of which nothing is known is made again, because that is free, cannot cost twice, or is
    what the operator wants.
    """

    @property
    def name(self) -> str: ...
    @property
    def models(self) -> Mapping[str, Model]: ...
    @property
    def free_repeat(self) -> bool: ...
    @property
    def repeats_unknown(self) -> bool: ...
    @property
    def concurrency(self) -> int: ...
    @property
    def health(self) -> Health: ...

    def estimate(self, order: Order) -> Cost: ...

    def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        """Updates until the work is done; closing the iterator cancels it.

        With a ticket, work that was accepted before is waited for, not bought again. Raises ProviderError and its
        kinds, BlockedByProvider, ModelUnavailable.
        """
        ...

    async def cancel(self, model: str, ticket: str) -> bool:
        """Ask that the work on a ticket be ended; False where nobody can be told. Raises nothing of its own."""
        ...

    async def check(self) -> None:
        """Raise what stands in the way of working: a missing key, missing weights."""
        ...


@runtime_checkable
class Hinted(Protocol):
    """A provider that is called back by its vendor."""

    async def hint(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Have those who wait for what a genuine webhook is about ask at once; False where nobody waits here.

        Names of `headers` are in lower case. Raises NotFound where none are expected, WebhookRefused, Unavailable.
        """
        ...


@runtime_checkable
class Forgetful(Protocol):
    """A provider that can have its vendor delete what it keeps of a request."""

    @property
    def forgets(self) -> bool:
        """Whether the vendor's API has a call for it."""
        ...

    async def forget(self, ticket: str) -> bool | None:
        """True: nothing is kept any more; False: the vendor refuses; None: it did not answer. Raises nothing."""
        ...


class TextDetector(Protocol):
    """Measures text. A detector that cannot look returns a Signal with `evaluated=False`; it does not raise."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...

    async def look(self, texts: Mapping[str, str], /) -> Sequence[Signal]:
        """Signals for named strings (`prompt`, `negative_prompt`, …)."""
        ...


class ImageDetector(Protocol):
    """Measures one encoded image."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...

    async def look(self, data: bytes, /) -> Sequence[Signal]: ...


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a policy may look at besides signals. `project`: whose rules hold beside the installation's.

    `inspection`: what was read from the picture, where there is one that was looked at.
    `now`: the moment of the ruling, filled in by `flows.policies.rule`; without it, rules that start later sleep.
    """

    stage: Stage
    role: str | None = None
    audience: str | None = None
    project: str | None = None
    operation: str | None = None
    model: str | None = None
    inspection: Inspected | None = None
    now: datetime | None = None


class Policy(Protocol):
    """Versioned, pure rules."""

    @property
    def version(self) -> str: ...

    def rule(self, signals: Sequence[Signal], circumstances: Circumstances) -> Ruling: ...

    def explain(self, signals: Sequence[Signal], circumstances: Circumstances) -> tuple[Reason, ...]:
        """Every reason for the ruling, the gravest first."""
        ...


class Bundles(Protocol):
    """Policies as people write them. All of it takes processor time: call it on a thread."""

    def built_in(self) -> str:
        """The text of the bundle that ships with Platemark."""
        ...

    def digest(self, text: str) -> str:
        """The content address of a bundle. Raises Misconfigured with line and field."""
        ...

    def open(self, text: str, version: str, *, whole: bool) -> Policy:
        """The policy of a bundle, with the hard rules that nobody relaxes; kept for the next call.

        `whole`: it rules on everything and stands in for the built-in one; otherwise it adds to one that does.
        Raises Misconfigured with line and field.
        """
        ...

    def lint(self, text: str, today: date) -> tuple[Problem, ...]:
        """What is wrong with a bundle, its own tests among it."""
        ...


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A picture that another one was made from. Its own credential goes along where `data` carries one.

    `parentOf`: what was opened and changed; there is one at most. `componentOf`: a part of the result. `inputTo`: what
    a model was given besides. They are C2PA's words.
    """

    title: str
    media_type: str
    relationship: Literal["parentOf", "componentOf", "inputTo"]
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a credential says about an image. `digital_source_type` is an IPTC NewsCodes URI; `when` is ISO 8601.

    `digital_source_type` is None where we do not know, as of uploads. `actions`: what was done, by C2PA's names without
    `c2pa.`; those with a parent begin with `opened`. `soft_binding`: the mark in the pixels as (algorithm, value).
    `label`: the visible label that goes with the picture.
    """

    image: str
    title: str
    digital_source_type: str | None
    software: str
    model: str | None
    when: str
    actions: tuple[str, ...] = ("created",)
    ingredients: tuple[Ingredient, ...] = ()
    soft_binding: tuple[str, str] | None = None
    label: str | None = None


class Provenance(Protocol):
    """Seals images with a C2PA credential and reads what any image says about itself."""

    @property
    def signer(self) -> str: ...

    async def seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        """The same picture with XMP digital source type and credential. Raises SealFailed."""
        ...

    async def read(self, data: bytes, media_type: str) -> tuple[Finding, ...]:
        """Findings of kind `c2pa` and `metadata`; a broken or absent credential is a finding, not an error."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """What was read of our own watermark. `number`: 0 to 2^40 - 1, only where its checksum holds.

    `strength`: how well the picture agrees with the nearest possible mark, 0 to 1; `threshold`: from which on one is
    taken to be there.
    """

    status: Literal["absent", "present", "crc_failed"]
    strength: float
    threshold: float
    number: int | None = None


class Watermark(Protocol):
    """Writes a number into pixels that survives recompression and scaling, and reads it again. Not proof by itself."""

    @property
    def version(self) -> str: ...
    @property
    def key(self) -> str:
        """By what the key that marks is told from others; it says nothing of the key itself."""
        ...

    async def mark(self, data: bytes, media_type: str, number: int, *, decibels: float | None = None) -> bytes:
        """The same picture with the number in it, encoded again in the same format without metadata.

        `decibels`: peak signal-to-noise ratio to aim at, lower is stronger; None: what is usual here.
        Raises InvalidImage, SealFailed (code `watermark_not_carried`) where the number does not read back.
        """
        ...

    async def read(self, data: bytes) -> Mark:
        """Raises InvalidImage."""
        ...


class Registry(Protocol):
    """Finds entries of the registry by how they look. What it gives may be gone from the store by now: look it up."""

    async def near(
        self, hashes: Sequence[str], most: int, *, limit: int, project: str | None = None, generated: bool = False
    ) -> Sequence[tuple[str, int]]:
        """Ids of entries at most `most` bits from one of these PDQ hashes, best first, with the distance.

        `project`: only of this one; `generated`: only of images that were made here.
        """
        ...

    async def parts(
        self, lows: Sequence[int], most: int, *, limit: int, project: str | None = None, generated: bool = False
    ) -> Sequence[str]:
        """Ids of entries whose middle may be what a part shows (64 bits each, `imaging.parts`), best first."""
        ...

    def drop(self, entries: Sequence[str]) -> None:
        """Let entries that are gone match no more."""
        ...


class OriginDetector(Protocol):
    """Says how likely a picture is AI-made. One that cannot look gives a finding `not_evaluated`; it does not raise.

    `kind` is that of its findings: `learned`, or `remote` where somebody else looks, who then sees the picture.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def kind(self) -> FindingKind: ...

    async def look(self, data: bytes, media_type: str, /) -> Finding:
        """What it says; what it measures stands in the finding's `detail` (see `Finding`)."""
        ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """A release on its way to a target. `id` is the delivery's: the same at every try.

    `files` are name and bytes, the picture itself first; none where it is withdrawn. `document` says everything else:
    publication, image, audience, label_text, alt_text, and of each file name, sha256, media_type, width, height and
    path, under which it is read from this server. `receipt`: what the target said when it took it.
    """

    id: str
    publication: str
    moment: datetime
    document: Mapping[str, Any]
    files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    receipt: Mapping[str, Any] | None = None


class Target(Protocol):
    """Where released files go: a directory, a bucket, a webhook, a website. Doing it twice is doing it once."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...

    async def deliver(self, parcel: Parcel) -> Mapping[str, Any]:
        """The receipt. Raises DeliveryFailed, DeliveryUnavailable."""
        ...

    async def withdraw(self, parcel: Parcel) -> Mapping[str, Any]:
        """Take the files out again, or tell whoever has them; what is gone is success. Raises as `deliver`."""
        ...


class Jobs(Protocol):
    """The durable runtime. What is submitted is run to its end, also after a crash."""

    async def submit(self, generation: Generation, *, delay: float = 0.0) -> None:
        """Idempotent for one (generation, runs). `delay` in seconds."""
        ...

    async def check(self) -> None: ...


class Notices(Protocol):
    """Wake-ups inside one process. Only a hint: whoever waits looks at the store again."""

    def tell(self, topic: str) -> None: ...

    async def wait(self, topic: str, seconds: float) -> None:
        """Return when the topic is told, or after `seconds`."""
        ...


class Budget(Protocol):
    """Reserves what a generation may cost. Raises BudgetExceeded."""

    async def reserve(self, project: str, cost: Cost) -> None: ...


@dataclass(frozen=True, slots=True)
class Platform:
    """All ports, filled by `wiring`. Flows receive it and nothing else."""

    clock: Clock
    ids: Ids
    store: Store
    blobs: Blobs
    fetch: Fetch
    jobs: Jobs
    notices: Notices
    budget: Budget
    providers: Mapping[str, Provider]
    # Names that clients may use: for one model, or for several in order.
    aliases: Mapping[str, tuple[str, ...]]
    text_detectors: tuple[TextDetector, ...]
    image_detectors: tuple[ImageDetector, ...]
    # What holds where no policy was activated: the built-in one, or the operator's file.
    policy: Policy
    bundles: Bundles
    provenance: Provenance
    limits: Limits
    url_secret: bytes = field(repr=False)
    # None: neither written nor looked for.
    watermark: Watermark | None = None
    origin_detectors: tuple[OriginDetector, ...] = ()
    # None: the hashes are read anew for every search.
    registry: Registry | None = None
    # Where releases may be delivered, by name.
    targets: Mapping[str, Target] = field(default_factory=dict[str, Target])
