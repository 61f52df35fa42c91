"""An error as a document that can be kept with a generation, and back."""

from platemark.core.base import JsonObject
from platemark.core.errors import FieldError, PlatemarkError, error_by_code


def document(error: PlatemarkError) -> JsonObject:
    """The members of the problem document (RFC 9457) that do not depend on the request at hand."""
    return {
        "code": error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "retryable": error.retryable,
        "reason_code": error.reason_code,
        "generation": error.generation,
        "errors": [problem.model_dump() for problem in error.errors],
    }


def error_of(kept: JsonObject) -> PlatemarkError:
    """The error that `document` was made from."""
    return error_by_code(str(kept["code"]))(
        str(kept["detail"]),
        errors=[FieldError.model_validate(problem) for problem in kept.get("errors", ())],
        generation=kept.get("generation"),
        code=kept.get("reason_code"),
    )
