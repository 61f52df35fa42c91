"""Lists of known pictures: made, looked into, cleared of what is withdrawn; and what we take down ourselves.

They hold for the whole installation, so changing them needs the scopes `moderation:manage` and `projects:manage`.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from platemark.core.errors import FieldError, InvalidRequest, NotFound
from platemark.core.event import EventType
from platemark.core.hashlist import (
    DIGITS,
    HashEntry,
    HashImport,
    HashKind,
    HashList,
    ListAction,
    ListAt,
    Purpose,
)
from platemark.core.image import Fingerprint, Image
from platemark.core.moderation import REASON_CODES
from platemark.core.ports import Platform, Reading, Store, Transaction
from platemark.core.project import ApiKey, Principal
from platemark.flows.keys import note

# What one question to the database may name.
AT_ONCE = 500
OWN_SOURCE = "takedown notices"
_TURN = "hash lists"
T = TypeVar("T")
# A child-safety match blocks, whatever the list was made to do.
_ALWAYS_BLOCKS: frozenset[Purpose] = frozenset({"child_safety", "takedown"})


@dataclass(frozen=True, slots=True)
class NewList:
    """What a list is: where it comes from, what it is for, and what a match asks for."""

    name: str
    source: str
    purpose: Purpose = "other"
    action: ListAction = "block"
    reason_code: str = "KNOWN_HASH_MATCH"
    kinds: tuple[HashKind, ...] = ("pdq", "sha256", "md5")


def pieces(values: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """All values in order, `size` at a time."""
    rest = iter(values)
    while some := tuple(islice(rest, size)):
        yield some


def operate(principal: Principal) -> None:
    """Raise NotAllowed for somebody who may not change what holds for every project."""
    principal.require("moderation:manage")
    principal.require("projects:manage")


async def turn(tx: Transaction) -> None:
    """Changes of lists come one after the other. Taken after a project's own turn, never before."""
    await tx.all(ApiKey, project=_TURN, limit=1)


async def create(platform: Platform, principal: Principal, wanted: NewList) -> HashList:
    """A new list, which matches nothing until a file is imported. Raises NotAllowed, InvalidRequest."""
    operate(principal)
    _check(wanted)
    made = _new_list(platform, wanted, principal.actor)
    async with platform.store.transaction() as tx:
        await tx.add(made)
        facts = {"purpose": made.purpose, "action": made.action, "reason_code": made.reason_code}
        await tell(platform, tx, "hash_list.created", principal.project, made, **facts, by=principal.actor)
    return made


def _check(wanted: NewList) -> None:
    errors = list[FieldError]()
    if wanted.reason_code not in REASON_CODES:
        message = f"is none of ours; known: {', '.join(REASON_CODES)}"
        errors.append(FieldError(pointer="/reason_code", code="unknown_code", message=message))
    if wanted.purpose in _ALWAYS_BLOCKS and wanted.action != "block":
        message = f"must be block on a list of purpose {wanted.purpose}"
        errors.append(FieldError(pointer="/action", code="too_lenient", message=message))
    if errors:
        raise InvalidRequest("The list cannot be made as it is.", errors=errors)


def _new_list(platform: Platform, wanted: NewList, by: str) -> HashList:
    now = platform.clock.now()
    return HashList(
        id=platform.ids.new("hls"),
        name=wanted.name,
        source=wanted.source,
        purpose=wanted.purpose,
        action=wanted.action,
        reason_code=wanted.reason_code,
        kinds=wanted.kinds,
        state="active",
        version=0,
        entries=0,
        created_by=by,
        created_at=now,
        changed_at=now,
    )


async def listing(platform: Platform, principal: Principal) -> list[HashList]:
    """All lists, the removed ones too. Raises NotAllowed."""
    operate(principal)
    async with platform.store.reading() as read:
        return await read.all(HashList)


async def imports(platform: Platform, principal: Principal, list_id: str) -> list[HashImport]:
    """The files that were read into a list, oldest first. Raises NotAllowed, NotFound."""
    operate(principal)
    async with platform.store.reading() as read:
        await named(read, list_id, removed=True)
        return await read.all(HashImport, list=list_id)


async def named(read: Reading, list_id: str, *, removed: bool = False) -> HashList:
    """The list with this id. Raises NotFound."""
    found = await read.find(HashList, list_id)
    if found is None or (found.state == "removed" and not removed):
        raise NotFound(f"There is no hash list {list_id[:80]!r}.")
    return found


async def withdraw(
    platform: Platform, principal: Principal, list_id: str, hashes: Sequence[str]
) -> tuple[HashList, int]:
    """Hashes that are to go, at once and by one person: forgetting is a duty. Those that are not there are no fault.

    Returns the list and how many matched until now. Raises NotAllowed, NotFound, InvalidRequest.
    """
    operate(principal)
    clean = [text.strip().lower() for text in hashes]
    wrong = [number for number, text in enumerate(clean) if len(text) not in DIGITS.values()]
    if wrong:
        faults = [FieldError(pointer=f"/hashes/{n}", code="not_a_hash", message="is no hash") for n in wrong[:100]]
        raise InvalidRequest("Not all of these are hashes. Nothing was withdrawn.", errors=faults)
    async with platform.store.transaction() as tx:
        await turn(tx)
        found = await named(tx, list_id)
        gone = await forget(platform, tx, found, clean)
        if gone:
            found = await moved_on(platform, tx, found, entries=found.entries - gone)
        await tell(platform, tx, "hash_list.withdrawn", principal.project, found, count=gone, by=principal.actor)
    return found, gone


