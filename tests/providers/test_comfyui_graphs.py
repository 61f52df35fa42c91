"""ComfyUI's graphs: which nodes an order comes to, how they hang together, and that ComfyUI would run them."""

from dataclasses import replace
from typing import Any

import pytest

from platemark.core.generation import ControlUse, LoraUse
from platemark.core.model import Operation
from platemark.core.updates import Order
from platemark.providers.comfyui import MODELS
from platemark.providers.comfyui_graphs import SAMPLERS, Nodes, Sources, build
from platemark.simulate.comfyui_nodes import NODES, SAMPLER_NAMES, SCHEDULES, complaints, size_of
from platemark.simulate.contract import order_for
from platemark.simulate.pictures import striped


def look(name: str) -> tuple[int, int]:
    return {"source.png": (256, 256), "mask.png": (256, 256), "guide.png": (64, 64)}[name]


def graph_of(operation: Operation, model: str = "sd15", **parameters: Any) -> Nodes:
    wanted = order(operation, model, **parameters)
    nodes = build(wanted, MODELS[wanted.model], 7, sources_of(wanted))
    assert list(complaints(nodes, look)) == []
    return nodes


def sources_of(wanted: Order) -> Sources:
    return Sources("source.png", "mask.png", tuple("guide.png" for _ in wanted.guides))


def order(operation: Operation, model: str = "sd15", **parameters: Any) -> Order:
    made = order_for(MODELS[f"comfyui/{model}"].as_model(), operation)
    made = replace(made, parameters=made.parameters.model_copy(update=parameters))
    return replace(made, guides=tuple(striped(64, 64, "guide") for _ in made.parameters.controls))


def only(nodes: Nodes, class_type: str) -> dict[str, Any]:
    """The inputs of the one node of a class."""
    (found,) = (node["inputs"] for node in nodes.values() if node["class_type"] == class_type)
    return found


def kinds(nodes: Nodes) -> list[str]:
    return [node["class_type"] for node in nodes.values()]


def at(nodes: Nodes, link: list[Any]) -> str:
    return nodes[link[0]]["class_type"]


def test_text_to_image_node_by_node() -> None:
    assert graph_of("text_to_image", scheduler="dpmpp_2m_karras", steps=20, cfg_scale=6.5) == {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5-pruned-emaonly.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red house in a green meadow", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "people", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
        "5": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["2", 0],
                "negative": ["3", 0],
                "latent_image": ["4", 0],
                "seed": 7,
                "steps": 20,
                "cfg": 6.5,
                "denoise": 1.0,
                "sampler_name": "dpmpp_2m",
                "scheduler": "karras",
            },
        },
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "PreviewImage", "inputs": {"images": ["6", 0]}},
    }


@pytest.mark.parametrize(("strength", "denoise"), [(None, 0.75), (0.3, 0.3), (0.0, 0.0), (1.0, 1.0)])
def test_strength_is_how_much_is_drawn_anew(strength: float | None, denoise: float) -> None:
    nodes = graph_of("image_to_image", strength=strength)
    assert only(nodes, "KSampler")["denoise"] == denoise
    assert at(nodes, only(nodes, "KSampler")["latent_image"]) == "VAEEncode"


def test_an_inpaint_wipes_out_what_is_white_and_keeps_the_rest() -> None:
    nodes = graph_of("inpaint")
    assert only(nodes, "LoadImageMask") == {"image": "mask.png", "channel": "red"}
    start, laid = only(nodes, "VAEEncodeForInpaint"), only(nodes, "ImageCompositeMasked")
    assert at(nodes, start["mask"]) == at(nodes, laid["mask"]) == "LoadImageMask"
    assert (at(nodes, laid["destination"]), at(nodes, laid["source"])) == ("LoadImage", "VAEDecode")
    assert at(nodes, only(nodes, "PreviewImage")["images"]) == "ImageCompositeMasked"


def test_an_inpaint_below_full_strength_begins_with_what_is_there() -> None:
    nodes = graph_of("inpaint", strength=0.5)
    assert only(nodes, "KSampler")["denoise"] == 0.5
    assert at(nodes, only(nodes, "KSampler")["latent_image"]) == "SetLatentNoiseMask"


def test_the_edge_of_a_mask_is_moved_and_softened() -> None:
    nodes = graph_of("inpaint", mask_grow=-5, mask_feather=8)
    assert only(nodes, "GrowMask")["expand"] == -5
    assert (only(nodes, "ImageBlur")["blur_radius"], only(nodes, "ImageBlur")["sigma"]) == (8, 4.0)
    assert at(nodes, only(nodes, "ImageCompositeMasked")["mask"]) == "ImageToMask"


def test_an_outpaint_adds_the_sides_that_were_asked_for() -> None:
    nodes = graph_of("outpaint", left=64, right=8, up=16, down=0, width=328, height=272)
    padded = only(nodes, "ImagePadForOutpaint")
    assert [padded[side] for side in ("left", "top", "right", "bottom")] == [64, 16, 8, 0]
    assert size_of(nodes, next(reversed(nodes)), look) == (328, 272)


