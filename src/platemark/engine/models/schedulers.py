"""Schedulers by the names that the field uses. Every request gets one of its own, so no state is left behind.

The names are read without the libraries; only `fresh_scheduler` needs them.
"""

import importlib
from typing import Any

from platemark.core.base import JsonObject

_KARRAS: JsonObject = {"use_karras_sigmas": True, "use_exponential_sigmas": False, "use_beta_sigmas": False}
_PLAIN: JsonObject = dict.fromkeys(_KARRAS, False)
_SOLVER, _SINGLE = "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"
_PLUS: JsonObject = {"algorithm_type": "dpmsolver++", "solver_order": 2}
_SDE: JsonObject = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}
_THIRD: JsonObject = {"algorithm_type": "dpmsolver++", "solver_order": 3}
# The singlestep solver divides by zero at a last noise level of zero unless it ends with a first-order step.
_ONE: JsonObject = {"algorithm_type": "dpmsolver++", "solver_order": 2, "lower_order_final": True}
# Latents are not clipped: these two were made for pixels, and would by default.
DIFFUSION: dict[str, tuple[str, JsonObject]] = {
    "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "ddpm": ("DDPMScheduler", {"clip_sample": False}),
    "deis": ("DEISMultistepScheduler", {"algorithm_type": "deis", "solver_type": "logrho"}),
    "dpm2": ("KDPM2DiscreteScheduler", _PLAIN),
    "dpm2_a": ("KDPM2AncestralDiscreteScheduler", _PLAIN),
    "dpm2_a_karras": ("KDPM2AncestralDiscreteScheduler", _KARRAS),
    "dpm2_karras": ("KDPM2DiscreteScheduler", _KARRAS),
    "dpmpp_2m": (_SOLVER, _PLUS | _PLAIN),
    "dpmpp_2m_karras": (_SOLVER, _PLUS | _KARRAS),
    "dpmpp_2m_sde": (_SOLVER, _SDE | _PLAIN),
    "dpmpp_2m_sde_karras": (_SOLVER, _SDE | _KARRAS),
    "dpmpp_2s": (_SINGLE, _ONE | _PLAIN),
    "dpmpp_2s_karras": (_SINGLE, _ONE | _KARRAS),
    "dpmpp_3m": (_SOLVER, _THIRD | _PLAIN),
    "dpmpp_3m_karras": (_SOLVER, _THIRD | _KARRAS),
    "euler": ("EulerDiscreteScheduler", _PLAIN),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "euler_karras": ("EulerDiscreteScheduler", _KARRAS),
    "heun": ("HeunDiscreteScheduler", _PLAIN),
    "heun_karras": ("HeunDiscreteScheduler", _KARRAS),
    "lcm": ("LCMScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {"solver_type": "bh2"} | _PLAIN),
    "unipc_karras": ("UniPCMultistepScheduler", {"solver_type": "bh2"} | _KARRAS),
}
_RECTIFIED: JsonObject = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"} | _PLAIN
FLOW: dict[str, tuple[str, JsonObject]] = {
    "deis": ("DEISMultistepScheduler", {"algorithm_type": "deis", "solver_type": "logrho"} | _RECTIFIED),
    "dpmpp_2m": (_SOLVER, _PLUS | _RECTIFIED),
    "dpmpp_2m_sde": (_SOLVER, _SDE | _RECTIFIED),
    "euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "heun": ("FlowMatchHeunDiscreteScheduler", {}),
    "lcm": ("FlowMatchLCMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {"solver_type": "bh2"} | _RECTIFIED),
}


def fresh_scheduler(own: Any, name: str | None) -> Any:
    """A new scheduler with the model's noise schedule: of the model's own class, or of the one that is named."""
    if name is None:
        return own.from_config(own.config)
    flows = type(own).__name__.startswith("FlowMatch")
    kind, changes = (FLOW if flows else DIFFUSION)[name]
    if "use_flow_sigmas" in changes:
        # The same shift under its other name.
        changes = changes | {"flow_shift": own.config.get("shift") or 1.0}
    return getattr(importlib.import_module("diffusers"), kind).from_config(own.config, **changes)
