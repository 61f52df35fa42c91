"""A generation: one accepted request and its images; the resource that clients poll."""

from typing import Literal

from platemark.core.base import JsonObject, Noun, Part, Timestamp
from platemark.core.errors import Conflict
from platemark.core.model import Operation, OutputFormat
from platemark.core.money import Cost
from platemark.core.project import Profile
from platemark.core.request import Lane, ResponseFormat, WatermarkMoment

GenerationStatus = Literal["queued", "held", "running", "succeeded", "failed", "blocked", "canceled", "expired"]
HopState = Literal["chosen", "waiting", "left", "skipped"]
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "blocked", "canceled", "expired"})
GENERATION_MOVES: dict[str, frozenset[str]] = {
    "queued": frozenset({"running", "canceled", "expired", "failed"}),
    "held": frozenset({"queued", "blocked", "expired", "canceled"}),
    "running": frozenset({"queued", "succeeded", "failed", "blocked", "canceled", "expired"}),
    # `retry` by a person starts a failed generation again; every other end is final.
    "failed": frozenset({"queued"}),
    # An appeal that overturns our own refusal starts it for the first time.
    "blocked": frozenset({"queued"}),
    **{end: frozenset[str]() for end in ("succeeded", "canceled", "expired")},
}


class Warning(Part):
    """Something that was changed or dropped on the way, said out loud (promise P3)."""

    code: str
    message: str
    field: str | None = None


class ControlUse(Part):
    """One ControlNet as it is used. Its guide is the generation's input of the role `control` with the same index."""

    type: str
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    preprocess: bool = True


class LoraUse(Part):
    """One LoRA with its scale."""

    id: str
    scale: float = 1.0


class Parameters(Part):
    """What is really asked of the provider, after defaults and drops. `seed` is the first image's.

    `left`, `right`, `up`, `down`: pixels that an outpaint adds; `width` and `height` are those of the result.
    """

    width: int
    height: int
    steps: int
    cfg_scale: float
    seed: int
    n: int
    scheduler: str | None = None
    strength: float | None = None
    variation: float | None = None
    mask_grow: int | None = None
    mask_feather: int | None = None
    left: int | None = None
    right: int | None = None
    up: int | None = None
    down: int | None = None
    controls: tuple[ControlUse, ...] = ()
    loras: tuple[LoraUse, ...] = ()
    clip_skip: int | None = None
    guidance_rescale: float | None = None
    vae: str | None = None
    reproducible: bool | None = None

    @property
    def said(self) -> JsonObject:
        """Those that say something: no nothing and no empty lists, as plain JSON."""
        return {name: value for name, value in self.model_dump(mode="json", exclude_none=True).items() if value != []}


class Input(Part):
    """A picture that a generation starts from: the id of an Image of the project. `index` counts within the role."""

    role: Literal["image", "mask", "control"]
    index: int = 0
    image: str


class Hop(Part):
    """One model of a route. `code` and `reason`: why it was left, or, before anything was asked of it, skipped.

    `chosen` is the one that is asked now or was asked last. What it runs with was checked at acceptance; it is None for
    one that is skipped.
    """

    model: str
    state: HopState
    code: str | None = None
    reason: str | None = None
    left_at: Timestamp | None = None
    revision: str | None = None
    parameters: Parameters | None = None
    dropped: tuple[str, ...] = ()
    warnings: tuple[Warning, ...] = ()
    estimate: Cost | None = None


# Where a PromptText has the prompts that a provider wrote anew, by the index of the picture.
REVISED = "revised_prompts"


class PromptText(Noun):
    """Personal text of one generation, the only place that holds it. Erasing sets `body` and `salt` to None."""

    project: str
    salt: str | None
    body: JsonObject | None
    created_at: Timestamp
    erased_at: Timestamp | None = None


class Generation(Noun):
    """`id` is also the workflow's. Prompt and user lie in `text` (a PromptText id).

    `model` is the one that runs or ran. `route` has every model that the requested name stands for, in order; it is
    empty where that is one.
    """

    project: str
    key: str
    status: GenerationStatus
    operation: Operation
    lane: Lane
    requested_model: str | None
    model: str
    model_revision: str | None = None
    route: tuple[Hop, ...] = ()
    parameters: Parameters
    inputs: tuple[Input, ...] = ()
    text: str
    text_sha256: str
    profile: Profile = "standard"
    user_sha256: str | None = None
    role: str | None = None
    audience: str | None = None
    tags: dict[str, str] = {}
    warnings: tuple[Warning, ...] = ()
    dropped: tuple[str, ...] = ()
    response_format: ResponseFormat = "url"
    output_format: OutputFormat = "png"
    # Whether each output is marked, or only what is published.
    watermark: WatermarkMoment = "publication"
    created_at: Timestamp
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    start_by: Timestamp
    retry_at: Timestamp | None = None
    cancel_requested_at: Timestamp | None = None
    needs_attention: bool = False
    runs: int = 0
    failures: int = 0
    crashes: int = 0
    cost_status: Literal["estimated", "settled", "unknown"] = "estimated"
    cost_micro_usd: int | None = None
    cost_basis: str = ""
    error: JsonObject | None = None

    @property
    def done(self) -> bool:
        """True once no flow will change it by itself."""
        return self.status in TERMINAL

    @property
    def cost(self) -> Cost:
        """What it cost as far as is known; nothing where it ended before anything was sent."""
        if self.done and self.started_at is None:
            return Cost(status="settled", micro_usd=0, basis="nothing was sent")
        return Cost(status=self.cost_status, micro_usd=self.cost_micro_usd, basis=self.cost_basis)


class IdempotencyKey(Noun):
    """Binds a client's key to one generation. `id` is SHA-256 of project and key; its uniqueness is the guarantee."""

    project: str
    body_sha256: str
    generation: str
    created_at: Timestamp


def check_move(kind: str, moves: dict[str, frozenset[str]], old: str, new: str) -> None:
    """Raise Conflict when `old → new` is not a transition of this noun."""
    if new not in moves[old]:
        raise Conflict(f"This {kind} is {old} and cannot become {new}. Read it again for its present state.")
