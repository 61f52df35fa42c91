"""Checkpoints in one file: told apart by their headers, configured without a download, drawn like the folder."""

import gzip
import hashlib
import json
import shutil
import tomllib
import warnings
from pathlib import Path
from typing import Any

import pytest
from weights_files import Shapes, write_shapes

from platemark.core.errors import ModelUnavailable
from platemark.engine.models.catalogue import source_of, sources
from platemark.engine.models.digest import Revisions
from platemark.engine.models.folder import capabilities, read_folder
from platemark.engine.models.headers import read_header
from platemark.engine.models.layouts import layout
from platemark.engine.models.single_file import VOCABULARY, default_config, inspect
from platemark.engine.models.source import Source
from platemark.engine.models.weights import load_weights, place
from platemark.settings import LocalModel, Settings

P = "model.diffusion_model."
VAE: Shapes = {"first_stage_model.decoder.conv_in.weight": (1,)}


def unet(context: int, channels: int = 4, width: int = 320) -> Shapes:
    block = f"{P}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    return {f"{P}input_blocks.0.0.weight": (width, channels, 3, 3), block: (8, context)} | VAE


def joint(width: int, layers: int, *, table: int, dual: int = 0, start: str = P) -> Shapes:
    """The shapes that say which SD 3 it is."""
    return {
        f"{start}x_embedder.proj.weight": (width, 16, 2, 2),
        f"{start}context_embedder.weight": (width, 4096),
        f"{start}y_embedder.mlp.0.weight": (width, 2048),
        f"{start}pos_embed": (1, table, 1),
        **{f"{start}joint_blocks.{number}.x_block.attn.ln_k.weight": (64,) for number in range(layers)},
        **{f"{start}joint_blocks.{number}.x_block.attn2.qkv.weight": (1, 1) for number in range(dual)},
    }


CLIP: Shapes = {"cond_stage_model.transformer.text_model.x": (1,)}
OPEN_CLIP: Shapes = {"cond_stage_model.model.x": (1,)}
TWO: Shapes = {"conditioner.embedders.0.transformer.x": (1,), "conditioner.embedders.1.model.x": (1,)}
CLIPS: Shapes = {"text_encoders.clip_l.x": (1,), "text_encoders.clip_g.x": (1,)} | VAE
CASES: dict[str, tuple[Shapes, str, int]] = {
    "sd1": (unet(768) | CLIP, "sd1", 4),
    "sd1-inpaint": (unet(768, 9) | CLIP, "sd1", 9),
    "sd2": (unet(1024) | OPEN_CLIP, "sd2", 4),
    "sdxl": (unet(2048) | TWO, "sdxl", 4),
    "sdxl-inpaint": (unet(2048, 9) | TWO, "sdxl", 9),
    "sd3": (joint(1536, 24, table=36864) | CLIPS, "sd3", 16),
    "sd35-medium": (joint(1536, 24, table=147456, dual=13) | CLIPS, "sd3", 16),
    "sd35-large": (joint(2432, 38, table=36864, start="") | CLIPS, "sd3", 16),
}


@pytest.fixture
def merges(tmp_path: Path) -> Path:
    """A published list in little: its first line, two merges."""
    path = tmp_path / "merges.txt.gz"
    path.write_bytes(gzip.compress(b"version\na b</w>\nt h\n"))
    return path


