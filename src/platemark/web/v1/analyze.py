"""`/v1/analyze`: is this file likely AI-made, is it ours, who signed it. Nothing of the file is kept."""

from typing import Annotated, Any

import anyio
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from platemark.core.base import JsonObject
from platemark.core.errors import (
    FetchRefused,
    FieldError,
    Gone,
    InvalidImage,
    InvalidRequest,
    MalformedBody,
    NotFound,
    TooLarge,
    UnsupportedMedia,
)
from platemark.core.request import CleanText, StrictModel
from platemark.core.resource import InspectionResource
from platemark.flows.analyze import analyze
from platemark.flows.evidence import Choice
from platemark.web import answers, bodies, documented, uploads
from platemark.web.analyses import analyses_of
from platemark.web.auth import Call, Reader
from platemark.web.v1.inspections import resource

router = APIRouter(tags=["inspections"])
# Base64 of the largest picture that may be taken; its bytes are bounded by max_image_bytes.
_MAX_TEXT = 64 * 1024 * 1024
_FILES = ("image", "file")
_Look = Annotated[CleanText, Field(min_length=1, max_length=80)]
_Looks = Annotated[tuple[_Look, ...], Field(strict=False, max_length=32)]


class Looks(StrictModel):
    """How a file is to be analysed."""

    retain: Annotated[
        bool, Field(description="Keep the answer; without it, only a line in the audit chain. The file is never kept.")
    ] = True
    only: Annotated[
        _Looks, Field(description="Kinds of findings, or detectors, that are to look; all when empty.")
    ] = ()
    without: Annotated[_Looks, Field(description="Kinds of findings, or detectors, that are not to look.")] = ()

    @property
    def choice(self) -> Choice:
        """As the flow takes it."""
        return Choice(frozenset(self.only), frozenset(self.without))


class AnalysisRequest(Looks):
    """A file to be analysed: an img_ id of the project, an https URL, a data URI, or base64."""

    image: Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]


_FORM: JsonObject = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string", "contentMediaType": "application/octet-stream"},
        "retain": {"type": "string", "enum": ["true", "false"]},
        "only": {"type": "string", "description": "Names with commas between them."},
        "without": {"type": "string", "description": "Names with commas between them."},
    },
}


@router.post(
    "/v1/analyze",
    operation_id="analyze",
    summary="Analyse a file",
    responses={
        200: {"model": InspectionResource},
        **documented.faults(MalformedBody, UnsupportedMedia, TooLarge, InvalidImage, FetchRefused, NotFound, Gone),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": _FORM},
                "application/json": {"schema": {"$ref": "#/components/schemas/AnalysisRequest"}},
                **documented.image_content(),
            },
        }
    },
)
async def ask(call: Reader) -> Response:
    """Evidence, verdict and confidence: part `image` of a form, JSON that names the picture, or its bytes as the body.

    A verdict is an input to a decision, not proof; none of them says that a picture is authentic.
    """
    analyses = analyses_of(call)
    analyses.take(call.request, call.principal.key)
    # Who sends slowly keeps nobody else from a place.
    data, looks = await _wanted(call)
    async with analyses.at_once:
        found = await analyze(call.platform, call.principal, data, looks.choice, retain=looks.retain)
    return answers.json(resource(found))


async def _wanted(call: Call) -> tuple[bytes | str, Looks]:
    kind = bodies.media_type(call.request)
    if kind == "multipart/form-data":
        return await _of_form(call)
    if kind.startswith("image/") or kind == "application/octet-stream":
        data = await bodies.read(call.request, call.settings.max_image_bytes)
        if not data:
            raise InvalidRequest("The body is empty. Send the bytes of one image.")
        return data, Looks()
    if kind != "application/json":
        raise UnsupportedMedia(
            "Send the image as part 'image' of a multipart/form-data body, as JSON, or as a body of type image/…."
        )
    wanted = await bodies.read_model(call.request, AnalysisRequest, call.settings.max_body_bytes)
    return wanted.image, wanted


async def _of_form(call: Call) -> tuple[bytes | str, Looks]:
    parts = await uploads.read_form(call.request, call.settings)
    files = [part for part in parts if part.name in _FILES]
    words = [part for part in parts if part.name not in _FILES]
    if len(files) != 1 or not files[0].data:
        message = "is required once, with the bytes of one image"
        code = "duplicate_field" if len(files) > 1 else "missing"
        raise InvalidRequest(
            "The form must hold one image.", errors=[FieldError(pointer="/image", code=code, message=message)]
        )
    values: dict[str, Any] = {}
    for part in words:
        if part.name in values:
            error = FieldError(pointer=f"/{part.name[:100]}", code="duplicate_field", message="stands twice; keep one")
            raise InvalidRequest("A field of the form stands twice. Keep one.", errors=[error])
        values[part.name] = _value(part.name, part.data.decode("utf-8", "replace"))
    looks = bodies.checked(Looks, values)
    data = bytes(files[0].data)
    if files[0].filename is not None:
        return data, looks
    text = await anyio.to_thread.run_sync(lambda: data.decode("utf-8", "replace"))
    return text, looks


def _value(name: str, text: str) -> Any:
    """A form's text as JSON would have it."""
    if name == "retain":
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    return [each.strip() for each in text.split(",") if each.strip()]
