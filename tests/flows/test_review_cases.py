"""Cases: who is given which, who holds it for how long, and what a decision does."""

from datetime import timedelta
from itertools import pairwise

import anyio
import pytest

from pictures import encoded, gradient
from platemark.core.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from platemark.core.event import Event
from platemark.core.image import Image
from platemark.core.moderation import Verdict
from platemark.core.review import REVIEW_MOVES, Review
from platemark.flows import audit, content, upkeep
from platemark.flows.reviews import decide as review_decide
from platemark.flows.reviews import desk as review
from platemark.flows.reviews import effects as review_effects
from platemark.flows.reviews import upkeep as review_upkeep
from platemark.flows.reviews.decide import Wish
from platemark.flows.reviews.desk import Wanted
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
from workbench import Bench, as_part


@pytest.fixture(autouse=True)
def _no_samples(bench: Bench) -> None:
    limit(bench, sample=0.0)


async def test_an_approved_picture_is_readable_after_the_grace_and_a_draft_again(bench: Bench) -> None:
    ada, _ = await people(bench, "ada", "grace")
    _, image, case = await held_image(bench)
    assert (image.moderation_state, await publication(bench, image)) == ("in_review", "held")
    with pytest.raises(NotAllowed):
        await content.read(bench.platform, bench.caller, image.id)
    decided = await decide(bench.platform, ada, case, "approve", "NO_VIOLATION")
    assert decided.state == "decided"
    await review_upkeep.look_after(bench.platform)
    assert (await image_now(bench, image)).moderation_state == "in_review"
    await after_grace(bench)
    assert (await image_now(bench, image)).moderation_state == "allowed"
    assert await publication(bench, image) == "draft"
    assert (await content.read(bench.platform, bench.caller, image.id)).data
    async with bench.platform.store.reading() as read:
        assert (await read.get(Verdict, case.verdict)).review_status == "approved"


@pytest.mark.parametrize(
    ("action", "state", "moderation", "release"),
    [
        ("approve_with_label", "approved", "labelled", "draft"),
        ("reject", "rejected", "blocked", "rejected"),
        ("send_back", "sent_back", "blocked", "rejected"),
    ],
)
async def test_what_a_decision_does_to_a_picture(
    bench: Bench, action: str, state: str, moderation: str, release: str
) -> None:
    limit(bench, undo=timedelta(0))
    _, image, case = await held_image(bench)
    assert (await decide(bench.platform, bench.caller, case, action)).state == state
    assert (await image_now(bench, image)).moderation_state == moderation
    assert await publication(bench, image) == release


async def test_a_released_request_starts_and_has_time_to_start(bench: Bench) -> None:
    generation, case = await held_request(bench)
    bench.clock.pass_(timedelta(hours=30))
    limit(bench, undo=timedelta(0))
    await decide(bench.platform, bench.caller, case, "approve", "NO_VIOLATION")
    assert [id for id, _ in bench.jobs.submitted] == [generation.id]
    await upkeep.expire(bench.platform)
    assert (await bench.run(generation)).status == "succeeded"


async def test_a_rejected_request_is_blocked_with_a_plain_reason(bench: Bench) -> None:
    generation, case = await held_request(bench)
    limit(bench, undo=timedelta(0))
    await decide(bench.platform, bench.caller, case, "reject")
    generation = await bench.again(generation)
    assert generation.status == "blocked"
    assert generation.error is not None
    assert (generation.error["code"], generation.error["reason_code"]) == ("blocked_by_app_policy", "VIOLENCE")
    assert bench.jobs.submitted == []


async def test_a_release_survives_a_queue_that_is_down(bench: Bench) -> None:
    generation, case = await held_request(bench)
    limit(bench, undo=timedelta(0))
    bench.jobs.broken = ConnectionError("the queue is down")
    await decide(bench.platform, bench.caller, case, "approve", "NO_VIOLATION")
    bench.clock.pass_(timedelta(seconds=6))
    assert [lost.id for lost in await upkeep.lost(bench.platform)] == [generation.id]


