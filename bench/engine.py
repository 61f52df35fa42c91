"""The engine against a bare diffusers script, in one run: one picture, eight mixed requests, LoRAs, caches, memory.

    python bench/engine.py [--full] [--rounds 7] [--steps 12] [--threads N] [--only single,mixed,lora,words,memory]
    python bench/engine.py --gpu [--full] [--model sdxl|sd35-large] [--size 1024] [--steps 30] [--folder DIR]

All sides keep the same model loaded in a process of their own and draw in turn, so that whatever else the machine does
falls on all; compare the ratios. `--full` adds the whole product to the single picture: HTTP, screening, durable job,
seal, store, inspection, record; its goals are 1.15 times the bare script on a CPU and 1.08 on a GPU. Above the size at
which a model draws, the bare script enlarges with Lanczos, and the engine with the enlarger of the model. `--gpu` makes
a model with random weights in the size of a real one (`--tiny` a small one, to try the path); the goals there are
1.47 s for SDXL and a batch of 1.3 times the throughput.
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import anyio
import anyio.to_thread

from platemark.core.generation import LoraUse, Parameters
from platemark.core.updates import Answered, Order, Picture
from platemark.engine.engine import Engine
from platemark.engine.models.folder import POCKET, Folder, capabilities, read_folder

PROMPTS = (
    "a red house in a green meadow at sunset",
    "a yellow star at night",
    "a blue fish at sea",
    "an orange cat on a beach",
    "a green tree in the snow",
    "a red car in the city",
    "a purple balloon on a white background",
    "a pink flower on a yellow background",
)
WARM_UP = 2
Way = Callable[[int], Coroutine[Any, Any, object]]


@dataclass(frozen=True)
class Setting:
    """What all ways have in common. `size` in pixels a side; `drawn`: at which the model draws."""

    folder: Folder
    size: int
    steps: int
    guidance: float
    threads: int
    rounds: int
    full: bool

    @property
    def drawn(self) -> int:
        return min(self.size, capabilities(self.folder).native_size or self.size)

    @property
    def name(self) -> str:
        return f"local/{self.folder.path.name}"

    def order(self, seed: int, prompt: str, loras: Sequence[str] = ()) -> Order:
        parameters = Parameters(
            width=self.size,
            height=self.size,
            steps=self.steps,
            cfg_scale=self.guidance,
            seed=seed,
            n=1,
            loras=tuple(LoraUse(id=id) for id in loras),
        )
        return Order(self.name, "text_to_image", prompt, None, parameters, (seed,), "bench")


async def in_turn(ways: Mapping[str, Way], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round; the order of the ways changes from round to round."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round in range(-WARM_UP, rounds):
        for name, way in list(ways.items())[:: 1 if round % 2 else -1]:
            began = time.perf_counter()
            await way(round + WARM_UP)
            if round >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def report(title: str, seconds: Mapping[str, Sequence[float]], goal: str = "") -> None:
    """Medians, and the median of each round's ratio to the first way."""
    base = next(iter(seconds.values()))
    print(f"\n{title}{f'   (goal: {goal})' if goal else ''}")
    for name, taken in seconds.items():
        ratio = statistics.median(mine / other for mine, other in zip(taken, base, strict=True))
        spread = f"{min(taken):.3f}–{max(taken):.3f}"
        print(f"  {name:34}{statistics.median(taken):9.3f} s  {spread:>15}   × {ratio:.3f} time, {1 / ratio:.2f} speed")


