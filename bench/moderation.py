"""CPU time of moderation beside the bare libraries it is made of: a picture, a prompt, a decision of the policy.

    python bench/moderation.py [--rounds 15]

Ours and the bare calls take turns in one run on the same input, and the median of each is taken; process time, so that
a busy machine does not count. A picture is measured in a worker process, with what the server's own process spends on
sending it there. Weights that were not pulled are said to be missing, and their table is left out.
"""

import argparse
import io
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import anyio
import cel
import numpy
from PIL import Image

from platemark.core.moderation import Signal
from platemark.core.ports import Circumstances
from platemark.detectors.bank import read_bank
from platemark.detectors.image_safety import ImageSafety
from platemark.detectors.networks import Networks
from platemark.detectors.onnx import Weights
from platemark.detectors.pieces import pieces_of
from platemark.detectors.pool import Pool, open_pool
from platemark.policy.builtin import default_bundle, load_policy, open_policy
from platemark.policy.lattice import LatticePolicy
from platemark.settings import Settings
from platemark.wiring import image_networks, open_text_detectors, sentence_model

BOUNDS = {"max_bytes": 64 * 1024 * 1024, "max_pixels": 64_000_000}
PROMPTS = (
    "a red house in a green meadow at sunset",
    "portrait of an elderly fisherman mending nets, oil on canvas, warm light, 1890s",
    "isometric illustration of a small harbour town with boats, cranes and a lighthouse, flat colours, no people",
)
DECISIONS = 2_000
# Goals of the project, for the last column.
MOST, LEAST_DECISIONS = 1.2, 15_000


@dataclass(frozen=True)
class Row:
    """CPU milliseconds of one unit of work, medians over the rounds."""

    name: str
    ours: float
    bare: float

    def __str__(self) -> str:
        return f"{self.name:<34} {self.ours:9.2f} {self.bare:9.2f} {self.ours / self.bare:8.2f} x"


