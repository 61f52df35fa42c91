"""Loaded pipelines of one device: what is kept, what is dropped, and what a model that cannot be loaded says."""

import copy
import gc
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from platemark.core.base import JsonObject
from platemark.core.errors import ModelUnavailable
from platemark.engine.folder import Folder, read_folder
from platemark.engine.schedulers import fresh_scheduler

_library: Any = diffusers
# Two, so that changing between a draft and a final model does not load one of them every time.
_KEPT = 2


class Loaded:
    """One model in memory."""

    def __init__(self, folder: Folder, pipeline: Any) -> None:
        self.folder = folder
        self._pipeline = pipeline
        self.preview_map: torch.Tensor | None = None

    @property
    def parts(self) -> Any:
        """The pipeline itself, for reading its parts."""
        return self._pipeline

    def for_request(self, scheduler: str | None) -> Any:
        """A pipeline over the same weights with a scheduler of its own: a request leaves nothing to the next one."""
        pipeline = copy.copy(self._pipeline)
        pipeline.scheduler = fresh_scheduler(self._pipeline.scheduler, scheduler)
        return pipeline


class Pipelines:
    """The models of this process by name. Device and number format are chosen once."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self.device, self.dtype = _device()
        _silence()

    def facts(self) -> JsonObject:
        """What the record of an attempt says about the engine."""
        return {
            "device": self.device,
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "torch": str(torch.__version__),
            "diffusers": str(_library.__version__),
        }

    def get(self, name: str) -> Loaded:
        """The model, loaded when it is not. Raises ModelUnavailable."""
        if name not in self._loaded:
            while len(self._loaded) >= _KEPT:
                self._loaded.popitem(last=False)
            gc.collect()
            self._loaded[name] = self._load(self._folders[name])
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def _load(self, path: Path) -> Loaded:
        folder = read_folder(path)
        kind = getattr(_library, folder.family.pipeline)
        left_out: JsonObject = dict.fromkeys(folder.absent)
        if folder.family.denoiser == "unet":
            left_out |= {"feature_extractor": None, "image_encoder": None}
        if folder.family.pipeline == "StableDiffusionPipeline":
            left_out |= {"safety_checker": None, "requires_safety_checker": False}
        try:
            pipeline = kind.from_pretrained(
                str(path),
                dtype=self.dtype,
                variant=folder.variant,
                local_files_only=True,
                use_safetensors=True,
                **left_out,
            )
            pipeline.to(self.device)
        except MemoryError:
            raise
        # The libraries raise whatever a damaged file made them stumble over.
        except Exception as error:
            raise ModelUnavailable(
                f"The model in {path} cannot be loaded: {type(error).__name__}: {_first_line(error)} "
                "Its files do not fit together; fetch the folder again from where it came from."
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        return Loaded(folder, pipeline)


def _device() -> tuple[str, torch.dtype]:
    if torch.cuda.is_available():
        return "cuda", torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if torch.backends.mps.is_available():
        return "mps", torch.float32
    return "cpu", torch.bfloat16 if _cpu_has_bfloat16() else torch.float32


def _cpu_has_bfloat16() -> bool:
    """Without these instructions bfloat16 is emulated, and slower than float32."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def _silence() -> None:
    """Loading says nothing: bars and hints of the libraries would fill the server's log, prompts among them."""
    for library in (_library.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")[:300].rstrip(".") + "."
