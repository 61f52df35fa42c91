"""Adapters of a model: found, vetted and compared with their base; a bad one is left out and said, the model works."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
from weights_files import write_raw, write_shapes

from platemark.core.errors import ModelUnavailable
from platemark.engine.models.digest import Revisions
from platemark.engine.models.folder import POCKET, Folder, capabilities, read_folder
from platemark.engine.models.headers import read_header
from platemark.engine.models.source import Source

WIDTH = json.loads((POCKET / "unet" / "config.json").read_text())["cross_attention_dim"]
HIDDEN = json.loads((POCKET / "text_encoder" / "config.json").read_text())["hidden_size"]
LORA = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of pocket without adapters."""
    ignored = shutil.ignore_patterns("loras", "embeddings", "controlnets", "vaes")
    return Path(shutil.copytree(POCKET, tmp_path / "model", ignore=ignored))


def lora(path: Path, width: int = WIDTH, name: str = LORA) -> Path:
    return write_shapes(path, {name: (4, width), name.replace("lora_A", "lora_B"): (32, 4)})


def network(path: Path, kind: str, **config: object) -> Path:
    write_shapes(path / "diffusion_pytorch_model.safetensors", {"x": (1,)})
    (path / "config.json").write_text(json.dumps({"_class_name": kind} | config))
    return path


def test_a_model_without_adapters_offers_none(folder: Path) -> None:
    can = capabilities(read_folder(folder))
    assert (can.loras, can.max_loras, can.controls, can.max_controls, can.embeddings, can.vaes) == (
        (),
        0,
        (),
        0,
        (),
        (),
    )
    assert can.clip_skip
    assert can.guidance_rescale
    assert can.variation
    assert can.mask_edges
    assert can.reproducible


def test_adapters_in_the_folder_and_in_the_setting_are_offered(folder: Path, tmp_path: Path) -> None:
    before = Revisions().of(folder)
    lora(folder / "loras" / "look.safetensors")
    (folder / "loras" / "README.md").write_text("About the looks.")
    write_shapes(folder / "embeddings" / "cat.safetensors", {"emb_params": (2, HIDDEN)})
    network(folder / "controlnets" / "canny", "ControlNetModel", cross_attention_dim=WIDTH)
    network(folder / "vaes" / "sharp", "AutoencoderTiny", latent_channels=4)
    elsewhere = lora(tmp_path / "other" / "file.safetensors", name=f"lora_unet_x_{LORA[5:].replace('.', '_')}")
    source = Source(path=folder, loras={"mine": elsewhere}, embeddings={"a word": tmp_path / "gone.safetensors"})
    read = read_folder(source)
    can = capabilities(read)
    assert (can.loras, can.embeddings, can.controls, can.vaes) == (("look", "mine"), ("<cat>",), ("canny",), ("sharp",))
    assert (can.max_loras, can.max_controls) == (8, 8)
    assert read.loras["mine"] == elsewhere
    assert len(read.problems) == 1
    assert "gone.safetensors does not exist" in read.problems[0]
    # A record names the exact weights, those of the adapters among them.
    inside, both = Revisions().of(folder), Revisions().of(source)
    assert len({before, inside, both}) == 3
    assert Source.of(source.wire()) == source


def pickled(folder: Path) -> None:
    (folder / "loras").mkdir()
    (folder / "loras" / "x.safetensors").write_bytes(pickle.dumps({"lora": [1.0] * 100}))


def zipped(folder: Path) -> None:
    (folder / "loras").mkdir()
    shutil.make_archive(str(folder / "loras" / "x"), "zip", folder / "scheduler")
    (folder / "loras" / "x.zip").rename(folder / "loras" / "x.safetensors")


def old_format(folder: Path) -> None:
    write_raw(folder / "loras" / "x.pt", b"\x80\x02.")


def truncated(folder: Path) -> None:
    path = lora(folder / "loras" / "x.safetensors")
    os.truncate(path, path.stat().st_size - 1)


def wrong_base(folder: Path) -> None:
    lora(folder / "loras" / "x.safetensors", width=2048)


def of_a_transformer(folder: Path) -> None:
    lora(folder / "loras" / "x.safetensors", name="transformer.blocks.0.attn.to_k.lora_A.weight")


def other_kind(folder: Path) -> None:
    write_shapes(folder / "loras" / "x.safetensors", {"lora_unet_a.hada_w1_a": (4, 4)})


def no_lora(folder: Path) -> None:
    write_shapes(folder / "loras" / "x.safetensors", {"weight": (4, 4)})


def linked(folder: Path) -> None:
    (folder / "loras").mkdir()
    (folder / "loras" / "x.safetensors").symlink_to(lora(folder.parent / "outside.safetensors"))


def looping(folder: Path) -> None:
    (folder / "loras").mkdir()
    (folder / "loras" / "x.safetensors").symlink_to("x.safetensors")


def weird_name(folder: Path) -> None:
    lora(folder / "loras" / "x\n\u202e.safetensors")


def endless_name(folder: Path) -> None:
    lora(folder / "loras" / f"{'x' * 220}.safetensors")


def wide_embedding(folder: Path) -> None:
    write_shapes(folder / "embeddings" / "x.safetensors", {"emb_params": (2, 768)})