def picture(side: int) -> bytes:
    """Noise of several grains: as much detail as a photograph has, and as slow to decode."""
    fine = Image.effect_noise((side, side), 30)
    coarse = Image.effect_noise((side // 16, side // 16), 90).resize((side, side))
    out = io.BytesIO()
    Image.merge("RGB", (fine, coarse, Image.blend(fine, coarse, 0.5))).save(out, "PNG", compress_level=2)
    return out.getvalue()


def bare_session(weights: Weights) -> Any:
    library: Any = import_module("onnxruntime")
    options = library.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return library.InferenceSession(str(weights.path), options)


def bare_look(data: bytes, first: Any, second: Any, views: int) -> None:
    """What has to be done at least: decode, and for each view two resizes and two runs."""
    whole = Image.open(io.BytesIO(data)).convert("RGB")
    for view in [whole, *(whole.crop((0, 0, whole.width * 3 // 5, whole.height * 3 // 5)),) * (views - 1)]:
        levels = numpy.asarray(view.resize((224, 224), Image.Resampling.LANCZOS), dtype=numpy.float32)
        first.run(None, {"image": levels.transpose(2, 0, 1)[None]})
        again, small = io.BytesIO(), view.resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
        small.save(again, "JPEG")
        second.run(None, {"input:0": numpy.asarray(Image.open(again), dtype=numpy.float32)[None, :, :, ::-1]})


def spent(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


async def spent_by_both(pool: Pool, work: Callable[[], Awaitable[object]]) -> float:
    """CPU milliseconds of this process and of the pool's one worker."""
    worker, here = await pool.run(time.process_time), time.process_time()
    await work()
    here = time.process_time() - here
    return (here + await pool.run(time.process_time) - worker) * 1000


async def pictures(networks: Networks, rounds: int) -> list[Row]:
    first, second = bare_session(networks.classifier), bare_session(networks.open_nsfw)
    rows: list[Row] = []
    async with open_pool(1) as pool:
        detector = ImageSafety.in_pool(pool, networks, **BOUNDS)
        for side, views in ((128, 1), (512, 1), (1024, 1), (1536, 5)):
            data = picture(side)
            if not all(signal.evaluated for signal in await detector.look(data)):
                raise SystemExit("the detector could not look; see: platemark doctor")
            bare_look(data, first, second, views)
            ours, bare = list[float](), list[float]()
            for _ in range(rounds):
                ours.append(await spent_by_both(pool, lambda data=data: detector.look(data)))
                bare.append(spent(lambda data=data, views=views: bare_look(data, first, second, views)))
            name = f"picture {side} x {side}, {views} view{'s' * (views > 1)}"
            rows.append(Row(name, statistics.median(ours), statistics.median(bare)))
    return rows


async def prompts(settings: Settings, rounds: int) -> list[Row]:
    """All detectors of text, against the tokenizer and the network on the same pieces of the same prompt."""
    tokenizers: Any = import_module("tokenizers")
    model = sentence_model(settings)
    detectors = open_text_detectors(settings)
    session, cutter = bare_session(model.network), tokenizers.Tokenizer.from_file(str(model.tokenizer.path))
    cutter.no_padding()

    def bare(texts: list[str]) -> None:
        for text in texts:
            ids = numpy.array([cutter.encode(text).ids], dtype=numpy.int64)
            ones, zeros = numpy.ones_like(ids), numpy.zeros_like(ids)
            session.run(None, {"input_ids": ids, "attention_mask": ones, "token_type_ids": zeros})

    async def ours(text: str) -> float:
        began = time.process_time()
        for detector in detectors:
            await detector.look({"prompt": text})
        return (time.process_time() - began) * 1000

    rows: list[Row] = []
    for text in PROMPTS:
        pieces = [piece.text for piece in pieces_of(text)]
        await ours(text)
        bare(pieces)
        both = [(await ours(text), spent(lambda pieces=pieces: bare(pieces))) for _ in range(rounds)]
        name = f"prompt of {len(text.split())} words, {len(pieces)} piece{'s' * (len(pieces) > 1)}"
        rows.append(Row(name, *map(statistics.median, zip(*both, strict=True))))
    return rows


def thirty_conditions() -> list[str]:
    """One for each of six audiences, five roles: what a large bundle of conditions looks like."""
    codes = ("VIOLENCE", "HATE", "GORE", "SEXUAL_EXPLICIT", "SELF_HARM")
    return [
        f'audience == "audience-{place}" && role == "{role}" && scores.{code} >= 0.{place + 3}'
        for place in range(6)
        for role, code in zip(("reader", "editor", "author", "guest", "admin"), codes, strict=True)
    ]


def bundle_of(conditions: list[str]) -> str:
    rules = "".join(
        f"  - id: rule-{number}\n    when: {text}\n    decision: review\n    reason_code: VIOLENCE\n"
        for number, text in enumerate(conditions)
    )
    return f'version: "1"\nrules:\n{rules}'


def looked() -> list[Signal]:
    """What the detectors say of a harmless picture and its prompt."""
    found = {"lexicon": "none", "prompt_examples": "none", "hash_list": "none", "blankness": "PROVIDER_OUTPUT_DEGRADED"}
    plain = [Signal(detector=name, version="1", category=code, score=0.0) for name, code in found.items()]
    return plain + [
        Signal(detector=name, version="1", category=code, score=0.03)
        for name in ("image_safety", "image_safety.classifier")
        for code in ("SEXUAL_EXPLICIT", "GORE")
    ]


def policies(rounds: int) -> Iterator[str]:
    conditions, signals = thirty_conditions(), looked()
    where = Circumstances(stage="after_response", audience="audience-1", role="editor")
    programs = [cel.compile(text) for text in conditions]
    names: Mapping[str, Any] = {
        "audience": "audience-1",
        "role": "editor",
        "scores": {signal.category: signal.score for signal in signals} | dict.fromkeys(_codes(conditions), 0.0),
    }

    def bare() -> None:
        context = cel.Context(variables=dict(names))
        for program in programs:
            program.execute(context)

    def decide(policy: LatticePolicy) -> Callable[[], object]:
        return lambda: policy.rule(signals, where)

    works: dict[str, Callable[[], object]] = {
        "bare CEL: 30 conditions": bare,
        f"the built-in bundle: {len(default_bundle().rules)} rules": decide(load_policy()),
        "a bundle of 30 conditions": decide(open_policy(bundle_of(conditions), where="bench")),
    }
    rates = {name: list[float]() for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            rates[name].append(DECISIONS / max(spent(lambda work=work: [work() for _ in range(DECISIONS)]), 0.1) * 1000)
    bare_rate = statistics.median(rates["bare CEL: 30 conditions"])
    for name, found in rates.items():
        rate = statistics.median(found)
        yield f"{name:<34} {rate:12,.0f} a CPU second {rate / bare_rate:8.2f} x bare"


def _codes(conditions: list[str]) -> set[str]:
    return {text.split("scores.")[1].split(" ")[0] for text in conditions}


def _there(*files: Weights) -> bool:
    missing = [one.name for one in files if not one.path.exists()]
    if missing:
        print(f"left out, as weights are missing: platemark models pull {' '.join(missing)}")
    return not missing


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    settings = Settings()
    networks, model = image_networks(settings.cache), sentence_model(settings)
    print(f"CPU milliseconds                        ours      bare    ratio (goal: at most {MOST} x)")
    if _there(networks.classifier, networks.open_nsfw):
        for row in await pictures(networks, rounds):
            print(row)
    if _there(model.network, model.tokenizer):
        print(f"bank of {len(read_bank().codes)} examples")
        for row in await prompts(settings, rounds):
            print(row)
    print(f"decisions of a policy (goal: at least {LEAST_DECISIONS:,} a CPU second)")
    for line in policies(max(3, rounds // 3)):
        print(line)


if __name__ == "__main__":
    anyio.run(main)
