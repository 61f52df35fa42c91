"""What our server costs for each picture of a hosted provider, beside LiteLLM's proxy on the same stub.

    python bench/providers.py [--images 40] [--rounds 4] [--at-once 1] [--profile standard] [--litellm FOLDER]
                                [--without-litellm]

The stub speaks OpenAI's images API: after a fixed delay it answers with a real PNG of 1.5 MB in base64. It is called
directly, through `POST /v1/generate`, and through LiteLLM's proxy, by turns in one run. Measured for each: CPU of the
server's processes, and how much later the answer comes than from the stub itself. The client takes base64 from both.
`--images 2000 --at-once 2` shows whether memory stays flat.

Profiles, both unless one is named: `standard`, in which each picture is decoded, screened, sealed, stored, inspected
and recorded, and `pass_through`, in which it is stored and recorded; the proxy does none of it. Each has a project of
the same server with a key of its own, so the server's memory is that of both.

LiteLLM (MIT) is installed from the package index into a folder of its own: a temporary one, or FOLDER, which is kept
for the next run. Its `proxy` extra brings `litellm-enterprise`, which is proprietary and is taken out again at once.
"""

import argparse
import asyncio
import base64
import io
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy
import psutil
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PROMPT = "a red house in a green meadow"
SIDE = 1024
KEY = "sk-bench"
# A server of one's own that speaks OpenAI's dialect: no contract slows it down.
OURS, MODEL = "vllm-omni", "vllm-omni/served"
PROFILES = ("standard", "pass_through")
# Servers finish their books after the answer.
SETTLED_SECONDS = 1.0


@dataclass
class Side:
    """One way to the stub. `seconds`: of each answer; `cpu`: seconds of its processes; `memory`: bytes at marks."""

    name: str
    url: str
    body: Mapping[str, object]
    headers: dict[str, str] = field(default_factory=dict[str, str])
    process: psutil.Process | None = None
    ours: bool = False
    seconds: list[float] = field(default_factory=list[float])
    cpu: float = 0.0
    memory: list[int] = field(default_factory=list[int])

    def used(self) -> float:
        """CPU seconds so far of the process and of all that it started."""
        total = 0.0
        for each in self._tree():
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
        return total

    def held(self) -> int:
        """Bytes in memory; pages that its processes share are counted once."""
        return sum(each.memory_full_info().pss for each in self._tree())

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)] if self.process else []


def picture() -> bytes:
    """A PNG of 1.5 MB: a gradient with the noise of a camera."""
    random = numpy.random.default_rng(1)
    across, down = numpy.meshgrid(numpy.linspace(0, 200, SIDE), numpy.linspace(0, 200, SIDE))
    plain = numpy.stack([across, down, (across + down) / 2], axis=2) + 20
    noisy = (plain + random.normal(0, 2.35, plain.shape)).clip(0, 255).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "PNG")
    return file.getvalue()


def stub(delay: float) -> Starlette:
    """The vendor, with the same picture for everybody."""
    text = base64.b64encode(picture()).decode()
    body = json.dumps({"created": 1_767_000_000, "data": [{"b64_json": text}]}).encode()

    async def answer(request: Request) -> Response:
        await request.body()
        await asyncio.sleep(delay)
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/v1/images/generations", answer, methods=["POST"])])


@contextmanager
def started(name: str, command: list[str], folder: Path, url: str, **environment: str) -> Generator[psutil.Process]:
    """A server, once it answers at `url`; ended with the block."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environment}, cwd=folder)
    try:
        end = time.monotonic() + 120
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{name} did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).status_code < 500
    except httpx2.HTTPError:
        return False


def litellm_in(folder: Path) -> Path:
    """The proxy's program, installed there unless it is already. Ends the run with a clear message where it cannot."""
    program, python = folder / "bin" / "litellm", folder / "bin" / "python"
    if program.exists():
        return program
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    remove = [uv, "pip", "uninstall", "--python", str(python)] if uv else [str(python), "-m", "pip", "uninstall", "-y"]
    make = [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    links = os.environ.get("PIP_FIND_LINKS", "")
    print("installing litellm[proxy] (only for this measurement) ...", flush=True)
    for command in ([*make, str(folder)], [*install, "litellm[proxy]"], [*remove, "litellm-enterprise"]):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "UV_FIND_LINKS": links}
        )
        if done.returncode:
            sys.exit(
                f"litellm[proxy] cannot be installed: {done.stderr.strip()[-1000:]}\n"
                "Look at the package index, or measure our side alone with --without-litellm."
            )
    return program


