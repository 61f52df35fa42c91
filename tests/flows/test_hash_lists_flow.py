"""Hash lists: what is imported, confirmed, withdrawn and removed; and what matches meanwhile."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import ImageOps

from pictures import encoded, noise
from platemark.core.errors import InvalidRequest, NotAllowed, NotFound
from platemark.core.event import Event
from platemark.core.hashfile import BadRow
from platemark.core.hashlist import HashEntry, HashImport, HashList
from platemark.core.moderation import Signal
from platemark.core.project import Principal
from platemark.detectors.hash_lists import HashLists
from platemark.flows import hashimports, hashlists, keys, people
from platemark.flows.hashimports import Said
from platemark.flows.hashlists import NewList, StoredHashes
from platemark.imaging.fingerprint import pdq_of
from workbench import Bench

A, B, C = (f"{digit}" * 64 for digit in "abc")


async def body(text: str | bytes, piece: int = 1000) -> AsyncIterator[bytes]:
    data = text.encode() if isinstance(text, str) else text
    for start in range(0, len(data), piece):
        yield data[start : start + piece]


async def new_list(bench: Bench, **fields: Any) -> HashList:
    wanted: dict[str, Any] = {"name": "ours", "source": "tests", "kinds": ("pdq", "md5"), **fields}
    return await hashlists.create(bench.platform, bench.caller, NewList(**wanted))


async def read_in(
    bench: Bench, known: HashList, text: str | bytes, by: Principal | None = None, key: bytes | None = None, **said: Any
) -> tuple[HashImport, list[BadRow]]:
    return await hashimports.read_in(bench.platform, by or bench.caller, known.id, body(text), Said(**said), key=key)


async def matching(bench: Bench, known: HashList) -> set[str]:
    stored = StoredHashes(bench.platform.store)
    return {hash async for some in stored.hashes(known.id) for _, hash in some}


async def again(bench: Bench, known: HashList) -> HashList:
    async with bench.platform.store.reading() as read:
        return await read.get(HashList, known.id)


async def told(bench: Bench) -> list[Event]:
    async with bench.platform.store.reading() as read:
        return [event for event in await read.events(bench.caller.project) if event.type.startswith("hash_list.")]


async def second(bench: Bench) -> Principal:
    """Another person of the project, with every scope."""
    await people.add(bench.platform, bench.caller, "Ada", "admin")
    _, secret = await keys.issue(bench.platform, bench.caller, name="hers", person="Ada")
    return await keys.authenticate(bench.platform, secret)


def stopncii(*cases: tuple[str, str]) -> str:
    records = [{"hashValue": hash, "signalType": "ImagePDQ", "hashStatus": state} for hash, state in cases]
    return json.dumps({"count": len(records), "hashRecords": records}, indent=1)


@pytest.mark.parametrize(
    "text",
    [
        f"# ours\n{A}\npdq {B}\n\n",
        f"hash,type,reason,source\n{A},pdq,a reason,me\n{B},,,\n",
        f"{A},pdq\n{B.upper()},PDQ,x,y\n",
        stopncii((A, "Active"), (B, "Active"), (C, "Withdrawn")),
        f'{{"hash": "{A}"}}\n{{"hash": "{B}", "type": "pdq", "status": "active"}}\n',
        f"\ufeff{A}\r\n{B}\r\n{A}\r\n",
    ],
    ids=["txt", "csv", "bare csv", "json", "json lines", "bom and twice"],
)
async def test_every_format_is_read_and_matches_at_once(bench: Bench, text: str) -> None:
    known = await new_list(bench)
    done, bad = await read_in(bench, known, text)
    assert (done.state, bad) == ("confirmed", [])
    assert await matching(bench, known) == {A, B}
    after = await again(bench, known)
    assert (after.version, after.entries) == (1, 2)


async def test_lines_that_cannot_be_read_are_told_with_their_numbers(bench: Bench) -> None:
    known = await new_list(bench)
    text = f"{A}\nnot a hash\nsha1 {B[:40]}\nsha256 {C}\npdq {B[:60]}\n{B}\n"
    done, bad = await read_in(bench, known, text)
    assert [(row.line, row.code) for row in bad] == [
        (2, "not_a_hash"),
        (3, "unknown_type"),
        (4, "not_of_this_list"),
        (5, "not_a_hash"),
    ]
    assert (done.rows, done.added, done.invalid) == (6, 2, 4)


async def test_a_bare_hash_that_could_be_two_kinds_has_to_say_which(bench: Bench) -> None:
    known = await new_list(bench, kinds=("pdq", "sha256"))
    _, bad = await read_in(bench, known, f"{A}\nsha256 {B}\n")
    assert [(row.line, row.code) for row in bad] == [(1, "type_not_said")]


async def test_the_same_file_again_changes_nothing(bench: Bench) -> None:
    known = await new_list(bench)
    first, _ = await read_in(bench, known, f"{A}\n{B}\n")
    before = (await again(bench, known), len(await told(bench)))
    second, _ = await read_in(bench, known, f"{A}\n{B}\n")
    assert second == first
    assert (await again(bench, known), len(await told(bench))) == before


async def test_another_file_adds_only_what_is_new(bench: Bench) -> None:
    known = await new_list(bench)
    await read_in(bench, known, f"{A}\n{B}\n")
    done, _ = await read_in(bench, known, f"{B}\n{C}\n")
    assert (done.added, done.known) == (1, 1)
    assert (await again(bench, known)).entries == 3
    assert await matching(bench, known) == {A, B, C}


async def test_withdrawals_in_a_file_are_honoured_and_forgotten(bench: Bench) -> None:
    known = await new_list(bench)
    await read_in(bench, known, stopncii((A, "Active"), (B, "Active")))
    done, _ = await read_in(bench, known, stopncii((A, "Withdrawn"), (B, "Active"), (C, "Deleted")))
    assert (done.withdrawals, done.known) == (2, 1)
    assert await matching(bench, known) == {B}
    assert (await again(bench, known)).entries == 1
    async with bench.platform.store.reading() as read:
        entries = await read.all(HashEntry, list=known.id)
    assert {entry.hash for entry in entries} == {None, B}
    assert {entry.status for entry in entries if entry.hash is None} == {"withdrawn"}


async def test_a_hash_that_one_file_adds_and_takes_back_does_not_match(bench: Bench) -> None:
    known = await new_list(bench)
    filler = "".join(f"{number:064x}\n" for number in range(1, 700))
    lines = [json.dumps({"hash": line}) for line in (A, *filler.split())]
    await read_in(bench, known, "\n".join([*lines, json.dumps({"hash": A, "status": "Withdrawn"})]))
    assert A not in await matching(bench, known)
    assert (await again(bench, known)).entries == 699 == len(await matching(bench, known))


async def test_a_file_can_replace_everything(bench: Bench) -> None:
    known = await new_list(bench)
    await read_in(bench, known, f"{A}\n{B}\n")
    await read_in(bench, known, f"{B}\n{C}\n", replaces=True)
    assert await matching(bench, known) == {B, C}
    assert (await again(bench, known)).entries == 2


@pytest.mark.parametrize(
    "said",
    [
        {"rows": 3},
        {"sha256": "0" * 64},
        {"hmac": "0" * 64},
        {"hmac": "0" * 64, "key": b"shared"},
    ],
    ids=["rows", "sha256", "no key", "hmac"],
)
async def test_a_file_that_is_not_what_was_said_changes_nothing(bench: Bench, said: dict[str, Any]) -> None:
    known = await new_list(bench)
    await read_in(bench, known, f"{A}\n")
    with pytest.raises(InvalidRequest) as caught:
        await read_in(bench, known, f"{B}\n{C}\n", **said)
    assert [error.code for error in caught.value.errors] == ["not_as_said"]
    assert await matching(bench, known) == {A}
    async with bench.platform.store.reading() as read:
        assert len(await read.all(HashEntry, list=known.id)) == 1


async def test_a_file_that_is_what_was_said_is_marked_so(bench: Bench) -> None:
    known, text = await new_list(bench), f"{A}\n".encode()
    signed = hmac.new(b"shared", text, "sha256").hexdigest()
    done, _ = await read_in(bench, known, text, key=b"shared", hmac=signed, rows=1)
    assert (done.signed, (await again(bench, known)).signed) == ("hmac", "hmac")
    other, _ = await read_in(bench, known, f"{B}\n", sha256=hashlib.sha256(f"{B}\n".encode()).hexdigest())
    assert other.signed == "sha256"


async def test_a_file_without_a_hash_is_refused(bench: Bench) -> None:
    known = await new_list(bench)
    for text in ("", "\n\n", "hello\nworld\n", "{broken", "[1, 2]"):
        with pytest.raises(InvalidRequest):
            await read_in(bench, known, text)
    assert (await again(bench, known)).version == 0


async def test_a_reading_that_is_killed_leaves_the_list_as_it_was(bench: Bench) -> None:
    known = await new_list(bench)
    await read_in(bench, known, f"{A}\n")
    before = await again(bench, known)
    # As a kill in the middle leaves it: rows are there, and their import never came to its end.
    async with bench.platform.store.transaction() as tx:
        cut_off = HashImport(
            id=bench.platform.ids.new("him"),
            list=known.id,
            state="reading",
            sha256="0" * 64,
            replaces=True,
            signed=None,
            proposed_by="per_1",
            created_at=bench.clock.now(),
        )
        await tx.add(cut_off, hashlists.entry(bench.platform, known.id, cut_off.id, "pdq", B))
    assert await matching(bench, known) == {A}
    assert await again(bench, known) == before
    done, _ = await read_in(bench, known, f"{B}\n{C}\n")
    assert (done.added, await matching(bench, known)) == (2, {A, B, C})
    async with bench.platform.store.reading() as read:
        assert (await read.get(HashImport, cut_off.id)).state == "failed"
        assert await read.all(HashEntry, batch=cut_off.id) == []


async def test_a_reading_that_fails_half_way_leaves_nothing(bench: Bench) -> None:
    known = await new_list(bench)
    lines = "".join(f"{number:064x}\n" for number in range(1, 1500))
    with pytest.raises(InvalidRequest):
        await read_in(bench, known, lines, rows=7)
    async with bench.platform.store.reading() as read:
        assert await read.all(HashEntry, list=known.id) == []
    assert (await again(bench, known)).version == 0


async def test_two_people_are_needed_to_add_once_there_are_two(bench: Bench) -> None:
    known = await new_list(bench)
    ada = await second(bench)
    waiting, _ = await read_in(bench, known, f"{A}\n")
    assert waiting.state == "proposed"
    assert await matching(bench, known) == set()
    with pytest.raises(NotAllowed, match="Another person"):
        await hashimports.confirm(bench.platform, bench.caller, waiting.id)
    done = await hashimports.confirm(bench.platform, ada, waiting.id)
    assert (done.state, done.confirmed_by) == ("confirmed", ada.person)
    assert await hashimports.confirm(bench.platform, bench.caller, waiting.id) == done
    assert await matching(bench, known) == {A}
    (imported,) = [event for event in await told(bench) if event.type == "hash_list.imported"]
    assert (imported.data["proposed_by"], imported.data["by"]) == (bench.caller.actor, ada.actor)
    assert "single_operator" not in imported.data


async def test_one_person_alone_is_said_so(bench: Bench) -> None:
    known = await new_list(bench)
    await read_in(bench, known, f"{A}\n")
    (imported,) = [event for event in await told(bench) if event.type == "hash_list.imported"]
    assert imported.data["single_operator"] is True


async def test_what_a_waiting_file_withdraws_goes_at_once(bench: Bench) -> None:
    known = await new_list(bench)
    await read_in(bench, known, f"{A}\n{B}\n")
    ada = await second(bench)
    waiting, _ = await read_in(bench, known, stopncii((A, "Withdrawn"), (C, "Active")))
    assert (waiting.state, await matching(bench, known)) == ("proposed", {B})
    await hashimports.confirm(bench.platform, ada, waiting.id)
    assert await matching(bench, known) == {B, C}
    assert (await again(bench, known)).entries == 2


async def test_a_refused_file_leaves_no_hash(bench: Bench) -> None:
    known = await new_list(bench)
    await second(bench)
    waiting, _ = await read_in(bench, known, f"{A}\n")
    for _ in range(2):
        assert (await hashimports.refuse(bench.platform, bench.caller, waiting.id)).state == "refused"
    async with bench.platform.store.reading() as read:
        assert await read.all(HashEntry, list=known.id) == []


async def test_withdrawing_by_hand_is_one_persons_act_and_at_once(bench: Bench) -> None:
    known = await new_list(bench)
    await read_in(bench, known, f"{A}\n{B}\n")
    await second(bench)
    after, count = await hashlists.withdraw(bench.platform, bench.caller, known.id, [A.upper(), C])
    assert (count, after.entries, after.version) == (1, 1, 2)
    assert await matching(bench, known) == {B}
    with pytest.raises(InvalidRequest):
        await hashlists.withdraw(bench.platform, bench.caller, known.id, [B, "nonsense"])


async def test_a_removed_list_forgets_everything(bench: Bench) -> None:
    known = await new_list(bench)
    await read_in(bench, known, f"{A}\n")
    for _ in range(2):
        assert (await hashlists.remove(bench.platform, bench.caller, known.id)).state == "removed"
    async with bench.platform.store.reading() as read:
        assert await read.all(HashEntry, list=known.id) == []
    assert await StoredHashes(bench.platform.store).lists() == ()
    with pytest.raises(NotFound):
        await read_in(bench, known, f"{A}\n")


async def test_events_hold_no_hash_and_no_name(bench: Bench) -> None:
    known = await new_list(bench, name="Quill's list", source="Quill & Co")
    await read_in(bench, known, f"{A}\n{B}\n")
    await hashlists.withdraw(bench.platform, bench.caller, known.id, [A])
    await hashlists.remove(bench.platform, bench.caller, known.id)
    events = await told(bench)
    assert [event.type for event in events] == [
        "hash_list.created",
        "hash_list.imported",
        "hash_list.withdrawn",
        "hash_list.removed",
    ]
    assert not [word for word in (A, B, "Quill") if word in str(events)]


@pytest.mark.parametrize("lacks", ["moderation:manage", "projects:manage"])
async def test_only_operators_change_what_holds_for_everybody(bench: Bench, lacks: str) -> None:
    known = await new_list(bench)
    poor = bench.caller.model_copy(update={"scopes": bench.caller.scopes - {lacks}})
    for act in (
        hashlists.create(bench.platform, poor, NewList("x", "y")),
        hashlists.listing(bench.platform, poor),
        hashlists.withdraw(bench.platform, poor, known.id, [A]),
        hashlists.remove(bench.platform, poor, known.id),
        hashimports.confirm(bench.platform, poor, "him_" + "0" * 32),
    ):
        with pytest.raises(NotAllowed):
            await act
    with pytest.raises(NotAllowed):
        await read_in(bench, known, f"{A}\n", by=poor)


async def test_a_child_safety_list_cannot_be_lenient(bench: Bench) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await new_list(bench, purpose="child_safety", action="review", reason_code="NOBODY_KNOWS")
    assert {error.code for error in caught.value.errors} == {"too_lenient", "unknown_code"}


async def test_more_hashes_than_one_question_holds(bench: Bench) -> None:
    known = await new_list(bench)
    hashes = [f"{number:064x}" for number in range(1, 6_001)]
    done, _ = await read_in(bench, known, "\n".join(hashes), rows=6_000)
    assert done.added == 6_000
    assert await matching(bench, known) == set(hashes)


async def look(bench: Bench, data: bytes) -> list[Signal]:
    detector = HashLists(StoredHashes(bench.platform.store), bench.clock.monotonic)
    return list(await detector.look(data))


async def test_pictures_are_found_by_what_was_imported_until_it_is_withdrawn(bench: Bench) -> None:
    picture = noise(384, seed=3)
    digits = pdq_of(picture)[0]
    known = await new_list(bench, purpose="child_safety", reason_code="MINOR_SAFETY")
    await read_in(bench, known, f"pdq {digits}\n")
    copy = encoded(ImageOps.mirror(picture).resize((200, 200)), "JPEG", quality=70)
    (signal,) = await look(bench, copy)
    assert (signal.category, signal.evidence["list"]) == ("KNOWN_HASH_MATCH", known.id)
    await hashlists.withdraw(bench.platform, bench.caller, known.id, [digits])
    (signal,) = await look(bench, copy)
    assert (signal.category, signal.evidence) == ("none", {"lists": 1, "hashes": 0})


async def test_what_is_taken_down_does_not_come_back(bench: Bench) -> None:
    (image,) = await bench.images(await bench.make())
    async with bench.platform.store.transaction() as tx:
        first = await hashlists.add_image(bench.platform, tx, image, reason_code="NCII", by="per_1")
        known = await hashlists.add_image(bench.platform, tx, image, reason_code="NCII", by="per_1")
    assert known == first
    assert (known.purpose, known.reason_code, known.version) == ("takedown", "NCII", 1)
    stored = await bench.platform.blobs.get(f"{image.project}/{image.sha256}")
    (signal,) = await look(bench, stored)
    assert (signal.evidence["purpose"], signal.evidence["reason_code"]) == ("takedown", "NCII")