@pytest.mark.parametrize("operation", ["image_to_image", "inpaint", "outpaint"])
def test_what_latents_cannot_have_is_scaled_there_and_back(operation: Operation) -> None:
    def odd(name: str) -> tuple[int, int]:
        return 250, 199

    wanted = order(operation, left=1, right=2, up=3, down=4, width=253, height=206)
    if operation != "outpaint":
        wanted = order(operation, width=250, height=199)
    nodes = build(wanted, MODELS["comfyui/sd15"], 7, sources_of(wanted))
    assert list(complaints(nodes, odd)) == []
    assert kinds(nodes).count("ImageScale") == 2
    size = (wanted.parameters.width, wanted.parameters.height)
    assert size_of(nodes, next(reversed(nodes)), odd) == size


def test_upscaling_goes_to_the_size_that_was_asked_for() -> None:
    nodes = graph_of("upscale", "upscaler", width=600, height=512)
    assert kinds(nodes) == ["UpscaleModelLoader", "LoadImage", "ImageUpscaleWithModel", "ImageScale", "PreviewImage"]
    assert size_of(nodes, "5", look) == (600, 512)


def test_loras_stand_in_a_row_between_the_checkpoint_and_all_else() -> None:
    loras = (LoraUse(id="ink", scale=0.7), LoraUse(id="paper.safetensors", scale=-1.0))
    nodes = graph_of("text_to_image", loras=loras, clip_skip=1, guidance_rescale=0.7)
    first, second = (node["inputs"] for node in nodes.values() if node["class_type"] == "LoraLoader")
    assert (first["lora_name"], first["strength_model"], first["strength_clip"]) == ("ink.safetensors", 0.7, 0.7)
    assert (second["lora_name"], second["strength_model"]) == ("paper.safetensors", -1.0)
    assert (at(nodes, second["model"]), at(nodes, second["clip"])) == ("LoraLoader", "LoraLoader")
    assert only(nodes, "CLIPSetLastLayer") == {"clip": ["3", 1], "stop_at_clip_layer": -2}
    assert only(nodes, "RescaleCFG") == {"model": ["3", 0], "multiplier": 0.7}
    assert at(nodes, only(nodes, "KSampler")["model"]) == "RescaleCFG"


def test_controls_change_both_texts() -> None:
    nodes = graph_of("text_to_image", controls=(ControlUse(type="canny", strength=0.8, start=0.1, end=0.6),))
    applied = only(nodes, "ControlNetApplyAdvanced")
    assert (applied["strength"], applied["start_percent"], applied["end_percent"]) == (0.8, 0.1, 0.6)
    assert at(nodes, applied["image"]) == "Canny"
    assert only(nodes, "ControlNetLoader")["control_net_name"] == "control_v11p_sd15_canny.pth"
    sampler = only(nodes, "KSampler")
    assert (at(nodes, sampler["positive"]), sampler["positive"][1], sampler["negative"][1]) == (
        "ControlNetApplyAdvanced",
        0,
        1,
    )


def test_a_ready_guide_is_taken_as_it_is() -> None:
    nodes = graph_of("text_to_image", controls=(ControlUse(type="depth", preprocess=False),))
    assert at(nodes, only(nodes, "ControlNetApplyAdvanced")["image"]) == "LoadImage"


def test_all_samplers_are_known_to_the_server() -> None:
    samplers, schedules = zip(*SAMPLERS.values(), strict=True)
    assert set(samplers) <= set(SAMPLER_NAMES)
    assert set(schedules) <= set(SCHEDULES)


@pytest.mark.parametrize(
    ("class_type", "inputs", "what"),
    [
        ("Nonsense", {}, "Node type not found"),
        ("CheckpointLoaderSimple", {}, "Required input is missing"),
        ("CheckpointLoaderSimple", {"ckpt_name": "gone"}, "Value not in list"),
        ("EmptyLatentImage", {"width": 8, "height": 512, "batch_size": 1}, "Value out of range"),
        ("EmptyLatentImage", {"width": "512", "height": 512, "batch_size": 1}, "Failed to convert an input value"),
        ("EmptyLatentImage", {"width": True, "height": 512, "batch_size": 1}, "Failed to convert an input value"),
        ("EmptyLatentImage", {"width": 512, "height": 512, "batch_size": 1, "seed": 1}, "Unknown input"),
        ("CLIPTextEncode", {"text": 5, "clip": ["1", 1]}, "Failed to convert an input value"),
        ("CLIPTextEncode", {"text": "x", "clip": ["1", 0]}, "Return type mismatch between linked nodes"),
        ("CLIPTextEncode", {"text": "x", "clip": ["9", 0]}, "Return type mismatch between linked nodes"),
        ("CLIPTextEncode", {"text": "x", "clip": ["1", 9]}, "Return type mismatch between linked nodes"),
        ("CLIPTextEncode", {"text": "x", "clip": "1"}, "Return type mismatch between linked nodes"),
    ],
)
def test_the_fake_complains_about_mistakes(class_type: str, inputs: dict[str, Any], what: str) -> None:
    loader = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}}
    found = list(complaints({"1": loader, "2": {"class_type": class_type, "inputs": inputs}}, look))
    assert [(id, kind) for id, kind, _ in found] == [("2", what)]


def test_a_picture_that_was_not_uploaded_is_complained_about() -> None:
    node = {"class_type": "LoadImage", "inputs": {"image": "gone.png"}}
    assert [what for _, what, _ in complaints({"1": node}, lambda name: None)] == ["Custom validation failed for node"]


def test_each_node_that_a_size_is_read_from_is_an_input() -> None:
    assert [name for name, node in NODES.items() if node.size and node.size not in node.inputs] == []