def no_embedding(folder: Path) -> None:
    write_shapes(folder / "embeddings" / "x.safetensors", {"a": (2, 2, 2)})


def other_control(folder: Path) -> None:
    network(folder / "controlnets" / "x", "ControlNetModel", cross_attention_dim=768)


def not_a_control(folder: Path) -> None:
    network(folder / "controlnets" / "x", "UNet2DConditionModel")


def control_without_weights(folder: Path) -> None:
    path = network(folder / "controlnets" / "x", "ControlNetModel")
    (path / "diffusion_pytorch_model.safetensors").unlink()


def control_with_code(folder: Path) -> None:
    write_raw(network(folder / "controlnets" / "x", "ControlNetModel") / "x.bin", b"")


def other_latents(folder: Path) -> None:
    network(folder / "vaes" / "x", "AutoencoderKL", latent_channels=16)


def broken_config(folder: Path) -> None:
    (network(folder / "vaes" / "x", "AutoencoderKL") / "config.json").write_text("[")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (pickled, "not a readable safetensors file"),
        (zipped, "not a readable safetensors file"),
        (old_format, "can run code"),
        (truncated, "cut off while copying"),
        (wrong_base, "2048 numbers wide, but this model has"),
        (of_a_transformer, "not for this model"),
        (other_kind, "LoHa, LoKr or OFT"),
        (no_lora, "holds no LoRA"),
        (linked, "link to a place outside"),
        (looping, "x.safetensors"),
        (weird_name, "Rename it"),
        (endless_name, "Rename it"),
        (wide_embedding, "768 numbers wide"),
        (no_embedding, "holds no embedding"),
        (other_control, "belongs to another base"),
        (not_a_control, "not a ControlNet"),
        (control_without_weights, "holds no .safetensors"),
        (control_with_code, "can run code"),
        (other_latents, "makes latents 16"),
        (broken_config, "cannot be read as JSON"),
    ],
)
def test_a_bad_adapter_is_left_out_with_the_reason(folder: Path, damage: object, words: str) -> None:
    lora(folder / "loras2" / "good.safetensors")
    assert callable(damage)
    damage(folder)
    (folder / "loras").mkdir(exist_ok=True)
    shutil.copy(folder / "loras2" / "good.safetensors", folder / "loras" / "good.safetensors")
    shutil.rmtree(folder / "loras2")
    read: Folder = read_folder(folder)
    can = capabilities(read)
    assert (can.loras, can.embeddings, can.controls, can.vaes) == (("good",), (), (), ())
    (problem,) = read.problems
    assert words in problem
    assert problem.isprintable()
    assert str(folder) in problem


def test_a_cyclic_link_in_the_model_itself_is_refused(folder: Path) -> None:
    (folder / "unet" / "again").symlink_to("again")
    with pytest.raises(ModelUnavailable, match=r"leads to itself|outside"):
        read_folder(folder)


def test_a_folder_that_leads_back_into_itself_is_not_walked_for_ever(folder: Path) -> None:
    (folder / "unet" / "again").symlink_to("..")
    assert read_folder(folder).native == 128


def test_a_snapshot_of_a_hub_cache_may_link_to_its_own_blobs_only(folder: Path, tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--a--b"
    (repository / "blobs").mkdir(parents=True)
    snapshot = Path(shutil.copytree(folder, repository / "snapshots" / ("0" * 40)))
    for number, file in enumerate(sorted(file for file in snapshot.rglob("*") if file.is_file())):
        blob = file.rename(repository / "blobs" / str(number))
        file.symlink_to(os.path.relpath(blob, file.parent))
    assert read_folder(snapshot).native == 128
    assert Revisions().of(snapshot) == Revisions().of(folder)
    stranger = lora(tmp_path / "hub" / "models--c--d" / "blobs" / "9")
    (snapshot / "unet" / "more.safetensors").symlink_to(stranger)
    with pytest.raises(ModelUnavailable, match="link to a place outside"):
        read_folder(snapshot)


def test_weights_of_another_configuration_are_said_before_anything_is_loaded(folder: Path) -> None:
    config = folder / "text_encoder" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"vocab_size": 7}))
    with pytest.raises(ModelUnavailable, match=r"token_embedding.weight of \(\d+, \d+\), the configuration \(7, \d+\)"):
        read_folder(folder)


def test_the_channels_of_the_unet_decide_what_it_does(folder: Path) -> None:
    path = folder / "unet" / "config.json"
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    shapes = {name: tensor.shape for name, tensor in read_header(weights).tensors.items()}
    for channels in (9, 8):
        write_shapes(weights, shapes | {"conv_in.weight": (shapes["conv_in.weight"][0], channels, 3, 3)})
        path.write_text(json.dumps(json.loads(path.read_text()) | {"in_channels": channels}))
        if channels == 9:
            index = folder / "model_index.json"
            named = json.loads(index.read_text()) | {"_class_name": "StableDiffusionInpaintPipeline"}
            index.write_text(json.dumps(named))
            read = read_folder(folder)
            assert (read.inpaint, read.family.pipeline) == (True, "StableDiffusionPipeline")
            assert capabilities(read).operations == {"inpaint", "outpaint"}
        else:
            with pytest.raises(ModelUnavailable, match="takes 8 channels"):
                read_folder(folder)
