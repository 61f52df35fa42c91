"""One model in memory: its pipeline, and what a request gets of it."""

import copy
import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from platemark.engine.models.folder import Folder
from platemark.engine.models.schedulers import fresh_scheduler


class Loaded:
    """A loaded model. `cache` is for what users of it want to keep as long as it is loaded."""

    def __init__(self, folder: Folder, pipeline: Any, dtype: torch.dtype) -> None:
        self.folder = folder
        self.dtype = dtype
        self.cache: dict[str, Any] = {}
        self.preview_map: torch.Tensor | None = None
        self._pipeline = pipeline

    @property
    def parts(self) -> Any:
        """The pipeline itself, for reading its parts."""
        return self._pipeline

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self._pipeline.device

    @property
    def bytes(self) -> int:
        """What its weights take in memory."""
        return sum({tensor.data_ptr(): tensor.nbytes for tensor in self._tensors()}.values())

    def for_request(self, scheduler: str | None) -> Any:
        """A pipeline over the same weights with a scheduler of its own: a request leaves nothing to the next one."""
        pipeline = copy.copy(self._pipeline)
        pipeline.scheduler = fresh_scheduler(self._pipeline.scheduler, scheduler)
        return pipeline

    @contextmanager
    def in_float32(self) -> Generator[None]:
        """Inside, all weights are float32, on the device; afterwards they are the very tensors that they were.

        What was computed in the narrower format before (embeddings, adapters) must be computed again, or converted.
        """
        before = [(tensor, tensor.data) for tensor in self._tensors() if tensor.is_floating_point()]
        own, self.dtype = self.dtype, torch.float32
        try:
            for tensor, data in before:
                tensor.data = data.float()
            yield
        finally:
            for tensor, data in before:
                tensor.data = data
            self.dtype = own

    def move(self, device: str) -> None:
        """Take the weights to another device."""
        self._pipeline.to(device)

    def _tensors(self) -> Iterator[torch.Tensor]:
        modules = [part for part in self._pipeline.components.values() if isinstance(part, torch.nn.Module)]
        return itertools.chain.from_iterable((*module.parameters(), *module.buffers()) for module in modules)
