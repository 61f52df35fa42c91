"""The desk: what reviewers are shown and for how long, figures, publications, and who is asked about what."""

import hashlib
from datetime import timedelta

import pytest

from platemark.core.errors import Conflict, NotAllowed, RateLimited
from platemark.core.image import Publication
from platemark.core.review import Reveal, Review
from platemark.flows import publish
from platemark.flows.keeping.delete import delete
from platemark.flows.reviews import context as review_context
from platemark.flows.reviews import desk as review
from platemark.flows.reviews import papers as review_papers
from platemark.flows.reviews import reveal as review_reveal
from platemark.flows.reviews import stats as review_stats
from platemark.flows.reviews.stats import kappa
from reviewing import NOTE, after_grace, decide, held_image, held_request, limit, people, person, reviews, rules
from workbench import Bench


@pytest.fixture(autouse=True)
def _at_once(bench: Bench) -> None:
    limit(bench, sample=0.0, undo=timedelta(0))


async def test_a_picture_is_unveiled_only_for_who_holds_it_and_each_time_is_noted(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    _, image, case = await held_image(bench)
    with pytest.raises(Conflict):
        await review_reveal.reveal(bench.platform, ada, case.id)
    await review.claim(bench.platform, ada, case.id)
    with pytest.raises(Conflict):
        await review_reveal.reveal(bench.platform, grace, case.id)
    shown = await review_reveal.reveal(bench.platform, ada, case.id)
    assert hashlib.sha256(shown.data).hexdigest() == image.sha256
    veiled = await review_reveal.veiled(bench.platform, grace, case.id)
    assert veiled.data != shown.data
    async with bench.platform.store.reading() as read:
        (seen,) = await read.all(Reveal)
        told = [event.type for event in await read.events(case.project)]
    assert (seen.by, seen.image, seen.severe) == (ada.person, image.id, False)
    assert told.count("review.revealed") == 1


async def test_after_too_many_severe_pictures_comes_a_break(bench: Bench) -> None:
    limit(bench, reveals_per_hour=2)
    for _ in range(3):
        _, _, case = await held_image(bench, "GORE", severity=3)
    assert (await review_reveal.exposure(bench.platform, bench.caller)).left == 2
    waiting = await reviews(bench)
    for case in waiting[:2]:
        await review.claim(bench.platform, bench.caller, case.id)
        await review_reveal.reveal(bench.platform, bench.caller, case.id)
    await review.claim(bench.platform, bench.caller, waiting[2].id)
    with pytest.raises(RateLimited, match="break") as caught:
        await review_reveal.reveal(bench.platform, bench.caller, waiting[2].id)
    assert caught.value.retry_after == 3600
    bench.clock.pass_(timedelta(hours=1, seconds=1))
    await review.claim(bench.platform, bench.caller, waiting[2].id)
    await review_reveal.reveal(bench.platform, bench.caller, waiting[2].id)


async def test_known_pictures_of_children_are_never_shown(bench: Bench) -> None:
    _, _, case = await held_image(bench, "KNOWN_HASH_MATCH", severity=3)
    assert (case.hard, case.desk) == (True, "child_safety")
    await review.claim(bench.platform, bench.caller, case.id)
    with pytest.raises(NotAllowed):
        await review_reveal.reveal(bench.platform, bench.caller, case.id)
    with pytest.raises(NotAllowed):
        await review_reveal.veiled(bench.platform, bench.caller, case.id)


async def test_a_second_reviewer_does_not_learn_what_the_first_one_said(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    _, _, case = await held_image(bench, "NCII", severity=3)
    await decide(bench.platform, ada, case, "reject", "NCII", note=NOTE)
    (second,) = [each for each in await reviews(bench) if each.kind == "second"]
    seen = await review_context.context(bench.platform, grace, second.id)
    assert (seen["decisions"], seen["notes"]) == ([], [])
    assert NOTE not in str(seen)


async def test_near_duplicates_that_were_decided_before_are_shown(bench: Bench) -> None:
    ada, _ = await people(bench, "ada", "grace")
    _, first, case = await held_image(bench, fields={"seed": 5})
    await decide(bench.platform, ada, case, "reject")
    _, second, again = await held_image(bench, fields={"seed": 5})
    seen = await review_context.context(bench.platform, ada, again.id)
    assert first.id != second.id
    assert [near["review"] for near in seen["near"]] in ([case.id], [])
    assert seen["user"] == {"known": False, "strikes": 0, "past": []}


async def test_a_user_has_a_past(bench: Bench) -> None:
    fields = {"user": "reader-7"}
    rules(bench, "block", stage="before_request")
    await bench.ask(**fields)
    _, _, case = await held_image(bench, fields=fields)
    await decide(bench.platform, bench.caller, case, "reject")
    _, _, again = await held_image(bench, fields=fields)
    seen = await review_context.context(bench.platform, bench.caller, again.id)
    assert (seen["user"]["strikes"], [past["state"] for past in seen["user"]["past"]]) == (1, ["rejected"])


async def test_kappa_is_that_of_the_textbook() -> None:
    table = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert kappa(table) == 0.4
    assert kappa([("yes", "yes"), ("no", "no")]) == 1.0
    assert kappa([("yes", "no"), ("no", "yes")]) == -1.0
    assert kappa([("yes", "yes")]) is None
    assert kappa([]) is None


async def test_agreement_and_overturned_rules(bench: Bench) -> None:
    ada, grace = await people(bench, "ada", "grace")
    boss = await person(bench, "boss", "admin")
    limit(bench, sample=1.0)
    for other in ("approve", "reject"):
        _, _, case = await held_image(bench)
        await decide(bench.platform, ada, case, "approve", "NO_VIOLATION")
        (sample,) = await reviews(bench, of=case.id)
        await decide(bench.platform, grace, sample, other)
    everything, violence = await review_stats.agreement(bench.platform, boss)
    assert (everything["pairs"], violence["reason_code"], violence["percent"]) == (2, "VIOLENCE", 50.0)
    report = await review_stats.report(bench.platform, boss)
    assert report["decided"] == 4
    assert report["backlog"] == 1


async def test_what_is_held_before_publication_is_published_by_the_decision(bench: Bench) -> None:
    rules(bench, "review", stage="before_publish")
    for action, state in (("reject", "rejected"), ("approve", "published")):
        (image,) = await bench.images(await bench.make())
        held = await publish.publish(bench.platform, bench.caller, image.id, audience="marketplace")
        assert held.state == "held"
        (case,) = await reviews(bench, state="pending")
        await decide(bench.platform, bench.caller, case, action)
        async with bench.platform.store.reading() as read:
            assert (await read.get(Publication, held.id)).state == state


async def test_reasons_are_stated_without_personal_data(bench: Bench) -> None:
    generation, case = await held_request(bench)
    with pytest.raises(Conflict, match="restricts nothing"):
        await review_papers.statement(bench.platform, bench.caller, case.id)
    await decide(bench.platform, bench.caller, case, "reject", note=NOTE)
    stated = await review_papers.statement(bench.platform, bench.caller, case.id)
    assert stated["subject"] == {"type": "request", "id": generation.id}
    assert NOTE not in str(stated)
    assert "red house" not in str(stated)


async def test_notes_can_be_erased_and_the_chain_stays_whole(bench: Bench) -> None:
    _, _, case = await held_image(bench)
    await decide(bench.platform, bench.caller, case, "reject", note=NOTE)
    assert await review_papers.erase_notes(bench.platform, bench.caller, case.id) == 1
    assert await review_papers.erase_notes(bench.platform, bench.caller, case.id) == 0
    seen = await review_context.context(bench.platform, bench.caller, case.id)
    assert [note["body"] for note in seen["notes"]] == [None]


async def test_a_case_of_a_deleted_picture_settles(bench: Bench) -> None:
    limit(bench, undo=timedelta(seconds=60))
    _, image, case = await held_image(bench)
    await decide(bench.platform, bench.caller, case, "approve", "NO_VIOLATION")

    await delete(bench.platform, bench.caller, image.id)
    await after_grace(bench)
    (ended,) = await reviews(bench)
    assert isinstance(ended, Review)
    assert ended.state == "approved"


async def test_who_reads_a_case_stands_in_the_chain(bench: Bench) -> None:
    _, case = await held_request(bench)
    await review_context.context(bench.platform, bench.caller, case.id)
    async with bench.platform.store.reading() as read:
        lines = await read.chain(case.project)
    (line,) = [line for line in lines if line.body["type"] == "review.read"]
    assert line.body["data"] == {"review": case.id, "state": "pending", "by": bench.caller.actor}
