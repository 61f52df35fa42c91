"""What people decided about a picture holds at the gate: it is not asked twice, and a no stays a no."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from platemark.core.errors import BlockedByAppPolicy
from platemark.core.image import Image, Publication
from platemark.core.moderation import Verdict
from platemark.core.project import Principal
from platemark.flows import publish
from reviewing import after_grace, decide, held_image, limit, people, reviews, rules
from workbench import Bench, open_bench

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path) as bench:
        bench.change(image_detectors=())
        # Nobody looks at a share of decisions again: each case here is one that the gate opened.
        limit(bench, sample=0.0)
        yield bench


async def draft(bench: Bench) -> Image:
    rules(bench, "review", stage="before_publish")
    (image,) = await bench.images(await bench.make())
    return image


async def out(bench: Bench, image: Image, audience: str | None = None) -> Publication:
    return await publish.publish(bench.platform, bench.caller, image.id, audience=audience)


async def settle(bench: Bench, image: Image, action: str, **more: str) -> None:
    (judge,) = await people(bench, "Ada")
    await settled_by(bench, judge, image, action, **more)


async def settled_by(bench: Bench, judge: Principal, image: Image, action: str, **more: str) -> None:
    case = (await reviews(bench, image=image.id))[-1]
    await decide(bench.platform, judge, case, action, **more)
    await after_grace(bench)


async def test_what_a_person_approved_is_released_and_not_asked_again(bench: Bench) -> None:
    image = await draft(bench)
    held = await out(bench, image, "newsroom")
    assert held.state == "held"
    await settle(bench, image, "approve")
    assert (await publish.find(bench.platform, bench.caller, held.id)).state == "published"
    await publish.withdraw(bench.platform, bench.caller, held.id)
    again = await out(bench, image, "newsroom")
    assert again.state == "published"
    async with bench.platform.store.reading() as read:
        ruled = await read.get(Verdict, again.verdict or "")
    (case,) = await reviews(bench, image=image.id)
    assert (ruled.decision, ruled.rule_ids[-1]) == ("allow", f"approved:{case.id}")


async def test_it_holds_for_the_audience_that_it_was_decided_for(bench: Bench) -> None:
    image = await draft(bench)
    await out(bench, image, "newsroom")
    await settle(bench, image, "approve")
    assert (await out(bench, image, "education")).state == "held"


async def test_it_holds_for_what_the_person_had_before_them(bench: Bench) -> None:
    image = await draft(bench)
    made = await out(bench, image, "newsroom")
    await settle(bench, image, "approve")
    await publish.withdraw(bench.platform, bench.caller, made.id)
    rules(bench, "review", "HATE", stage="before_publish")
    assert (await out(bench, image, "newsroom")).state == "held"


async def test_a_no_is_not_asked_around(bench: Bench) -> None:
    image = await draft(bench)
    held = await out(bench, image, "newsroom")
    await settle(bench, image, "reject")
    assert (await publish.find(bench.platform, bench.caller, held.id)).state == "rejected"
    with pytest.raises(BlockedByAppPolicy):
        await out(bench, image, "newsroom")
    assert len(await reviews(bench, image=image.id)) == 1


async def test_a_picture_for_one_audience_goes_to_no_other(bench: Bench) -> None:
    _, image, _ = await held_image(bench)
    await settle(bench, image, "restrict_audience", audience="newsroom")
    with pytest.raises(BlockedByAppPolicy) as refused:
        await out(bench, image, "marketplace")
    assert refused.value.reason_code == "VIOLENCE"
    assert (await out(bench, image, "newsroom")).state == "published"
