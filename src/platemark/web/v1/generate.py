"""`POST /v1/generate`: from a request to its images, or to where they will be."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from platemark.core.errors import (
    BlockedByAppPolicy,
    BlockedByProvider,
    BudgetExceeded,
    FetchRefused,
    GenerationCanceled,
    GenerationExpired,
    IdempotencyKeyReused,
    InvalidImage,
    MalformedBody,
    ModelUnavailable,
    NotAcceptable,
    NotAllowed,
    OutcomeUnknown,
    ProviderRejected,
    ProviderTimedOut,
    ProviderUnavailable,
    TooLarge,
    Unsupported,
    UnsupportedMedia,
)
from platemark.core.generation import Generation
from platemark.core.image import Image
from platemark.core.ports import Query
from platemark.core.request import GenerationRequest
from platemark.core.resource import GenerationResource
from platemark.flows import content, look
from platemark.flows.accept import Acceptance, accept
from platemark.flows.wait import wait
from platemark.web import answers, bodies, documented, negotiation, problems, uploads
from platemark.web.auth import Call, Writer

router = APIRouter(tags=["generations"])
# A stop is noticed within this time; the client then gets 202 and finds its generation later.
_SLICE_SECONDS = 1.0
_EXAMPLE = {
    "prompt": "a clean editorial illustration of a city skyline at sunrise, soft lighting, modern vector style",
    "negative_prompt": "blurry, distorted, extra limbs, text artifacts, watermark",
    "width": 1024,
    "height": 1024,
    "steps": 30,
    "cfg_scale": 7,
    "seed": 12345,
    "model": "stable-diffusion-xl",
}
_FORM = {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/GenerationForm"}}}
_BODY = documented.body(
    "GenerationRequest",
    _EXAMPLE,
    {"prompt": "a red house in a green meadow at sunset"},
    {
        "prompt": "a wide green meadow under a blue sky",
        "operation": "outpaint",
        "image": "img_0190c2a5b7e07d3f8a51c3f2e4b6d8a0",
        "left": 64,
        "right": 64,
    },
)
_BODY["requestBody"]["content"] |= _FORM
_HEADERS: list[dict[str, Any]] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
        "description": "The same key with the same body is the same generation; with another body it is a 409.",
    },
    {
        "name": "Prefer",
        "in": "header",
        "schema": {"type": "string"},
        "description": "`wait=n` holds the call for up to n seconds, `respond-async` not at all.",
    },
]


@router.post(
    "/v1/generate",
    operation_id="generate",
    summary="Draw images from a prompt",
    openapi_extra={**_BODY, "parameters": _HEADERS},
    responses={
        200: {
            "model": GenerationResource,
            "description": "Finished. With `Accept: image/…` the bytes of the single image.",
            "content": documented.image_content(),
        },
        202: {"model": GenerationResource, "description": "Not finished yet, or held for a person. See `Location`."},
        **documented.faults(
            MalformedBody,
            BudgetExceeded,
            BlockedByAppPolicy,
            BlockedByProvider,
            NotAcceptable,
            IdempotencyKeyReused,
            GenerationCanceled,
            GenerationExpired,
            TooLarge,
            UnsupportedMedia,
            Unsupported,
            InvalidImage,
            FetchRefused,
            ProviderRejected,
            OutcomeUnknown,
            ProviderUnavailable,
            ModelUnavailable,
            ProviderTimedOut,
        ),
    },
)
async def generate(call: Writer) -> Response:
    """Accepts one request and holds the call until its images are finished, 50 seconds by default.

    A client that leaves meanwhile loses nothing: the generation goes on and can be read under its id.
    """
    formats = negotiation.image_formats(call.request)
    acceptance = await _accepted(call, formats)
    patience = negotiation.patience(call.request, call.settings.wait_seconds)
    if acceptance.replayed:
        call.header("Idempotency-Replayed", "true")
    if patience.applied is not None:
        call.header("Preference-Applied", patience.applied)
    generation = await _settled(call, acceptance.generation, patience.seconds)
    error = problems.outcome(generation)
    if error is not None:
        raise error
    if generation.status != "succeeded":
        return await answers.generation(call, generation, 202)
    if formats is not None:
        return await _bytes(call, generation)
    return await answers.generation(call, generation)


async def _accepted(call: Call, formats: tuple[str, ...] | None) -> Acceptance:
    """Read, check and write down. A function of its own, so that nothing holds the body's bytes during the wait."""
    order, parts = await _order(call)
    if formats is not None:
        order = negotiation.for_bytes(order, formats)
    key = negotiation.idempotency_key(call.request)
    return await accept(call.platform, call.principal, order, parts=parts, idempotency_key=key)


async def _order(call: Call) -> tuple[GenerationRequest, dict[str, bytes]]:
    """The request, and the bytes of its file parts by the text that stands for each."""
    if bodies.media_type(call.request) == "multipart/form-data":
        fields, parts = await uploads.generation_fields(call.request, call.settings)
        return bodies.checked(GenerationRequest, fields), parts
    return await bodies.read_model(call.request, GenerationRequest, call.settings.max_body_bytes), {}


async def _settled(call: Call, generation: Generation, seconds: float) -> Generation:
    clock = call.platform.clock
    deadline = clock.monotonic() + seconds
    while not (generation.done or generation.status == "held" or call.stopping.asked):
        left = deadline - clock.monotonic()
        if left <= 0:
            break
        generation = await wait(call.platform, generation.id, min(left, _SLICE_SECONDS))
    return generation


async def _bytes(call: Call, generation: Generation) -> Response:
    query = Query(project=call.principal.project, limit=1, equals={"generation": generation.id})
    image: Image = (await look.images(call.platform, call.principal, query)).data[0]
    try:
        found = await content.read(call.platform, call.principal, image.id)
    except NotAllowed as error:
        error.generation = generation.id
        raise
    about = {
        "X-Generation-Id": generation.id,
        "X-Image-Id": image.id,
        "X-Model": generation.model,
        "X-Seed": "" if image.seed is None else str(image.seed),
        "X-Warnings": ", ".join(warning.code for warning in generation.warnings),
        "Link": f'<{call.url(f"/v1/generations/{generation.id}")}>; rel="describedby"',
    }
    return answers.image_bytes(call.request, found, {name: value for name, value in about.items() if value})
