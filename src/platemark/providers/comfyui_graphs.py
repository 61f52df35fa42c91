"""ComfyUI graphs in its API form, built from an order node by node out of ComfyUI's own nodes; nothing here is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from platemark.core.base import JsonObject
from platemark.core.generation import ControlUse, Parameters
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, strength_of
from platemark.providers.selfhosted import checkpoint_of

Nodes = dict[str, JsonObject]
# An output of a node: its id and the output's number.
Link = list[Any]
# Our names of schedulers: theirs for the sampler and for the schedule.
SAMPLERS = {
    "ddim": ("ddim", "ddim_uniform"),
    "ddpm": ("ddpm", "normal"),
    "deis": ("deis", "normal"),
    "dpm2": ("dpm_2", "normal"),
    "dpm2_a": ("dpm_2_ancestral", "normal"),
    "dpm2_a_karras": ("dpm_2_ancestral", "karras"),
    "dpm2_karras": ("dpm_2", "karras"),
    "dpmpp_2m": ("dpmpp_2m", "normal"),
    "dpmpp_2m_karras": ("dpmpp_2m", "karras"),
    "dpmpp_2m_sde": ("dpmpp_2m_sde", "normal"),
    "dpmpp_2m_sde_karras": ("dpmpp_2m_sde", "karras"),
    "dpmpp_2s_a": ("dpmpp_2s_ancestral", "normal"),
    "dpmpp_2s_a_karras": ("dpmpp_2s_ancestral", "karras"),
    "dpmpp_sde": ("dpmpp_sde", "normal"),
    "dpmpp_sde_karras": ("dpmpp_sde", "karras"),
    "euler": ("euler", "normal"),
    "euler_a": ("euler_ancestral", "normal"),
    "euler_karras": ("euler", "karras"),
    "heun": ("heun", "normal"),
    "heun_karras": ("heun", "karras"),
    "lcm": ("lcm", "sgm_uniform"),
    "lms": ("lms", "normal"),
    "lms_karras": ("lms", "karras"),
    "unipc": ("uni_pc", "normal"),
    "unipc_karras": ("uni_pc", "karras"),
}
_GRID = 8
_SCALING = "bicubic"
# Pixels over which an outpaint fades into the source, and by which the latent mask of an inpaint is larger.
_FADE, _GROWN = 40, 6
MAX_FEATHER = 31


@dataclass(frozen=True, slots=True)
class Sources:
    """What the pictures of an order are called on the server: values for LoadImage."""

    image: str = ""
    mask: str = ""
    guides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Weights:
    model: Link
    clip: Link
    vae: Link


@dataclass(frozen=True, slots=True)
class _Start:
    """Where sampling begins. `kept`: the picture that stays where `mask` is black."""

    latent: Link
    denoise: float
    kept: Link | None = None
    mask: Link | None = None


def build(order: Order, model: Declared, seed: int, sources: Sources) -> Nodes:
    """The graph that makes one picture, its size that of the order. It ends in PreviewImage: nothing is kept there."""
    nodes: Nodes = {}
    image = (_enlarged if order.operation == "upscale" else _drawn)(nodes, order, model, seed, sources)
    _add(nodes, "PreviewImage", images=image)
    return nodes


def _add(nodes: Nodes, class_type: str, **inputs: Any) -> str:
    id = str(len(nodes) + 1)
    nodes[id] = {"class_type": class_type, "inputs": inputs}
    return id


def _out(nodes: Nodes, class_type: str, **inputs: Any) -> Link:
    """The first output of a new node."""
    return [_add(nodes, class_type, **inputs), 0]


def _enlarged(nodes: Nodes, order: Order, model: Declared, seed: int, sources: Sources) -> Link:
    upscaler = _out(nodes, "UpscaleModelLoader", model_name=model.facts.get("upscaler", model.route))
    image = _out(nodes, "LoadImage", image=sources.image)
    larger = _out(nodes, "ImageUpscaleWithModel", upscale_model=upscaler, image=image)
    return _scaled(nodes, larger, (order.parameters.width, order.parameters.height))


def _drawn(nodes: Nodes, order: Order, model: Declared, seed: int, sources: Sources) -> Link:
    wanted = order.parameters
    weights = _loaded(nodes, wanted, model)
    positive = _out(nodes, "CLIPTextEncode", text=order.prompt, clip=weights.clip)
    negative = _out(nodes, "CLIPTextEncode", text=order.negative_prompt or "", clip=weights.clip)
    for control, guide in zip(wanted.controls, sources.guides, strict=True):
        positive, negative = _controlled(nodes, (positive, negative), control, guide, model)
    start = _start(nodes, order, model, weights.vae, sources)
    latent = _sampled(nodes, wanted, seed, weights.model, (positive, negative), start)
    image = _out(nodes, "VAEDecode", samples=latent, vae=weights.vae)
    if _canvas(wanted) != (wanted.width, wanted.height):
        image = _scaled(nodes, image, (wanted.width, wanted.height))
    if start.kept is None:
        return image
    laid = {"destination": start.kept, "source": image, "x": 0, "y": 0, "resize_source": False}
    return _out(nodes, "ImageCompositeMasked", **laid, mask=start.mask)


def _loaded(nodes: Nodes, wanted: Parameters, model: Declared) -> _Weights:
    """The checkpoint with its LoRAs, and what is said about its text encoder and its guidance."""
    checkpoint = _add(nodes, "CheckpointLoaderSimple", ckpt_name=checkpoint_of(model))
    unet, clip, vae = [checkpoint, 0], [checkpoint, 1], [checkpoint, 2]
    for lora in wanted.loras:
        strengths = {"strength_model": lora.scale, "strength_clip": lora.scale}
        id = _add(nodes, "LoraLoader", model=unet, clip=clip, lora_name=_file(lora.id), **strengths)
        unet, clip = [id, 0], [id, 1]
    if wanted.clip_skip:
        # Theirs counts from the last layer, which is -1.
        clip = _out(nodes, "CLIPSetLastLayer", clip=clip, stop_at_clip_layer=-(wanted.clip_skip + 1))
    if wanted.guidance_rescale:
        unet = _out(nodes, "RescaleCFG", model=unet, multiplier=wanted.guidance_rescale)
    return _Weights(unet, clip, vae)


def _file(lora: str) -> str:
    return lora if lora.endswith((".safetensors", ".pt", ".ckpt", ".bin")) else f"{lora}.safetensors"


def _controlled(
    nodes: Nodes, texts: tuple[Link, Link], control: ControlUse, guide: str, model: Declared
) -> tuple[Link, Link]:
    image = _out(nodes, "LoadImage", image=guide)
    if control.preprocess:
        image = _out(nodes, "Canny", image=image, low_threshold=0.4, high_threshold=0.8)
    net = _out(nodes, "ControlNetLoader", control_net_name=model.facts[f"control:{control.type}"])
    share = {"strength": control.strength, "start_percent": control.start, "end_percent": control.end}
    given = {"positive": texts[0], "negative": texts[1], "control_net": net, "image": image}
    id = _add(nodes, "ControlNetApplyAdvanced", **given, **share)
    return [id, 0], [id, 1]


def _sampled(nodes: Nodes, wanted: Parameters, seed: int, unet: Link, texts: Sequence[Link], start: _Start) -> Link:
    sampler, schedule = SAMPLERS[wanted.scheduler or "euler"]
    numbers = {"seed": seed, "steps": wanted.steps, "cfg": wanted.cfg_scale, "denoise": start.denoise}
    names = {"sampler_name": sampler, "scheduler": schedule}
    given = {"model": unet, "positive": texts[0], "negative": texts[1], "latent_image": start.latent}
    return _out(nodes, "KSampler", **given, **numbers, **names)


def _start(nodes: Nodes, order: Order, model: Declared, vae: Link, sources: Sources) -> _Start:
    wanted, canvas = order.parameters, _canvas(order.parameters)
    if order.operation == "text_to_image":
        return _Start(_out(nodes, "EmptyLatentImage", width=canvas[0], height=canvas[1], batch_size=1), 1.0)
    image = _out(nodes, "LoadImage", image=sources.image)
    if order.operation == "image_to_image":
        strength = strength_of(order, model)
        pixels = _scaled(nodes, image, canvas)
        return _Start(_out(nodes, "VAEEncode", pixels=pixels, vae=vae), strength)
    if order.operation == "outpaint":
        image, mask = _padded(nodes, image, wanted)
    else:
        mask = _edged(nodes, _out(nodes, "LoadImageMask", image=sources.mask, channel="red"), wanted)
    return _masked(nodes, image, mask, wanted, vae)


def _padded(nodes: Nodes, image: Link, wanted: Parameters) -> tuple[Link, Link]:
    sides = {"left": wanted.left, "top": wanted.up, "right": wanted.right, "bottom": wanted.down}
    added = {name: side or 0 for name, side in sides.items()}
    id = _add(nodes, "ImagePadForOutpaint", image=image, **added, feathering=_FADE)
    return [id, 0], [id, 1]


def _edged(nodes: Nodes, mask: Link, wanted: Parameters) -> Link:
    """White is drawn anew in both; the edge is moved and softened as was asked for."""
    if wanted.mask_grow:
        mask = _out(nodes, "GrowMask", mask=mask, expand=wanted.mask_grow, tapered_corners=True)
    if not wanted.mask_feather:
        return mask
    picture = _out(nodes, "MaskToImage", mask=mask)
    sigma = min(10.0, max(0.1, wanted.mask_feather / 2))
    soft = _out(nodes, "ImageBlur", image=picture, blur_radius=wanted.mask_feather, sigma=sigma)
    return _out(nodes, "ImageToMask", image=soft, channel="red")


def _masked(nodes: Nodes, image: Link, mask: Link, wanted: Parameters, vae: Link) -> _Start:
    """At full strength what was there is wiped out first; below it, it is where sampling begins."""
    canvas = _canvas(wanted)
    pixels = image if canvas == (wanted.width, wanted.height) else _scaled(nodes, image, canvas)
    strength = 1.0 if wanted.strength is None else wanted.strength
    if strength >= 1.0:
        wiped = {"pixels": pixels, "vae": vae, "mask": mask, "grow_mask_by": _GROWN}
        return _Start(_out(nodes, "VAEEncodeForInpaint", **wiped), 1.0, image, mask)
    latent = _out(nodes, "VAEEncode", pixels=pixels, vae=vae)
    return _Start(_out(nodes, "SetLatentNoiseMask", samples=latent, mask=mask), strength, image, mask)


def _canvas(wanted: Parameters) -> tuple[int, int]:
    """The size that is drawn: up to the next multiple of what a latent pixel stands for."""
    return -(-wanted.width // _GRID) * _GRID, -(-wanted.height // _GRID) * _GRID


def _scaled(nodes: Nodes, image: Link, size: tuple[int, int]) -> Link:
    given = {"image": image, "upscale_method": _SCALING, "width": size[0], "height": size[1], "crop": "disabled"}
    return _out(nodes, "ImageScale", **given)
