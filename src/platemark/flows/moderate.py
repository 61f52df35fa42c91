"""Moderate: what the policy says of texts and pictures that nobody asked to be generated."""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from platemark.core.errors import FieldError, InvalidImage, InvalidRequest, PlatemarkError, TooLarge
from platemark.core.ids import is_id
from platemark.core.moderation import Ruling, Signal
from platemark.core.ports import Circumstances, Platform
from platemark.core.project import Principal
from platemark.flows import content
from platemark.flows.keys import note
from platemark.flows.policies import rule
from platemark.flows.screen import screen_image, screen_text
from platemark.imaging.decode import inspect_bytes

MAX_INPUTS = 100
# Of one request, together; a picture is bounded by the platform's limits.
MAX_CHARACTERS = 200_000
_DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_SALT_BYTES = 16
# Inputs that are looked at together; decoded pictures are large.
_AT_ONCE, _PICTURES_AT_ONCE = 4, 2


@dataclass(frozen=True, slots=True)
class Asked:
    """One input: texts, which are read as one, and encoded pictures. `pointer` says where it stands in the request."""

    texts: tuple[str, ...] = ()
    pictures: tuple[bytes, ...] = field(default=(), repr=False)
    pointer: str = "/input"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policy makes of one input. `input_sha256`: of the salt and the texts, then of each picture's bytes."""

    asked: Asked
    ruling: Ruling
    signals: tuple[Signal, ...]
    input_sha256: str


@dataclass(frozen=True, slots=True)
class Answers:
    """One result an input, in order, and the salt of the digests that the audit chain keeps."""

    id: str
    salt: str
    results: tuple[Answer, ...]


async def moderate(
    platform: Platform, principal: Principal, inputs: Sequence[Asked], circumstances: Circumstances
) -> Answers:
    """Rule on every input. Nothing is stored but one event with decisions, codes and digests.

    Raises InvalidRequest, TooLarge and InvalidImage for what cannot be looked at, NotAllowed without the scopes.
    """
    principal.require("images:write")
    if circumstances.role is not None:
        principal.require("roles:assert")
    _check_amount(inputs)
    salt = platform.ids.secret(_SALT_BYTES)
    results = await _each(platform, inputs, circumstances, salt)
    id = platform.ids.new("req")
    async with platform.store.transaction() as tx:
        await note(
            platform,
            tx,
            "moderation.asked",
            principal.project,
            request=id,
            key=principal.key,
            stage=circumstances.stage,
            audience=circumstances.audience,
            results=[_kept(result) for result in results],
        )
    return Answers(id, salt, results)


async def judge(platform: Platform, asked: Asked, circumstances: Circumstances, salt: str = "") -> Answer:
    """The ruling on one input; nothing is stored. Raises InvalidImage, TooLarge for a picture that cannot be read."""
    signals: list[Signal] = []
    rulings: list[Ruling] = []
    if asked.texts:
        ruling, found = await screen_text(platform, {"prompt": "\n".join(asked.texts)}, circumstances)
        rulings.append(ruling)
        signals += found
    for picture in asked.pictures:
        await check_picture(platform, picture)
        ruling, found = await screen_image(platform, picture, circumstances)
        rulings.append(ruling)
        signals += found
    together = rulings[0] if len(rulings) == 1 else await rule(platform, signals, circumstances)
    return Answer(asked, together, tuple(signals), await anyio.to_thread.run_sync(_digest, asked, salt))


async def check_picture(platform: Platform, data: bytes) -> None:
    """Raise InvalidImage or TooLarge for bytes that are no picture within the limits: they are never *clean*."""
    limits = platform.limits
    look = partial(inspect_bytes, data, **limits.picture)
    await anyio.to_thread.run_sync(look)


async def picture_of(platform: Platform, principal: Principal, text: str, *, bare: bool = False) -> bytes:
    """The bytes of a picture that a request names: an img_ id of the project, an https URL, or a data URI.

    `bare`: base64 without anything before it will do, too.
    Raises NotFound, NotAllowed, Gone, FetchRefused, InvalidImage, TooLarge.
    """
    if is_id(text, "img"):
        return (await content.read(platform, principal, text)).data
    if text[:8].lower().startswith(("https://", "http://")):
        return await platform.fetch(text)
    return await anyio.to_thread.run_sync(_decoded, text, platform.limits.max_image_bytes, bare)


def _decoded(text: str, most: int, bare: bool) -> bytes:
    prefix = _DATA_URI.match(text)
    if prefix is None and not bare:
        raise InvalidImage(
            "This is neither an img_ id, nor an https URL, nor a data URI with base64. Send one of these."
        )
    packed = _SPACE.sub("", text[prefix.end() if prefix else 0 :])
    if len(packed) * 3 // 4 > most + 3:
        raise TooLarge(f"The image has more than {most} bytes, the most that is accepted. Make it smaller.")
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidImage(
            "The base64 of this data URI is broken. Encode the image again."
            if prefix
            else "This is neither an img_ id, nor an https URL, nor a data URI, nor base64. Send one of these."
        ) from None


def _check_amount(inputs: Sequence[Asked]) -> None:
    if not 0 < len(inputs) <= MAX_INPUTS:
        raise _refused("/input", "out_of_range", f"must hold 1 to {MAX_INPUTS} inputs")
    if sum(len(text) for asked in inputs for text in asked.texts) > MAX_CHARACTERS:
        raise _refused("/input", "too_long", f"must not hold more than {MAX_CHARACTERS} characters together")


async def _each(
    platform: Platform, inputs: Sequence[Asked], circumstances: Circumstances, salt: str
) -> tuple[Answer, ...]:
    found: dict[int, Answer] = {}
    errors: dict[int, PlatemarkError] = {}
    places = {False: anyio.CapacityLimiter(_AT_ONCE), True: anyio.CapacityLimiter(_PICTURES_AT_ONCE)}

    async def one(number: int) -> None:
        async with places[bool(inputs[number].pictures)]:
            try:
                found[number] = await judge(platform, inputs[number], circumstances, salt)
            except PlatemarkError as error:
                errors[number] = error

    async with anyio.create_task_group() as group:
        for number in range(len(inputs)):
            group.start_soon(one, number)
    if errors:
        first = min(errors)
        raise pointed(errors[first], inputs[first].pointer)
    return tuple(found[number] for number in range(len(inputs)))


def pointed(error: PlatemarkError, pointer: str) -> PlatemarkError:
    """The error with the place in the request that it is about, where the caller can mend it."""
    if not isinstance(error, InvalidRequest) or error.errors:
        return error
    return type(error)(error.detail, errors=[FieldError(pointer=pointer, code=error.code, message=error.detail)])


def _refused(pointer: str, code: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{pointer} {message}.", errors=[FieldError(pointer=pointer, code=code, message=message)])


def _digest(asked: Asked, salt: str) -> str:
    if not asked.texts and len(asked.pictures) == 1:
        return hashlib.sha256(asked.pictures[0]).hexdigest()
    whole = hashlib.sha256(salt.encode())
    whole.update("\n".join(asked.texts).encode("utf-8", "surrogatepass"))
    for picture in asked.pictures:
        whole.update(hashlib.sha256(picture).digest())
    return whole.hexdigest()


def _kept(result: Answer) -> dict[str, object]:
    ruling = result.ruling
    return {
        "decision": ruling.decision,
        "reason_code": ruling.reason_code,
        "secondary_codes": list(ruling.secondary_codes),
        "policy_version": ruling.policy_version,
        "input_sha256": result.input_sha256,
    }
