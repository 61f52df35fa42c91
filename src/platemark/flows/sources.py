"""Sources: the pictures that a request starts from, found, checked and screened as uploads are (promise P1)."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio

from platemark.core.errors import FieldError, InvalidImage, InvalidRequest, NotFound, PlatemarkError
from platemark.core.generation import Generation, Input
from platemark.core.ids import is_id
from platemark.core.image import Image
from platemark.core.moderation import Signal, Verdict
from platemark.core.ports import Circumstances, Platform, Transaction
from platemark.core.project import Principal, Profile
from platemark.core.request import PART, GenerationRequest
from platemark.flows.develop import Developed
from platemark.flows.keeping import delete
from platemark.flows.note import open_review
from platemark.flows.screen import REGION, About, known_of, measure_image, screen_image, verdict
from platemark.flows.unchecked import unscreened
from platemark.flows.upload import take_in
from platemark.imaging.region import masked_region
from platemark.imaging.sources import Role, open_source, shows_something

_DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
# Decoded pictures are large: one request never has more of them in memory than this.
_AT_ONCE = 2
_SPACE = re.compile(r"\s+")
_EMPTY = {
    "mask": "selects nothing: it is black everywhere. Paint white, or make transparent, what is to be drawn anew",
    "control": "is of one colour, so it guides nothing. Send a picture with outlines, or leave this control out",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place in a request that names a picture."""

    role: Role
    index: int
    pointer: str
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A picture that was found and can be used. `image` is None where it is not stored yet; `size` is upright."""

    wanted: Wanted
    data: bytes = field(repr=False)
    image: Image | None
    size: tuple[int, int]
    # What makes two sources the same picture: the image's id, or the SHA-256 of the bytes.
    key: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A source after screening: the image it is or becomes, its verdict, and what is written for a new one."""

    source: Source
    image: Image
    verdict: Verdict
    developed: Developed | None

    @property
    def input(self) -> Input:
        """How the generation names it."""
        return Input(role=self.source.wanted.role, index=self.source.wanted.index, image=self.image.id)

    async def write(self, platform: Platform, tx: Transaction, generation: Generation) -> None:
        """Insert what is new: the image with all that belongs to it, or another verdict on one that was there."""
        if self.developed is not None:
            await delete.keep(platform, tx, self.developed.blob, self.source.data)
            await self.developed.write(platform, tx, None)
            return
        await tx.add(self.verdict)
        if self.verdict.decision == "review":
            await open_review(platform, tx, generation, self.verdict)


def named(request: GenerationRequest) -> Iterator[Wanted]:
    """Every picture that a request names, in its order."""
    for role in ("image", "mask"):
        text: str | None = getattr(request, role)
        if text is not None:
            yield Wanted(role, 0, f"/{role}", text)
    for index, control in enumerate(request.controls):
        yield Wanted("control", index, f"/controls/{index}/image", control.image)


async def find(
    platform: Platform, principal: Principal, request: GenerationRequest, parts: Mapping[str, bytes]
) -> tuple[Source, ...]:
    """The pictures of a request, decoded once to see that they can be. Nothing is stored.

    `parts` are the bytes of file parts by the text that stands for them. Raises InvalidRequest with every problem, or
    the kind of the only one: InvalidImage, TooLarge, FetchRefused.
    """
    wanted, decoding = list(named(request)), anyio.CapacityLimiter(_AT_ONCE)
    found: dict[int, Source] = {}
    errors: dict[int, PlatemarkError] = {}

    async def one(number: int) -> None:
        try:
            found[number] = await _read(platform, principal, wanted[number], parts, decoding)
        except PlatemarkError as error:
            errors[number] = error

    async with anyio.create_task_group() as group:
        for number in range(len(wanted)):
            group.start_soon(one, number)
    sources = tuple(found[number] for number in sorted(found))
    problems = [(wanted[number], errors[number]) for number in sorted(errors)]
    problems += [(source.wanted, problem) for source, problem in _misfits(sources)]
    if problems:
        raise _together(problems)
    return sources


def size_of(sources: tuple[Source, ...]) -> tuple[int, int] | None:
    """The size of the picture that is worked on, where there is one."""
    return next((source.size for source in sources if source.wanted.role == "image"), None)


async def judge(
    platform: Platform,
    project: str,
    sources: tuple[Source, ...],
    circumstances: Circumstances,
    generation: str,
    profile: Profile,
) -> tuple[Judged, ...]:
    """Screen every source for this request; inspect those that are new. The same bytes are one image.

    In `pass_through` neither is done, and the verdicts say so.
    """
    judged: dict[str, Judged] = {}
    for source in sources:
        if source.key not in judged:
            flags = () if profile == "pass_through" else await _under(platform, source, sources)
            judged[source.key] = await _judge(platform, project, source, circumstances, generation, profile, flags)
    return tuple(replace(judged[source.key], source=source) for source in sources)


