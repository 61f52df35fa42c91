"""Seconds per picture: a bare diffusers script against the engine, and against the whole product, in one run.

    python bench/picture.py [--rounds 15] [--size 128] [--steps 20] [--threads N] [--full | --url URL --key KEY]

Same model (local/pocket), settings, seeds, threads. Each way keeps its model loaded in a process of its own, and they
draw in turn, so that whatever else this machine does falls on all of them alike. At sizes above 128 the bare script
enlarges with Lanczos, and the engine with the enlarger of the model. Compare the ratios; the product's goal is 1.15.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import anyio.to_thread

from platemark.client import Client
from platemark.core.generation import Parameters
from platemark.core.updates import Order, Picture
from platemark.engine.engine import Engine
from platemark.engine.models.folder import POCKET, read_folder

PROMPT = "a red house in a green meadow at sunset"
GUIDANCE = 2.5
MODEL = "local/pocket"
WARM_UP = 3
Draw = Callable[[int], Awaitable[object]]
"""One way to a picture: draws with a seed and returns when its bytes are in hand."""


async def measure(ways: Mapping[str, Draw], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way and round. In every round all ways draw the same seed, one after another."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round in range(-WARM_UP, rounds):
        for name, draw in ways.items():
            began = time.perf_counter()
            await draw(round + WARM_UP)
            if round >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def report(seconds: Mapping[str, Sequence[float]]) -> None:
    base = next(iter(seconds.values()))
    print(f"{'':14}{'median s':>10}{'fastest s':>11}{'ratio':>8}   (median of the ratios of each round)")
    for name, taken in seconds.items():
        ratio = statistics.median(mine / bare for mine, bare in zip(taken, base, strict=True))
        print(f"{name:14}{statistics.median(taken):10.3f}{min(taken):11.3f}{ratio:8.3f}")


@asynccontextmanager
async def bare(options: argparse.Namespace) -> AsyncGenerator[Draw]:
    """A diffusers script in a process of its own that draws a seed for each line it reads."""
    flags = [f"--{name}={getattr(options, name)}" for name in ("size", "steps", "threads")]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-W", "ignore", __file__, "--bare", *flags]
    process = await anyio.to_thread.run_sync(
        partial(
            subprocess.Popen[bytes],
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    )

    def draw(seed: int) -> None:
        asked, answered = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        asked.write(b"%d\n" % seed)
        asked.flush()
        if not answered.readline():
            raise SystemExit("the bare script failed; run it alone: python bench/picture.py --bare")

    try:
        yield partial(anyio.to_thread.run_sync, draw)
    finally:
        process.kill()


def run_bare(options: argparse.Namespace) -> None:
    """What somebody would write who has only diffusers."""
    import diffusers
    import torch
    from PIL import Image

    torch.set_num_threads(options.threads)
    lib: Any = diffusers
    fast = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    pipeline = lib.StableDiffusionPipeline.from_pretrained(
        str(POCKET), dtype=torch.bfloat16 if fast else torch.float32, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    for line in sys.stdin:
        picture = pipeline(
            PROMPT,
            num_inference_steps=options.steps,
            guidance_scale=GUIDANCE,
            guidance_rescale=read_folder(POCKET).declared.guidance_rescale,
            width=128,
            height=128,
            generator=torch.Generator().manual_seed(int(line)),
        ).images[0]
        if options.size > 128:
            picture = picture.resize((options.size, options.size), Image.Resampling.LANCZOS)
        picture.save(io.BytesIO(), "PNG")
        print(line.strip(), flush=True)


@asynccontextmanager
async def engine(options: argparse.Namespace) -> AsyncGenerator[Draw]:
    """The engine's child process through `Engine.draw`."""
    async with Engine.open({MODEL: POCKET}, threads=options.threads, warm=MODEL) as opened:

        async def draw(seed: int) -> int:
            parameters = Parameters(
                width=options.size, height=options.size, steps=options.steps, cfg_scale=GUIDANCE, seed=seed, n=1
            )
            order = Order(MODEL, "text_to_image", PROMPT, None, parameters, (seed,), "bench")
            return sum([len(update.data) async for update in opened.draw(order) if isinstance(update, Picture)])

        yield draw


@asynccontextmanager
async def product(options: argparse.Namespace) -> AsyncGenerator[Draw]:
    """The whole path through a server: accept, queue, draw, screen, seal, store, inspect, and the bytes over HTTP."""

    with _own_server(options.threads) if options.full else Client(options.url, options.key) as client:

        def draw(seed: int) -> int:
            size = {"width": options.size, "height": options.size}
            made = client.generate(PROMPT, steps=options.steps, cfg_scale=GUIDANCE, seed=seed, model=MODEL, **size)
            return len(made.images[0].read())

        yield partial(anyio.to_thread.run_sync, draw)


@contextmanager
def _own_server(threads: int) -> Generator[Client]:
    from platemark.cli.demo import started

    os.environ["PLATEMARK_ENGINE_THREADS"] = str(threads)
    with tempfile.TemporaryDirectory() as data, started(Path(data)) as client:
        yield client


async def main(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        ways = {"bare script": await stack.enter_async_context(bare(options))}
        ways["engine"] = await stack.enter_async_context(engine(options))
        if options.full or options.url:
            ways["product"] = await stack.enter_async_context(product(options))
        seconds = await measure(ways, options.rounds)
    print(f"{options.size}×{options.size}, {options.steps} steps, {options.threads} threads, {options.rounds} rounds")
    report(seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name, default in (("rounds", 15), ("size", 128), ("steps", 20), ("threads", cores)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--full", action="store_true", help="also through a server that is started for it")
    parser.add_argument("--url", help="also through this server")
    parser.add_argument("--key", help="its API key")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        run_bare(options)
    else:
        anyio.run(main, options)