async def test_undo_takes_a_decision_back_while_its_grace_lasts(bench: Bench) -> None:
    _, image, case = await held_image(bench)
    await decide(bench.platform, bench.caller, case, "approve", "NO_VIOLATION")
    assert (await review_decide.undo(bench.platform, bench.caller, case.id)).state == "claimed"
    await after_grace(bench)
    assert (await image_now(bench, image)).moderation_state == "in_review"
    await decide(bench.platform, bench.caller, case, "reject")
    await after_grace(bench)
    with pytest.raises(Conflict, match="undone"):
        await review_decide.undo(bench.platform, bench.caller, case.id)
    assert (await image_now(bench, image)).moderation_state == "blocked"
    assert [each.state for each in await decisions(bench, review=case.id)] == ["undone", "effected"]


async def test_effects_happen_once_however_many_look(bench: Bench) -> None:
    _, image, case = await held_image(bench)
    await decide(bench.platform, bench.caller, case, "approve", "NO_VIOLATION")
    bench.clock.pass_(timedelta(seconds=61))
    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(review_effects.settle, bench.platform)
    events = [event.type for event in await events_of(bench, case)]
    assert events.count("review.effected") == 1
    async with bench.platform.store.reading() as read:
        told = await read.events(bench.caller.project, generation=image.generation)
    assert [event.type for event in told].count("image.moderated") == 1


async def events_of(bench: Bench, case: Review) -> list[Event]:
    async with bench.platform.store.reading() as read:
        told = [each for each in await read.events(case.project) if each.type.startswith("review.")]
    return [each for each in told if each.data.get("review") == case.id]


