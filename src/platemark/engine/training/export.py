"""Writes the finished model as an ordinary diffusers folder with its adapters and its words."""

import json
import shutil
import textwrap
from pathlib import Path
from typing import Any

from platemark.engine.training import vocabulary
from platemark.engine.training.libraries import torch
from platemark.engine.training.things import KINDS

DECLARED: dict[str, Any] = {
    "description": f"A very small Stable Diffusion model that ships with Platemark: flat illustrations of {len(KINDS)} "
    "kinds of things, drawn at 128×128.",
    "licence": "Apache-2.0",
    "licence_note": "Made by the Platemark project from its own drawings; pictures may be used freely.",
    "steps": 12,
    "cfg_scale": 3.0,
    "guidance_rescale": 0.5,
    "default_size": 512,
    "max_size": 2048,
    "max_count": 8,
    "upscale": "flat_art",
    "words": "words.txt",
}


def export(pipeline: Any, work: Path, out: Path) -> None:
    """The pipeline in float16, with the LoRAs and ControlNets found in `work`, as a model folder `out`.

    What `out` holds besides is left alone: the card and the samples are written by hand and by a script.
    """
    pipeline.to(torch.float16).save_pretrained(out)
    for kind in ("loras", "controlnets"):
        if (work / kind).is_dir():
            shutil.copytree(work / kind, out / kind, dirs_exist_ok=True)
    for weights in out.rglob("*.safetensors"):
        weights.chmod(0o644)
    for config in out.rglob("config.json"):
        _forget_place(config)
    (out / "words.txt").write_text(words(), encoding="utf-8")
    declared = json.dumps(DECLARED, indent=2, ensure_ascii=False)
    (out / "platemark.json").write_text(f"{declared}\n", encoding="utf-8")


def _forget_place(config: Path) -> None:
    """Take out where the part was read from: a path of this machine."""
    known = json.loads(config.read_text(encoding="utf-8"))
    known.pop("_name_or_path", None)
    config.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def words() -> str:
    """The text of words.txt."""
    lines = ["# Every word of the captions that local/pocket was trained on."]
    for heading, known in vocabulary.words().items():
        lines += [f"# {heading}", *textwrap.wrap(" ".join(known), 100)]
    return "\n".join(lines) + "\n"
