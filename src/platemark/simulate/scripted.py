"""A provider inside the process that draws a plain picture at once, or fails as its script says."""

import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field

import anyio

from platemark.core.health import Health
from platemark.core.model import Capabilities, Model
from platemark.core.money import Cost
from platemark.core.updates import Accepted, Answered, Charged, Order, Picture, Progress, Update, Withheld

_CAN = Capabilities(
    operations=frozenset({"text_to_image"}),
    min_size=8,
    max_size=2048,
    default_width=64,
    default_height=64,
    max_count=8,
)
# Everything that a Stable Diffusion service can do.
_CAN_ALL = _CAN.model_copy(
    update={
        "operations": frozenset({"text_to_image", "image_to_image", "inpaint", "outpaint", "upscale"}),
        "schedulers": ("ddim", "euler", "euler_a"),
        "controls": ("canny", "scribble"),
        "max_controls": 2,
        "loras": ("ink", "paper"),
        "max_loras": 2,
        "embeddings": ("easy",),
        "vaes": ("sharp",),
        "clip_skip": True,
        "guidance_rescale": True,
        "variation": True,
        "mask_edges": True,
        "reproducible": True,
    }
)
_COST = Cost(status="settled", micro_usd=100, basis="scripted")
# What happens on the nth call: return to draw, raise to fail.
Script = Callable[[int, Order], None]


def plain_png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """A valid PNG with a diagonal in one colour on white, so that it is neither blank nor large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0"
        + b"".join(
            bytes(colour) if (x * height // width + y) % height < height // 2 + 1 else b"\xff\xff\xff"
            for x in range(width)
        )
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


@dataclass
class Scripted:
    """Provider `scripted` with the models `scripted/plain`, which takes no sources, and `scripted/studio`.

    `calls` counts what reached it, by idempotency key.
    """

    script: Script | None = None
    steps: int = 0
    step_seconds: float = 0.0
    tickets: bool = False
    free_repeat: bool = True
    concurrency: int = 4
    health: Health = field(default_factory=Health)
    name: str = "scripted"
    cost: Cost = _COST
    calls: Counter[str] = field(default_factory=Counter[str])
    resumed: Counter[str] = field(default_factory=Counter[str])
    canceled: list[str] = field(default_factory=list[str])
    # Indices of the pictures that it keeps to itself, and what it makes of any prompt.
    withheld: frozenset[int] = frozenset()
    revised: str | None = None

    @property
    def models(self) -> Mapping[str, Model]:
        """One that draws from text alone, and one that takes everything."""
        return {
            f"{self.name}/{name}": Model(
                id=f"{self.name}/{name}",
                provider=self.name,
                capabilities=can,
                revision="1",
                licence="none",
                description="A plain picture.",
            )
            for name, can in (("plain", _CAN), ("studio", _CAN_ALL))
        }

    def estimate(self, order: Order) -> Cost:
        """The scripted cost."""
        return self.cost.model_copy(update={"status": "estimated"})

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        """Follow the script, then give one picture per seed; its colour is drawn from prompt, seed and sources."""
        if ticket is None:
            self.calls[order.idempotency_key] += 1
            if self.script is not None:
                self.script(self.calls.total(), order)
            if self.tickets:
                yield Accepted(f"ticket-{order.idempotency_key}")
        else:
            self.resumed[ticket] += 1
        for step in range(self.steps):
            await anyio.sleep(self.step_seconds)
            yield Progress(step + 1, self.steps)
        sources = b"".join((order.image or b"", order.mask or b"", *order.guides))
        for index, seed in enumerate(order.seeds):
            digest = hashlib.sha256(f"{order.prompt}\n{seed}".encode() + sources).digest()
            # Never so light that white beside it is a blank picture.
            colour = (digest[0] // 2, digest[1], digest[2])
            png = plain_png(order.parameters.width, order.parameters.height, colour)
            if index in self.withheld:
                yield Withheld(index, ("sexual content",))
            else:
                yield Picture(png, "image/png", index, seed, revised_prompt=self.revised)
        yield Charged(self.cost)
        yield Answered({"status": 200}, request_id=f"req-{order.idempotency_key}")

    @property
    def repeats_unknown(self) -> bool:
        """Where a repeat is free."""
        return self.free_repeat

    async def cancel(self, model: str, ticket: str) -> bool:
        """Note it."""
        self.canceled.append(ticket)
        return True

    async def check(self) -> None:
        """Always able to work."""
