"""`/v1/moderations`: what the policy says of texts and pictures, without generating. OpenAI's clients can ask it."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from platemark.core.base import JsonObject
from platemark.core.errors import (
    FetchRefused,
    Gone,
    InvalidImage,
    MalformedBody,
    NotFound,
    PlatemarkError,
    TooLarge,
    UnsupportedMedia,
)
from platemark.core.moderation import NOTHING_FOUND, Signal, Stage
from platemark.core.moderations import CATEGORIES, ModerationResource, ModerationResult
from platemark.core.ports import Circumstances
from platemark.core.request import MAX_PROMPT, Name, StrictModel
from platemark.core.sentence import sentence
from platemark.flows import moderate
from platemark.web import answers, bodies, documented
from platemark.web.auth import Call, Writer

router = APIRouter(tags=["moderations"])
_FAULTS = documented.faults(MalformedBody, UnsupportedMedia, TooLarge, InvalidImage, FetchRefused, NotFound, Gone)
# A data URI of a picture; its bytes are bounded by max_image_bytes.
_MAX_URL = 64 * 1024 * 1024
_MAX_PICTURES = 4


def _whole(text: str) -> str:
    # Anything may be asked about, also what hides; but half a character is no text.
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise PydanticCustomError("control_character", "holds half a surrogate pair; send valid Unicode")
    return text


Text = Annotated[str, Field(max_length=MAX_PROMPT), AfterValidator(_whole)]


class TextPart(StrictModel):
    """Words that belong to an input."""

    type: Literal["text"]
    text: Text


class ImageUrl(StrictModel):
    """Where a picture is: a data URI, an https URL, or an img_ id of the project."""

    url: Annotated[str, Field(min_length=1, max_length=_MAX_URL)]


class ImagePart(StrictModel):
    """A picture that belongs to an input."""

    type: Literal["image_url"]
    image_url: ImageUrl


InputPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]
Texts = Annotated[tuple[Text, ...], Field(strict=False, min_length=1, max_length=moderate.MAX_INPUTS)]
Parts = Annotated[tuple[InputPart, ...], Field(strict=False, min_length=1, max_length=moderate.MAX_INPUTS)]


class ModerationRequest(StrictModel):
    """One text, several texts with a result each, or the parts of one input with one result for all of them."""

    input: Text | Texts | Parts
    model: Annotated[Name, Field(description="Taken for OpenAI's clients; the answer names what ruled.")] | None = None
    audience: Name | None = None
    role: Annotated[Name, Field(description="Role of your end user; the key needs the scope roles:assert.")] | None = (
        None
    )
    stage: Stage = "before_request"


@router.post(
    "/v1/moderations",
    operation_id="moderate",
    summary="Ask without generating",
    responses={200: {"model": ModerationResource}, **_FAULTS},
    openapi_extra=documented.body(
        "ModerationRequest",
        {"input": "a red house in a green meadow"},
        {"input": ["a lighthouse", "a mill"], "audience": "education"},
        {"input": [{"type": "text", "text": "a poster"}, {"type": "image_url", "image_url": {"url": "img_0190…"}}]},
    ),
)
async def ask(call: Writer) -> Response:
    """What the policy would decide, with the reason in one sentence. Only the decision is kept, not what was asked."""
    wanted = await bodies.read_model(call.request, ModerationRequest, call.settings.max_body_bytes)
    circumstances = Circumstances(
        stage=wanted.stage, role=wanted.role, audience=wanted.audience, project=call.principal.project
    )
    found = await moderate.moderate(call.platform, call.principal, await _inputs(call, wanted), circumstances)
    trusted = "moderation:manage" in call.principal.scopes
    results = tuple(_result(answer, circumstances, trusted=trusted) for answer in found.results)
    versions = {result.policy_version for result in results}
    model = f"platemark:{'+'.join(sorted(versions))}"
    return answers.json(ModerationResource(id=found.id, model=model, salt=found.salt, results=results))


async def _inputs(call: Call, wanted: ModerationRequest) -> list[moderate.Asked]:
    given = wanted.input
    if isinstance(given, str):
        return [moderate.Asked((given,))]
    texts = [part for part in given if isinstance(part, str)]
    if texts:
        return [moderate.Asked((text,), pointer=f"/input/{index}") for index, text in enumerate(texts)]
    words = tuple(part.text for part in given if isinstance(part, TextPart))
    return [moderate.Asked(words, tuple([picture async for picture in _pictures(call, wanted)]))]


async def _pictures(call: Call, wanted: ModerationRequest) -> AsyncIterator[bytes]:
    count = 0
    for index, part in enumerate(wanted.input):
        if not isinstance(part, ImagePart):
            continue
        count += 1
        pointer = f"/input/{index}/image_url/url"
        if count > _MAX_PICTURES:
            words = f"One input holds at most {_MAX_PICTURES} pictures. Send more requests."
            raise moderate.pointed(TooLarge(words), pointer)
        try:
            yield await moderate.picture_of(call.platform, call.principal, part.image_url.url)
        except PlatemarkError as error:
            raise moderate.pointed(error, pointer) from None


def _result(answer: moderate.Answer, circumstances: Circumstances, *, trusted: bool) -> ModerationResult:
    ruling = answer.ruling
    flagged = ruling.decision in ("review", "block")
    codes = {ruling.reason_code, *ruling.secondary_codes} if ruling.decision != "allow" else set[str | None]()
    categories = {name: bool(codes.intersection(own)) for name, own in CATEGORIES.items()}
    scores = _scores(answer.signals) if trusted else {name: float(hit) for name, hit in categories.items()}
    kinds = [*(["text"] if answer.asked.texts else []), *(["image"] if answer.asked.pictures else [])]
    return ModerationResult(
        flagged=flagged,
        categories=categories,
        category_scores=scores,
        category_applied_input_types={name: kinds if own else [] for name, own in CATEGORIES.items()},
        decision=ruling.decision,
        reason_code=ruling.reason_code,
        secondary_codes=ruling.secondary_codes,
        severity=ruling.severity,
        sentence=sentence(ruling.decision, ruling.reason_code),
        signals=tuple(_shown(answer, trusted=trusted)),
        rule_ids=ruling.rule_ids if trusted else (),
        policy_version=ruling.policy_version,
        audience=circumstances.audience,
        stage=circumstances.stage,
        input_sha256=answer.input_sha256,
    )


def _shown(answer: moderate.Answer, *, trusted: bool) -> Iterator[JsonObject]:
    """Users see which detectors stood behind the codes of the ruling; scores and evidence are for moderators."""
    codes = {answer.ruling.reason_code, *answer.ruling.secondary_codes}
    for signal in answer.signals:
        if trusted:
            yield signal.model_dump(mode="json")
        elif not signal.evaluated or (signal.category in codes and signal.category != NOTHING_FOUND):
            yield {"detector": signal.detector, "category": signal.category, "evaluated": signal.evaluated}


def _scores(signals: tuple[Signal, ...]) -> dict[str, float]:
    return {
        name: max((s.score for s in signals if s.category in own and s.score is not None), default=0.0)
        for name, own in CATEGORIES.items()
    }
