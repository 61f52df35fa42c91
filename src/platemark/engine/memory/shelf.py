"""What a loaded model keeps at hand beside its weights: a store bounded by bytes, and one set of them per model."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, TypeVar

from torch import Tensor

from platemark.engine.memory.loaded import Loaded

V = TypeVar("V")
_WORD_BYTES = 64 * 1024**2
_LORA_BYTES = 1024**3
_MODULE_BYTES = 6 * 1024**3


class Shelf(Generic[V]):
    """The things used last, as many as fit into `limit` bytes; the newest is kept whatever its size."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._things: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._things)

    def get(self, key: Hashable, make: Callable[[], V], weigh: Callable[[V], int]) -> V:
        """The thing of `key`, made when it is not here. What `make` raises is passed on, and nothing is kept."""
        if key not in self._things:
            thing = make()
            self._things[key] = thing, weigh(thing)
            self.bytes += self._things[key][1]
            while self.bytes > self._limit and len(self._things) > 1:
                self.bytes -= self._things.popitem(last=False)[1][1]
        self._things.move_to_end(key)
        return self._things[key][0]

    def clear(self) -> None:
        """Forget everything."""
        self._things.clear()
        self.bytes = 0


@dataclass
class Extras:
    """What one model keeps. `words_changed_by` names the LoRAs that change its text encoders at this moment."""

    words: Shelf[Any] = field(default_factory=lambda: Shelf[Any](_WORD_BYTES))
    vectors: Shelf[Any] = field(default_factory=lambda: Shelf[Any](_WORD_BYTES))
    loras: Shelf[Any] = field(default_factory=lambda: Shelf[Any](_LORA_BYTES))
    modules: Shelf[Any] = field(default_factory=lambda: Shelf[Any](_MODULE_BYTES))
    words_changed_by: Hashable = ()
    adapting: Any = field(default_factory=Lock)

    @property
    def shelves(self) -> tuple[Shelf[Any], ...]:
        """All of them."""
        return self.words, self.vectors, self.loras, self.modules


def extras_of(loaded: Loaded) -> Extras:
    """The shelves of this model."""
    return loaded.cache.setdefault("extras", Extras())


def extras_bytes(loaded: Loaded) -> int:
    """What LoRAs, autoencoders, ControlNets and embeddings of this model take, in bytes."""
    return sum(shelf.bytes for shelf in extras_of(loaded).shelves)


def drop_extras(loaded: Loaded) -> None:
    """Forget all of them, as when memory is short or the model moves to another device."""
    for shelf in extras_of(loaded).shelves:
        shelf.clear()


def bytes_of(module: Any) -> int:
    """Memory of a module's parameters and buffers."""
    return sum(tensor_bytes(tensor) for tensor in (*module.parameters(), *module.buffers()))


def tensor_bytes(tensor: Tensor) -> int:
    """Memory of a tensor's numbers."""
    return tensor.numel() * tensor.element_size()
