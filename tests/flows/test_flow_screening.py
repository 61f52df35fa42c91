"""What counts beside our own look: a provider's no and its own words, what a mask lies on, who asks again and again."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from platemark.core.errors import BlockedByProvider, FieldError, LegalHold, NotAllowed
from platemark.core.generation import Generation
from platemark.core.hold import Hold
from platemark.core.moderation import Signal, Verdict
from platemark.core.review import Review
from platemark.core.updates import Order, Picture, Update
from platemark.flows.keeping.delete import delete
from platemark.flows.keeping.erase import erase_text
from platemark.flows.record import image_record
from platemark.flows.refusals import code_of
from platemark.flows.reviews import reveal as review_reveal
from platemark.flows.upload import upload
from platemark.simulate.scripted import Scripted, plain_png
from workbench import Bench, as_part, open_bench

pytestmark = pytest.mark.anyio


@dataclass
class Reader:
    """A text detector that finds one word."""

    word: str
    name: str = "reader"
    version: str = "1"

    async def look(self, texts: Mapping[str, str]) -> Sequence[Signal]:
        places = [name for name, text in texts.items() if self.word in text]
        return [
            Signal(detector=self.name, version=self.version, category="HATE", score=0.9, evidence={"field": place})
            for place in places
        ] or [Signal(detector=self.name, version=self.version, category="none", score=0.0)]


@dataclass
class Looker:
    """An image detector that notes what it was shown."""

    shown: list[bytes] = field(default_factory=list[bytes])
    name: str = "looker"
    version: str = "1"

    async def look(self, data: bytes) -> Sequence[Signal]:
        self.shown.append(data)
        return [Signal(detector=self.name, version=self.version, category="none", score=0.0)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path) as bench:
        yield bench


async def verdicts(bench: Bench, generation: Generation, **equals: Any) -> list[Verdict]:
    async with bench.platform.store.reading() as read:
        return await read.all(Verdict, generation=generation.id, **equals)


async def test_a_refusal_of_the_provider_is_a_verdict_of_its_own(bench: Bench) -> None:
    def refuse(number: int, order: Order) -> None:
        words = [FieldError(pointer="", code="prompt_blocked", message="flagged for sexual content")]
        raise BlockedByProvider("scripted refused this", errors=words)

    bench.change(providers={"scripted": Scripted(refuse)})
    generation = await bench.make()
    assert generation.status == "blocked"
    (ruled,) = await verdicts(bench, generation, stage="after_response")
    assert (ruled.decision, ruled.blocked_by_provider, ruled.blocked_by_app_policy) == ("block", True, False)
    assert (ruled.reason_code, ruled.model) == ("SEXUAL_EXPLICIT", "scripted/plain")
    assert ruled.signals[0].evidence == {"outcome": "prompt_blocked"}


async def test_one_job_may_hold_three_pictures_and_one_that_was_withheld(bench: Bench) -> None:
    bench.change(providers={"scripted": Scripted(withheld=frozenset({1}))})
    generation = await bench.make(n=4)
    assert generation.status == "succeeded"
    assert [image.index for image in await bench.images(generation)] == [0, 2, 3]
    (ruled,) = [ruled for ruled in await verdicts(bench, generation) if ruled.blocked_by_provider]
    assert (ruled.stage, ruled.reason_code, ruled.image) == ("after_response", "SEXUAL_EXPLICIT", None)
    assert ruled.signals[0].evidence == {"outcome": "output_blocked", "index": 1}
    assert "fewer_images" in {warning.code for warning in generation.warnings}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("safety_violations=[sexual]", "SEXUAL_EXPLICIT"),
        ("contains a minor", "MINOR_SAFETY"),
        ("Graphic violence", "GORE"),
        ("self-harm", "SELF_HARM"),
        ("not allowed by our usage policy", "PROVIDER_UNSPECIFIED"),
        ("the minority report poster", "PROVIDER_UNSPECIFIED"),
    ],
)
def test_codes_follow_from_what_vendors_say_and_nothing_is_guessed(words: str, code: str) -> None:
    assert code_of(words) == code


async def test_the_prompt_that_a_provider_wrote_is_screened_kept_and_erased(bench: Bench) -> None:
    bench.change(providers={"scripted": Scripted(revised="a red house, banner of hatred")})
    bench.change(text_detectors=(Reader("hatred"),))
    generation = await bench.make()
    (image,) = await bench.images(generation)
    assert (image.moderation_state, image.reason_code) == ("blocked", "HATE")
    (ruled,) = await verdicts(bench, generation, stage="after_response")
    assert [s.evidence.get("field") for s in ruled.signals if s.category == "HATE"] == ["revised_prompt"]
    record = await image_record(bench.platform, bench.caller, image.id)
    assert record.request is not None
    assert record.request.revised_prompts == {"0": "a red house, banner of hatred"}
    await erase_text(bench.platform, bench.caller, generation.id)
    record = await image_record(bench.platform, bench.caller, image.id)
    assert "hatred" not in record.model_dump_json()
    assert record.chain.verified


async def test_what_a_mask_lies_on_is_looked_at_before_an_edit(bench: Bench) -> None:
    looker = Looker()
    bench.change(image_detectors=(looker,))
    source, mask = plain_png(64, 64, (200, 10, 10)), plain_png(64, 64, (0, 0, 0))
    generation = await bench.ask(
        model="scripted/studio",
        operation="inpaint",
        image=as_part(source),
        mask=as_part(mask),
        files=(source, mask),
    )
    assert source in looker.shown
    assert mask in looker.shown
    (region,) = [data for data in looker.shown if data not in (source, mask)]
    assert region.startswith(b"\x89PNG")
    found = [signal for ruled in await verdicts(bench, generation) for signal in ruled.signals]
    assert [signal.evidence for signal in found if signal.evidence.get("region")] == [{"region": "masked"}]


async def test_who_is_blocked_again_and_again_is_looked_at_by_a_person(bench: Bench) -> None:
    bench.change(text_detectors=(Reader("hatred"),))
    for _ in range(bench.platform.limits.strikes):
        assert (await bench.ask(prompt="hatred", user="u1")).status == "blocked"
    held = await bench.ask(prompt="a house", user="u1")
    assert held.status == "held"
    (ruled,) = await verdicts(bench, held)
    assert ruled.reason_code == "REPEAT_OFFENDER"
    # Neither another user of the app, nor one who is not named, pays for it.
    assert (await bench.ask(prompt="a house", user="u2")).status == "queued"
    assert (await bench.ask(prompt="a house")).status == "queued"
    bench.clock.pass_(bench.platform.limits.strikes_within + timedelta(seconds=1))
    assert (await bench.ask(prompt="a house", user="u1")).status == "queued"


class Flagging(Scripted):
    """A provider whose pictures concern the safety of children, by its own words."""

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        async for update in super().generate(order, ticket=ticket):
            flags = {"reason_codes": ["MINOR_SAFETY"]}
            yield replace(update, flags=flags) if isinstance(update, Picture) else update


async def test_what_concerns_children_is_closed_kept_and_brought_to_somebody(bench: Bench) -> None:
    bench.change(providers={"scripted": Flagging()})
    (image,) = await bench.images(await bench.make())
    assert (image.moderation_state, image.readable) == ("blocked", False)
    with pytest.raises(LegalHold):
        await delete(bench.platform, bench.caller, image.id)
    async with bench.platform.store.reading() as read:
        (case,) = await read.all(Review, image=image.id)
        (hold,) = await read.all(Hold, image=image.id)
    assert (case.desk, case.hard, case.level) == ("child_safety", True, 3)
    assert hold.created_by == "system"
    with pytest.raises(NotAllowed):
        await review_reveal.veiled(bench.platform, bench.caller, case.id)


async def test_the_same_bytes_are_measured_once_and_ruled_on_each_time(bench: Bench) -> None:
    looker, data = Looker(), plain_png(64, 64, (9, 90, 200))
    bench.change(image_detectors=(looker,))
    first = await upload(bench.platform, bench.caller, data)
    again = await upload(bench.platform, bench.caller, data)
    assert (len(looker.shown), first.id == again.id) == (1, False)
    async with bench.platform.store.reading() as read:
        kept = await read.all(Verdict, input_sha256=first.sha256)
    assert [[signal.detector for signal in ruled.signals] for ruled in kept] == [["looker"], ["looker"]]
    looker.version = "2"
    await upload(bench.platform, bench.caller, data)
    assert len(looker.shown) == 2
