"""Damaged files through all that `platemark verify` reads, but for the learned classifier: crashes, hangs, memory.

    OMP_NUM_THREADS=1 python bench/fuzz_verify.py [--files 2000] [--seed 1]

Files of every format that is read, with XMP, EXIF, IPTC, generators' texts, hidden settings and credentials, are
damaged: bits flipped, ends cut off, blocks swapped, doubled or left out, sizes that lie, pieces of others put in. Each
goes twice through a process of its own: straight to the readers of credentials and metadata, whether it can be decoded
or not, and through the command's own reading. A crash is an end of that process, an exception, or an `unexpected`
error; a hang is a file that takes more than five seconds. Memory is the peak of that process.
"""

import argparse
import asyncio
import io
import multiprocessing
import random
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

HANG_SECONDS = 5.0
_START_SECONDS = 120.0
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
_SETTINGS = "a cat\nSteps: 20, Sampler: Euler, Seed: 7, Model: dream"
Damage = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


@dataclass
class Result:
    """What became of the files. `crashed` and `hung` name the files in question."""

    files: int
    answers: Counter[str] = field(default_factory=Counter[str])
    crashed: list[str] = field(default_factory=list[str])
    hung: list[str] = field(default_factory=list[str])
    slowest: float = 0.0
    peak_mib: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Damaged files through the verifier.")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="Folder for the files, which else are deleted afterwards.")
    found = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = fuzz(found.files, found.seed, found.keep or Path(folder))
    print(f"{result.files} files, seed {found.seed}: {len(result.crashed)} crashed, {len(result.hung)} hung")
    print(f"slowest {result.slowest:.2f} s; peak memory {result.peak_mib:.0f} MiB")
    for answer, count in result.answers.most_common():
        print(f"  {count:6} {answer}")
    for name in [*result.crashed, *result.hung]:
        print(f"  look at {name}")
    sys.exit(bool(result.crashed or result.hung))


def fuzz(count: int, seed: int, folder: Path) -> Result:
    """Read `count` damaged files that are written to `folder`; the same seed makes the same damage."""
    folder.mkdir(parents=True, exist_ok=True)
    files = _write(count, random.Random(seed), folder)  # noqa: S311
    result = Result(len(files))
    _straight(files, result)
    _through(files, result)
    return result


def _straight(files: Sequence[Path], result: Result) -> None:
    """To the readers of credentials and metadata. A process that ends or hangs is followed by another for the rest."""
    _watch(_read_straight, files, result)


def _through(files: Sequence[Path], result: Result) -> None:
    _watch(_read_through, files, result)


def _watch(work: Callable[[Connection, list[Path]], None], files: Sequence[Path], result: Result) -> None:
    left = list(files)
    while left:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(target=work, args=(theirs, left), daemon=True)
        process.start()
        theirs.close()
        done = _listen(ours, left, result)
        process.kill()
        process.join()
        left = left[done:]


def _listen(from_child: Connection, files: Sequence[Path], result: Result) -> int:
    """How many files are done with, the one at which it ended or hung among them."""
    began = time.monotonic()
    for number, file in enumerate(files):
        limit = HANG_SECONDS if number else _START_SECONDS
        if not from_child.poll(limit):
            result.hung.append(file.name)
            return number + 1
        try:
            answer, seconds, peak = from_child.recv()
        except EOFError:
            result.crashed.append(file.name)
            return number + 1
        now = time.monotonic()
        result.slowest = max(result.slowest, seconds if seconds is not None else now - began if number else 0.0)
        result.peak_mib = max(result.peak_mib, peak)
        result.answers[answer] += 1
        if "unexpected" in answer or "raised" in answer:
            result.crashed.append(f"{file.name} ({answer})")
        began = now
    return len(files)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _read_straight(told: Connection, files: list[Path]) -> None:
    from platemark.imaging.header import sniff
    from platemark.provenance.certificates import development_identity
    from platemark.provenance.credential import Credential

    async def read() -> None:
        with tempfile.TemporaryDirectory() as folder:
            credential = Credential(development_identity(Path(folder), datetime.now(UTC)))
        for file in files:
            data, began = file.read_bytes(), time.monotonic()
            try:
                kind = sniff(data)
                found = await credential.read(data, kind if kind in _SUFFIXES else "image/png")
                answer = f"credential {found[0].status}, metadata {found[1].status}"
            except Exception as error:
                answer = f"readers raised {type(error).__name__}"
            told.send((answer, time.monotonic() - began, _peak()))

    asyncio.run(read())


def _read_through(told: Connection, files: list[Path]) -> None:
    from platemark.cli.reading import Wanted, read
    from platemark.flows.evidence import Choice

    def tell(_: Path, answer: dict[str, Any]) -> None:
        error = answer.get("error")
        told.send((f"verify: {error['code'] if error else answer['verdict']}", None, _peak()))

    read(files, Wanted(choice=Choice(without=frozenset({"learned"}))), tell)