async def forget(platform: Platform, tx: Transaction, known: HashList, hashes: Iterable[str]) -> int:
    """Take hashes out of every import of a list, those that still wait too; how many had matched."""
    gone = {"status": "withdrawn", "hash": None, "withdrawn_at": platform.clock.now()}
    live = await live_batches(tx, known.id)
    count = 0
    for some in pieces(hashes, AT_ONCE):
        count += await tx.change_all(HashEntry, gone, list=known.id, batch=live, hash=some, status="active")
        await tx.change_all(HashEntry, gone, list=known.id, hash=some)
    return count


async def live_batches(read: Reading, list_id: str) -> tuple[str, ...]:
    """The imports whose entries match."""
    return tuple(one.id for one in await read.all(HashImport, list=list_id, state="confirmed"))


async def remove(platform: Platform, principal: Principal, list_id: str) -> HashList:
    """The list and all its hashes; what was decided by it stays in the records. Twice is once."""
    operate(principal)
    async with platform.store.transaction() as tx:
        await turn(tx)
        found = await named(tx, list_id, removed=True)
        if found.state == "removed":
            return found
        await tx.remove_all(HashEntry, list=list_id)
        for waiting in await tx.all(HashImport, list=list_id, state="proposed"):
            await tx.change(waiting, state="refused", decided_at=platform.clock.now())
        gone = await moved_on(platform, tx, found, entries=0, state="removed")
        await tell(platform, tx, "hash_list.removed", principal.project, gone, by=principal.actor)
    return gone


async def moved_on(platform: Platform, tx: Transaction, known: HashList, **changes: Any) -> HashList:
    """The next version of the list: detectors read it anew."""
    return await tx.change(known, version=known.version + 1, changed_at=platform.clock.now(), **changes)


async def tell(
    platform: Platform, tx: Transaction, type: EventType, project: str, known: HashList, /, **facts: Any
) -> None:
    """An event of the project that acted: ids, counts and digests."""
    await note(platform, tx, type, project, list=known.id, version=known.version, **facts)


async def add_image(
    platform: Platform, tx: Transaction, image: Image, *, reason_code: str = "KNOWN_HASH_MATCH", by: str
) -> HashList:
    """Put an image of ours on the list of what was taken down, so that it does not come back, nor anything near it.

    Adds the SHA-256 of its file and of what it was made from, and its PDQ. Twice is once. `by`: who answers for it.
    """
    await turn(tx)
    known = await _own_list(platform, tx, reason_code, by)
    wanted = await _hashes_of(tx, image)
    there = await tx.fields(HashEntry, ("hash",), list=known.id, hash=tuple(hash for _, hash in wanted))
    new = [one for one in wanted if (one[1],) not in there]
    if not new:
        return known
    batch = _own_batch(platform, known, image, len(new), by)
    await tx.add(batch, *(entry(platform, known.id, batch.id, kind, hash) for kind, hash in new))
    known = await moved_on(platform, tx, known, entries=known.entries + len(new))
    await tell(platform, tx, "hash_list.imported", image.project, known, batch=batch.id, added=len(new), by=by)
    return known


async def _own_list(platform: Platform, tx: Transaction, reason_code: str, by: str) -> HashList:
    same = await tx.all(HashList, purpose="takedown", source=OWN_SOURCE, reason_code=reason_code, state="active")
    if same:
        return same[0]
    wanted = NewList(f"taken down: {reason_code}", OWN_SOURCE, "takedown", "block", reason_code, ("pdq", "sha256"))
    made = _new_list(platform, wanted, by)
    await tx.add(made)
    return made


async def _hashes_of(read: Reading, image: Image) -> list[tuple[HashKind, str]]:
    exact: list[tuple[HashKind, str]] = [("sha256", hash) for hash in {image.sha256, image.original_sha256}]
    seen = await read.find(Fingerprint, image.id)
    return exact if seen is None else [*exact, ("pdq", seen.pdq)]


def _own_batch(platform: Platform, known: HashList, image: Image, added: int, by: str) -> HashImport:
    now = platform.clock.now()
    return HashImport(
        id=platform.ids.new("him"),
        list=known.id,
        state="confirmed",
        sha256=image.sha256,
        replaces=False,
        signed=None,
        rows=added,
        added=added,
        proposed_by=by,
        confirmed_by=by,
        created_at=now,
        decided_at=now,
    )


def entry(
    platform: Platform, list_id: str, batch: str, kind: HashKind, hash: str, *, withdrawn: bool = False
) -> HashEntry:
    """One hash of an import; a withdrawn one keeps it until the import is confirmed, to know what is to go."""
    return HashEntry(
        id=platform.ids.new("hen"),
        list=list_id,
        batch=batch,
        kind=kind,
        hash=hash,
        status="withdrawn" if withdrawn else "active",
        added_at=platform.clock.now(),
    )


@dataclass(frozen=True, slots=True)
class StoredHashes:
    """What a detector reads: which lists there are at which version, and their hashes in pieces."""

    store: Store

    async def lists(self) -> tuple[ListAt, ...]:
        """Lists that were ever imported to and are not removed."""
        async with self.store.reading() as read:
            found = await read.all(HashList, state="active")
        fields = ("id", "version", "purpose", "action", "reason_code")
        return tuple(ListAt(**{name: getattr(one, name) for name in fields}) for one in found if one.version > 0)

    async def hashes(self, list_id: str) -> AsyncIterator[list[tuple[str, str]]]:
        """Kind and hash of everything that matches."""
        async with self.store.reading() as read:
            live = await live_batches(read, list_id)
            for some in pieces(live, AT_ONCE):
                last = ""
                names = ("id", "kind", "hash")
                while rows := await read.fields(HashEntry, names, after=last, batch=some, status="active"):
                    last = rows[-1][0]
                    yield [(kind, hash) for _, kind, hash in rows if hash]
