"""The servers that speak OpenAI's images API: what their models can do, and their differences as facts.

Facts: `generate`, `edit`, `inpaint` are paths; `image` and `mask` names of files; `times` stands between width and
height. `seed`, `steps`, `cfg`, `strength` and `negative` say how a server calls these: `kwargs.seed` lies inside a JSON
text, `|` behind a bar in the prompt. With `form_` before it a fact counts for forms only; `form_size` is a word, or
`same` for the size that was asked for. `send_NAME` is sent as it stands. With `own_urls` results lie on the server.
"""

from collections.abc import Mapping
from typing import Any

from platemark.core.model import Capabilities
from platemark.providers.catalogue import Declared, SourceLimits
from platemark.providers.licences import RAIL_M, RAIL_PP_M, STABILITY_COMMUNITY, TERMS
from platemark.providers.selfhosted import FREE, LICENCE_NOTE

GENERATE = "/v1/images/generations"
EDIT = "/v1/images/edits"
_MB = 1024 * 1024


def _can(*operations: str, **more: Any) -> Capabilities:
    sizes = {"min_size": 256, "max_size": 2048, "size_multiple": 16, "default_width": 1024, "default_height": 1024}
    drawn = {"max_steps": 200, "default_steps": 30, "max_cfg_scale": 20.0, "default_cfg_scale": 5.0, "max_count": 10}
    return Capabilities.model_validate({"operations": frozenset(operations), **sizes, **drawn, **more})


def _openai(name: str, description: str) -> Declared:
    can = _can(
        *("text_to_image", "image_to_image", "inpaint"),
        negative_prompt=False,
        seed=False,
        max_steps=0,
        default_steps=0,
        max_cfg_scale=0.0,
        default_cfg_scale=0.0,
        min_size=64,
    )
    return Declared(
        model=f"openai/{name}",
        route=name,
        capabilities=can,
        licence="OpenAI terms of use",
        licence_note=TERMS,
        description=description,
        sizes=((1024, 1024), (1536, 1024), (1024, 1536)),
        max_prompt=32_000,
        mask_white_changes=False,
        source=SourceLimits(min_side=16, max_bytes=50 * _MB),
        formats=("png", "jpeg", "webp"),
        facts={
            **{"generate": GENERATE, "edit": EDIT, "inpaint": EDIT},
            **{"form_size": "auto", "send_output_format": "png"},
        },
        not_verified=("prices: by tokens, which no source read here lists", "limits of sources"),
    )


def _self_hosted(model: str, route: str, can: Capabilities, facts: Mapping[str, str], **more: Any) -> Declared:
    return Declared(
        model=model,
        route=route,
        capabilities=can,
        price=FREE,
        licence_note=LICENCE_NOTE,
        cfg=(0.0, can.max_cfg_scale) if can.max_cfg_scale else None,
        steps=(1, can.max_steps) if can.max_steps else None,
        facts={"send_response_format": "b64_json", "negative": "negative_prompt", **facts},
        **more,
    )


_OPTIONS = {"seed": "seed", "steps": "num_inference_steps", "cfg": "guidance_scale"}
_VLLM_OMNI = _self_hosted(
    "vllm-omni/served",
    "",
    _can("text_to_image"),
    {"generate": GENERATE, **_OPTIONS},
    description="Whatever model the server was started with.",
)
_SGLANG = _self_hosted(
    "sglang/served",
    "",
    _can("text_to_image", "image_to_image"),
    {"generate": GENERATE, "edit": EDIT, "form_size": "same", "send_output_format": "png", **_OPTIONS},
    description="Whatever model the server was started with; image to image where that is a model that edits.",
    not_verified=("whether the served model edits",),
)
_LOCALAI_SIZES = {"default_width": 512, "default_height": 512, "size_multiple": 8, "max_cfg_scale": 0.0}
_LOCALAI = (
    _self_hosted(
        "localai/stablediffusion",
        "stablediffusion",
        _can("text_to_image", default_cfg_scale=0.0, **_LOCALAI_SIZES),
        {"generate": GENERATE, "seed": "seed", "steps": "step", "negative": "|"},
        description="The model that is configured on the server under this name.",
        licence=RAIL_M,
        not_verified=("whether the backend uses the seed",),
    ),
    _self_hosted(
        "localai/stablediffusion-inpaint",
        "stablediffusion",
        _can("inpaint", seed=False, negative_prompt=False, default_cfg_scale=0.0, **_LOCALAI_SIZES),
        {"inpaint": "/v1/images/inpainting", "steps": "steps", "own_urls": "yes", "send_response_format": ""},
        description="Inpainting by the same model, at 512 × 512; it takes no seed.",
        licence=RAIL_M,
        poll_seconds=0.1,
        not_verified=("whether results have the size of the source",),
    ),
)
_XINFERENCE_FACTS = {
    **{"generate": GENERATE, "edit": "/v1/images/variations", "inpaint": "/v1/images/inpainting"},
    **{"times": "*", "mask": "mask_image", "form_negative": "negative_prompt"},
    **{name: f"kwargs.{field}" for name, field in {**_OPTIONS, "strength": "strength"}.items()},
    "negative": "kwargs.negative_prompt",
}


def _xinference(name: str, route: str, side: int, licence: str, description: str) -> Declared:
    return _self_hosted(
        f"xinference/{name}",
        route,
        _can("text_to_image", "image_to_image", "inpaint", default_width=side, default_height=side),
        _XINFERENCE_FACTS,
        description=description,
        licence=licence,
        strength=(0.0, 1.0),
        default_strength=0.75,
        not_verified=("whether the server takes `seed` inside `kwargs`",),
    )


OPENAI = (
    _openai("gpt-image-2", "GPT Image 2."),
    _openai("gpt-image-1.5", "GPT Image 1.5."),
    _openai("gpt-image-1", "GPT Image 1."),
    _openai("gpt-image-1-mini", "GPT Image 1 mini."),
)
SELF_HOSTED: Mapping[str, tuple[Declared, ...]] = {
    "vllm-omni": (_VLLM_OMNI,),
    "sglang": (_SGLANG,),
    "localai": _LOCALAI,
    "xinference": (
        _xinference("sd3.5-large", "sd3.5-large", 1024, STABILITY_COMMUNITY, "Stable Diffusion 3.5 Large."),
        _xinference("sd3.5-medium", "sd3.5-medium", 1024, STABILITY_COMMUNITY, "Stable Diffusion 3.5 Medium."),
        _xinference("sdxl", "stable-diffusion-xl-base-1.0", 1024, RAIL_PP_M, "Stable Diffusion XL 1.0."),
        _xinference("sd1.5", "stable-diffusion-v1.5", 512, RAIL_M, "Stable Diffusion 1.5."),
    ),
}