def _write(count: int, rng: random.Random, folder: Path) -> list[Path]:
    sources = _sources()
    files: list[Path] = []
    for number in range(count):
        media_type, data = sources[number % len(sources)]
        others = [other for _, other in sources]
        damage = _DAMAGES[(number // len(sources)) % len(_DAMAGES)]
        for _ in range(rng.choice((1, 1, 2))):
            data = damage(rng, data, others)
        file = folder / f"{number:05}-{damage.__name__.strip('_')}{_SUFFIXES[media_type]}"
        file.write_bytes(data)
        files.append(file)
    return files


def _sources() -> list[tuple[str, bytes]]:
    """Whole files of every format, bare and with everything that can travel in them, signed and not."""
    from platemark.core.ports import Claim
    from platemark.provenance.certificates import development_identity
    from platemark.provenance.credential import Credential
    from platemark.provenance.metadata import write_xmp
    from platemark.provenance.sources import IPTC

    rng = np.random.default_rng(1)
    plain = Image.fromarray(rng.integers(0, 256, (96, 120, 3), dtype=np.uint8))
    alpha = plain.convert("RGBA")
    alpha.putalpha(_hidden(alpha.size))
    exif = Image.Exif()
    exif[0x010F], exif[0x0131] = "prompt:{}", "Midjourney"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + _SETTINGS.encode()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", _SETTINGS, zip=True)
    texts.add_itxt("workflow", "{}", zip=True)
    profile = rng.bytes(600)
    made = [
        ("image/png", _encoded(plain, "PNG")),
        ("image/png", _encoded(alpha, "PNG", pnginfo=texts, exif=exif, icc_profile=profile)),
        ("image/png", _encoded(plain.convert("P"), "PNG", transparency=3)),
        ("image/jpeg", _encoded(plain, "JPEG", exif=exif, icc_profile=profile, comment=b"words")),
        ("image/jpeg", _encoded(plain, "JPEG", progressive=True)),
        ("image/webp", _encoded(plain, "WEBP", exif=exif)),
        ("image/webp", _encoded(alpha, "WEBP", lossless=True, exact=True, icc_profile=profile)),
    ]
    source_type = f"{IPTC}trainedAlgorithmicMedia"
    made += [(kind, write_xmp(data, kind, source_type=source_type, tool="tool")) for kind, data in made[1::2]]
    claim = Claim("img", "img", source_type, "fuzz", None, "2026-01-01T00:00:00+00:00")

    async def seal() -> list[tuple[str, bytes]]:
        with tempfile.TemporaryDirectory() as folder:
            credential = Credential(development_identity(Path(folder), datetime.now(UTC)))
        return [(kind, await credential.seal(data, kind, claim)) for kind, data in made[:7]]

    return [*made, *asyncio.run(seal())]


def _hidden(size: tuple[int, int]) -> Image.Image:
    """An alpha plane with settings in its lowest bits."""
    text = _SETTINGS.encode()
    head = b"stealth_pnginfo" + struct.pack(">I", len(text) * 8)
    bits = np.unpackbits(np.frombuffer(head + text, np.uint8))
    plane = np.full(size[0] * size[1], 254, np.uint8)
    plane[: len(bits)] += bits
    return Image.fromarray(plane.reshape(size).T.copy())


def _encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def _flip(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    out = bytearray(data)
    for _again in range(rng.choice((1, 3, 30))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _flip_early(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    out = bytearray(data)
    for _again in range(rng.choice((1, 3, 8))):
        out[rng.randrange(min(len(out), 400))] = rng.randrange(256)
    return bytes(out)


def _cut(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(1, max(2, len(data)))]


def _leave_out(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice((1, 4, 100, 2000)) :] or b"\0"


def _swap(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Blocks in another order, one of them twice."""
    from platemark.core.errors import InvalidImage
    from platemark.imaging.containers import join_blocks, read_blocks
    from platemark.imaging.header import sniff

    kind = sniff(data) or ""
    try:
        raws = [bytes(block.raw) for block in read_blocks(data, kind)[0]]
    except (InvalidImage, KeyError):
        return data[::-1]
    one, other = rng.randrange(len(raws)), rng.randrange(len(raws))
    raws[one], raws[other] = raws[other], raws[one]
    return join_blocks(kind, [*raws[:one], *rng.choice(([], raws[other : other + 1] * 3)), *raws[one:]])


def _lie(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """A size that is not true: one of the numbers of four or two bytes in the file, as likely as not an early one."""
    out, at = bytearray(data), rng.randrange(rng.choice((40, len(data))))
    size = rng.choice((2, 4))
    out[at : at + size] = rng.choice((0, 1, 0x7FFF, 0xFFFF, 15_000)).to_bytes(2, "big") * (size // 2)
    return bytes(out)


def _splice(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A piece of another file in the middle of this one."""
    other = rng.choice(others)
    start, at = rng.randrange(len(other)), rng.randrange(len(data))
    return data[:at] + other[start : start + rng.choice((8, 200, 5000))] + data[at:]


def _manifest(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Damage in or near a credential, an XMP packet or EXIF, where there is one."""
    places = [
        at for mark in (b"jumb", b"cbor", b"x:xmpmeta", b"Exif", b"II*\0", b"MM\0*") if (at := data.find(mark)) > 0
    ]
    at = rng.choice(places or [0]) + rng.randrange(-12, 300)
    out = bytearray(data)
    for place in range(max(at, 0), min(at + rng.choice((1, 4, 16)), len(out))):
        out[place] = rng.randrange(256)
    return bytes(out)


_DAMAGES: tuple[Damage, ...] = (_flip, _flip_early, _cut, _leave_out, _swap, _lie, _splice, _manifest)

if __name__ == "__main__":
    main()
