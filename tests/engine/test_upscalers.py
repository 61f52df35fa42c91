"""Models that only enlarge: described by their folder, drawn as the stock pipeline does, in tiles where large."""

import json
import shutil
from pathlib import Path
from typing import Any

import adapting
import numpy as np
import pytest
import tiny_models
import torch
from orders import drawn
from painting import asked, paint, photo

from platemark.core.errors import ModelUnavailable, Unsupported
from platemark.core.updates import Order
from platemark.engine.drawing.latents import generator
from platemark.engine.drawing.operations import tensor_of
from platemark.engine.engine import Engine
from platemark.engine.memory.loaded import Loaded
from platemark.engine.memory.pipelines import Pipelines
from platemark.engine.models.folder import read_folder
from platemark.engine.models.inspection import inspect_model

# The libraries warn about each other.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]
lib: Any = adapting.lib
random: Any = torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draws 64 pixels from 16, by a factor of 4 as the published one."""
    random.manual_seed(11)
    words = tiny_models.tokenizer()
    unet = lib.UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=16,
        in_channels=7,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        cross_attention_dim=32,
        attention_head_dim=4,
        num_class_embeds=1000,
    )
    vae = lib.AutoencoderKL(
        latent_channels=4,
        block_out_channels=[8, 16, 16],
        down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3,
        norm_num_groups=4,
        scaling_factor=0.08333,
    )
    place = tmp_path_factory.mktemp("upscaler") / "larger"
    lib.StableDiffusionUpscalePipeline(
        vae=vae,
        text_encoder=tiny_models.text_encoder("CLIPTextModel", len(words)),
        tokenizer=words,
        unet=unet,
        low_res_scheduler=lib.DDPMScheduler(),
        scheduler=lib.DDIMScheduler(),
    ).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Loaded:
    pipelines = Pipelines({"larger": folder})
    pipelines.dtype = torch.float32
    return pipelines.get("larger")


def wanted(side: int = 16, width: int = 64, height: int = 64, **more: Any) -> Order:
    chosen: dict[str, Any] = {"model": "local/larger", "steps": 2, "cfg_scale": 4.0} | more
    return asked("upscale", image=photo(side, side), width=width, height=height, **chosen)


def test_a_folder_that_enlarges_is_described_as_such(folder: Path) -> None:
    found = inspect_model(folder)
    can = found.capabilities
    assert found.pipeline == "StableDiffusionUpscalePipeline"
    assert can.operations == {"upscale"}
    assert (found.native_size, can.max_size, can.default_cfg_scale) == (64, 256, 9.0)
    assert [can.previews, can.mask_edges, can.max_controls, can.guidance_rescale] == [False, False, 0, False]


def test_other_channels_are_refused(folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "strange"))
    index = json.loads((place / "model_index.json").read_text()) | {"_class_name": "StableDiffusionPipeline"}
    (place / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelUnavailable, match="takes 7 channels"):
        read_folder(place)


def test_one_tile_is_what_the_stock_pipeline_draws(loaded: Loaded) -> None:
    stock = loaded.for_request(None)
    expected = stock(
        "abc",
        image=tensor_of(photo(16, 16)),
        negative_prompt="x",
        noise_level=20,
        num_inference_steps=2,
        guidance_scale=4.0,
        latents=torch.randn(1, 4, 16, 16, generator=generator(1)),
        generator=[generator(1)],
        output_type="pt",
    ).images[0]
    told = paint(loaded, wanted(negative_prompt="x"))
    by_hand = (expected.clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(told.pixels() - by_hand).max() <= 1
    assert [update.done for update in told.progress[0, 0]] == [1, 2]


@pytest.mark.parametrize(("width", "height"), [(96, 64), (128, 90), (256, 256), (33, 31)])
def test_any_size_comes_out_exactly(loaded: Loaded, width: int, height: int) -> None:
    told = paint(loaded, wanted(30, width, height, seeds=(1, 2)))
    assert [told.pixels(0, index).shape for index in (0, 1)] == [(height, width, 3)] * 2
    assert (told.pixels(0, 0) != told.pixels(0, 1)).any()
    assert told.pictures[0, 0].flags == {}
    progress = told.progress[0, 0]
    assert progress[-1].done == progress[-1].total


def test_strength_is_the_noise_that_the_source_gets(loaded: Loaded) -> None:
    pictures = [paint(loaded, wanted(strength=strength)).pictures[0, 0].data for strength in (0.0, 0.5, 1.0, None)]
    assert len(set(pictures)) == 4
    assert paint(loaded, wanted()).pictures[0, 0].data == pictures[3]


def test_it_is_canceled_within_a_step(loaded: Loaded) -> None:
    told = paint(
        loaded, wanted(seeds=(1, 2), steps=6), canceled=lambda item, told: item.index == 0 and bool(told.progress)
    )
    assert list(told.pictures) == [(0, 1)]
    assert len(told.progress[0, 0]) < 6


async def test_it_is_served_beside_other_models(folder: Path) -> None:
    async with Engine.open({"local/larger": folder}, threads=1) as engine:
        result = await drawn(engine, wanted(seeds=(3, 4)))
        assert [each.seed for each in result.pictures] == [3, 4]
        with pytest.raises(Unsupported, match="only enlarges"):
            await drawn(engine, asked(model="local/larger"))
        assert (await drawn(engine, wanted())).pictures
