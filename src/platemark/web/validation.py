"""From pydantic's complaints to words that say what to do, one per problem, with JSON pointers."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from platemark.core.errors import FieldError, InvalidRequest

# More would not help anybody, and a hostile body could have millions.
_MOST_ERRORS = 50
_LONGEST_NAME = 100
# pydantic's type: our stable code and the sentence, filled from its context.
_WORDS: dict[str, tuple[str, str]] = {
    "missing": ("missing", "is required; add it"),
    "extra_forbidden": ("unknown_field", "is not known here; remove it"),
    "string_type": ("wrong_type", "must be a text"),
    "string_unicode": ("wrong_type", "must be valid Unicode text"),
    "int_type": ("wrong_type", "must be a whole number"),
    "int_parsing": ("wrong_type", "must be a whole number"),
    "int_parsing_size": ("wrong_type", "must be a whole number of reasonable size"),
    "int_from_float": ("wrong_type", "must be a whole number"),
    "float_type": ("wrong_type", "must be a number"),
    "float_parsing": ("wrong_type", "must be a number"),
    "finite_number": ("wrong_type", "must be a finite number"),
    "bool_type": ("wrong_type", "must be true or false"),
    "bool_parsing": ("wrong_type", "must be true or false"),
    "dict_type": ("wrong_type", "must be an object"),
    "model_type": ("wrong_type", "must be an object"),
    "model_attributes_type": ("wrong_type", "must be an object"),
    "tuple_type": ("wrong_type", "must be a list"),
    "list_type": ("wrong_type", "must be a list"),
    "set_type": ("wrong_type", "must be a list"),
    "frozen_set_type": ("wrong_type", "must be a list"),
    "datetime_type": ("wrong_type", "must be a time such as 2026-01-31T12:00:00Z"),
    "datetime_parsing": ("wrong_type", "must be a time such as 2026-01-31T12:00:00Z"),
    "datetime_from_date_parsing": ("wrong_type", "must be a time such as 2026-01-31T12:00:00Z"),
    "timezone_aware": ("wrong_type", "must be a time with its zone, such as 2026-01-31T12:00:00Z"),
    "literal_error": ("not_one_of", "must be one of {expected}"),
    "greater_than_equal": ("out_of_range", "must be at least {ge}"),
    "greater_than": ("out_of_range", "must be more than {gt}"),
    "less_than_equal": ("out_of_range", "must be at most {le}"),
    "less_than": ("out_of_range", "must be less than {lt}"),
    "string_too_short": ("too_short", "must have at least {min_length} character(s)"),
    "string_too_long": ("too_long", "must have at most {max_length} characters"),
    "too_short": ("too_short", "must have at least {min_length} item(s)"),
    "too_long": ("too_long", "must have at most {max_length} items"),
    "string_pattern_mismatch": ("wrong_form", "is not of the form that is expected here"),
}


def invalid(error: ValidationError, *, into: type[BaseModel] | None = None) -> InvalidRequest:
    """All problems of a body at once. `into` is the model, whose names are offered for a name that is not known."""
    return refuse(error.errors(include_url=False, include_input=False), names=tuple(into.model_fields) if into else ())


def refuse(problems: Sequence[ErrorDetails], *, names: Iterable[str] = ()) -> InvalidRequest:
    """The error for pydantic's `problems`."""
    known = tuple(names)
    errors = [_field_error(problem, known) for problem in problems[:_MOST_ERRORS]]
    count = len(problems)
    more = f" The first {_MOST_ERRORS} are listed." if count > _MOST_ERRORS else ""
    summary = f"{errors[0].pointer or 'The body'} {errors[0].message}." if count == 1 else f"{count} problems.{more}"
    return InvalidRequest(f"{summary} Correct the request and send it again.", errors=errors)


def pointer(path: Iterable[object]) -> str:
    """RFC 6901, from the parts of a path. Queries and headers stand under `/query` and `/header`."""
    parts = (str(part)[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1") for part in path if part != "[key]")
    return "".join(f"/{part}" for part in parts)


def _field_error(problem: ErrorDetails, names: Sequence[str]) -> FieldError:
    code, words = _WORDS.get(problem["type"], (problem["type"], ""))
    context: Mapping[str, Any] = problem.get("ctx", {})
    # Our own validators speak for themselves; whatever pydantic adds one day is shown in its words.
    message = words.format_map(context) if words else problem["msg"]
    path = problem["loc"]
    if problem["type"] == "extra_forbidden" and len(path) == 1:
        close = difflib.get_close_matches(str(path[0])[:_LONGEST_NAME], names, n=1)
        message = f"is not known here; did you mean {close[0]}?" if close else message
    return FieldError(pointer=pointer(path), code=code, message=message)
