"""What fake servers of OpenAI's images API take: the fields of each route, and how each server differs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from platemark.simulate.fields import Field

GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"
Table = Mapping[str, Field]
_PROMPT = Field(required=True, least=1, most=32_000)
_IMAGE = Field("file", required=True)
_N = Field("integer", least=1, most=10)
_FORMAT = Field(one_of=("png", "jpeg", "webp"))
_STEPS = Field("integer", least=1, most=200)
_SCALE = Field("number", least=0, most=20)
_SEED = Field("integer", least=0)
_COMMON = {"prompt": _PROMPT, "model": Field(), "n": _N, "size": Field(), "user": Field()}
_GPT = {
    **_COMMON,
    "quality": Field(one_of=("low", "medium", "high", "auto")),
    "output_format": _FORMAT,
    "output_compression": Field("integer", least=0, most=100),
    "background": Field(one_of=("transparent", "opaque", "auto")),
}
_DRAWN = {
    "seed": _SEED,
    "num_inference_steps": _STEPS,
    "guidance_scale": _SCALE,
    "true_cfg_scale": _SCALE,
    "negative_prompt": Field(),
}
_B64_OR_URL = Field(one_of=("b64_json", "url"))
# What the pipelines of Xinference take; it comes as JSON in one text.
KWARGS: Table = {**_DRAWN, "strength": Field("number", least=0, most=1)}
_KWARGS = {"kwargs": Field(), "response_format": _B64_OR_URL}


@dataclass(frozen=True)
class Server:
    """One kind of server. `models`: those that it has, none where it draws with its only one whatever is named.

    `style`: whose shape its errors have. `sizes`: only these, or the word for its own choice. `alone`: results of these
    routes lie behind URLs of its own. `seed`: what it draws with where no seed is given.
    """

    name: str
    json: Mapping[str, Table]
    forms: Mapping[str, Table]
    models: tuple[str, ...] = ()
    style: str = "detail"
    times: str = "x"
    sizes: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    seed: int | None = None
    open_to_all: bool = True
    refuses: frozenset[str] = field(default_factory=frozenset[str])


_GPT_SIZES = ("auto", "1024x1024", "1536x1024", "1024x1536")
SERVERS: Mapping[str, Server] = {
    "openai": Server(
        "openai",
        {GENERATIONS: {**_GPT, "moderation": Field(one_of=("low", "auto"))}},
        {EDITS: {**_GPT, "image": _IMAGE, "mask": Field("file"), "input_fidelity": Field(one_of=("high", "low"))}},
        models=("gpt-image-2", "gpt-image-1.5", "gpt-image-1", "gpt-image-1-mini"),
        style="error",
        sizes=_GPT_SIZES,
        open_to_all=False,
        refuses=frozenset({"out_of_credit", "prompt_blocked", "output_blocked"}),
    ),
    "vllm-omni": Server(
        "vllm-omni",
        {GENERATIONS: {**_COMMON, **_DRAWN, "response_format": Field(one_of=("b64_json",)), "output_format": _FORMAT}},
        {},
    ),
    "sglang": Server(
        "sglang",
        {GENERATIONS: {**_COMMON, **_DRAWN, "response_format": _B64_OR_URL, "output_format": _FORMAT}},
        {EDITS: {**_COMMON, **_DRAWN, "response_format": _B64_OR_URL, "output_format": _FORMAT, "image": _IMAGE}},
        # Without one its pictures are all alike.
        seed=1024,
    ),
    "localai": Server(
        "localai",
        {
            GENERATIONS: {
                **_COMMON,
                "step": _STEPS,
                "mode": Field("integer"),
                "seed": _SEED,
                "response_format": _B64_OR_URL,
            }
        },
        {
            "/v1/images/inpainting": {
                "prompt": _PROMPT,
                "model": Field(required=True),
                "steps": _STEPS,
                "image": _IMAGE,
                "mask": _IMAGE,
            }
        },
        models=("stablediffusion",),
        style="error",
        alone=("/v1/images/inpainting",),
        seed=0,
    ),
    "xinference": Server(
        "xinference",
        {GENERATIONS: {**_COMMON, **_KWARGS}},
        {
            "/v1/images/variations": {**_COMMON, **_KWARGS, "negative_prompt": Field(), "image": _IMAGE},
            "/v1/images/inpainting": {
                **_COMMON,
                **_KWARGS,
                "negative_prompt": Field(),
                "image": _IMAGE,
                "mask_image": _IMAGE,
            },
        },
        models=("sd3.5-large", "sd3.5-medium", "stable-diffusion-xl-base-1.0", "stable-diffusion-v1.5"),
        times="*",
    ),
}