@contextmanager
def proxy(folder: Path, venv: Path, vendor: str) -> Generator[Side]:
    """LiteLLM's proxy with one worker, without a database, quiet, and with a key as everybody runs it."""
    config = {
        "model_list": [
            {
                "model_name": "stub",
                "litellm_params": {"model": "openai/dall-e-3", "api_base": f"{vendor}/v1", "api_key": KEY},
            }
        ],
        "litellm_settings": {"telemetry": False},
    }
    file = folder / "litellm.yaml"
    file.write_text(json.dumps(config))
    key, port = f"sk-{secrets.token_hex(24)}", _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(litellm_in(venv)), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": key}
    with started("litellm", [*command, "--num_workers", "1"], folder, f"{url}/health/liveliness", **quiet) as process:
        body = {"model": "stub", "prompt": PROMPT, "n": 1, "size": f"{SIDE}x{SIDE}", "response_format": "b64_json"}
        headers = {"Authorization": f"Bearer {key}"}
        yield Side("LiteLLM", f"{url}/v1/images/generations", body, headers, process)


@contextmanager
def ours(folder: Path, vendor: str, profiles: Sequence[str]) -> Generator[list[Side]]:
    """Our server on SQLite and a directory, as `platemark serve` starts it; a side for each profile."""
    key, port = secrets.token_hex(24), _free_port()
    url = f"http://127.0.0.1:{port}"
    said = {
        "PLATEMARK_DATA": str(folder / "data"),
        "PLATEMARK_PORT": str(port),
        "PLATEMARK_ADMIN_KEY": key,
        "PLATEMARK_PROVIDERS": json.dumps([OURS]),
        "PLATEMARK_HOSTED": json.dumps({OURS: {"keys": ["env:BENCH_KEY"], "base_url": vendor}}),
        "PLATEMARK_DEFAULT_MODEL": MODEL,
        "PLATEMARK_ALIASES": "{}",
        "PLATEMARK_RATE_PER_MINUTE": "100000",
        "PLATEMARK_RATE_BURST": "100000",
        "PLATEMARK_LOG_LEVEL": "error",
        "BENCH_KEY": KEY,
    }
    with started("platemark", [sys.executable, "-m", "platemark", "serve"], folder, f"{url}/readyz", **said) as process:
        yield [_side_of(url, key, process, profile) for profile in profiles]


def _side_of(url: str, admin_key: str, process: psutil.Process, profile: str) -> Side:
    """A new project with this profile."""
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {admin_key}"}, trust_env=False) as http:
        project = http.post("/v1/projects", json={"name": profile, "profile": profile}).json()
        key = http.post("/v1/keys", json={"name": "bench", "project": project["id"]}).json()["secret"]
    body = {"prompt": PROMPT, "width": SIDE, "height": SIDE, "response_format": "b64_json"}
    return Side(profile, f"{url}/v1/generate", body, {"Authorization": f"Bearer {key}"}, process, ours=True)


