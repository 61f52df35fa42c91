"""People who review, and cases for them."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from platemark.core.generation import Generation
from platemark.core.image import Image, Publication
from platemark.core.moderation import Ruling, Signal
from platemark.core.policy import Reason
from platemark.core.ports import Platform
from platemark.core.project import ApiKey, Person, Principal
from platemark.core.review import Decision, Review
from platemark.flows.keys import authenticate, issue
from platemark.flows.reviews import decide as review_decide
from platemark.flows.reviews import desk as review
from platemark.flows.reviews import upkeep as review_upkeep
from platemark.flows.reviews.decide import Wish
from workbench import Bench

NOTE = "Seen with the picture desk."


@dataclass(frozen=True)
class Ruled:
    """A policy that rules the same on everything at one stage, and allows the rest."""

    decision: str
    code: str
    severity: int = 1
    stage: str = "after_response"
    version: str = "ruled"
    signals: tuple[Signal, ...] = ()

    def rule(self, signals: Any, circumstances: Any) -> Ruling:
        mine = circumstances.stage == self.stage
        return Ruling(
            decision=self.decision if mine else "allow",  # type: ignore[arg-type]
            reason_code=self.code if mine else None,
            severity=self.severity if mine else 0,
            rule_ids=("r1",) if mine else (),
            policy_version="ruled",
        )

    def explain(self, signals: Any, circumstances: Any) -> tuple[Reason, ...]:
        if circumstances.stage != self.stage:
            return ()
        return (Reason(rule="r1", decision=self.decision, reason_code=self.code),)  # type: ignore[arg-type]


async def person(bench: Bench, name: str, role: str = "reviewer") -> Principal:
    """Somebody who works in the project, with a key of their own."""
    now = bench.clock.now()
    made = Person(
        id=bench.platform.ids.new("per"),
        name=name,
        password_hash="none",
        roles={bench.caller.project: role},
        created_at=now,
    )
    async with bench.platform.store.transaction() as tx:
        await tx.add(made)
    _, secret = await issue(bench.platform, bench.caller, name=name, scopes=None, person=made.id)
    return await authenticate(bench.platform, secret)


async def people(bench: Bench, *names: str, role: str = "reviewer") -> list[Principal]:
    return [await person(bench, name, role) for name in names]


def rules(bench: Bench, decision: str, code: str = "VIOLENCE", **more: Any) -> None:
    bench.change(policy=Ruled(decision, code, **more))


def limit(bench: Bench, **changes: Any) -> None:
    """Other numbers of the review queue."""
    limits = bench.platform.limits
    bench.change(limits=replace(limits, reviews=replace(limits.reviews, **changes)))


async def held_image(bench: Bench, code: str = "VIOLENCE", **more: Any) -> tuple[Generation, Image, Review]:
    """A finished generation whose picture waits for a person."""
    fields = more.pop("fields", {})
    rules(bench, "review", code, **more)
    generation = await bench.make(**fields)
    assert generation.status == "succeeded"
    (image,) = await bench.images(generation)
    (found,) = await reviews(bench, image=image.id)
    return generation, image, found


async def held_request(bench: Bench, code: str = "VIOLENCE", **more: Any) -> tuple[Generation, Review]:
    """A request that waits for a person."""
    rules(bench, "review", code, stage="before_request", **more)
    generation = await bench.ask()
    assert generation.status == "held"
    (found,) = await reviews(bench, generation=generation.id)
    return generation, found


async def reviews(bench: Bench, **equals: Any) -> list[Review]:
    async with bench.platform.store.reading() as read:
        return await read.all(Review, **equals)


async def decisions(bench: Bench, **equals: Any) -> list[Decision]:
    async with bench.platform.store.reading() as read:
        return await read.all(Decision, **equals)


async def publication(bench: Bench, image: Image) -> str:
    async with bench.platform.store.reading() as read:
        return (await read.all(Publication, image=image.id))[-1].state


async def image_now(bench: Bench, image: Image) -> Image:
    async with bench.platform.store.reading() as read:
        return await read.get(Image, image.id)


async def key_of(bench: Bench, principal: Principal) -> ApiKey:
    async with bench.platform.store.reading() as read:
        return await read.get(ApiKey, principal.key)


async def decide(
    platform: Platform, who: Principal, case: Review, action: str, code: str = "VIOLENCE", **more: Any
) -> Review:
    """Claim and decide."""
    claimed = await review.claim(platform, who, case.id)
    wish = Wish(action=action, reason_code=code, version=claimed.version, **more)  # type: ignore[arg-type]
    found, _ = await review_decide.decide(platform, who, case.id, wish)
    return found


async def after_grace(bench: Bench) -> None:
    bench.clock.pass_(timedelta(seconds=61))
    await review_upkeep.look_after(bench.platform)
