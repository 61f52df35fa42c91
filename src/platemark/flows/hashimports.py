"""Files that are read into hash lists: staged in pieces, and matching all at once when they are confirmed.

Nothing matches before that: a reading that is cut off leaves the list as it was, and the next one clears it away.
"""

import hashlib
import hmac
import io
import tempfile
from collections.abc import AsyncIterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

import anyio

from platemark.core.errors import FieldError, InvalidRequest, NotAllowed, NotFound, TooLarge
from platemark.core.hashfile import BadRow, Format, Row, read_rows
from platemark.core.hashlist import HashEntry, HashImport, HashList
from platemark.core.ports import Platform, Transaction
from platemark.core.project import Principal
from platemark.flows.foureyes import SINGLE_OPERATOR, several
from platemark.flows.hashlists import AT_ONCE, entry, forget, live_batches, moved_on, named, operate, pieces, tell, turn

# Room for some three million hashes.
LARGEST_FILE = 512 * 1024 * 1024
_IN_MEMORY = 4 * 1024 * 1024
_MOST_TOLD = 100
_NO_HASH = "cannot be read as a hash"
_WRONG = {
    "type_not_said": "may be of two kinds; write its kind before it, as in `sha256 0a1b…`, or make a list of one",
    "unknown_type": "names a kind of hash that is not read here; those are pdq, sha256 and md5",
    "not_of_this_list": "is of a kind that this list does not hold",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What the operator says of a file, each part checked: how many rows it has, its SHA-256, its HMAC-SHA-256.

    `replaces`: the list is to hold this file and nothing else.
    """

    format: Format = "auto"
    rows: int | None = None
    sha256: str | None = None
    hmac: str | None = None
    replaces: bool = False


@dataclass(slots=True)
class _Count:
    """What was found in a file."""

    rows: int = 0
    added: int = 0
    known: int = 0
    withdrawals: int = 0
    invalid: int = 0
    bad: list[BadRow] = field(default_factory=list[BadRow])

    def see(self, bad: BadRow) -> None:
        self.invalid += 1
        if len(self.bad) < _MOST_TOLD:
            self.bad.append(bad)

    def totals(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in ("rows", "added", "known", "withdrawals", "invalid")}


async def read_in(
    platform: Platform,
    principal: Principal,
    list_id: str,
    body: AsyncIterable[bytes],
    said: Said,
    *,
    key: bytes | None = None,
) -> tuple[HashImport, list[BadRow]]:
    """Read a file into a list. Once two people work in the project it waits, `proposed`, for another one to confirm.

    A file that was read in before changes nothing and gives its import again. `key` is what HMACs are made with.
    Returns the import and the first hundred lines that could not be read. Raises NotAllowed, NotFound, TooLarge,
    InvalidRequest where the file is not what was said of it or holds no hash; then nothing is changed.
    """
    operate(principal)
    async with platform.store.reading() as read:
        known = await named(read, list_id)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        digest, signed = await _spool(body, file, said, key)
        async with platform.store.reading() as read:
            same = await read.all(HashImport, list=list_id, sha256=digest, replaces=said.replaces)
        before = [one for one in same if one.state in ("proposed", "confirmed")]
        if before:
            return before[-1], []
        batch = await _begin(platform, principal, known, digest, signed, said)
        try:
            count = await _stage(platform, known, batch, file, said)
            return await _end(platform, principal, batch, count), count.bad
        except BaseException:
            with anyio.CancelScope(shield=True):
                await _abandon(platform, batch)
            raise


async def _spool(body: AsyncIterable[bytes], file: IO[bytes], said: Said, key: bytes | None) -> tuple[str, str | None]:
    """The file's SHA-256, and how it was proven to be what its sender sent."""
    digest, size = hashlib.sha256(), 0
    code = hmac.new(key or b"", digestmod=hashlib.sha256)

    def take(chunk: bytes) -> None:
        file.write(chunk)
        digest.update(chunk)
        code.update(chunk)

    async for chunk in body:
        size += len(chunk)
        if size > LARGEST_FILE:
            raise TooLarge(f"The file has more than {LARGEST_FILE} bytes. Import it in parts.")
        await anyio.to_thread.run_sync(take, chunk)
    file.seek(0)
    if said.hmac is not None and key is None:
        raise _not_as_said("hmac", "cannot be checked: the server has no PLATEMARK_HASH_LIST_KEY")
    _check_digest("hmac", said.hmac, code.hexdigest())
    _check_digest("sha256", said.sha256, digest.hexdigest())
    return digest.hexdigest(), "hmac" if said.hmac else "sha256" if said.sha256 else None


def _check_digest(name: str, said: str | None, found: str) -> None:
    if said is not None and not hmac.compare_digest(said.strip().lower().encode(), found.encode()):
        raise _not_as_said(name, "is not that of these bytes")


def _not_as_said(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(
        "The file is not what was said of it, so nothing was changed. Fetch it again, and compare.",
        errors=[FieldError(pointer=f"/query/{name}", code="not_as_said", message=message)],
    )


async def _begin(
    platform: Platform, principal: Principal, known: HashList, digest: str, signed: str | None, said: Said
) -> HashImport:
    """Write the import down, after clearing away what an earlier one left behind that did not come to its end."""
    batch = HashImport(
        id=platform.ids.new("him"),
        list=known.id,
        state="reading",
        sha256=digest,
        replaces=said.replaces,
        signed=signed,
        proposed_by=principal.actor,
        created_at=platform.clock.now(),
    )
    async with platform.store.reading() as read:
        left = await read.all(HashImport, list=known.id, state="reading")
    for one in left:
        await _abandon(platform, one)
    async with platform.store.transaction() as tx:
        await tx.add(batch)
    return batch


async def _abandon(platform: Platform, batch: HashImport) -> None:
    async with platform.store.transaction() as tx:
        current = await tx.get(HashImport, batch.id)
        if current.state == "reading":
            await tx.change(current, state="failed", decided_at=platform.clock.now())
            await tx.remove_all(HashEntry, batch=batch.id)


async def _stage(platform: Platform, known: HashList, batch: HashImport, file: IO[bytes], said: Said) -> _Count:
    """Write the hashes down in pieces, each a transaction of its own: nobody else has to wait for a long file."""
    count = _Count()
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline=None)
    rows = pieces(read_rows(_bounded(text), said.format, known.kinds), AT_ONCE)
    try:
        while some := await anyio.to_thread.run_sync(partial(next, rows, ())):
            await _stage_some(platform, batch, some, count)
    finally:
        text.detach()
    _check_rows(count, said)
    return count


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines; what has no end of line is cut, so that memory stays bounded."""
    while line := text.readline(64 * 1024 * 1024):
        yield line


async def _stage_some(platform: Platform, batch: HashImport, some: Sequence[Row | BadRow], count: _Count) -> None:
    count.rows += len(some)
    last = dict[tuple[str, str], Row]()
    for row in some:
        if isinstance(row, BadRow):
            count.see(row)
        else:
            last[row.kind, row.hash] = row
    async with platform.store.transaction() as tx:
        there = await _known(tx, batch, tuple(row.hash for row in last.values()))
        fresh = [row for row in last.values() if row.withdrawn or (row.kind, row.hash) not in there]
        nouns = (entry(platform, batch.list, batch.id, row.kind, row.hash, withdrawn=row.withdrawn) for row in fresh)
        await tx.add(*nouns)
    gone = sum(row.withdrawn for row in fresh)
    count.withdrawals += gone
    count.added += len(fresh) - gone
    count.known += len(some) - len(fresh) - sum(isinstance(row, BadRow) for row in some)


async def _known(tx: Transaction, batch: HashImport, hashes: tuple[str, ...]) -> set[tuple[Any, ...]]:
    """What needs not be added: it matches already, or stood in an earlier line."""
    live = () if batch.replaces else await live_batches(tx, batch.list)
    names = ("kind", "hash", "batch")
    found = await tx.fields(HashEntry, names, limit=100 * AT_ONCE, list=batch.list, hash=hashes, status="active")
    return {(kind, hash) for kind, hash, by in found if by == batch.id or by in live}


def _check_rows(count: _Count, said: Said) -> None:
    if said.rows is not None and said.rows != count.rows:
        raise _not_as_said("rows", f"is {said.rows}, but the file has {count.rows}")
    if count.rows == count.invalid:
        errors = [
            FieldError(pointer=f"/lines/{bad.line}", code=bad.code, message=_WRONG.get(bad.code, _NO_HASH))
            for bad in count.bad
        ]
        raise InvalidRequest("No line of this file holds a hash for this list. Nothing was changed.", errors=errors)


async def _end(platform: Platform, principal: Principal, batch: HashImport, count: _Count) -> HashImport:
    async with platform.store.transaction() as tx:
        two = await several(tx, principal.project)
        await turn(tx)
        current = await tx.change(await tx.get(HashImport, batch.id), **count.totals())
        if not two:
            return await _apply(platform, tx, principal, current, alone=True)
        known = await named(tx, batch.list)
        current, gone = await _honour(platform, tx, known, current)
        if gone:
            known = await moved_on(platform, tx, known, entries=known.entries - gone)
        current = await tx.change(current, state="proposed")
        await tell(platform, tx, "hash_list.proposed", principal.project, known, **_facts(current))
    return current


async def confirm(platform: Platform, principal: Principal, import_id: str) -> HashImport:
    """Let a proposed import match, all of it at once. Another person than the one who proposed it has to.

    Raises NotAllowed, NotFound, Conflict for one that was decided. Twice is once.
    """
    operate(principal)
    async with platform.store.transaction() as tx:
        two = await several(tx, principal.project)
        await turn(tx)
        found = await _import(tx, import_id)
        if found.state == "confirmed":
            return found
        if two and found.proposed_by == principal.actor:
            raise NotAllowed("You proposed this import yourself. Another person has to confirm it.")
        return await _apply(platform, tx, principal, found, alone=not two)


async def refuse(platform: Platform, principal: Principal, import_id: str) -> HashImport:
    """A proposed import that is not to be: its hashes are deleted. Raises NotAllowed, NotFound, Conflict."""
    operate(principal)
    async with platform.store.transaction() as tx:
        await turn(tx)
        found = await _import(tx, import_id)
        if found.state == "refused":
            return found
        gone = await tx.change(found, state="refused", decided_at=platform.clock.now())
        await tx.remove_all(HashEntry, batch=import_id)
        known = await named(tx, found.list, removed=True)
        await tell(platform, tx, "hash_list.refused", principal.project, known, batch=gone.id, by=principal.actor)
    return gone


async def _import(tx: Transaction, import_id: str) -> HashImport:
    found = await tx.find(HashImport, import_id)
    if found is None:
        raise NotFound(f"There is no import {import_id[:80]!r}.")
    return found


async def _apply(
    platform: Platform, tx: Transaction, principal: Principal, batch: HashImport, *, alone: bool
) -> HashImport:
    """The swap: one transaction in which the import's hashes begin to match, and those that are to go end."""
    known = await named(tx, batch.list)
    entries = known.entries
    if batch.replaces:
        entries = 0
        for old in await tx.all(HashImport, list=known.id, state="confirmed"):
            await tx.change(old, state="superseded")
            await tx.remove_all(HashEntry, batch=old.id)
    batch, gone = await _honour(platform, tx, known, batch)
    now = platform.clock.now()
    batch = await tx.change(batch, state="confirmed", confirmed_by=principal.actor, decided_at=now)
    known = await moved_on(platform, tx, known, entries=entries + batch.added - gone, signed=batch.signed)
    facts = _facts(batch) | {"by": principal.actor} | ({SINGLE_OPERATOR: True} if alone else {})
    await tell(platform, tx, "hash_list.imported", principal.project, known, **facts)
    return batch


async def _honour(platform: Platform, tx: Transaction, known: HashList, batch: HashImport) -> tuple[HashImport, int]:
    """Withdrawals of the file, in every import of the list, at once and by one person: forgetting is a duty.

    Returns the import, without those of its own that it takes back, and how many had matched.
    """
    gone, own, last = 0, 0, ""
    while rows := await tx.fields(HashEntry, ("id", "hash"), after=last, batch=batch.id, status="withdrawn"):
        last = rows[-1][0]
        hashes = [hash for _, hash in rows if hash]
        for some in pieces(hashes, AT_ONCE):
            mine = {"batch": batch.id, "status": "active", "hash": some}
            own += await tx.change_all(HashEntry, {"status": "withdrawn"}, **mine)
        gone += await forget(platform, tx, known, hashes)
    return (await tx.change(batch, added=batch.added - own) if own else batch), gone


def _facts(batch: HashImport) -> dict[str, Any]:
    counts = ("rows", "added", "known", "withdrawals", "invalid")
    return {
        "batch": batch.id,
        "sha256": batch.sha256,
        "signed": batch.signed,
        "replaces": batch.replaces,
        "proposed_by": batch.proposed_by,
        **{name: getattr(batch, name) for name in counts},
    }