@pytest.mark.parametrize("name", CASES)
def test_checkpoints_are_told_apart_and_configured_by_their_headers(tmp_path: Path, merges: Path, name: str) -> None:
    shapes, kind, channels = CASES[name]
    path = write_shapes(tmp_path / f"{name}.safetensors", shapes)
    found = inspect(path)
    assert (found.kind, found.channels, found.known) == (kind, channels, True)
    config = default_config(found, merges, tmp_path / "cache")
    assert default_config(found, merges, tmp_path / "cache") == config
    assert [one.name for one in config.parent.iterdir()] == [config.name]
    folder = read_folder(Source(path=path, config=config))
    assert (folder.single_file, folder.path, folder.inpaint) == (path, config, channels == 9)
    can = capabilities(folder)
    assert can.operations >= {"inpaint", "outpaint"}
    assert ("text_to_image" in can.operations) == (channels != 9)
    assert folder.native == {"sd1": 512, "sd2": 768, "sdxl": 1024, "sd3": 1024}[kind]
    assert json.loads((config / "tokenizer" / "vocab.json").read_text())["th"] == 256 + 256 + 1
    assert (config / "tokenizer" / "merges.txt").read_text() == "#version: 0.2\na b</w>\nt h\n"


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("sd1", {"unet": 859_520_964, "text_encoder": 123_060_480, "vae": 83_653_863}),
        ("sd2", {"unet": 865_910_724, "text_encoder": 340_387_840}),
        ("sdxl", {"unet": 2_567_463_684, "text_encoder_2": 694_659_840}),
        ("sd3", {"transformer": 2_028_328_000, "vae": 83_819_683}),
        ("sd35-medium", {"transformer": 2_243_171_520}),
        ("sd35-large", {"transformer": 8_056_627_520}),
    ],
)
def test_the_configurations_are_those_of_the_published_models(
    tmp_path: Path, merges: Path, name: str, parameters: dict[str, int]
) -> None:
    """By the number of their parameters, which everybody who published them counts alike."""
    import diffusers
    import torch
    import transformers

    shapes = CASES[name][0]
    if name == "sd3":
        # The first edition has no norms of its own in the attention.
        shapes = {key.replace("ln_k", "qkv"): shape for key, shape in shapes.items()}
    config = default_config(inspect(write_shapes(tmp_path / "x.safetensors", shapes)), merges, tmp_path)
    index = json.loads((config / "model_index.json").read_text())
    libraries: dict[str, Any] = {"diffusers": diffusers, "transformers": transformers}
    for part, expected in parameters.items():
        library, kind = index[part]
        facts = json.loads((config / part / "config.json").read_text())
        network: Any = getattr(libraries[library], kind)
        with torch.device("meta"):
            made = (
                network.from_config(facts)
                if library == "diffusers"
                else network(libraries[library].CLIPTextConfig(**facts))
            )
        assert sum(one.numel() for one in made.parameters()) == expected


@pytest.mark.parametrize(
    ("tensor", "metadata", "fact", "value"),
    [
        ("v_pred", {}, "prediction_type", "v_prediction"),
        ("ztsnr", {}, "rescale_betas_zero_snr", True),
        ("x", {"modelspec.prediction_type": "v"}, "prediction_type", "v_prediction"),
        ("x", {}, "prediction_type", "epsilon"),
    ],
)
def test_fine_tunes_with_another_objective_are_believed(
    tmp_path: Path, tensor: str, metadata: dict[str, str], fact: str, value: object
) -> None:
    header = read_header(write_shapes(tmp_path / "x.safetensors", unet(2048) | {tensor: ()}, metadata))
    assert layout("sdxl", header, inpaint=False)["scheduler/scheduler_config.json"][fact] == value


def test_the_small_edition_of_sd_2_is_known_by_its_metadata(tmp_path: Path) -> None:
    for resolution, size in (("512x512", 64), ("768x768", 96)):
        said = {"modelspec.resolution": resolution, "modelspec.license": "CreativeML"}
        header = read_header(write_shapes(tmp_path / "x.safetensors", unet(1024), said))
        assert layout("sd2", header, inpaint=False)["unet/config.json"]["sample_size"] == size


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"lora_unet_x.lora_down.weight": (4, 4)}, "looks like a LoRA"),
        ({"emb_params": (2, 768)}, "looks like an embedding"),
        ({"control_model.x": (1,)}, "looks like a ControlNet"),
        ({"down_blocks.0.x": (1,)}, "one part of a diffusers folder"),
        ({"double_blocks.0.x": (1,)}, "another kind of model"),
        ({"y": (1,)}, "something else"),
        ({f"{P}joint_blocks.0.x": (1,)}, "lacks parts of its transformer"),
        (unet(1280) | CLIP, "not those of a published model"),
        (unet(768, width=16) | CLIP, "not those of a published model"),
    ],
)
def test_a_file_that_is_no_known_checkpoint_says_what_to_do(tmp_path: Path, shapes: Shapes, words: str) -> None:
    path = write_shapes(tmp_path / "x.safetensors", shapes)
    with pytest.raises(ModelUnavailable, match=words) as caught:
        read_folder(path)
    assert str(path) in caught.value.detail


def test_a_configuration_of_another_base_is_refused(tmp_path: Path, merges: Path) -> None:
    sd1, sdxl = (write_shapes(tmp_path / f"{name}.safetensors", CASES[name][0]) for name in ("sd1", "sdxl"))
    config = default_config(inspect(sdxl), merges, tmp_path)
    with pytest.raises(ModelUnavailable, match="reads text 768 numbers wide; its configuration"):
        read_folder(Source(path=sd1, config=config))


def test_what_a_checkpoint_lacks_is_named(tmp_path: Path, merges: Path) -> None:
    path = write_shapes(tmp_path / "x.safetensors", unet(2048) | dict([*TWO.items()][:1]))
    config = default_config(inspect(path), merges, tmp_path)
    with pytest.raises(ModelUnavailable, match="lacks text_encoder_2"):
        read_folder(Source(path=path, config=config))
    with pytest.raises(ModelUnavailable, match="does not exist"):
        read_folder(tmp_path / "gone.safetensors")
    with pytest.raises(ModelUnavailable, match="configx does not exist"):
        read_folder(Source(path=path, config=tmp_path / "configx"))