async def _judge(
    platform: Platform,
    project: str,
    source: Source,
    circumstances: Circumstances,
    generation: str,
    profile: Profile,
    flags: Sequence[Signal],
) -> Judged:
    if source.image is None:
        made = await take_in(
            platform, project, source.data, source.key, circumstances, profile, generation=generation, flags=flags
        )
        return Judged(source, made.image, made.verdict, made)
    about, digest = About(project=project, generation=generation, image=source.image.id), source.image.sha256
    if profile == "pass_through":
        ruled = await unscreened(platform, platform.image_detectors, circumstances, digest, **about)
        return Judged(source, source.image, ruled, None)
    known, said = await known_of(platform, source.image)
    ruling, signals = await screen_image(platform, source.data, circumstances, flags=(*said, *flags), known=known)
    ruled = verdict(platform, ruling, signals, digest, circumstances, **about)
    return Judged(source, source.image, ruled, None)


async def _under(platform: Platform, source: Source, sources: tuple[Source, ...]) -> tuple[Signal, ...]:
    """What is found in the part of the picture that a mask lies on: it tells what is to be changed."""
    picture = next((each for each in sources if each.wanted.role == "image"), None)
    if source.wanted.role != "mask" or picture is None:
        return ()
    limits = platform.limits
    region = await anyio.to_thread.run_sync(lambda: masked_region(picture.data, source.data, **limits.picture))
    found = await measure_image(platform, region)
    return tuple(each.model_copy(update={"evidence": {**each.evidence, REGION: "masked"}}) for each in found)


async def keep(platform: Platform, judged: tuple[Judged, ...]) -> None:
    """Put the bytes of new sources into the store, before the rows that name them."""
    for entry in judged:
        if entry.developed is not None:
            await platform.blobs.put(entry.developed.blob.id, entry.source.data)


async def _read(
    platform: Platform,
    principal: Principal,
    wanted: Wanted,
    parts: Mapping[str, bytes],
    decoding: anyio.CapacityLimiter,
) -> Source:
    image = await _own(platform, principal, wanted.text) if is_id(wanted.text, "img") else None
    data = await _stored(platform, image) if image else await _given(platform, wanted.text, parts)
    limits = platform.limits

    def look() -> Source:
        picture = open_source(data, wanted.role, **limits.picture)
        if not shows_something(picture, wanted.role):
            raise _problem("no_content", _EMPTY[wanted.role])
        return Source(wanted, data, image, picture.size, image.id if image else hashlib.sha256(data).hexdigest())

    return await anyio.to_thread.run_sync(look, limiter=decoding)


async def _own(platform: Platform, principal: Principal, id: str) -> Image:
    """An image of the project that gives bytes: a draft too, by its key (promise P6)."""
    principal.require("images:read")
    async with platform.store.reading() as read:
        image = await read.find(Image, id)
    if image is None or image.project != principal.project:
        raise _problem("unknown_image", f"names {id}, which is no image of this project")
    if image.deleted_at is not None:
        raise _problem("image_deleted", f"names {id}, whose bytes were deleted on {image.deleted_at:%Y-%m-%d}")
    if not image.readable:
        raise _problem(
            "image_withheld", f"names {id}, which is {image.moderation_state} ({image.reason_code}) and gives no bytes"
        )
    return image


async def _stored(platform: Platform, image: Image) -> bytes:
    try:
        return await platform.blobs.get(f"{image.project}/{image.sha256}")
    except NotFound:
        # Deleted since the row was read.
        raise _problem("image_deleted", f"names {image.id}, whose bytes were deleted") from None


async def _given(platform: Platform, text: str, parts: Mapping[str, bytes]) -> bytes:
    if text.startswith(PART) and text in parts:
        return parts[text]
    if text[:8].lower().startswith(("https://", "http://")):
        return await platform.fetch(text)
    return await anyio.to_thread.run_sync(_decoded, text)


def _decoded(text: str) -> bytes:
    prefix = _DATA_URI.match(text)
    try:
        return base64.b64decode(_SPACE.sub("", text[prefix.end() if prefix else 0 :]), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidImage(
            "This is neither an img_ id, nor an https URL, nor a data URI with base64, nor base64. Send one of these, "
            "or the file as a part of a form."
        ) from None


def _misfits(sources: tuple[Source, ...]) -> Iterator[tuple[Source, InvalidRequest]]:
    """Masks that do not lie on their image."""
    size = size_of(sources)
    for source in sources:
        if source.wanted.role == "mask" and size is not None and source.size != size:
            (width, height), (wide, high) = source.size, size
            yield (
                source,
                _problem(
                    "size_mismatch",
                    f"has {width} × {height} pixels, but the image has {wide} × {high}. Make the mask as large as the "
                    "image",
                ),
            )


def _problem(code: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, errors=[FieldError(pointer="", code=code, message=message)])


def _together(problems: list[tuple[Wanted, PlatemarkError]]) -> PlatemarkError:
    """One error for all of them. What is not the caller's to mend goes first, as it is."""
    ours = next((error for _, error in problems if not isinstance(error, InvalidRequest)), None)
    if ours is not None:
        return ours
    errors = [
        FieldError(
            pointer=wanted.pointer, code=error.errors[0].code if error.errors else error.code, message=error.detail
        )
        for wanted, error in problems
    ]
    wanted, first = problems[0]
    if len(problems) > 1:
        return InvalidRequest(f"{len(problems)} pictures of this request cannot be used.", errors=errors)
    detail = f"{wanted.pointer} {first.detail}." if first.errors else first.detail
    return type(first)(detail, errors=errors)
