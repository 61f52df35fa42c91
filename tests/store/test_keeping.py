"""What retention asks of the store, on both databases: oldest first, past some, only those that have a field."""

from datetime import timedelta

from platemark.core.attempt import Attempt
from platemark.core.image import Blob
from platemark.core.takedown import Takedown
from platemark.core.upload import Upload
from platemark.samples import NOW, sample_nouns
from platemark.store.database import Database

LATER = NOW + timedelta(days=9)


async def test_rows_that_stay_are_passed_over(database: Database) -> None:
    async with database.transaction() as tx:
        for n in range(4):
            moment = NOW + timedelta(hours=n)
            await tx.add(
                Blob(
                    id=f"prj_1/{n}",
                    project="prj_1",
                    sha256=str(n),
                    size=1,
                    media_type="a",
                    created_at=NOW,
                    doomed_at=None if n == 2 else moment,
                )
            )
    async with database.reading() as read:
        found = await read.before(Blob, "doomed_at", LATER, limit=1, skip=1)
        beyond = await read.before(Blob, "doomed_at", LATER, skip=3)
        early = await read.before(Blob, "doomed_at", NOW)
    assert ([blob.sha256 for blob in found], beyond, early) == (["1"], [], [])


async def test_only_rows_that_have_something_to_delete(database: Database) -> None:
    nouns = sample_nouns("prj_1")
    (attempt,) = [noun for noun in nouns if isinstance(noun, Attempt)]
    async with database.transaction() as tx:
        await tx.add(*nouns)
    async with database.reading() as read:
        assert [each.id for each in await read.before(Attempt, "created_at", LATER, having="response")] == [attempt.id]
    async with database.transaction() as tx:
        await tx.change(attempt, response=None)
        assert await tx.before(Attempt, "created_at", LATER, having="response") == []


async def test_notices_and_uploads_are_found_by_their_clock(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.add(*sample_nouns("prj_1"))
    async with database.reading() as read:
        assert len(await read.before(Takedown, "due_at", LATER, state="received", breached_at=None)) == 1
        assert await read.before(Takedown, "due_at", NOW, state="received") == []
        assert len(await read.before(Upload, "expires_at", LATER, state="receiving")) == 1
