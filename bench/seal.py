"""What a seal costs beside c2pa alone: XMP, signature, and the new credential read back.

    python bench/seal.py [--rounds 20]

CPU milliseconds of this process for one picture, the median of the rounds. `c2pa` only signs the same manifest; `read`
is one validation by c2pa, with which a seal ends: is it intact, ours, and what was meant. Keys lie in this process: an
outside signer and a time stamp cost what their network does, and are not in here.
"""

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.to_thread
import c2pa
import numpy as np
from PIL import Image

from platemark.core.ports import Claim, Ingredient
from platemark.provenance.certificates import Identity, development_identity
from platemark.provenance.claims import claim_manifest, ingredient_definition
from platemark.provenance.credential import Credential
from platemark.provenance.manifest import SETTINGS, read_store
from platemark.provenance.sources import IPTC

MADE = Claim("img_1", "img_1", f"{IPTC}trainedAlgorithmicMedia", "Platemark", "m", "2026-11-22T15:00:00+00:00")


def main() -> None:
    parser = argparse.ArgumentParser(description="The cost of a seal.")
    parser.add_argument("--rounds", type=int, default=20)
    anyio.run(measure, parser.parse_args().rounds)


async def measure(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        identity = await anyio.to_thread.run_sync(development_identity, Path(folder), datetime.now(UTC))
    print(f"{'':28} {'bytes':>10} {'seal':>7} {'c2pa':>7} {'read':>7} {'added':>7}")
    for side in (512, 1024, 2048):
        for format in ("PNG", "JPEG", "WEBP"):
            await row(f"{format} {side}", identity, picture(side, format), f"image/{format.lower()}", MADE, rounds)
    data = picture(1024, "PNG")
    parent = Ingredient("img_0", "image/png", "parentOf", await Credential(identity).seal(data, "image/png", MADE))
    edit = replace(MADE, actions=("opened", "edited"), ingredients=(parent,))
    await row("PNG 1024, an edit of ours", identity, data, "image/png", edit, rounds)


async def row(name: str, identity: Identity, data: bytes, media_type: str, claim: Claim, rounds: int) -> None:
    credential = Credential(identity)
    sealed = await credential.seal(data, media_type, claim)
    figures = (
        await cost(lambda: credential.seal(data, media_type, claim), rounds),
        await cost(lambda: anyio.to_thread.run_sync(bare, identity, data, media_type, claim), rounds),
        await cost(lambda: anyio.to_thread.run_sync(read_store, sealed, media_type, None), rounds),
    )
    spent = " ".join(f"{each:7.1f}" for each in figures)
    print(f"{name:28} {len(data):10,} {spent} {len(sealed) - len(data):7,}")


async def cost(work: Callable[[], Awaitable[object]], rounds: int) -> float:
    """CPU milliseconds, the median. All of it on threads, as in a server."""
    spent = list[float]()
    for _ in range(rounds):
        started = time.process_time()
        await work()
        spent.append((time.process_time() - started) * 1000)
    return statistics.median(spent)


def bare(identity: Identity, data: bytes, media_type: str, claim: Claim) -> bytes:
    """c2pa as it comes, with the same manifest and settings."""
    out = io.BytesIO()
    info = c2pa.C2paSignerInfo(identity.algorithm, identity.chain.encode(), identity.key.encode(), None)
    with (
        c2pa.Context.from_json(json.dumps(SETTINGS)) as context,
        c2pa.Builder(claim_manifest(claim, generator="Platemark", version="1"), context=context) as builder,
        c2pa.Signer.from_info(info) as signer,
    ):
        for number, each in enumerate(claim.ingredients):
            definition = json.dumps(ingredient_definition(each, number))
            builder.add_ingredient(definition, each.media_type, io.BytesIO(each.data or b""))  # pyright: ignore[reportUnknownMemberType]
        builder.sign(signer, media_type, io.BytesIO(data), out)
    return out.getvalue()


def picture(side: int, format: str) -> bytes:
    """Waves with some noise: it compresses about as a photograph does."""
    y, x = np.mgrid[0:side, 0:side] / 40
    waves = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1) * 90 + 128
    noise = np.random.default_rng(1).normal(0, 6, waves.shape)
    out = io.BytesIO()
    Image.fromarray((waves + noise).clip(0, 255).astype(np.uint8)).save(out, format)
    return out.getvalue()


if __name__ == "__main__":
    main()
