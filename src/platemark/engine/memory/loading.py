"""How the library is asked to load a model: class, method and arguments, whatever form the model came in."""

from collections.abc import Mapping

from platemark.core.base import JsonObject
from platemark.engine.models.declaration import read_json
from platemark.engine.models.folder import Folder
from platemark.engine.models.parts import has_weights, read_parts
from platemark.engine.models.single_file import inspect


def load_arguments(folder: Folder) -> tuple[str, str, JsonObject]:
    """Pipeline class of diffusers, its method, and keyword arguments for it. Number format and device are not among
    them.
    """
    arguments: JsonObject = {"local_files_only": True, **dict.fromkeys(folder.absent)}
    if folder.family.enlarges:
        arguments |= {"feature_extractor": None, "safety_checker": None, "watermarker": None}
    elif folder.family.denoiser == "unet":
        arguments |= {"feature_extractor": None, "image_encoder": None}
    if folder.family.pipeline == "StableDiffusionPipeline":
        arguments |= {"safety_checker": None, "requires_safety_checker": False}
    if folder.single_file:
        arguments |= {"pretrained_model_link_or_path": str(folder.single_file), "config": str(folder.path)}
        return folder.family.pipeline, "from_single_file", arguments
    arguments |= {"pretrained_model_name_or_path": str(folder.path)}
    arguments |= {"variant": folder.variant, "use_safetensors": True}
    return folder.family.pipeline, "from_pretrained", arguments


def encoders_beside(folder: Folder) -> Mapping[str, str]:
    """Text encoders that lie beside the configuration of a checkpoint without them: name of the part to its class in
    transformers. The library looks for them in the checkpoint alone, so they are loaded first and passed to it.
    """
    if folder.single_file is None:
        return {}
    inside = inspect(folder.single_file).parts
    parts = read_parts(read_json(folder.path / "model_index.json"))
    return {
        name: str(part[1])
        for name, part in parts.items()
        if name.startswith("text_encoder")
        and name not in inside
        and name not in folder.absent
        and has_weights(folder.path / name)
    }
