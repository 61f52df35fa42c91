"""What a provider tells while it works, and what it is asked to do."""

from dataclasses import dataclass, field

from platemark.core.base import JsonObject
from platemark.core.generation import Parameters, Warning
from platemark.core.model import Operation
from platemark.core.money import Cost
from platemark.core.request import Lane


@dataclass(frozen=True, slots=True)
class Order:
    """One call to a provider: final strings and numbers, one seed per picture. `previews` asks for previews.

    `looks`: what comes is decoded to see whether it shows anything; without, only its header is read.
    Pictures come decoded and checked, as PNG without metadata, upright: `image` RGB at the source's own size, `mask` L
    of the same size (255 is drawn anew), `guides` RGB, one for each of `parameters.controls`.
    """

    model: str
    operation: Operation
    prompt: str
    negative_prompt: str | None
    parameters: Parameters
    seeds: tuple[int, ...]
    idempotency_key: str
    previews: bool = False
    lane: Lane = "interactive"
    looks: bool = True
    image: bytes | None = field(default=None, repr=False)
    mask: bytes | None = field(default=None, repr=False)
    guides: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the work under its own id; stored before waiting."""

    ticket: str


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` steps of picture `index`. 0: it waits behind others, and its time has not begun to run."""

    done: int
    total: int
    index: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture of the present state: encoded bytes, never stored as an image."""

    data: bytes = field(repr=False)
    media_type: str
    step: int
    index: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished picture as the provider gave it (encoded bytes). `flags` are the provider's words about it.

    `vendors`: it is somebody else's work, so these very bytes are kept beside the image that is made of them.
    `revised_prompt`: what it was drawn from, where the provider wrote the prompt anew.
    """

    data: bytes = field(repr=False)
    media_type: str
    index: int
    seed: int | None
    warnings: tuple[Warning, ...] = ()
    flags: JsonObject = field(default_factory=dict[str, object])
    vendors: bool = False
    revised_prompt: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Withheld:
    """A picture that the provider made, or would have made, and keeps to itself by its own rules."""

    index: int
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Charged:
    """What the call cost, when the provider says so."""

    cost: Cost


@dataclass(frozen=True, slots=True)
class Answered:
    """The provider's raw answer without image bytes: kept with the attempt, beside its request id."""

    response: JsonObject
    request_id: str | None = None
    model_revision: str | None = None


Update = Accepted | Progress | Preview | Picture | Withheld | Charged | Answered
