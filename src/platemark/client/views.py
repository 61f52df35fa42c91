"""What generations and images show without asking the server: shared by the sync and the async faces."""

from datetime import datetime
from typing import Any

from platemark.core.base import JsonObject
from platemark.core.money import Cost
from platemark.core.resource import (
    GenerationModeration,
    GenerationResource,
    HopResource,
    ImageInspection,
    ImageModeration,
    ImagePublication,
    ImageResource,
    InputResource,
    WarningResource,
)


class GenerationView:
    """A generation as the server last told it; `resource` is all of it."""

    resource: GenerationResource

    @property
    def id(self) -> str:
        """`gen_…`."""
        return self.resource.id

    @property
    def status(self) -> str:
        """`queued`, `held`, `running`, `succeeded`, `failed`, `blocked`, `canceled` or `expired`."""
        return self.resource.status

    @property
    def model(self) -> str:
        """The model that really runs, as `provider/model`."""
        return self.resource.model

    @property
    def requested_model(self) -> str | None:
        """The model, alias or route that was asked for; None for the default."""
        return self.resource.requested_model

    @property
    def route(self) -> tuple[HopResource, ...]:
        """Every model that the requested name stands for, and what became of it; empty where that is one."""
        return self.resource.route

    @property
    def parameters(self) -> dict[str, Any]:
        """What is really asked of the model, after defaults and drops: size, steps, guidance, seed."""
        return self.resource.parameters

    @property
    def inputs(self) -> tuple[InputResource, ...]:
        """The pictures that it starts from, with their roles; they are images of the project."""
        return self.resource.inputs

    @property
    def warnings(self) -> tuple[WarningResource, ...]:
        """What was changed or dropped on the way."""
        return self.resource.warnings

    @property
    def cost(self) -> Cost:
        """What it cost, as far as is known; in millionths of a US dollar."""
        return self.resource.cost

    @property
    def moderation(self) -> GenerationModeration | None:
        """What its user is told, and how to appeal, where a person or the policy stands before it."""
        return self.resource.moderation

    @property
    def error(self) -> JsonObject | None:
        """The problem of a generation that failed or was blocked."""
        return self.resource.error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}>"


class ImageView:
    """An image as the server last told it; `resource` is all of it."""

    resource: ImageResource

    @property
    def id(self) -> str:
        """`img_…`."""
        return self.resource.id

    @property
    def seed(self) -> int | None:
        """The seed it was drawn from; None for uploads."""
        return self.resource.seed

    @property
    def width(self) -> int:
        """Pixels."""
        return self.resource.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.resource.height

    @property
    def media_type(self) -> str:
        """`image/png`, `image/jpeg` or `image/webp`."""
        return self.resource.media_type

    @property
    def sha256(self) -> str:
        """Of the stored file, which `read` checks."""
        return self.resource.sha256

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the images that it was made from."""
        return self.resource.parents

    @property
    def url(self) -> str | None:
        """Where a browser finds it; readable without a key only once the image is published."""
        return self.resource.url

    @property
    def created_at(self) -> datetime:
        """When it was stored, UTC."""
        return self.resource.created_at

    @property
    def moderation(self) -> ImageModeration:
        """Its moderation state and the reason for it."""
        return self.resource.moderation

    @property
    def inspection(self) -> ImageInspection | None:
        """What was read from it: verdict and tier."""
        return self.resource.inspection

    @property
    def publication(self) -> ImagePublication | None:
        """Its publication, where there is one."""
        return self.resource.publication

    def __repr__(self) -> str:
        size = f"{self.width}×{self.height}"
        return f"<{type(self).__name__} {self.id} {size} {self.media_type}>"
