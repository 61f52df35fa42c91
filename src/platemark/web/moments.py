"""Points in time as clients write them: RFC 3339 with a zone, nothing looser."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")
_FIRST_YEAR, _LAST_YEAR = 1970, 9000


def _written(value: Any) -> Any:
    # pydantic would also take a number, or a text with one, as seconds since 1970.
    if isinstance(value, str) and _WRITTEN.match(value):
        return value
    raise PydanticCustomError("datetime_parsing", "must be a time")


def _sensible(value: datetime) -> datetime:
    # Near the ends of the calendar a change of zone leaves it.
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise PydanticCustomError(
            "out_of_range",
            "must lie between the years {first} and {last}",
            {"first": _FIRST_YEAR, "last": _LAST_YEAR},
        )
    return value


Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_written), AfterValidator(_sensible)]
