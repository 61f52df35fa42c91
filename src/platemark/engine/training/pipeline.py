"""Trained parts put together as a stock pipeline, and sheets of what it draws."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from platemark.engine.training.denoiser import read_state
from platemark.engine.training.libraries import diffusers, torch, transformers
from platemark.engine.training.noise import NOISE

SEEDS = 1000  # seed of the first picture of a series


def assemble(start: Path, text: Path, run: Path, vae: Path | None = None) -> Any:
    """The pipeline with the averaged weights of the run's last state, in float32, silent."""
    state = read_state(run)
    if state is None:
        raise FileNotFoundError(f"{run} holds no state. Run the stage `denoiser` first.")
    diffusers.utils.logging.set_verbosity_error()
    unet: Any = diffusers.UNet2DConditionModel.from_pretrained(start / "unet", dtype=torch.float32)
    encoder: Any = transformers.CLIPTextModel.from_pretrained(text / "text_encoder", dtype=torch.float32)
    unet.load_state_dict(state["mean_unet"])
    encoder.load_state_dict(state["mean_text"])
    pipeline: Any = diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderTiny.from_pretrained(vae or start / "vae", dtype=torch.float32),
        text_encoder=encoder,
        tokenizer=transformers.CLIPTokenizer.from_pretrained(text / "tokenizer"),
        unet=unet,
        scheduler=diffusers.DPMSolverMultistepScheduler(
            **NOISE, algorithm_type="dpmsolver++", solver_order=2, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: Any,
    prompts: Sequence[str],
    *,
    steps: int = 12,
    guidance: float = 3.0,
    rescale: float = 0.5,
    batch: int = 10,
    first_seed: int = SEEDS,
    **more: list[Any],
) -> list[Image.Image]:
    """One picture of 128×128 pixels a prompt, in bfloat16; seeds count up from `first_seed`. `more` are other
    arguments of the pipeline, one value a prompt.
    """
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), batch):
        asked = list(prompts[start : start + batch])
        seeds = [torch.Generator().manual_seed(first_seed + start + i) for i in range(len(asked))]
        here = {key: value[start : start + batch] for key, value in more.items()}
        with torch.autocast("cpu", torch.bfloat16):
            pictures += pipeline(
                asked, num_inference_steps=steps, guidance_scale=guidance, guidance_rescale=rescale,
                height=128, width=128, generator=seeds, **here,
            ).images  # fmt: skip
    return pictures


def sheet(pictures: Sequence[Image.Image], across: int = 12) -> Image.Image:
    """The pictures in rows, four pixels apart."""
    side = pictures[0].width + 4
    paper = Image.new("RGB", (across * side, -(-len(pictures) // across) * side), "white")
    for index, picture in enumerate(pictures):
        paper.paste(picture, (index % across * side, index // across * side))
    return paper
