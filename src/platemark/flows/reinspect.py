"""Reinspect: images are looked at again when there is more to look with. What was found before stays."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import anyio

from platemark.core.errors import NotFound, PlatemarkError
from platemark.core.image import Image
from platemark.core.inspection import Finding, Inspection
from platemark.core.ports import Platform
from platemark.core.project import Principal
from platemark.flows import look
from platemark.flows.analyze import check_choice, picture, told
from platemark.flows.content import check_state
from platemark.flows.evidence import EVERYTHING, Choice
from platemark.flows.fuse import fuse
from platemark.flows.inspect import credential_of, inspect, versions
from platemark.imaging.decode import remembering

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Again:
    """One image of a library that was looked at again: what it was before, and after; or what stood in the way."""

    image: str
    before: str | None = None
    inspection: Inspection | None = None
    error: PlatemarkError | None = None


async def inspect_again(
    platform: Platform, principal: Principal, image_id: str, choice: Choice = EVERYTHING
) -> Inspection:
    """A new inspection of an image; the image names it from now on, the older ones stay.

    Raises NotFound, NotAllowed (held or blocked), Gone (deleted), Conflict when somebody else did the same.
    """
    principal.require("images:write")
    check_choice(platform, choice)
    image = await look.image(platform, principal, image_id)
    check_state(image)
    return await again(platform, image, choice, by=principal.actor)


async def again(platform: Platform, image: Image, choice: Choice = EVERYTHING, *, by: str) -> Inspection:
    """The same without asking who may. `by`: who wanted it. What `choice` leaves out stays as it was found before."""
    limits = platform.limits
    data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    with remembering(data):
        found = await anyio.to_thread.run_sync(lambda: picture(data, **limits.picture))
        inspection = await inspect(
            platform,
            data,
            image.media_type,
            project=image.project,
            fingerprint=found.fingerprint(image.project, image.id),
            size=(found.facts.width, found.facts.height),
            own=image,
            choice=choice,
        )
    async with platform.store.transaction() as tx:
        before = await tx.find(Inspection, image.inspection) if image.inspection else None
        inspection = _joined(inspection, before, choice)
        await tx.add(inspection)
        read = {} if image.credential_state == "off" else credential_of(inspection.evidence)
        await tx.change(image, inspection=inspection.id, **read)
        await told(platform, tx, inspection, by=by, before=image.inspection)
    return inspection


def _joined(inspection: Inspection, before: Inspection | None, choice: Choice) -> Inspection:
    """With what was found before by looks that are not taken now, and the verdict on both."""
    if before is None or choice == EVERYTHING:
        return inspection
    kept = [one for one in before.evidence if one.looked and not choice.takes(one.kind)]
    evidence = [one for one in inspection.evidence if one.status != "skipped" or not _of_kind(kept, one)]
    evidence += [one.model_copy(update={"detail": {**one.detail, "found_in": before.id}}) for one in kept]
    fused = fuse(evidence)
    return inspection.model_copy(
        update={
            "verdict": fused.verdict,
            "tier": fused.tier,
            "confidence": fused.confidence,
            "evidence": tuple(evidence),
            "versions": before.versions | inspection.versions,
        }
    )


def _of_kind(findings: Sequence[Finding], like: Finding) -> bool:
    return any(finding.kind == like.kind for finding in findings)


async def stale(
    platform: Platform,
    project: str,
    *,
    after: str = "",
    older_than: int | None = None,
    every: bool = False,
    choice: Choice = EVERYTHING,
) -> AsyncIterator[str]:
    """Ids of images with bytes whose inspection was not made with what is here now, by id, from `after` on.

    `older_than`: only those made by an inspector of a lower version. `every`: all of them. Images of the profile
    `pass_through`, whose inspection is off, are left out.
    """
    current = versions(platform, choice)
    names = ("id", "inspection", "credential_state")
    while True:
        async with platform.store.reading() as read:
            page = await read.fields(Image, names, after=after, limit=_PAGE, project=project, deleted_at=None)
            known = await read.all(Inspection, id=tuple(found for _, found, _ in page if found))
        made = {inspection.id: inspection.versions for inspection in known}
        for id, found, credential in page:
            if credential != "off" and (every or _is_stale(made.get(found, {}), current, older_than)):
                yield id
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _is_stale(made: dict[str, str], current: dict[str, str], older_than: int | None) -> bool:
    if older_than is None:
        return any(made.get(name) != version for name, version in current.items())
    version = made.get("inspect", "0")
    return not version.isdecimal() or int(version) < older_than


async def library(
    platform: Platform, ids: Sequence[str], *, by: str, at_once: int = 2, choice: Choice = EVERYTHING
) -> AsyncIterator[Again]:
    """Look at these images again, `at_once` at a time, held and blocked ones too: nothing of them is given out.

    Stopping is safe at every moment: what was done names its new inspection already, so the next run goes on.
    """
    for start in range(0, len(ids), at_once):
        found: dict[int, Again] = {}
        async with anyio.create_task_group() as group:
            for number, id in enumerate(ids[start : start + at_once]):
                group.start_soon(_into, found, number, platform, id, by, choice)
        for number in sorted(found):
            yield found[number]


async def _into(found: dict[int, Again], number: int, platform: Platform, id: str, by: str, choice: Choice) -> None:
    try:
        async with platform.store.reading() as read:
            image = await read.get(Image, id)
        if image.deleted_at is not None:
            raise NotFound(f"The bytes of {id} were deleted meanwhile.")
        found[number] = Again(id, image.inspection, await again(platform, image, choice, by=by))
    except PlatemarkError as error:
        found[number] = Again(id, error=error)
