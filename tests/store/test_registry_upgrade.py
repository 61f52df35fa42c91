"""What an older version fingerprinted is in the registry after the upgrade, under ids that sort by time."""

import anyio.to_thread
from sqlalchemy import create_engine, text

from platemark.core.registry import RegistryEntry
from platemark.samples import fresh_id
from platemark.store import connections
from platemark.store.database import Database
from platemark.store.upgrade import downgrade, upgrade

_IMAGE = """
INSERT INTO images (id, project, origin, media_type, sha256, original_sha256, moderation_state, credential_state,
                    "index", width, height, parents, created_at)
VALUES (:id, 'prj_1', 'generated', 'image/png', :sha256, :sha256, 'allowed', 'valid', 0, 1, 1, '[]',
        '2026-11-22 12:00:00')
"""
_FINGERPRINT = """
INSERT INTO fingerprints (id, project, sha256, pdq, quality) VALUES (:id, 'prj_1', :sha256, :pdq, 90)
"""


async def test_known_pictures_stay_known(empty_url: str) -> None:
    await upgrade(empty_url, "0010")
    image, digest, pdq = fresh_id("img"), "ab" * 32, "0f" * 32

    def write() -> None:
        engine = create_engine(connections.parse(empty_url))
        with engine.begin() as connection:
            connection.execute(text(_IMAGE), {"id": image, "sha256": digest})
            connection.execute(text(_FINGERPRINT), {"id": image, "sha256": digest, "pdq": pdq})
        engine.dispose()

    await anyio.to_thread.run_sync(write)
    await upgrade(empty_url)
    async with Database.open(empty_url) as database, database.reading() as read:
        (entry,) = await read.all(RegistryEntry)
    assert entry == RegistryEntry(
        id=f"reg_{image[4:]}",
        project="prj_1",
        image=image,
        origin="generated",
        sha256=digest,
        pdq=pdq,
        quality=90,
        core=None,
    )
    await downgrade(empty_url, "0010")
    await upgrade(empty_url)
