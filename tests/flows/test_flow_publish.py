"""The gate before an audience: what is let through, held, refused, taken back; and who reads it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from platemark.core.errors import BlockedByAppPolicy, Conflict, Gone, NotAllowed, NotFound
from platemark.core.image import Image, Publication
from platemark.core.moderation import Signal, Verdict
from platemark.core.review import Review
from platemark.flows import look, publish
from platemark.flows.keeping.delete import delete
from workbench import Bench, open_bench

pytestmark = pytest.mark.anyio


@dataclass
class Scorer:
    """An image detector that says what the test tells it to."""

    found: dict[str, float] = field(default_factory=dict[str, float])
    name: str = "image_safety"
    version: str = "test"
    looks: int = 0
    blind: bool = False

    async def look(self, data: bytes) -> Sequence[Signal]:
        self.looks += 1
        if self.blind:
            return [Signal(detector=self.name, version=self.version, category="not_evaluated", evaluated=False)]
        found = self.found or {"none": 0.0}
        return [
            Signal(detector=self.name, version=self.version, category=category, score=score)
            for category, score in found.items()
        ]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path) as bench:
        yield bench


def scored(bench: Bench, **found: float) -> Scorer:
    scorer = Scorer(found)
    bench.change(image_detectors=(scorer,), text_detectors=bench.platform.text_detectors[:1])
    return scorer


async def draft(bench: Bench, **fields: str) -> Image:
    (image,) = await bench.images(await bench.make(**fields))
    return image


async def told(bench: Bench, image: Image) -> list[str]:
    async with bench.platform.store.reading() as read:
        events = await read.events(image.project)
    return [event.type for event in events if event.type.startswith("publication.") and event.image == image.id]


async def test_what_the_policy_lets_through_is_readable_by_anybody(bench: Bench) -> None:
    scored(bench)
    image = await draft(bench)
    made = await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")
    assert (made.state, made.audience) == ("published", "newsroom")
    (full,), _ = await publish.files(bench.platform, made)
    assert (await publish.read(bench.platform, made.id)).sha256 == full.sha256 != image.sha256
    async with bench.platform.store.reading() as read:
        ruled = await read.get(Verdict, made.verdict or "")
    assert (ruled.stage, ruled.decision, ruled.audience, ruled.input_sha256) == (
        "before_publish",
        "allow",
        "newsroom",
        image.sha256,
    )
    assert await told(bench, image) == ["publication.published"]


async def test_publishing_twice_to_one_audience_is_publishing_once(bench: Bench) -> None:
    scored(bench)
    image = await draft(bench)
    first = await publish.publish(bench.platform, bench.caller, image.id, audience="internal")
    assert await publish.publish(bench.platform, bench.caller, image.id, audience="internal") == first
    other = await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")
    assert other.id != first.id
    assert await told(bench, image) == ["publication.published"] * 2


async def test_before_publish_blocks_for_one_audience_and_leaves_the_draft(bench: Bench) -> None:
    scorer = scored(bench)
    image = await draft(bench)
    # Another version of the detector sees more than the one that looked before.
    scorer.version, scorer.found = "later", {"GORE": 0.6}
    with pytest.raises(BlockedByAppPolicy) as refused:
        await publish.publish(bench.platform, bench.caller, image.id, audience="education")
    assert refused.value.reason_code == "GORE"
    assert (await look.image(bench.platform, bench.caller, image.id)).readable
    async with bench.platform.store.reading() as read:
        (rejected,) = await read.all(Publication, image=image.id)
    assert rejected.state == "rejected"
    with pytest.raises(NotFound):
        await publish.read(bench.platform, rejected.id)
    assert await told(bench, image) == ["publication.rejected"]


async def test_a_known_picture_is_closed_for_everybody(bench: Bench) -> None:
    scorer = scored(bench)
    image = await draft(bench)
    scorer.version, scorer.found = "later", {"KNOWN_HASH_MATCH": 1.0}
    with pytest.raises(BlockedByAppPolicy):
        await publish.publish(bench.platform, bench.caller, image.id)
    after = await look.image(bench.platform, bench.caller, image.id)
    assert (after.moderation_state, after.readable) == ("blocked", False)


async def test_p5_publication_is_held_where_nobody_could_look(bench: Bench) -> None:
    scorer = scored(bench)
    scorer.blind = True
    image = await draft(bench)
    held = await publish.publish(bench.platform, bench.caller, image.id)
    assert held.state == "held"
    with pytest.raises(NotFound):
        await publish.read(bench.platform, held.id)
    async with bench.platform.store.reading() as read:
        (case,) = await read.all(Review, image=image.id)
    assert case.verdict == held.verdict
    with pytest.raises(BlockedByAppPolicy):
        await publish.publish(bench.platform, bench.caller, image.id, audience="education")


async def test_what_was_measured_is_not_measured_again_by_the_same_version(bench: Bench) -> None:
    scorer = scored(bench)
    image = await draft(bench)
    assert scorer.looks == 1
    await publish.publish(bench.platform, bench.caller, image.id)
    assert scorer.looks == 1
    scorer.version = "later"
    await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")
    assert scorer.looks == 2


async def test_a_withdrawn_publication_gives_nothing(bench: Bench) -> None:
    scored(bench)
    image = await draft(bench)
    made = await publish.publish(bench.platform, bench.caller, image.id)
    gone = await publish.withdraw(bench.platform, bench.caller, made.id)
    assert gone.state == "withdrawn"
    assert await publish.withdraw(bench.platform, bench.caller, made.id) == gone
    with pytest.raises(Gone):
        await publish.read(bench.platform, made.id)
    assert await told(bench, image) == ["publication.published", "publication.withdrawn"]


async def test_a_draft_cannot_be_withdrawn(bench: Bench) -> None:
    scored(bench)
    image = await draft(bench)
    async with bench.platform.store.reading() as read:
        (unused,) = await read.all(Publication, image=image.id)
    with pytest.raises(Conflict):
        await publish.withdraw(bench.platform, bench.caller, unused.id)


async def test_blocked_and_deleted_images_are_not_published(bench: Bench) -> None:
    scored(bench, SEXUAL_EXPLICIT=0.95)
    blocked = await draft(bench)
    with pytest.raises(NotAllowed):
        await publish.publish(bench.platform, bench.caller, blocked.id)
    scored(bench)
    image = await draft(bench)
    made = await publish.publish(bench.platform, bench.caller, image.id)
    await delete(bench.platform, bench.caller, image.id)
    with pytest.raises(Gone):
        await publish.read(bench.platform, made.id)
    with pytest.raises(Gone):
        await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom")


async def test_another_project_sees_no_publication(bench: Bench) -> None:
    scored(bench)
    image = await draft(bench)
    made = await publish.publish(bench.platform, bench.caller, image.id)
    stranger = await bench.stranger()
    with pytest.raises(NotFound):
        await publish.find(bench.platform, stranger, made.id)
    with pytest.raises(NotFound):
        await publish.withdraw(bench.platform, stranger, made.id)
    with pytest.raises(NotFound):
        await publish.publish(bench.platform, stranger, image.id)


class Words:
    """A text detector that finds some violence in everything."""

    name, version = "words", "1"

    async def look(self, texts: Mapping[str, str]) -> Sequence[Signal]:
        return [Signal(detector=self.name, version=self.version, category="VIOLENCE", score=0.3) for _ in texts]


async def test_the_words_count_for_the_audience_too(bench: Bench) -> None:
    scored(bench)
    bench.change(text_detectors=(Words(),))
    image = await draft(bench)
    assert (await publish.publish(bench.platform, bench.caller, image.id, audience="internal")).state == "published"
    assert (await publish.publish(bench.platform, bench.caller, image.id, audience="education")).state == "held"
