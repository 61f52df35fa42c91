"""Report: how the origin detectors do on this installation's own pictures, for each model, and on its real uploads."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from platemark.core.detector_report import ENOUGH, REAL, DetectorReport, ReportGroup, Thresholds
from platemark.core.errors import InvalidRequest, PlatemarkError
from platemark.core.generation import Generation
from platemark.core.image import Image
from platemark.core.inspection import Finding
from platemark.core.ports import OriginDetector, Platform, Query
from platemark.core.project import SYSTEM_PROJECT, Project
from platemark.core.rates import quantile, wilson
from platemark.core.upload import Upload

# An upload with the tag origin:camera is taken for a real photograph: whoever sent it said so.
TAG, CAMERA = "origin", "camera"
# Of fewer scores, the split-conformal quantile of 99 % is the highest of them.
_FOR_99 = 99
_PAGE, _MOST_PAGES = 100, 50
Tell = Callable[[int, int], None]


@dataclass(slots=True)
class _Group:
    findings: list[Finding] = field(default_factory=list[Finding])
    unread: int = 0


async def report(
    platform: Platform, *, most: int, tell: Tell, by: str, project: str | None = None, remote: bool = False
) -> tuple[DetectorReport, ...]:
    """For the operator: at most `most` of the newest readable pictures of each model, and of real uploads.

    One report for each detector: how many were called AI-made, with the 95 % interval; and thresholds that 95 and 99 %
    of the real uploads lie below, where there are thirty. Nothing is kept here; `kept_reports.keep` does that. `by`:
    the command. `project`: pictures of this one only, of the whole installation without. `remote`: ask those of others
    too, who then see the pictures. Raises InvalidRequest for a project that is not there.
    """
    groups = await _chosen(platform, most, project)
    kinds = {"learned", "remote"} if remote else {"learned"}
    detectors = [one for one in platform.origin_detectors if one.kind in kinds]
    total, done = sum(map(len, groups.values())) * len(detectors), 0
    about: dict[str, Any] = {"project": project or SYSTEM_PROJECT, "by": by, "most": most}
    reports: list[DetectorReport] = []
    for detector in detectors:
        found: dict[str, _Group] = {}
        for name, images in groups.items():
            found[name] = _Group()
            for image in images:
                await _look(platform, detector, image, found[name])
                done += 1
                tell(done, total)
        when = {"id": platform.ids.new("rpt"), "created_at": platform.clock.now()}
        reports.append(DetectorReport.model_validate({**when, **about, **_answer(detector, found)}))
    return tuple(reports)


async def _look(platform: Platform, detector: OriginDetector, image: Image, group: _Group) -> None:
    try:
        data = await platform.blobs.get(f"{image.project}/{image.sha256}")
    except PlatemarkError:
        group.unread += 1
    else:
        group.findings.append(await detector.look(data, image.media_type))


async def _chosen(platform: Platform, most: int, project: str | None) -> dict[str, list[Image]]:
    """The newest pictures of each group, whichever project has them. Ids sort by time."""
    groups: dict[str, list[Image]] = {}
    for each in await _projects(platform, project):
        found: dict[str, int] = {}
        async for image, group in _named(platform, each):
            found[group] = found.get(group, 0) + 1
            if found[group] <= most:
                groups.setdefault(group, []).append(image)
    return {
        name: sorted(images, key=lambda image: image.id, reverse=True)[:most] for name, images in sorted(groups.items())
    }


async def _projects(platform: Platform, project: str | None) -> list[str]:
    async with platform.store.reading() as reading:
        known = [one.id for one in await reading.all(Project)]
    if project is None:
        return known
    if project not in known:
        raise InvalidRequest(f"There is no project {project[:80]!r} in this store; there are {', '.join(known)}.")
    return [project]


async def _named(platform: Platform, project: str) -> AsyncIterator[tuple[Image, str]]:
    """Images of a project that may be looked at, newest first, with the model that made them or `REAL`."""
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        async with platform.store.reading() as reading:
            page = await reading.page(Image, Query(project, limit=_PAGE, cursor=cursor))
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
    scores = _scores(found.get(REAL, _Group()).findings)
    enough = len(scores) >= ENOUGH
    return {
        "detector": detector.name,
        "kind": detector.kind,
        "version": detector.version,
        **_made_with([one.detail for group in found.values() for one in group.findings]),
        "groups": [_row(name, group) for name, group in found.items()],
        "recommended": Thresholds(t_lo=quantile(scores, 0.95), t_hi=quantile(scores, 0.99)) if enough else None,
        "notes": _notes(len(scores)),
    }


def _made_with(details: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What the findings say that they were measured with."""
    said: dict[str, Any] = {}
    for detail in details:
        said = detail | said
    thresholds: dict[str, Any] = said.get("thresholds") or {}
    whole = {"t_lo", "t_hi"} <= thresholds.keys()
    return {
        "head": said.get("model"),
        "head_sha256": said.get("model_sha256"),
        "calibration": said.get("calibration"),
        "thresholds": Thresholds(t_lo=thresholds["t_lo"], t_hi=thresholds["t_hi"]) if whole else None,
    }


def _row(name: str, group: _Group) -> ReportGroup:
    looked = [one for one in group.findings if one.looked]
    above = sum(one.direction == "ai" for one in looked)
    low, high = wilson(above, len(looked))
    return ReportGroup(
        group=name,
        real=name == REAL,
        pictures=len(looked),
        above=above,
        between=sum(bool(one.detail.get("abstained")) for one in looked),
        rate=round(above / len(looked), 3) if looked else None,
        low=round(low, 3),
        high=round(high, 3),
        not_evaluated=len(group.findings) - len(looked) + group.unread,
        reasons=tuple(sorted({str(one.detail["reason"]) for one in group.findings if "reason" in one.detail})),
        scores=_tenths(_scores(group.findings)),
    )


def _scores(findings: Sequence[Finding]) -> list[float]:
    return [float(one.detail["score"]) for one in findings if one.looked and one.detail.get("score") is not None]


def _tenths(scores: Sequence[float]) -> tuple[int, ...]:
    """How many scores lie in each tenth of 0 to 1: what a chart is drawn from."""
    return tuple(sum(min(int(score * 10), 9) == tenth for score in scores) for tenth in range(10))


def _notes(count: int) -> tuple[str, ...]:
    if count >= _FOR_99:
        return ()
    if count >= ENOUGH:
        return (f"Of {count} real uploads, the recommended t_hi is the highest score; {_FOR_99} are needed for 99 %.",)
    return (
        f"{count} real uploads were looked at; {ENOUGH} are needed before thresholds are recommended. Upload "
        f"photographs that you know to be real with the tag {TAG}:{CAMERA}.",
    )
