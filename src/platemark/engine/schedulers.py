"""Schedulers by the names that the field uses. Every request gets one of its own, so no state is left behind."""

from typing import Any

import diffusers

from platemark.core.base import JsonObject

_library: Any = diffusers
_DIFFUSION: dict[str, tuple[str, JsonObject]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {"algorithm_type": "deis", "solver_type": "logrho"}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": False}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {"solver_type": "bh2"}),
}
_FLOW: dict[str, tuple[str, JsonObject]] = {
    "euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "heun": ("FlowMatchHeunDiscreteScheduler", {}),
}


def fresh_scheduler(own: Any, name: str | None) -> Any:
    """A new scheduler with the model's noise schedule: of the model's own class, or of the one that is named."""
    if name is None:
        return own.from_config(own.config)
    kinds = _FLOW if type(own).__name__.startswith("FlowMatch") else _DIFFUSION
    kind, changes = kinds[name]
    return getattr(_library, kind).from_config(own.config, **changes)
