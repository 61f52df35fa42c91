"""The models of one process: loading them, what stays where, and what a model that cannot be loaded says."""

import gc
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from platemark.core.base import JsonObject
from platemark.core.errors import ModelUnavailable
from platemark.engine.memory import device as machine
from platemark.engine.memory.loaded import Loaded as Loaded
from platemark.engine.memory.loading import encoders_beside, load_arguments
from platemark.engine.memory.shelf import drop_extras, extras_bytes
from platemark.engine.memory.tiers import Place, Tiers
from platemark.engine.models.folder import Folder, read_folder
from platemark.engine.models.source import Source

_library: Any = diffusers


class Pipelines:
    """The models of this process by name. Device and number format are chosen once.

    `memory`: bytes that models may take on the device; a share of what there is when None.
    """

    def __init__(
        self, sources: Mapping[str, Path | Source], *, memory: int | None = None, speed: str = "exact"
    ) -> None:
        self._sources = {name: Source.of(source) for name, source in sources.items()}
        self._loaded: dict[str, Loaded] = {}
        self.device, self.dtype = machine.choose()
        self._fast = machine.prepare(self.device, speed)
        self._limits = machine.limits(self.device, memory)
        self._tiers = Tiers(*self._limits)
        _silence()

    def facts(self) -> JsonObject:
        """What the record of an attempt says about the engine."""
        return {
            "device": self.device,
            "dtype": str(self.dtype).removeprefix("torch."),
            "speed": "fast" if self._fast else "exact",
            "threads": torch.get_num_threads(),
            "torch": str(torch.__version__),
            "diffusers": str(_library.__version__),
        }

    def held(self) -> JsonObject:
        """Every model in memory with its place and bytes, and the limit of the device in bytes."""
        models = {name: {"place": place, "bytes": size} for name, (place, size) in self._tiers.all().items()}
        return {"device": self.device, "limit": self._limits[0], "drawing": self._tiers.reserve, "models": models}

    def folder(self, name: str) -> Folder:
        """What is known of a model without loading it. Raises ModelUnavailable."""
        loaded = self._loaded.get(name)
        return loaded.folder if loaded else read_folder(self._sources[name])

    def get(self, name: str) -> Loaded:
        """The model on the device, at the cost of those used longest ago. Raises ModelUnavailable."""
        loaded = self._loaded.get(name)
        if loaded is None:
            folder = read_folder(self._sources[name])
            self._move(self._tiers.make_room(name, _bytes_on_disk(folder, self.dtype)))
            loaded = self._loaded[name] = self._load(folder)
        elif self._tiers.place(name) != "device":
            self._move(self._tiers.make_room(name, loaded.bytes))
            loaded.move(self.device)
        self._weigh(name)
        return loaded

    @contextmanager
    def watched(self) -> Generator[None]:
        """Measure what the drawing inside takes on the device besides the models, where the device can say it."""
        if self.device != "cuda":
            yield
            return
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        try:
            yield
        finally:
            self._tiers.reserve = max(self._tiers.reserve, torch.cuda.max_memory_allocated() - before)

    def relieve(self, name: str) -> None:
        """Everything but this model leaves the device, its own extras too."""
        self._move(self._tiers.clear_device(name))
        if name in self._loaded:
            drop_extras(self._loaded[name])
        self._tidy()

    def _weigh(self, name: str) -> None:
        """Count it as it is now, with its LoRAs and other extras; they may have grown past the limit."""
        size = self._loaded[name].bytes + extras_bytes(self._loaded[name])
        self._tiers.use(name, size)
        self._move(self._tiers.make_room(name, size))

    def _move(self, moves: list[tuple[str, Place]]) -> None:
        for name, place in moves:
            drop_extras(self._loaded[name])
            if place == "memory":
                self._loaded[name].move("cpu")
            else:
                del self._loaded[name]
        if moves:
            self._tidy()

    def _tidy(self) -> None:
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def _load(self, folder: Folder) -> Loaded:
        try:
            pipeline = _read(folder, self.dtype)
            pipeline.to(self.device)
            if self._fast:
                machine.hasten(pipeline)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        # The libraries raise whatever a damaged file made them stumble over.
        except Exception as error:
            raise ModelUnavailable(
                f"The model in {folder.single_file or folder.path} cannot be loaded: {type(error).__name__}: "
                f"{_first_line(error)} Its files do not fit together; fetch the folder again from where it came from."
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        return Loaded(folder, pipeline, self.dtype)


def _read(folder: Folder, dtype: torch.dtype) -> Any:
    """The pipeline of a folder or checkpoint, in memory."""
    kind, method, arguments = load_arguments(folder)
    for name, encoder in encoders_beside(folder).items():
        arguments[name] = getattr(transformers, encoder).from_pretrained(
            str(folder.path / name), dtype=dtype, local_files_only=True, use_safetensors=True
        )
    return getattr(getattr(_library, kind), method)(dtype=dtype, **arguments)


def _bytes_on_disk(folder: Folder, dtype: torch.dtype) -> int:
    """About what its weights will take: files often have wider numbers, or other variants beside them."""
    if folder.single_file is not None:
        return folder.single_file.stat().st_size
    files = [file for part in folder.path.iterdir() if part.is_dir() for file in part.glob("*.safetensors")]
    chosen = [file for file in files if ".fp16" in file.name] if folder.variant else files
    scale = dtype.itemsize / 2 if folder.variant else min(1.0, dtype.itemsize / 4)
    return int(sum(file.stat().st_size for file in chosen or files) * scale)


def _silence() -> None:
    """Loading says nothing: bars and hints of the libraries would fill the server's log, prompts among them."""
    for library in (_library.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def _first_line(error: Exception) -> str:
    """What happened; the advice of the libraries after it is for those who write code."""
    line = next(iter(str(error).splitlines()), "").partition(". ")[0]
    return line[:300].rstrip(".") + "."
