"""The base of every noun: an immutable, validated value with the project it belongs to."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict


def _as_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("timestamps carry their zone; use UTC")
    return value.astimezone(UTC)


JsonObject = dict[str, Any]
Timestamp = Annotated[datetime, AfterValidator(_as_utc)]


class Noun(BaseModel):
    """One row of the store and one value in the code. Changes make a new value (`store.change`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str


class Part(BaseModel):
    """A value inside a noun."""

    model_config = ConfigDict(frozen=True, extra="forbid")
