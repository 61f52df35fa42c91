"""What the verifier's looks cost beside the bare libraries, and how long an answer takes.

    OMP_NUM_THREADS=1 python bench/verify.py [--rounds 12] [--sizes 1 4 12]

CPU milliseconds of this process for one picture, the median of the rounds; ours and bare take turns. `bare` is what
anybody would write: Pillow, hashlib, pdqhash and c2pa on the same bytes. Looks without a library have no bare figure
and stand in neither sum. The whole answer is that of `POST /v1/analyze` without HTTP: with an empty registry, and the
inspection and its line in the audit chain written. Sizes are megapixels; pictures are drawn with detail at all scales.
"""

import argparse
import asyncio
import hashlib
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pdqhash
from PIL import Image

from platemark import telemetry
from platemark.core.ports import Claim, Platform
from platemark.core.project import Principal, Project
from platemark.flows.analyze import analyze, picture
from platemark.imaging.decode import remembering
from platemark.provenance.certificates import development_identity
from platemark.provenance.credential import Credential
from platemark.provenance.metadata import read_metadata
from platemark.provenance.sources import IPTC
from platemark.settings import Settings
from platemark.wiring import open_platform

BOUNDS = {"max_bytes": 256 * 1024 * 1024, "max_pixels": 256_000_000}
SIDE = 512
Work = Callable[[], Awaitable[object]]
# The package is not typed.
_compute: Callable[[Any], object] = pdqhash.compute  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@dataclass(frozen=True)
class Stage:
    """One look: ours, and the bare library calls where there are some."""

    name: str
    ours: Work
    bare: Callable[[], object] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description="The cost of a verdict.")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1, 4, 12])
    given = parser.parse_args()
    telemetry.configure(level="error")
    asyncio.run(measure(given.rounds, given.sizes))


async def measure(rounds: int, sizes: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_platform(Settings(data=Path(folder), role="api", providers=())) as platform:
            async with platform.store.reading() as read:
                project = next(one.id for one in await read.all(Project) if one.name == "default")
            caller = Principal(project=project, key="bench", scopes=frozenset({"images:read"}))
            print(f"{os.cpu_count()} CPUs, {rounds} rounds; detectors: {[d.name for d in platform.origin_detectors]}")
            for size in sizes:
                for format in ("JPEG", "PNG"):
                    await one_size(platform, caller, size, format, rounds)


async def one_size(platform: Platform, caller: Principal, size: float, format: str, rounds: int) -> None:
    media_type = f"image/{format.lower()}"
    claim = Claim("img_1", "img_1", f"{IPTC}trainedAlgorithmicMedia", "Platemark", "m", "2026-11-22T15:00:00+00:00")
    with tempfile.TemporaryDirectory() as folder:
        # Somebody else's: our own signature is validated once more, against our own issuer.
        stranger = Credential(await asyncio.to_thread(development_identity, Path(folder), datetime.now(UTC)))
    data = await stranger.seal(drawn(size, format), media_type, claim)
    print(f"\n{size:g} megapixels, {format}, {len(data):,} bytes")
    print(f"{'':24} {'ours':>8} {'bare':>8} {'ratio':>6} {'images/CPU s':>13}")
    with remembering(data):
        picture(data, **BOUNDS)
        sums = [0.0, 0.0]
        for stage in stages(platform, caller, data, media_type):
            ours, bare = await turns(stage, rounds)
            sums = [sums[0] + ours, sums[1] + bare] if bare else sums
            row(stage.name, ours, bare)
    row("sum of those with a bare", *sums)
    cpu, wall = list[float](), list[float]()
    for _ in range(max(rounds, 20)):
        started, then = time.process_time(), time.perf_counter()
        await analyze(platform, caller, data)
        cpu.append((time.process_time() - started) * 1000)
        wall.append((time.perf_counter() - then) * 1000)
    row("the whole answer", statistics.median(cpu), 0.0)
    p50, p95 = (float(np.percentile(wall, share)) for share in (50, 95))
    print(f"{'its wall time':24} p50 {p50:.0f} ms, p95 {p95:.0f} ms")


def stages(platform: Platform, caller: Principal, data: bytes, media_type: str) -> list[Stage]:
    """Each with the file decoded already, but for the first, which decodes it."""
    copy = bytearray(data)

    async def first() -> object:
        # Other bytes than those that are remembered.
        fresh = bytes(copy)
        return await asyncio.to_thread(lambda: picture(fresh, **BOUNDS))

    async def metadata() -> object:
        return await asyncio.to_thread(read_metadata, data, media_type)

    async def credential() -> object:
        return await platform.provenance.read(data, media_type)

    async def mark() -> object:
        return await platform.watermark.read(data) if platform.watermark else None

    found = [
        Stage("decode, SHA-256, PDQ", first, lambda: bare_first(bytes(copy))),
        Stage("c2pa and metadata", credential, lambda: (bare_credential(data, media_type), bare_metadata(data))),
        Stage("of it, metadata", metadata),
        Stage("own watermark", mark),
    ]
    for detector in platform.origin_detectors:
        found.append(Stage(detector.name, lambda detector=detector: detector.look(data, media_type)))
    return found


def bare_first(data: bytes) -> object:
    image = Image.open(io.BytesIO(data))
    image = image.convert("RGB")
    small = image.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return hashlib.sha256(data).hexdigest(), _compute(np.asarray(small))


def bare_credential(data: bytes, media_type: str) -> object:
    settings = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}}
    with c2pa.Context.from_json(json.dumps(settings)) as context:
        reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), context=context)
        if reader is None:
            return None
        with reader:
            return json.loads(reader.json())


def bare_metadata(data: bytes) -> object:
    image = Image.open(io.BytesIO(data))
    return image.getxmp(), dict(image.getexif())


async def turns(stage: Stage, rounds: int) -> tuple[float, float]:
    """Median CPU milliseconds of ours and of bare; 0 where there is no bare."""
    ours, bare = list[float](), list[float]()
    for _ in range(rounds + 1):
        started = time.process_time()
        await stage.ours()
        ours.append(time.process_time() - started)
        if stage.bare is not None:
            started = time.process_time()
            await asyncio.to_thread(stage.bare)
            bare.append(time.process_time() - started)
    # The first is for caches to warm.
    return statistics.median(ours[1:]) * 1000, statistics.median(bare[1:]) * 1000 if bare else 0.0


def row(name: str, ours: float, bare: float) -> None:
    ratio = f"{ours / bare:6.2f}" if bare else f"{'':6}"
    other = f"{bare:8.1f}" if bare else f"{'–':>8}"
    print(f"{name:24} {ours:8.1f} {other} {ratio} {1000 / max(ours, 0.01):13.1f}")


def drawn(megapixels: float, format: str) -> bytes:
    """Smooth noise at all scales, 4:3: compresses as photographs do."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    random = np.random.default_rng(7)
    total = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64, 256):
        layer = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC), np.float32) / cells**0.5
    total = (total - total.min()) / np.ptp(total) * 255
    out = io.BytesIO()
    Image.fromarray(total.astype(np.uint8)).save(out, format, **({"quality": 90} if format == "JPEG" else {}))
    return out.getvalue()


if __name__ == "__main__":
    main()
