"""Query parameters of lists; a parameter that is not known is an error, as everywhere."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from platemark.core.generation import GenerationStatus
from platemark.core.image import ModerationState, Origin
from platemark.core.ports import Query
from platemark.core.request import CleanText, Lane
from platemark.web.moments import Moment

MOST = 100


def _tag(text: str) -> str:
    if not text.partition(":")[0] or ":" not in text:
        raise PydanticCustomError("wrong_form", "must be of the form name:value")
    return text


def _name_once(tags: list[str]) -> list[str]:
    if len({tag.partition(":")[0] for tag in tags}) < len(tags):
        raise PydanticCustomError("duplicate_field", "must not name the same tag twice")
    return tags


Text = Annotated[CleanText, Field(min_length=1, max_length=300)]
Tag = Annotated[CleanText, Field(max_length=401), AfterValidator(_tag)]


class Filters(BaseModel):
    """What every list takes. Newest first; `cursor` is `next_cursor` of the page before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=MOST)] = 20
    cursor: Annotated[Text, Field(description="`next_cursor` of the page before.")] | None = None
    since: Annotated[Moment, Field(description="Not made before this time.")] | None = None
    until: Annotated[Moment, Field(description="Made before this time.")] | None = None

    def query(self, project: str, *, tags: dict[str, str] | None = None, **equals: object) -> Query:
        """The list request of the store; filters that are None or empty do not filter."""
        return Query(
            project=project,
            limit=self.limit,
            cursor=self.cursor,
            equals={name: value for name, value in equals.items() if value not in (None, ())},
            tags=tags or {},
            since=self.since,
            until=self.until,
        )


class GenerationFilters(Filters):
    """Filters of the list of generations."""

    status: Annotated[list[GenerationStatus], Field(max_length=8, description="Any of these; repeat it.")] = []
    lane: Lane | None = None
    model: Annotated[Text, Field(description="A model or an alias.")] | None = None
    tag: Annotated[
        list[Tag],
        Field(max_length=32, description="`name:value`; repeat it, all must match."),
        AfterValidator(_name_once),
    ] = []
    user: Annotated[Text, Field(description="The id of your end user.")] | None = None
    needs_attention: bool | None = None

    @property
    def tags(self) -> dict[str, str]:
        """Tags as the store takes them."""
        return dict((name, value) for name, _, value in (tag.partition(":") for tag in self.tag))


class ImageFilters(Filters):
    """Filters of the list of images."""

    origin: Origin | None = None
    generation: Text | None = None
    moderation_state: Annotated[list[ModerationState], Field(max_length=5)] = []


class EventFilters(BaseModel):
    """Filters of the project's events: oldest first, so that `after` can be moved on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[int, Field(ge=0, le=2**63 - 1, description="Only events with a larger `seq`.")] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class StreamStart(BaseModel):
    """Where an event stream begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[int, Field(ge=0, le=2**63 - 1, description="As `Last-Event-ID`.")] | None = None


class SignedUrl(BaseModel):
    """The two parts of a URL that opens a published image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expires: Annotated[int, Field(ge=0, le=2**40)] | None = None
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
