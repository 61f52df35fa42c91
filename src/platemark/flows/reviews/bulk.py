"""Bulk: one decision on many cases of the same prompt or nearly the same picture, each written by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from platemark.core.errors import FieldError, InvalidRequest, PlatemarkError
from platemark.core.generation import Generation, PromptText
from platemark.core.image import Fingerprint
from platemark.core.ports import Platform, Reading
from platemark.core.project import Principal
from platemark.core.review import OUTCOME, Review
from platemark.flows.reviews.context import family
from platemark.flows.reviews.decide import Wish, check, write
from platemark.flows.reviews.desk import case, reviewer_of, take
from platemark.flows.reviews.effects import Moved, carry_out, follow
from platemark.imaging.fingerprint import distance

MOST = 50


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one case; `code` and `detail` say why nothing did."""

    review: str
    state: str
    code: str | None = None
    detail: str | None = None


async def decide_all(
    platform: Platform, principal: Principal, ids: Sequence[str], wish: Wish, *, preview: bool = False
) -> list[Item]:
    """Claim and decide every case that may be; with `preview` only say which those are.

    Raises InvalidRequest for too many, severe ones, or those that are not of one family.
    """
    async with platform.store.reading() as read:
        who = await reviewer_of(read, principal)
        cases = [await case(read, who.project, id) for id in dict.fromkeys(ids)]
        problems = await _unfit(platform, read, cases, wish)
    if problems:
        raise InvalidRequest("These reviews cannot be decided together.", errors=problems)
    return [await _one(platform, principal, found, wish, preview) for found in cases]


async def _unfit(platform: Platform, read: Reading, cases: Sequence[Review], wish: Wish) -> list[FieldError]:
    if not 0 < len(cases) <= MOST:
        return [FieldError(pointer="/ids", code="wrong_number", message=f"Name 1 to {MOST} reviews.")]
    if wish.action not in OUTCOME:
        return [FieldError(pointer="/action", code="not_possible", message="Choose one that ends a review.")]
    problems: list[FieldError] = []
    for index, found in enumerate(cases):
        if found.severe:
            problems.append(_unfit_one(index, "severe", "is severe: it is decided by itself"))
        elif index and not await _akin(platform, read, cases[0], found):
            problems.append(_unfit_one(index, "not_akin", "has another prompt, and a picture of another kind"))
    return problems


def _unfit_one(index: int, code: str, why: str) -> FieldError:
    return FieldError(pointer=f"/ids/{index}", code=code, message=f"This review {why}.")


async def _akin(platform: Platform, read: Reading, one: Review, other: Review) -> bool:
    words = [await _words(read, each) for each in (one, other)]
    if words[0] is not None and words[0] == words[1]:
        return True
    prints = [await read.find(Fingerprint, each.image) if each.image else None for each in (one, other)]
    first, second = prints
    enough = platform.limits.pdq_min_quality
    if first is None or second is None or min(first.quality, second.quality) < enough:
        return False
    return distance(first.pdq, second.pdq) <= platform.limits.pdq_max_distance


async def _words(read: Reading, found: Review) -> str | None:
    generation = await read.find(Generation, found.generation) if found.generation else None
    return family(await read.find(PromptText, generation.text)) if generation else None


async def _one(platform: Platform, principal: Principal, found: Review, wish: Wish, preview: bool) -> Item:
    moved: Moved = []
    try:
        async with platform.store.transaction() as tx:
            who = await reviewer_of(tx, principal)
            fresh = await case(tx, who.project, found.id)
            if preview:
                await check(tx, fresh, wish)
                return Item(found.id, fresh.state)
            fresh, decision = await write(platform, tx, who, await take(platform, tx, who, fresh), _plain(wish))
            if decision.effective_at <= decision.decided_at:
                fresh, decision, moved = await carry_out(platform, tx, fresh, decision)
    except PlatemarkError as error:
        return Item(found.id, found.state, error.code, error.detail)
    await follow(platform, moved)
    return Item(found.id, fresh.state)


def _plain(wish: Wish) -> Wish:
    return replace(wish, version=None)