async def test_a_second_decider_gets_a_conflict(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    _, _, case = await held_image(bench)
    claimed = await review.claim(bench.platform, ada, case.id)
    with pytest.raises(Conflict, match="Somebody else holds"):
        await review.claim(bench.platform, grace, case.id)
    with pytest.raises(Conflict, match="do not hold"):
        await review_decide.decide(bench.platform, grace, case.id, Wish("reject", "VIOLENCE", claimed.version))
    bench.clock.pass_(timedelta(minutes=11))
    taken = await review.claim(bench.platform, grace, case.id)
    with pytest.raises(Conflict, match="do not hold"):
        await review_decide.decide(bench.platform, ada, case.id, Wish("reject", "VIOLENCE", claimed.version))
    with pytest.raises(Conflict, match="version"):
        await review_decide.decide(bench.platform, grace, case.id, Wish("reject", "VIOLENCE", claimed.version))
    await review_decide.decide(bench.platform, grace, case.id, Wish("reject", "VIOLENCE", taken.version))


async def test_a_hold_ends_by_itself_unless_it_is_renewed(bench: Bench) -> None:
    _, _, case = await held_image(bench)
    await review.claim(bench.platform, bench.caller, case.id)
    bench.clock.pass_(timedelta(minutes=9))
    await review.heartbeat(bench.platform, bench.caller, case.id)
    bench.clock.pass_(timedelta(minutes=9))
    await review_upkeep.look_after(bench.platform)
    assert (await reviews(bench))[0].state == "claimed"
    bench.clock.pass_(timedelta(minutes=2))
    with pytest.raises(Conflict, match="has ended"):
        await review.heartbeat(bench.platform, bench.caller, case.id)
    await review_upkeep.look_after(bench.platform)
    (freed,) = await reviews(bench)
    assert (freed.state, freed.claimed_by) == ("pending", None)
    assert (await events_of(bench, case))[-1].data["reason"] == "lease_ended"


async def test_nobody_reviews_what_they_asked_for(bench: Bench) -> None:
    (ada,), grace = await people(bench, "ada", role="admin"), await person(bench, "grace")
    bench.caller = ada
    _, _, case = await held_image(bench)
    assert case.requester == ada.person
    with pytest.raises(NotAllowed, match="asked for this yourself"):
        await review.claim(bench.platform, ada, case.id)
    with pytest.raises(NotAllowed, match="belongs to one"):
        await review.claim(bench.platform, ada.model_copy(update={"person": None}), case.id)
    assert await review.claim_next(bench.platform, ada, Wanted()) is None
    assert await review.claim_next(bench.platform, grace, Wanted()) is not None


async def test_one_who_works_alone_may_and_the_chain_says_so(bench: Bench) -> None:
    _, _, case = await held_image(bench)
    await decide(bench.platform, bench.caller, case, "approve", "NO_VIOLATION")
    told = {event.type: event.data for event in await events_of(bench, case)}
    assert told["review.claimed"]["single_operator"] is True
    assert told["review.decided"]["single_operator"] is True


async def test_releasing_with_a_conflict_of_interest_bars_from_it(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    _, _, case = await held_image(bench)
    await review.claim(bench.platform, ada, case.id)
    await review.release(bench.platform, ada, case.id, "conflict_of_interest")
    with pytest.raises(NotAllowed):
        await review.claim(bench.platform, ada, case.id)
    await review.claim(bench.platform, grace, case.id)
    await review.release(bench.platform, grace, case.id, "not_now")
    await review.claim(bench.platform, grace, case.id)


async def test_categories_can_be_declined(bench: Bench) -> None:
    await held_image(bench, "GORE")
    await review.opt_out(bench.platform, bench.caller, ("GORE",))
    assert await review.claim_next(bench.platform, bench.caller, Wanted()) is None
    await review.opt_out(bench.platform, bench.caller, ())
    assert await review.claim_next(bench.platform, bench.caller, Wanted()) is not None


async def queued(bench: Bench, wanted: Wanted) -> list[Review]:
    return list((await review.queue(bench.platform, bench.caller, wanted)).data)


async def test_the_queue_is_sorted_by_risk_then_by_due_time(bench: Bench) -> None:
    _, _, mild = await held_image(bench, "IP_TRADEMARK", severity=1)
    bench.clock.pass_(timedelta(minutes=1))
    _, _, later = await held_image(bench, "IP_TRADEMARK", severity=1)
    _, _, grave = await held_image(bench, "GORE", severity=3)
    _, _, child = await held_image(bench, "MINOR_SAFETY", severity=3)
    found = await queued(bench, Wanted())
    assert [case.id for case in found] == [case.id for case in (child, grave, mild, later)]
    assert (child.level, child.desk, child.hard) == (3, "child_safety", True)
    assert child.due_at - child.created_at == timedelta(minutes=15)
    assert mild.due_at - mild.created_at == timedelta(hours=24)
    only = await queued(bench, Wanted({"reason_code": "GORE"}))
    assert [case.id for case in only] == [grave.id]
    old = await queued(bench, Wanted(waiting=timedelta(minutes=1)))
    assert [case.id for case in old] == [mild.id]


async def test_a_newsroom_is_answered_sooner(bench: Bench) -> None:
    _, _, case = await held_image(bench, fields={"audience": "newsroom"})
    assert (case.audience, case.due_at - case.created_at) == ("newsroom", timedelta(minutes=30))


async def test_timers_warn_and_escalate_and_never_approve(bench: Bench) -> None:
    _, image, case = await held_image(bench)
    bench.clock.pass_(timedelta(hours=18, minutes=1))
    await review_upkeep.look_after(bench.platform)
    bench.clock.pass_(timedelta(hours=6))
    await review_upkeep.look_after(bench.platform)
    (late,) = await reviews(bench)
    assert (late.level, late.state, late.breached_at is not None) == (2, "pending", True)
    bench.clock.pass_(timedelta(hours=72))
    await review_upkeep.look_after(bench.platform)
    await review_upkeep.look_after(bench.platform)
    assert [event.type for event in await events_of(bench, case)] == [
        "review.opened",
        "review.warned",
        "review.breached",
        "review.expired",
    ]
    assert (await image_now(bench, image)).readable is False


async def test_levels_belong_to_administrators(bench: Bench) -> None:
    (ada,), boss = await people(bench, "ada"), await person(bench, "boss", "admin")
    _, _, case = await held_image(bench, "MINOR_SAFETY", severity=3)
    with pytest.raises(NotAllowed, match="level 3"):
        await review.claim(bench.platform, ada, case.id)
    await review.claim(bench.platform, boss, case.id)


async def test_escalation_passes_a_case_on(bench: Bench) -> None:
    ada, _ = await people(bench, "ada", "grace")
    boss = await person(bench, "boss", "admin")
    limit(bench, undo=timedelta(0))
    _, image, case = await held_image(bench)
    passed = await decide(bench.platform, ada, case, "escalate", desk="legal")
    assert (passed.state, passed.level, passed.desk) == ("pending", 3, "legal")
    with pytest.raises(NotAllowed):
        await review.claim(bench.platform, ada, case.id)
    await decide(bench.platform, boss, case, "approve", "NO_VIOLATION")
    assert (await image_now(bench, image)).moderation_state == "allowed"


@pytest.mark.parametrize(
    ("wish", "pointers"),
    [
        (Wish("uphold", "VIOLENCE"), ["/action"]),
        (Wish("approve", "WRONG"), ["/reason_code"]),
        (Wish("approve", "GORE", desk="legal", message="x"), ["/message", "/desk"]),
        (Wish("restrict_audience", "GORE"), ["/audience"]),
        (Wish("escalate", "GORE"), ["/desk"]),
    ],
)
async def test_what_cannot_be_decided_is_said_all_at_once(bench: Bench, wish: Wish, pointers: list[str]) -> None:
    _, _, case = await held_image(bench)
    await review.claim(bench.platform, bench.caller, case.id)
    with pytest.raises(InvalidRequest) as caught:
        await review_decide.decide(bench.platform, bench.caller, case.id, wish)
    assert [error.pointer for error in caught.value.errors] == pointers


async def test_allowing_what_is_severe_needs_a_note_that_the_chain_does_not_hold(bench: Bench) -> None:
    _, _, case = await held_image(bench, "NCII", severity=3)
    with pytest.raises(InvalidRequest, match="not possible"):
        await decide(bench.platform, bench.caller, case, "approve", "CONTEXT_ALLOWED")
    await decide(bench.platform, bench.caller, case, "approve", "CONTEXT_ALLOWED", note=NOTE)
    export = "".join([line async for line in audit.export(bench.platform, bench.caller)])
    assert "note_sha256" in export
    assert "picture desk" not in export


async def test_a_preview_writes_nothing(bench: Bench) -> None:
    _, _, case = await held_image(bench)
    await review.claim(bench.platform, bench.caller, case.id)
    seen = await review_decide.preview(bench.platform, bench.caller, case.id, Wish("reject", "VIOLENCE"))
    assert seen.message == "A person has looked at this. It is not allowed here."
    assert await decisions(bench) == []
    assert (await reviews(bench))[0].state == "claimed"


async def test_projects_do_not_see_each_other(bench: Bench) -> None:
    _, _, case = await held_image(bench)
    stranger = await bench.stranger()
    assert (await review.queue(bench.platform, stranger, Wanted())).data == ()
    with pytest.raises(NotFound):
        await review.claim(bench.platform, stranger, case.id)


async def test_each_transition_is_in_the_chain_exactly_once(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    _, _, case = await held_image(bench, "NCII", severity=3)
    await review.claim(bench.platform, ada, case.id)
    await review.release(bench.platform, ada, case.id, "not_now")
    await decide(bench.platform, ada, case, "reject", "NCII")
    await review_decide.undo(bench.platform, ada, case.id)
    await decide(bench.platform, ada, case, "reject", "NCII")
    await after_grace(bench)
    second = next(each for each in await reviews(bench) if each.kind == "second")
    await decide(bench.platform, grace, second, "reject", "NCII")
    await after_grace(bench)
    for each in await reviews(bench):
        states = [event.data["state"] for event in await events_of(bench, each)]
        assert states[0] == "pending"
        assert states[-1] == each.state == "rejected"
        assert all(new in REVIEW_MOVES[old] for old, new in pairwise(states))
    _ = [line async for line in audit.export(bench.platform, bench.caller)]


async def test_a_request_waits_for_all_of_its_cases(bench: Bench) -> None:
    limit(bench, undo=timedelta(0))
    rules(bench, "review", stage="before_request")
    house = encoded(gradient(64, (220, 60, 50), (90, 170, 80)))
    made = await bench.ask(model="scripted/studio", files=(house,), operation="upscale", image=as_part(house))
    prompt, source = sorted(await reviews(bench), key=lambda case: case.image is not None)
    assert (prompt.image, source.image is not None, made.status) == (None, True, "held")
    await decide(bench.platform, bench.caller, prompt, "approve", "NO_VIOLATION")
    assert (await bench.again(made)).status == "held"
    await decide(bench.platform, bench.caller, source, "approve", "NO_VIOLATION")
    assert (await bench.again(made)).status == "queued"
    async with bench.platform.store.reading() as read:
        assert (await read.get(Image, source.image or "")).moderation_state == "allowed"
    rules(bench, "allow")
    assert (await bench.run(made)).status == "succeeded"
