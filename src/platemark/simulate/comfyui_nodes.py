"""What a fake ComfyUI knows of nodes: inputs and outputs, complaints about a graph, and the size of a result."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

Graph = Mapping[str, Mapping[str, Any]]
# The size of a picture on the server by the value that LoadImage is given; None where there is none.
Look = Callable[[str], tuple[int, int] | None]


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number or one with a fraction, within limits."""

    least: float
    most: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a list."""

    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plain:
    """Any value of a type: a text, a flag, or a file of the folder for inputs."""

    kind: type
    file: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One class. An input that is a text is a link to an output of that type. `size`: which input has its size."""

    inputs: Mapping[str, str | Number | Choice | Plain]
    outputs: tuple[str, ...] = ()
    size: str | None = None
    optional: frozenset[str] = frozenset()


CHECKPOINTS = ("v1-5-pruned-emaonly.safetensors", "sd_xl_base_1.0.safetensors")
CONTROL_NETS = (
    *("control_v11p_sd15_canny.pth", "control_v11f1p_sd15_depth.pth", "control_v11p_sd15_lineart.pth"),
    *("control_v11p_sd15_openpose.pth", "control_v11p_sd15_scribble.pth", "control_v11p_sd15_softedge.pth"),
    *("diffusers_xl_canny_full.safetensors", "diffusers_xl_depth_full.safetensors"),
)
SAMPLER_NAMES = (
    *("euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "heun", "heunpp2", "dpm_2"),
    *("dpm_2_ancestral", "lms", "dpm_fast", "dpm_adaptive", "dpmpp_2s_ancestral", "dpmpp_sde", "dpmpp_sde_gpu"),
    *("dpmpp_2m", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm", "lcm", "ipndm"),
    *("ipndm_v", "deis", "ddim", "uni_pc", "uni_pc_bh2"),
)
SCHEDULES = ("normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform", "beta")
_RESOLUTION = 16_384
_SIDE = Number(1, _RESOLUTION)
_ADDED = Number(0, _RESOLUTION)
_UNIT = Number(0, 1, whole=False)
_SCALE = Number(-100, 100, whole=False)
_CHANNEL = Choice(("red", "green", "blue", "alpha"))
_FILE = Plain(str, file=True)
_METHODS = Choice(("nearest-exact", "bilinear", "area", "bicubic", "lanczos"))
_TEXTS = {"positive": "CONDITIONING", "negative": "CONDITIONING"}
NODES: Mapping[str, Node] = {
    "CheckpointLoaderSimple": Node({"ckpt_name": Choice(CHECKPOINTS)}, ("MODEL", "CLIP", "VAE")),
    "LoraLoader": Node(
        {
            "model": "MODEL",
            "clip": "CLIP",
            "lora_name": Choice(("ink.safetensors", "paper.safetensors")),
            "strength_model": _SCALE,
            "strength_clip": _SCALE,
        },
        ("MODEL", "CLIP"),
    ),
    "CLIPSetLastLayer": Node({"clip": "CLIP", "stop_at_clip_layer": Number(-24, -1)}, ("CLIP",)),
    "RescaleCFG": Node({"model": "MODEL", "multiplier": _UNIT}, ("MODEL",)),
    "CLIPTextEncode": Node({"text": Plain(str), "clip": "CLIP"}, ("CONDITIONING",)),
    "ControlNetLoader": Node({"control_net_name": Choice(CONTROL_NETS)}, ("CONTROL_NET",)),
    "ControlNetApplyAdvanced": Node(
        {
            **_TEXTS,
            "control_net": "CONTROL_NET",
            "image": "IMAGE",
            "strength": Number(0, 10, whole=False),
            "start_percent": _UNIT,
            "end_percent": _UNIT,
            "vae": "VAE",
        },
        ("CONDITIONING", "CONDITIONING"),
        optional=frozenset({"vae"}),
    ),
    "Canny": Node(
        {"image": "IMAGE", "low_threshold": Number(0.01, 0.99, False), "high_threshold": Number(0.01, 0.99, False)},
        ("IMAGE",),
        "image",
    ),
    "LoadImage": Node({"image": _FILE}, ("IMAGE", "MASK"), "image"),
    "LoadImageMask": Node({"image": _FILE, "channel": _CHANNEL}, ("MASK",), "image"),
    "ImageScale": Node(
        {
            "image": "IMAGE",
            "upscale_method": _METHODS,
            "width": Number(0, _RESOLUTION),
            "height": Number(0, _RESOLUTION),
            "crop": Choice(("disabled", "center")),
        },
        ("IMAGE",),
    ),
    "ImagePadForOutpaint": Node(
        {"image": "IMAGE", **dict.fromkeys(("left", "top", "right", "bottom", "feathering"), _ADDED)},
        ("IMAGE", "MASK"),
        "image",
    ),
    "ImageBlur": Node(
        {"image": "IMAGE", "blur_radius": Number(1, 31), "sigma": Number(0.1, 10, whole=False)}, ("IMAGE",), "image"
    ),
    "GrowMask": Node(
        {"mask": "MASK", "expand": Number(-_RESOLUTION, _RESOLUTION), "tapered_corners": Plain(bool)}, ("MASK",), "mask"
    ),
    "MaskToImage": Node({"mask": "MASK"}, ("IMAGE",), "mask"),
    "ImageToMask": Node({"image": "IMAGE", "channel": _CHANNEL}, ("MASK",), "image"),
    "ImageCompositeMasked": Node(
        {
            "destination": "IMAGE",
            "source": "IMAGE",
            "x": _ADDED,
            "y": _ADDED,
            "resize_source": Plain(bool),
            "mask": "MASK",
        },
        ("IMAGE",),
        "destination",
        frozenset({"mask"}),
    ),
    "EmptyLatentImage": Node(
        {"width": Number(16, _RESOLUTION), "height": Number(16, _RESOLUTION), "batch_size": Number(1, 4096)},
        ("LATENT",),
    ),
    "VAEEncode": Node({"pixels": "IMAGE", "vae": "VAE"}, ("LATENT",), "pixels"),
    "VAEEncodeForInpaint": Node(
        {"pixels": "IMAGE", "vae": "VAE", "mask": "MASK", "grow_mask_by": Number(0, 64)}, ("LATENT",), "pixels"
    ),
    "SetLatentNoiseMask": Node({"samples": "LATENT", "mask": "MASK"}, ("LATENT",), "samples"),
    "KSampler": Node(
        {
            "model": "MODEL",
            "seed": Number(0, 2**64 - 1),
            "steps": Number(1, 10_000),
            "cfg": Number(0, 100, whole=False),
            "sampler_name": Choice(SAMPLER_NAMES),
            "scheduler": Choice(SCHEDULES),
            **_TEXTS,
            "latent_image": "LATENT",
            "denoise": _UNIT,
        },
        ("LATENT",),
        "latent_image",
    ),
    "VAEDecode": Node({"samples": "LATENT", "vae": "VAE"}, ("IMAGE",), "samples"),
    "UpscaleModelLoader": Node({"model_name": Choice(("RealESRGAN_x4plus.pth",))}, ("UPSCALE_MODEL",)),
    "ImageUpscaleWithModel": Node({"upscale_model": "UPSCALE_MODEL", "image": "IMAGE"}, ("IMAGE",), "image"),
    "PreviewImage": Node({"images": "IMAGE"}, size="images"),
    "SaveImage": Node({"images": "IMAGE", "filename_prefix": Plain(str)}, size="images"),
}
ENDS = ("PreviewImage", "SaveImage")


def complaints(graph: Graph, look: Look) -> Iterator[tuple[str, str, str]]:
    """For each thing that is wrong: the id of the node, what kind of thing it is, and what exactly."""
    for id, node in graph.items():
        kind = NODES.get(str(node.get("class_type")))
        if kind is None:
            yield id, "Node type not found", str(node.get("class_type"))
            continue
        inputs = cast(Mapping[str, Any], node.get("inputs", {}))
        # ComfyUI itself takes no notice of inputs that it does not know; they would be mistakes of ours.
        for name in inputs.keys() - kind.inputs.keys():
            yield id, "Unknown input", name
        for name, rule in kind.inputs.items():
            if name in inputs:
                wrong = _wrong(graph, rule, inputs[name], look)
                yield from ((id, what, f"{name}: {details}") for what, details in wrong)
            elif name not in kind.optional:
                yield id, "Required input is missing", name


def _wrong(graph: Graph, rule: str | Number | Choice | Plain, value: Any, look: Look) -> Iterator[tuple[str, str]]:
    if isinstance(rule, str):
        if (given := _type_of(graph, value)) != rule:
            yield "Return type mismatch between linked nodes", f"received_type({given}) mismatch input_type({rule})"
    elif isinstance(rule, Choice):
        if value not in rule.of:
            yield "Value not in list", f"'{value}' not in {list(rule.of)}"
    elif isinstance(rule, Number):
        if isinstance(value, bool) or not isinstance(value, int if rule.whole else int | float):
            yield "Failed to convert an input value", repr(value)
        elif not rule.least <= value <= rule.most:
            yield "Value out of range", repr(value)
    elif not isinstance(value, rule.kind):
        yield "Failed to convert an input value", repr(value)
    elif rule.file and look(value) is None:
        yield "Custom validation failed for node", f"Invalid image file: {value}"


def _type_of(graph: Graph, link: Any) -> str | None:
    """The type at the other end of a link; None where there is no such output."""
    if not isinstance(link, list) or len(cast(list[Any], link)) != 2:
        return None
    id, number = cast(tuple[str, int], link)
    outputs = NODES[str(graph[id].get("class_type"))].outputs if id in graph else ()
    return outputs[number] if number < len(outputs) else None


def size_of(graph: Graph, id: str, look: Look) -> tuple[int, int]:
    """Width and height of what a node of a valid graph puts out."""
    name, inputs = graph[id]["class_type"], graph[id]["inputs"]
    if name in ("ImageScale", "EmptyLatentImage"):
        return inputs["width"], inputs["height"]
    if name in ("LoadImage", "LoadImageMask"):
        return look(inputs["image"]) or (0, 0)
    source = NODES[name].size
    width, height = size_of(graph, inputs[source][0], look) if source else (0, 0)
    if name == "ImagePadForOutpaint":
        return width + inputs["left"] + inputs["right"], height + inputs["top"] + inputs["bottom"]
    if name == "ImageUpscaleWithModel":
        return width * 4, height * 4
    # A latent pixel stands for eight; what is left over is cut off.
    return (width // 8 * 8, height // 8 * 8) if name.startswith("VAEEncode") else (width, height)
