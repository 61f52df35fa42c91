"""Which models stay on the device, which wait in memory, and which are given up. Pure: bytes in, moves out."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

Place = Literal["device", "memory", "disk"]


@dataclass(slots=True)
class _Held:
    place: Place
    bytes: int


class Tiers:
    """Models by name, the one used last at the end. Limits are bytes; without `memory` there is only the device.

    `reserve` is what drawing itself was seen to take on the device.
    """

    def __init__(self, device: int, memory: int | None) -> None:
        self._limits: dict[Place, int] = {"device": device, "memory": memory or 0}
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self.reserve = 0

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def place(self, name: str) -> Place:
        """Where it is now."""
        return self._held[name].place if name in self._held else "disk"

    def all(self) -> dict[str, tuple[Place, int]]:
        """Place and bytes of every model that is held, the one used longest ago first."""
        return {name: (held.place, held.bytes) for name, held in self._held.items()}

    def use(self, name: str, bytes: int) -> None:
        """It is on the device now, with so many bytes, and the last one used."""
        self._held[name] = _Held("device", bytes)
        self._held.move_to_end(name)

    def drop(self, name: str) -> None:
        """It is gone."""
        self._held.pop(name, None)

    def make_room(self, name: str, bytes: int) -> list[tuple[str, Place]]:
        """Where others must go so that `name` fits on the device, in this order; they count as gone there at once."""
        return self._push_out("device", bytes, but=name) + self._push_out("memory", 0, but=name)

    def clear_device(self, but: str) -> list[tuple[str, Place]]:
        """As `make_room`, for everything that the device has."""
        return self.make_room(but, self._limits["device"])

    def _push_out(self, place: Place, wanted: int, but: str) -> list[tuple[str, Place]]:
        moves: list[tuple[str, Place]] = []
        reserve = self.reserve if place == "device" else 0
        for name, held in list(self._held.items()):
            used = sum(other.bytes for key, other in self._held.items() if other.place == place and key != but)
            if used == 0 or used + wanted + reserve <= self._limits[place]:
                break
            if held.place != place or name == but:
                continue
            lower: Place = "memory" if place == "device" and held.bytes <= self._limits["memory"] else "disk"
            moves.append((name, lower))
            if lower == "disk":
                del self._held[name]
            else:
                held.place = lower
        return moves