class Bare:
    """A diffusers script in a process of its own: draws what it is told, one call a line."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def open(cls, setting: Setting) -> AsyncGenerator["Bare"]:
        environment = os.environ | {"OMP_NUM_THREADS": str(setting.threads), "OMP_WAIT_POLICY": "PASSIVE"}
        command = [sys.executable, "-W", "ignore", __file__, "--bare", str(setting.folder.path)]
        start = partial(subprocess.Popen[bytes], command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = await anyio.to_thread.run_sync(partial(start, stderr=subprocess.DEVNULL, env=environment))
        try:
            yield cls(process)
        finally:
            process.kill()

    async def draw(self, setting: Setting, seeds: Sequence[int], prompts: Sequence[str]) -> None:
        """One call of the pipeline with these prompts."""
        sizes = {"size": setting.size, "drawn": setting.drawn}
        line = {"seeds": list(seeds), "prompts": list(prompts), "steps": setting.steps, **sizes}
        await anyio.to_thread.run_sync(self._ask, line | {"guidance": setting.guidance})

    def _ask(self, line: dict[str, Any]) -> None:
        asked, answered = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        asked.write(json.dumps(line).encode() + b"\n")
        asked.flush()
        if not answered.readline():
            raise SystemExit("the bare script failed; run it alone: python bench/engine.py --bare FOLDER")


def run_bare(path: Path) -> None:
    """What somebody would write who has only diffusers."""
    import diffusers
    import torch
    from PIL import Image

    folder = read_folder(path)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    quick = torch.cuda.is_available() or getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    lib: Any = diffusers
    pipeline = getattr(lib, folder.family.pipeline).from_pretrained(
        str(path),
        dtype=torch.bfloat16 if quick else torch.float32,
        local_files_only=True,
        **dict.fromkeys(folder.absent),
    )
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    pipeline.set_progress_bar_config(disable=True)
    rescale = {"guidance_rescale": folder.declared.guidance_rescale} if folder.family.denoiser == "unet" else {}
    for text in sys.stdin:
        line = json.loads(text)
        pictures = pipeline(
            line["prompts"],
            num_inference_steps=line["steps"],
            guidance_scale=line["guidance"],
            width=line["drawn"],
            height=line["drawn"],
            generator=[torch.Generator().manual_seed(seed) for seed in line["seeds"]],
            **rescale,
        ).images
        for picture in pictures:
            if line["size"] > line["drawn"]:
                picture = picture.resize((line["size"], line["size"]), Image.Resampling.LANCZOS)
            picture.save(io.BytesIO(), "PNG")
        print("drawn", flush=True)


@dataclass
class Drawer:
    """The engine through `Engine.draw`, and what it last said about itself."""

    engine: Engine
    setting: Setting
    facts: Mapping[str, Any]

    async def one(self, seed: int, prompt: str = PROMPTS[0], loras: Sequence[str] = ()) -> None:
        pictures = 0
        async for update in self.engine.draw(self.setting.order(seed, prompt, loras)):
            pictures += isinstance(update, Picture)
            if isinstance(update, Answered):
                self.facts = update.response
        if pictures != 1:
            raise SystemExit("the engine gave no picture")

    async def together(self, seed: int) -> None:
        """Eight requests at the same moment."""
        async with anyio.create_task_group() as group:
            for number, prompt in enumerate(PROMPTS):
                group.start_soon(self.one, seed * len(PROMPTS) + number, prompt)


async def single(setting: Setting, bare: Bare, drawer: Drawer) -> None:
    ways: dict[str, Way] = {
        "bare script": lambda seed: bare.draw(setting, [seed], PROMPTS[:1]),
        "engine": lambda seed: drawer.one(seed),
    }
    goal = "engine ≤ 1.03 time"
    async with AsyncExitStack() as stack:
        if setting.full:
            ways["whole product"] = await stack.enter_async_context(product(setting))
            goal += ", product ≤ 1.15, on a GPU ≤ 1.08"
        report("One picture", await in_turn(ways, setting.rounds), goal)


async def mixed(setting: Setting, bare: Bare, drawer: Drawer) -> None:
    async def one_by_one(seed: int) -> None:
        for number, prompt in enumerate(PROMPTS):
            await bare.draw(setting, [seed * len(PROMPTS) + number], [prompt])

    async def by_hand(seed: int) -> None:
        await bare.draw(setting, [seed * len(PROMPTS) + number for number in range(len(PROMPTS))], PROMPTS)

    ways: dict[str, Way] = {
        "bare script, one by one": one_by_one,
        "engine, eight at the same moment": drawer.together,
        "bare script, one batch by hand": by_hand,
    }
    goal = "engine ≥ 1.3 speed" if drawer.facts.get("device") == "cuda" else "engine ≥ 1.4 speed"
    report("Eight requests with other prompts and seeds", await in_turn(ways, setting.rounds), goal)


async def lora(setting: Setting, bare: Bare, drawer: Drawer) -> None:
    names = sorted(setting.folder.loras)
    if len(names) < 2:
        print("\nLoRAs: this model has fewer than two; not measured")
        return

    async def pair(seed: int, first: Sequence[str], second: Sequence[str]) -> None:
        await drawer.one(seed, loras=first)
        await drawer.one(seed, loras=second)

    ways: dict[str, Way] = {
        "two pictures without": lambda seed: pair(seed, (), ()),
        "two with the same LoRA": lambda seed: pair(seed, names[:1], names[:1]),
        "two, changing the LoRA in between": lambda seed: pair(seed, names[:1], names[1:2]),
    }
    report("What a LoRA costs, and changing it", await in_turn(ways, setting.rounds))


async def words(setting: Setting, bare: Bare, drawer: Drawer) -> None:
    long = ", ".join(PROMPTS * 4)
    one_step = Drawer(drawer.engine, replace(setting, steps=1), {})
    ways: dict[str, Way] = {
        "a prompt that was read before": lambda seed: one_step.one(seed, long),
        "a new prompt": lambda seed: one_step.one(seed, f"{long}, number {seed} {time.monotonic_ns()}"),
    }
    report("One step with a long prompt: what remembering its embeddings saves", await in_turn(ways, setting.rounds))


async def memory(setting: Setting, bare: Bare, drawer: Drawer) -> None:
    print(f"\nMemory: weights on disk {_bytes_on_disk(setting.folder.path) / 2**20:.0f} MiB; ", end="")
    print(f"resident size of the engine's process {_resident(drawer.engine.pid) / 2**20:.0f} MiB, libraries included")


def _bytes_on_disk(folder: Path) -> int:
    parts = [path for path in folder.rglob("*.safetensors") if path.parent.name not in ("loras", "embeddings")]
    return sum(path.stat().st_size for path in parts if "controlnets" not in path.parts)


def _resident(pid: int | None) -> int:
    """Bytes, from the proc file system of Linux; 0 elsewhere."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), 0)


