"""Cases that are looked at again: by a second person, as a blind sample, between two who differ, on appeal."""

from datetime import timedelta

import pytest

from platemark.core.errors import BlockedByAppPolicy, BlockedByProvider, Conflict, NotAllowed, NotFound
from platemark.core.image import Image, Publication
from platemark.core.review import Review, ReviewKind
from platemark.flows import publish
from platemark.flows.record import image_record
from platemark.flows.reviews import appeal as review_appeal
from platemark.flows.reviews import desk as review
from reviewing import (
    NOTE,
    after_grace,
    decide,
    decisions,
    held_image,
    held_request,
    image_now,
    limit,
    people,
    person,
    publication,
    reviews,
    rules,
)
from workbench import Bench


@pytest.fixture(autouse=True)
def _at_once(bench: Bench) -> None:
    limit(bench, sample=0.0, undo=timedelta(0))


async def one(bench: Bench, kind: ReviewKind) -> Review:
    (found,) = [case for case in await reviews(bench) if case.kind == kind]
    return found


async def state_of(bench: Bench, image: Image) -> str:
    return (await image_now(bench, image)).moderation_state


async def test_what_is_severe_needs_two_who_agree(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    _, image, case = await held_image(bench, "NCII", severity=3)
    assert (await decide(bench.platform, ada, case, "approve", "CONTEXT_ALLOWED", note=NOTE)).state == "seconding"
    assert await state_of(bench, image) == "in_review"
    second = await one(bench, "second")
    with pytest.raises(NotAllowed):
        await review.claim(bench.platform, ada, second.id)
    await decide(bench.platform, grace, second, "approve", "CONTEXT_ALLOWED", note=NOTE)
    assert await state_of(bench, image) == "allowed"
    assert (await one(bench, "first")).state == "approved"


async def test_where_two_differ_a_third_decides(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    boss = await person(bench, "boss", "admin")
    _, image, case = await held_image(bench, "PUBLIC_FIGURE_DECEPTION", fields={"audience": "newsroom"})
    await decide(bench.platform, ada, case, "approve", "CONTEXT_ALLOWED")
    await decide(bench.platform, grace, await one(bench, "second"), "reject", "PUBLIC_FIGURE_DECEPTION")
    assert await state_of(bench, image) == "in_review"
    third = await one(bench, "adjudication")
    assert third.level == 3
    for who in (ada, grace):
        with pytest.raises(NotAllowed):
            await review.claim(bench.platform, who, third.id)
    await decide(bench.platform, boss, third, "reject", "PUBLIC_FIGURE_DECEPTION")
    assert await state_of(bench, image) == "blocked"
    assert (await one(bench, "first")).state == "rejected"


async def test_where_the_second_never_comes_nothing_is_approved(bench: Bench) -> None:
    ada, _ = await people(bench, "ada", "grace")
    generation, case = await held_request(bench, "NCII", severity=3)
    await decide(bench.platform, ada, case, "approve", "CONTEXT_ALLOWED", note=NOTE)
    bench.clock.pass_(timedelta(hours=73))
    await after_grace(bench)
    assert (await bench.again(generation)).status == "expired"
    assert {case.state for case in await reviews(bench)} == {"expired"}


async def test_a_blind_sample_changes_nothing_until_somebody_decides_between_two(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    boss = await person(bench, "boss", "admin")
    limit(bench, sample=1.0)
    _, image, case = await held_image(bench)
    await decide(bench.platform, ada, case, "approve", "NO_VIOLATION")
    assert await state_of(bench, image) == "allowed"
    await decide(bench.platform, grace, await one(bench, "sample"), "reject")
    assert await state_of(bench, image) == "allowed"
    await decide(bench.platform, boss, await one(bench, "adjudication"), "reject")
    assert await state_of(bench, image) == "blocked"
    assert (await one(bench, "first")).state == "approved"


async def test_one_who_works_alone_needs_no_second_and_the_decision_says_so(bench: Bench) -> None:
    _, image, case = await held_image(bench, "NCII", severity=3)
    await decide(bench.platform, bench.caller, case, "approve", "CONTEXT_ALLOWED", note=NOTE)
    assert await state_of(bench, image) == "allowed"
    (decision,) = await decisions(bench)
    assert (decision.single_operator, decision.second) == (True, "none")


async def test_review_second_reviewer_appeal_overturned(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    boss = await person(bench, "boss", "admin")
    _, image, case = await held_image(bench, "NCII", severity=3)
    await decide(bench.platform, ada, case, "reject", "NCII")
    await decide(bench.platform, grace, await one(bench, "second"), "reject", "NCII")
    assert (await state_of(bench, image), await publication(bench, image)) == ("blocked", "rejected")
    appeal = await review_appeal.appeal_image(bench.platform, bench.caller, image.id, "It is my own portrait.")
    with pytest.raises(Conflict, match="appealed already"):
        await review_appeal.appeal_review(bench.platform, bench.caller, case.id)
    for who in (ada, grace):
        with pytest.raises(NotAllowed):
            await review.claim(bench.platform, who, appeal.id)
    await decide(bench.platform, boss, appeal, "overturn", "CONTEXT_ALLOWED", note=NOTE)
    # It is severe: the overturning needs a second person, too.
    assert await state_of(bench, image) == "blocked"
    mary = await person(bench, "mary", "admin")
    again = next(each for each in await reviews(bench, of=appeal.id) if each.kind == "second")
    await decide(bench.platform, mary, again, "overturn", "CONTEXT_ALLOWED", note=NOTE)
    assert (await state_of(bench, image), await publication(bench, image)) == ("allowed", "draft")
    story = await image_record(bench.platform, bench.caller, image.id)
    assert [(case["kind"], case["state"]) for case in story.reviews] == [
        ("first", "rejected"),
        ("second", "rejected"),
        ("appeal", "overturned"),
        ("second", "overturned"),
    ]
    assert [each["action"] for each in story.reviews[0]["decisions"]] == ["reject"]
    assert story.chain.verified


async def refused_twice(bench: Bench, *codes: str) -> tuple[str, list[Publication]]:
    """An image of which a publication to each of two audiences was refused."""
    rules(bench, "allow")
    (image,) = await bench.images(await bench.make())
    for code, audience in zip(codes, ("marketplace", "newsroom"), strict=True):
        rules(bench, "block", code, stage="before_publish")
        with pytest.raises(BlockedByAppPolicy):
            await publish.publish(bench.platform, bench.caller, image.id, audience=audience)
        bench.clock.pass_(timedelta(minutes=1))
    async with bench.platform.store.reading() as read:
        refused = await read.all(Publication, order_by="changed_at", image=image.id, state="rejected")
    assert [each.audience for each in refused] == ["marketplace", "newsroom"]
    return image.id, refused


async def test_each_of_several_refusals_is_appealed_once_and_by_name(bench: Bench) -> None:
    image, (older, newer) = await refused_twice(bench, "IP_TRADEMARK", "IP_COPYRIGHT")
    appeal = await review_appeal.appeal_image(bench.platform, bench.caller, image, of=older.id)
    assert (appeal.verdict, appeal.reason_code) == (older.verdict, "IP_TRADEMARK")
    for name in (older.id, older.verdict):
        with pytest.raises(Conflict, match="appealed already"):
            await review_appeal.appeal_image(bench.platform, bench.caller, image, of=name)
    newest = await review_appeal.appeal_image(bench.platform, bench.caller, image)
    assert newest.verdict == newer.verdict
    rules(bench, "allow")
    await decide(bench.platform, bench.caller, appeal, "overturn", "NO_VIOLATION", note=NOTE)
    await decide(bench.platform, bench.caller, newest, "uphold", "IP_COPYRIGHT")
    async with bench.platform.store.reading() as read:
        states = [(await read.get(Publication, each.id)).state for each in (older, newer)]
    assert states == ["published", "rejected"]


async def test_an_appeal_names_a_refusal_of_what_it_is_about(bench: Bench) -> None:
    image, (older, _) = await refused_twice(bench, "IP_TRADEMARK", "IP_COPYRIGHT")
    other, (strange, _) = await refused_twice(bench, "IP_TRADEMARK", "IP_COPYRIGHT")
    assert other != image
    for name in (strange.id, strange.verdict, "pub_" + "0" * 32, "vdt_" + "0" * 32):
        with pytest.raises(NotFound, match="names no refusal"):
            await review_appeal.appeal_image(bench.platform, bench.caller, image, of=name)
    appeal = await review_appeal.appeal_image(bench.platform, bench.caller, image, of=older.verdict)
    assert appeal.verdict == older.verdict


async def test_to_overturn_one_refusal_does_not_open_what_another_closed(bench: Bench) -> None:
    image, (older, newer) = await refused_twice(bench, "IP_TRADEMARK", "NCII")
    appeal = await review_appeal.appeal_image(bench.platform, bench.caller, image, of=older.id)
    await decide(bench.platform, bench.caller, appeal, "overturn", "NO_VIOLATION", note=NOTE)
    async with bench.platform.store.reading() as read:
        assert (await read.get(Image, image)).moderation_state == "blocked"
        assert (await read.get(Publication, older.id)).state == "rejected"
    last = await review_appeal.appeal_image(bench.platform, bench.caller, image, of=newer.id)
    await decide(bench.platform, bench.caller, last, "overturn", "NO_VIOLATION", note=NOTE)
    async with bench.platform.store.reading() as read:
        assert (await read.get(Image, image)).moderation_state == "allowed"


async def test_an_overturned_block_of_a_request_starts_it(bench: Bench) -> None:
    rules(bench, "block", stage="before_request")
    generation = await bench.ask()
    assert generation.status == "blocked"
    appeal = await review_appeal.appeal_generation(bench.platform, bench.caller, generation.id)
    rules(bench, "allow")
    await decide(bench.platform, bench.caller, appeal, "overturn", "NO_VIOLATION", note=NOTE)
    again = await bench.again(generation)
    assert (again.status, again.error, again.finished_at) == ("queued", None, None)
    assert bench.jobs.submitted == [(generation.id, 0.0)]
    assert (await bench.run(again)).status == "succeeded"


async def test_an_upheld_block_stays(bench: Bench) -> None:
    rules(bench, "block")
    (image,) = await bench.images(await bench.make())
    appeal = await review_appeal.appeal_image(bench.platform, bench.caller, image.id)
    assert (await decide(bench.platform, bench.caller, appeal, "uphold")).state == "upheld"
    assert await state_of(bench, image) == "blocked"


async def test_what_endangers_children_is_appealed_to_the_top_and_never_restored(bench: Bench) -> None:
    generation = await bench.ask(prompt="nude photo of a 9 year old child")
    assert generation.status == "blocked"
    appeal = await review_appeal.appeal_generation(bench.platform, bench.caller, generation.id)
    assert (appeal.level, appeal.desk, appeal.hard) == (3, "legal", True)
    await decide(bench.platform, bench.caller, appeal, "overturn", "NO_VIOLATION", note=NOTE)
    assert (await bench.again(generation)).status == "blocked"
    assert bench.jobs.submitted == []


async def test_an_appeal_comes_in_time_and_about_a_decision_of_ours(bench: Bench) -> None:
    generation = await bench.make()
    with pytest.raises(Conflict, match="only a blocked one"):
        await review_appeal.appeal_generation(bench.platform, bench.caller, generation.id)
    rules(bench, "block")
    (image,) = await bench.images(await bench.make())
    bench.clock.pass_(timedelta(days=184))
    with pytest.raises(Conflict, match="six months"):
        await review_appeal.appeal_image(bench.platform, bench.caller, image.id)


async def test_a_providers_refusal_is_not_ours_to_overturn(bench: Bench) -> None:
    def refuse(_call: int, _order: object) -> None:
        raise BlockedByProvider("its filter said no", code="SEXUAL_EXPLICIT")

    bench.provider.script = refuse
    generation = await bench.make()
    assert generation.status == "blocked"
    with pytest.raises(Conflict, match="nothing of ours"):
        await review_appeal.appeal_generation(bench.platform, bench.caller, generation.id)