def test_the_settings_find_the_configuration_or_say_how_to_get_it(tmp_path: Path, merges: Path) -> None:
    path = write_shapes(tmp_path / "sd1.safetensors", CASES["sd1"][0], {"modelspec.license": "OpenRAIL-M"})
    settings = Settings(data=tmp_path / "data", cache=tmp_path / "cache", models={"old": LocalModel(path=path)})
    missing = sources(settings)["local/old"]
    with pytest.raises(ModelUnavailable, match=f"platemark models pull {VOCABULARY}"):
        read_folder(missing)
    (weight,) = (one for one in load_weights() if one.name == VOCABULARY)
    place(weight, settings.cache).parent.mkdir(parents=True)
    shutil.copy(merges, place(weight, settings.cache))
    assert read_folder(sources(settings)["local/old"]).licence.name == "OpenRAIL-M"
    place(weight, settings.cache).write_bytes(b"not gzip")
    shutil.rmtree(settings.cache / "configs")
    with pytest.raises(ModelUnavailable, match="cannot be written"):
        read_folder(sources(settings)["local/old"])


def test_a_named_hash_must_be_that_of_the_file(tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "x.safetensors", CASES["sd1"][0])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Revisions().of(Source(path=path, sha256=digest)).startswith("sha256:")
    with pytest.raises(ModelUnavailable, match="not the file that the setting"):
        Revisions().of(Source(path=path, sha256="0" * 64))
    folder = tmp_path / "folder"
    write_shapes(folder / "x.safetensors", {"a": (1,)})
    revision = Revisions().of(folder).removeprefix("sha256:")
    assert Revisions().of(Source(path=folder, sha256=revision)) == f"sha256:{revision}"
    with pytest.raises(ModelUnavailable, match=f"has the revision {revision}"):
        Revisions().of(Source(path=folder, sha256="0" * 64))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('models = {a = {hub = "o/n"}}', "hub and revision together"),
        ('models = {a = {hub = "o/n", revision = "main"}}', "revision"),
        ('models = {a = {path = "x", hub = "o/n", revision = "%s"}}' % ("0" * 40), "both path and hub"),
        ("models = {a = {}}", "a needs a path"),
        ('models = {pocket = "elsewhere"}', "pocket is the model that ships"),
        ('models = {"../a" = "x"}', "pattern"),
        ('models = {a = {path = "x", run = "rm"}}', "Extra inputs"),
    ],
)
def test_a_setting_that_names_no_model_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "platemark.toml").write_text(text)
    assert tomllib.loads(text)
    with pytest.raises(ValueError, match=words):
        Settings(data=tmp_path)


def test_adapters_of_pocket_are_named_in_the_settings(tmp_path: Path) -> None:
    model = LocalModel.model_validate({"loras": {"x": "~/x.safetensors"}})
    source = source_of("pocket", model, tmp_path)
    assert read_folder(source).native == 128
    assert source.loras["x"] == Path("~/x.safetensors").expanduser()


@pytest.mark.torch
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_a_checkpoint_draws_what_its_folder_draws(tmp_path: Path, name: str) -> None:
    import adapting
    from old_layout import write_checkpoint
    from painting import asked, paint

    from platemark.engine.memory.pipelines import Pipelines

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapting.make(name).save_pretrained(tmp_path / name)
    config = tmp_path / "config"
    ignored = [*({"unet", "vae"} if name == "sdxl" else {"unet", "vae", "text_encoder"})]

    def weights(folder: str, names: list[str]) -> list[str]:
        return [one for one in names if one.endswith(".safetensors") and Path(folder).name in ignored]

    shutil.copytree(tmp_path / name, config, ignore=weights)
    path = write_checkpoint(tmp_path / name, tmp_path / "one.safetensors", encoder=name == "sd")
    models = Pipelines({"folder": tmp_path / name, "file": Source(path=path, config=config)})
    wanted = asked(seeds=(1, 2))
    pictures = [paint(models.get(one), wanted).pixels(0, 1) for one in ("folder", "file")]
    assert pictures[0].shape == (64, 64, 3)
    assert (pictures[0] == pictures[1]).all()


@pytest.mark.torch
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_whose_weights_do_not_fit_is_said(tmp_path: Path) -> None:
    import adapting

    from platemark.engine.memory.pipelines import Pipelines

    adapting.make("sd").save_pretrained(tmp_path / "sd")
    path = write_shapes(tmp_path / "x.safetensors", unet(32, width=16) | CLIP)
    models = Pipelines({"file": Source(path=path, config=tmp_path / "sd")})
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        models.get("file")