@asynccontextmanager
async def product(setting: Setting) -> AsyncGenerator[Way]:
    """The whole path through a server with this model, and the bytes over HTTP."""
    from platemark.cli.demo import started

    os.environ["PLATEMARK_ENGINE_THREADS"] = str(setting.threads)
    if setting.folder.path != POCKET:
        os.environ["PLATEMARK_MODELS"] = json.dumps({setting.folder.path.name: str(setting.folder.path)})
    with tempfile.TemporaryDirectory() as data, started(Path(data)) as client:

        def whole(seed: int) -> None:
            made = client.generate(
                PROMPTS[0],
                seed=seed,
                model=setting.name,
                cfg_scale=setting.guidance,
                steps=setting.steps,
                width=setting.size,
                height=setting.size,
            )
            made.images[0].read()

        yield partial(anyio.to_thread.run_sync, whole)


SECTIONS = {"single": single, "mixed": mixed, "lora": lora, "words": words, "memory": memory}


async def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        setting = await anyio.to_thread.run_sync(_setting, options, Path(scratch))
        async with AsyncExitStack() as stack:
            bare = await stack.enter_async_context(Bare.open(setting))
            opened = Engine.open({setting.name: setting.folder.path}, threads=setting.threads, warm=setting.name)
            drawer = Drawer(await stack.enter_async_context(opened), setting, {})
            await drawer.one(0)
            _head(setting, drawer.facts)
            for name in options.only.split(","):
                await SECTIONS[name](setting, bare, drawer)


def _head(setting: Setting, facts: Mapping[str, Any]) -> None:
    told = ", ".join(f"{name} {facts[name]}" for name in ("device", "dtype", "threads", "torch", "diffusers"))
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {told}")
    print(f"{setting.folder.path.name}, {setting.size}×{setting.size}, {setting.steps} steps, {setting.rounds} rounds")


def _setting(options: argparse.Namespace, scratch: Path) -> Setting:
    if options.gpu:
        from _random_models import build

        path = build(options.model, (options.folder or scratch) / options.model, tiny=options.tiny)
    else:
        path = POCKET
    folder = read_folder(path)
    size, steps = (options.size or (1024 if options.gpu else 128)), (options.steps or (30 if options.gpu else 12))
    guidance = 5.0 if options.gpu else folder.declared.cfg_scale or 4.0
    return Setting(folder, size, steps, guidance, options.threads, options.rounds, options.full)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=cores)
    parser.add_argument("--only", default=",".join(SECTIONS), help="comma-separated: " + ", ".join(SECTIONS))
    parser.add_argument("--gpu", action="store_true", help="random weights in the size of a real model")
    parser.add_argument("--model", default="sdxl", choices=("sdxl", "sd35-large"))
    parser.add_argument("--tiny", action="store_true", help="with --gpu: a very small model of that class")
    parser.add_argument("--folder", type=Path, help="with --gpu: keep the random model here")
    parser.add_argument("--full", action="store_true", help="also one picture through the whole product")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        run_bare(options.bare)
    else:
        anyio.run(main, options)