@contextmanager
def vendor_on(folder: Path, delay: float) -> Generator[Side]:
    """The stub in a process of its own."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, str(Path(__file__).resolve()), "--stub", str(port), "--delay", str(delay)]
    with started("stub", command, folder, f"{url}/") as process:
        yield Side("the stub itself", f"{url}/v1/images/generations", {"prompt": PROMPT}, {}, process)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def turn(side: Side, images: int, at_once: int, *, counted: bool = True) -> None:
    """So many pictures through one side; CPU and times are noted unless it is a warm-up."""
    before, left, took = side.used(), iter(range(images)), list[float]()
    async with httpx2.AsyncClient(timeout=120, trust_env=False) as http, asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(_ask(http, side, left, took))
    await asyncio.sleep(SETTLED_SECONDS)
    if counted:
        side.cpu += side.used() - before
        side.seconds += took


async def _ask(http: httpx2.AsyncClient, side: Side, left: Iterator[int], took: list[float]) -> None:
    for _ in left:
        start = time.perf_counter()
        answer = await http.post(side.url, json=side.body, headers=side.headers)
        took.append(time.perf_counter() - start)
        if answer.status_code != 200 or len(answer.content) < 1_500_000:
            sys.exit(f"{side.name} answered {answer.status_code}: {answer.text[:1000]}")


async def measure(sides: list[Side], images: int, rounds: int, at_once: int) -> None:
    """All sides by turns, so that whatever else the machine does falls on all of them."""
    for side in sides:
        await turn(side, max(5, 2 * at_once), at_once, counted=False)
        side.memory.append(side.held())
    each = max(at_once, images // rounds)
    for number in range(rounds):
        for side in sides:
            # The stub is only there to be subtracted.
            await turn(side, min(each, 25) if side is sides[0] else each, at_once)
            if number in (rounds // 2 - 1, rounds - 1):
                side.memory.append(side.held())
        print(f"  {(number + 1) * each} of {rounds * each} pictures", flush=True)


def tell(sides: list[Side], at_once: int, delay: float) -> None:
    """The table, with ratios to LiteLLM where it was measured."""
    direct, *servers = sides
    base = statistics.median(direct.seconds)
    print(f"\n{len(picture()):,} bytes of PNG, {at_once} at once, {os.cpu_count()} cores; adapter {OURS}")
    print(f"the stub waits {delay * 1000:.0f} ms and answers in {base * 1000:.0f} ms (median)")
    heads = (("images", 8), ("CPU ms each", 13), ("later p50 ms", 14), ("p95 ms", 9), ("MB at start", 13))
    print(" " * 13 + "".join(f"{head:>{width}}" for head, width in (*heads, ("middle", 8), ("end", 8))))
    for side in servers:
        late = sorted((seconds - base) * 1000 for seconds in side.seconds)
        memory = "".join(f"{held / 1e6:>{width}.0f}" for held, width in zip(side.memory, (13, 8, 8), strict=False))
        cpu = side.cpu / len(late) * 1000
        print(
            f"{side.name:<13}{len(late):>8}{cpu:>13.1f}{statistics.median(late):>14.1f}"
            f"{late[int(len(late) * 0.95)]:>9.1f}{memory}"
        )
    theirs = next((side for side in servers if not side.ours), None)
    for mine in (side for side in servers if side.ours):
        if theirs is None:
            break
        cpu = (mine.cpu / len(mine.seconds)) / (theirs.cpu / len(theirs.seconds))
        late = (statistics.median(mine.seconds) - base) / (statistics.median(theirs.seconds) - base)
        print(f"{mine.name} by LiteLLM: CPU {cpu:.2f}, added latency {late:.2f}")
    for side in servers:
        print(f"{side.name}: memory at the end by memory in the middle {side.memory[-1] / side.memory[-2]:.3f}")


def main(given: argparse.Namespace) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="platemark-bench-")))
        direct = stack.enter_context(vendor_on(folder, given.delay))
        vendor = direct.url.removesuffix("/v1/images/generations")
        profiles = [given.profile] if given.profile else PROFILES
        sides = [direct, *stack.enter_context(ours(folder, vendor, profiles))]
        if not given.without_litellm:
            sides.append(stack.enter_context(proxy(folder, given.litellm or folder / "litellm", vendor)))
        asyncio.run(measure(sides, given.images, given.rounds, given.at_once))
        tell(sides, given.at_once, given.delay)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=40, help="pictures through each side")
    parser.add_argument("--rounds", type=int, default=4, help="turns in which they are made")
    parser.add_argument("--at-once", type=int, default=1, help="calls under way at a time")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds that the stub waits")
    parser.add_argument("--profile", choices=PROFILES, help="of ours, this one alone")
    parser.add_argument("--litellm", type=Path, help="folder of its installation, kept for the next run")
    parser.add_argument("--without-litellm", action="store_true", help="measure our side alone")
    parser.add_argument("--stub", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stub:
        uvicorn.run(stub(arguments.delay), port=arguments.stub, log_level="error")
    else:
        main(arguments)
