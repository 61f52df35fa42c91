"""Report: how the origin detectors do on this installation's own pictures, for each model, and on its real uploads."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from platemark.core.errors import PlatemarkError
from platemark.core.generation import Generation
from platemark.core.image import Image
from platemark.core.inspection import Finding
from platemark.core.ports import OriginDetector, Platform, Query
from platemark.core.project import Project
from platemark.core.rates import quantile, wilson
from platemark.core.upload import Upload

# An upload with the tag origin:camera is taken for a real photograph: whoever sent it said so.
TAG, CAMERA = "origin", "camera"
REAL = "real uploads"
# Fewer real pictures than this give no threshold worth having.
ENOUGH = 30
_PAGE, _MOST_PAGES = 100, 50
Tell = Callable[[int, int], None]


@dataclass(slots=True)
class _Group:
    findings: list[Finding] = field(default_factory=list[Finding])
    unread: int = 0


async def report(platform: Platform, *, most: int, tell: Tell, remote: bool = False) -> dict[str, Any]:
    """For the operator: at most `most` of the newest readable pictures of each model, and of real uploads.

    Of every detector and group: how many were called AI-made, with the 95 % interval; and thresholds that 95 and 99 %
    of the real uploads lie below, where there are thirty. `remote`: ask those of others too, who then see the pictures.
    """
    groups = await _chosen(platform, most)
    kinds = {"learned", "remote"} if remote else {"learned"}
    detectors = [one for one in platform.origin_detectors if one.kind in kinds]
    total, done = sum(map(len, groups.values())) * len(detectors), 0
    answers: list[dict[str, Any]] = []
    for detector in detectors:
        found: dict[str, _Group] = {}
        for name, images in groups.items():
            found[name] = _Group()
            for image in images:
                await _look(platform, detector, image, found[name])
                done += 1
                tell(done, total)
        answers.append(_answer(detector, found))
    return {"real_uploads_are": f"uploads with the tag {TAG}:{CAMERA}", "most": most, "detectors": answers}


async def _look(platform: Platform, detector: OriginDetector, image: Image, group: _Group) -> None:
    try:
        data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    except PlatemarkError:
        group.unread += 1
    else:
        group.findings.append(await detector.look(data, image.media_type))


async def _chosen(platform: Platform, most: int) -> dict[str, list[Image]]:
    groups: dict[str, list[Image]] = {}
    async for image, group in _named(platform):
        chosen = groups.setdefault(group, [])
        if len(chosen) < most:
            chosen.append(image)
    return dict(sorted(groups.items()))


async def _named(platform: Platform) -> AsyncIterator[tuple[Image, str]]:
    """Images that may be looked at, newest first, with the model that made them or `REAL`."""
    async with platform.store.reading() as reading:
        projects = await reading.all(Project)
    for project in projects:
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            async with platform.store.reading() as reading:
                page = await reading.page(Image, Query(project.id, limit=_PAGE, cursor=cursor))
                images = [image for image in page.data if image.readable]
                made = await reading.all(Generation, id=tuple({one.generation for one in images if one.generation}))
                sent = await reading.all(Upload, image=tuple(one.id for one in images))
            models = {one.id: one.model for one in made}
            real = {one.image for one in sent if one.tags.get(TAG) == CAMERA}
            for image in images:
                if image.origin == "generated" and image.generation in models:
                    yield image, models[image.generation]
                elif image.id in real:
                    yield image, REAL
            if (cursor := page.next_cursor) is None:
                break


def _answer(detector: OriginDetector, found: dict[str, _Group]) -> dict[str, Any]:
    real = found.get(REAL, _Group())
    scores = _scores(real.findings)
    notes = [] if len(scores) >= ENOUGH else [_too_few(len(scores))]
    recommended = None if notes else {"t_lo": quantile(scores, 0.95), "t_hi": quantile(scores, 0.99)}
    return {
        "name": detector.name,
        "version": detector.version,
        "groups": [_row(name, group) for name, group in found.items()],
        "recommended": recommended,
        "notes": notes,
    }


def _row(name: str, group: _Group) -> dict[str, Any]:
    looked = [one for one in group.findings if one.looked]
    above = sum(one.direction == "ai" for one in looked)
    low, high = wilson(above, len(looked))
    return {
        "group": name,
        "real": name == REAL,
        "pictures": len(looked),
        "above": above,
        "between": sum(bool(one.detail.get("abstained")) for one in looked),
        "rate": round(above / len(looked), 3) if looked else None,
        "low": round(low, 3),
        "high": round(high, 3),
        "not_evaluated": len(group.findings) - len(looked) + group.unread,
        "reasons": sorted({str(one.detail["reason"]) for one in group.findings if "reason" in one.detail}),
        "scores": _tenths(_scores(group.findings)),
    }


def _scores(findings: Sequence[Finding]) -> list[float]:
    return [float(one.detail["score"]) for one in findings if one.looked and one.detail.get("score") is not None]


def _tenths(scores: Sequence[float]) -> list[int]:
    """How many scores lie in each tenth of 0 to 1: what a chart is drawn from."""
    return [sum(min(int(score * 10), 9) == tenth for score in scores) for tenth in range(10)]


def _too_few(count: int) -> str:
    return (
        f"{count} real uploads were looked at; {ENOUGH} are needed before thresholds are recommended. Upload "
        f"photographs that you know to be real with the tag {TAG}:{CAMERA}."
    )
