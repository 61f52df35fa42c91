"""What routes say about themselves in the OpenAPI document: problems, request bodies, bytes."""

from typing import Any

from platemark.core.errors import PlatemarkError
from platemark.core.image import MEDIA_TYPES
from platemark.web import problems

Responses = dict[int | str, dict[str, Any]]


def faults(*errors: type[PlatemarkError]) -> Responses:
    """One response a status, with an example for each error."""
    found: Responses = {}
    for error in errors:
        response = found.setdefault(
            error.status, {"description": error.title, "content": {problems.MEDIA_TYPE: _problem_schema()}}
        )
        response["content"][problems.MEDIA_TYPE]["examples"][error.code] = {"value": _example(error)}
    return found


def _problem_schema() -> dict[str, Any]:
    return {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}


def _example(error: type[PlatemarkError]) -> dict[str, Any]:
    return problems.problem(error(f"{error.title}."), request_id="req_0190c2a5b7e07d3f8a51c3f2e4b6d8a0")


def image_content() -> dict[str, Any]:
    """The content of a response of image bytes."""
    return {kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in MEDIA_TYPES.values()}


def bytes_response(description: str) -> dict[str, Any]:
    """A response of image bytes."""
    return {"description": description, "content": image_content()}


def picture(description: str, *errors: type[PlatemarkError]) -> Responses:
    """What a route answers that gives the bytes of a picture: all of them, a range, or that they are known."""
    return {
        200: bytes_response(description),
        206: bytes_response("The range that was asked for."),
        304: {"description": "You have it: its hash is your ETag."},
        416: {"description": "There are no such bytes."},
        **faults(*errors),
    }


def body(model: str, *examples: dict[str, Any]) -> dict[str, Any]:
    """A required JSON request body of a schema that the document holds."""
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{model}"}}
    if examples:
        content["examples"] = {f"example {number}": {"value": value} for number, value in enumerate(examples, 1)}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
    "description": "The same key with the same body is the same thing; with another body it is a 409.",
}
CONTENT_SHA256: dict[str, Any] = {
    "name": "X-Content-SHA256",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "description": "What the bytes of the image must have; other bytes are a 422.",
}
