"""Model folders are vetted and described before any library opens them."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from platemark.core.errors import ModelUnavailable
from platemark.engine.models.digest import Revisions
from platemark.engine.models.folder import POCKET, capabilities, read_folder

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of pocket that may be damaged."""
    return Path(shutil.copytree(POCKET, tmp_path / "model"))


def test_pocket_is_described_from_its_own_files() -> None:
    folder = read_folder(POCKET)
    assert (folder.native, folder.multiple, folder.grid, folder.variant) == (128, 8, 32, None)
    can = capabilities(folder)
    assert can.operations == {"text_to_image", "image_to_image", "inpaint", "outpaint", "upscale"}
    assert (can.native_size, can.max_size, can.default_width, can.default_steps) == (128, 2048, 512, 12)
    assert folder.declared.licence == "Apache-2.0"
    assert folder.words is not None
    assert {"house", "meadow", "sunset"} <= folder.words


def cut_off(folder: Path) -> None:
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:-1])


def pickled(folder: Path) -> None:
    (folder / UNET).write_bytes(pickle.dumps({"weights": [1.0] * 100}))


def empty(folder: Path) -> None:
    (folder / UNET).write_bytes(b"")


def endless_header(folder: Path) -> None:
    (folder / UNET).write_bytes(b"\xff" * 64)


def deep_header(folder: Path) -> None:
    (folder / UNET).write_bytes((200_000).to_bytes(8, "little") + b"[" * 200_000)


def strange_header(folder: Path) -> None:
    (folder / UNET).write_bytes((7).to_bytes(8, "little") + b'{"a":1}')


def old_format(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x02.")


def checkpoint(folder: Path) -> None:
    (folder / "v1.CKPT").write_bytes(b"\x80\x02.")


def linked_file(folder: Path) -> None:
    shutil.move(folder / UNET, folder.parent / "elsewhere.safetensors")
    (folder / UNET).symlink_to(folder.parent / "elsewhere.safetensors")


def linked_folder(folder: Path) -> None:
    shutil.move(folder / "vae", folder.parent / "elsewhere")
    (folder / "vae").symlink_to("../elsewhere")


def no_index(folder: Path) -> None:
    (folder / "model_index.json").unlink()


def broken_index(folder: Path) -> None:
    (folder / "model_index.json").write_text("{")


def index_that_is_a_list(folder: Path) -> None:
    (folder / "model_index.json").write_text("[]")


def other_pipeline(folder: Path) -> None:
    change(folder / "model_index.json", _class_name="FluxPipeline")


def own_code(folder: Path) -> None:
    change(folder / "model_index.json", unet=["pipeline", "MyUNet"])


def no_part(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")


def no_weights(folder: Path) -> None:
    (folder / UNET).unlink()


def no_size(folder: Path) -> None:
    change(folder / "unet" / "config.json", sample_size=None)


def unknown_declaration(folder: Path) -> None:
    change(folder / "platemark.json", run="rm")


def words_elsewhere(folder: Path) -> None:
    change(folder / "platemark.json", words="nowhere.txt")


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_off, "cut off while copying"),
        (pickled, "not a readable safetensors file"),
        (empty, "not a readable safetensors file"),
        (endless_header, "not a readable safetensors file"),
        (deep_header, "not a readable safetensors file"),
        (strange_header, "not a readable safetensors file"),
        (old_format, r"\.bin is in a format that can run code"),
        (checkpoint, "can run code"),
        (linked_file, "link to a place outside"),
        (linked_folder, "link to a place outside"),
        (no_index, r"model_index\.json is missing"),
        (broken_index, "cannot be read as JSON"),
        (index_that_is_a_list, "not a JSON object"),
        (other_pipeline, "FluxPipeline"),
        (own_code, "only diffusers and transformers"),
        (no_part, "tokenizer has no configuration file"),
        (no_weights, r"holds no \.safetensors"),
        (no_size, "do not fit together"),
        (unknown_declaration, "unknown or wrong fields: run"),
        (words_elsewhere, "do not fit together"),
        (gone, "does not exist"),
    ],
)
def test_a_damaged_or_hostile_folder_is_refused_by_name(
    folder: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(folder)
    with pytest.raises(ModelUnavailable, match=words) as caught:
        read_folder(folder)
    assert str(folder) in caught.value.detail
    assert "\n" not in caught.value.detail


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    shutil.move(folder / UNET, folder / "unet" / "weights.safetensors")
    (folder / UNET).symlink_to("weights.safetensors")
    assert read_folder(folder).native == 128


def test_weights_that_exist_only_as_variant_are_taken(folder: Path) -> None:
    for file in folder.rglob("*.safetensors"):
        file.rename(file.with_suffix(".fp16.safetensors"))
    assert read_folder(folder).variant == "fp16"


def test_the_revision_follows_the_content_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    revisions = Revisions(tmp_path / "cache" / "hashes.json")
    first = revisions.of(folder)
    assert first.startswith("sha256:")
    (folder / "MODEL_CARD.md").write_text("Other words.")
    os.utime(folder / UNET)
    assert revisions.of(folder) == Revisions().of(POCKET) == first
    change(folder / "scheduler" / "scheduler_config.json", solver_order=1)
    assert revisions.of(folder) != first


def test_hashes_are_kept_between_starts_until_a_file_changes(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "hashes.json"
    first = Revisions(cache).of(folder)
    known = json.loads(cache.read_text())
    cache.write_text(json.dumps(dict.fromkeys(known, "0" * 64)))
    assert Revisions(cache).of(folder) != first
    os.utime(folder / UNET)
    cache.write_text("{broken")
    assert Revisions(cache).of(folder) == first
