"""The registry: which copies and parts it knows again, what it confuses, and what a look costs beside bare libraries.

    PLATEMARK_CORPUS=FOLDER python bench/registry.py [--pictures 120] [--sizes 10000 100000 1000000]

Photographs and generated pictures of the corpus, and drawn ones where it is unset. CPU time of this process, medians,
ours and bare taking turns. No threads but one: OMP_NUM_THREADS=1. `--only NAME` for one of the tables.
"""

import argparse
import io
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pdqhash
from PIL import Image, ImageDraw, ImageOps

from platemark import telemetry
from platemark.core.ids import uuid7_hex
from platemark.core.limits import Limits
from platemark.core.ports import Platform
from platemark.core.registry import RegistryEntry
from platemark.flows.analyze import picture as looked_at
from platemark.flows.cropped import CORE_BITS, CORRELATION, LOW_BITS, LYING, cropped
from platemark.flows.known import Known
from platemark.flows.registry import matches
from platemark.imaging.align import align, likeness, put_back, reduced
from platemark.imaging.decode import remembering
from platemark.imaging.fingerprint import TURNED_MORE, distance, likest, look_of, ways
from platemark.imaging.hashtable import HashTable, Row
from platemark.imaging.parts import Part, core_of, low_of, mirrored_box, mirrored_core, mirrored_low
from platemark.provenance.watermark import SpreadWatermark
from platemark.settings import Settings
from platemark.store.database import Database
from platemark.store.upgrade import upgrade
from platemark.wiring import open_platform

MOST, LEAST = Limits().pdq_max_distance, Limits().pdq_min_quality
Picture = Image.Image
Edit = Callable[[Picture], Picture]


def saved(picture: Picture, format: str, quality: int) -> Picture:
    out = io.BytesIO()
    picture.save(out, format, quality=quality)
    return Image.open(out).convert("RGB")


def scaled(picture: Picture, share: float) -> Picture:
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS)


def cut(*box: float) -> Edit:
    def edit(picture: Picture) -> Picture:
        left, top, right, bottom = box
        width, height = picture.size
        whole = (round(left * width), round(top * height), round(right * width), round(bottom * height))
        return saved(picture.crop(whole), "JPEG", 80)

    return edit


def cut_out(area: float) -> Edit:
    """So much of the picture's area is gone, as much on each side."""
    edge = (1 - (1 - area) ** 0.5) / 2
    return cut(edge, edge, 1 - edge, 1 - edge)


def flip(edit: Edit) -> Edit:
    return lambda picture: saved(ImageOps.mirror(edit(picture)), "JPEG", 80)


def mirrored_too(edits: dict[str, Edit]) -> dict[str, Edit]:
    """Each edit, and what it makes once more left and right exchanged, as JPEG 80."""
    flipped = {f"{name}, mirrored": flip(edit) for name, edit in edits.items()}
    return {name: edit for pair in zip(edits.items(), flipped.items(), strict=True) for name, edit in pair}


def captioned(picture: Picture) -> Picture:
    copy = picture.copy()
    ImageDraw.Draw(copy).rectangle((0, round(0.88 * copy.height), copy.width, copy.height), fill="white")
    return copy


EDITS: dict[str, Edit] = {
    "JPEG 80": lambda picture: saved(picture, "JPEG", 80),
    "JPEG 50": lambda picture: saved(picture, "JPEG", 50),
    "WebP 80": lambda picture: saved(picture, "WEBP", 80),
    "half size": lambda picture: scaled(picture, 0.5),
    "screenshot (.8, JPEG 85)": lambda picture: saved(scaled(picture, 0.8), "JPEG", 85),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "mirrored": ImageOps.mirror,
    "turned by 90, JPEG 80": lambda picture: saved(picture.transpose(Image.Transpose.ROTATE_90), "JPEG", 80),
    "crop 5 % each side": cut(0.05, 0.05, 0.95, 0.95),
    "crop 10 % left": cut(0.1, 0, 1, 1),
    "crop 10 % top": cut(0, 0.1, 1, 1),
    "crop 10 % right": cut(0, 0, 0.9, 1),
    "crop 10 % bottom": cut(0, 0, 1, 0.9),
    "crop 10 % each side": cut(0.1, 0.1, 0.9, 0.9),
    "crop 7 % left, 3 % top": cut(0.07, 0.03, 1, 1),
    "crop 5 % each side, half": lambda picture: scaled(cut(0.05, 0.05, 0.95, 0.95)(picture), 0.5),
    "caption over 12 %": captioned,
    "turned by 5 degrees": lambda picture: picture.rotate(5),
}
CROPS = mirrored_too(
    {
        **{f"{area:.0%} of the area off": cut_out(area) for area in (0.1, 0.2, 0.3, 0.5)},
        **{f"{off:.0%} off the left": cut(off, 0, 1, 1) for off in (0.1, 0.2, 0.3, 0.5)},
        "10 % off each side": cut(0.1, 0.1, 0.9, 0.9),
        "7 % off the left, 3 % off the top": cut(0.07, 0.03, 1, 1),
        "5 % off each side, half size": lambda picture: scaled(cut(0.05, 0.05, 0.95, 0.95)(picture), 0.5),
    }
)
# How to lie upright again, by how a picture lies. The first two are what is looked for (flows/cropped.py).
Lying = Image.Transpose | None
UPRIGHT: dict[Lying, Lying] = {
    None: None,
    Image.Transpose.FLIP_LEFT_RIGHT: Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180: Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM: Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
    Image.Transpose.TRANSPOSE: Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE: Image.Transpose.TRANSVERSE,
}
SOUGHT = tuple(UPRIGHT)[: len(LYING)]


def drawn(count: int) -> Iterator[Picture]:
    rng = np.random.default_rng(1)
    for _ in range(count):
        layers = [rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8) for cells in (4, 16, 64, 512)]
        wide = [np.asarray(Image.fromarray(layer).resize((640, 512)), dtype=np.float32) for layer in layers]
        total = sum(layer / cells for layer, cells in zip(wide, (1, 2, 4, 12), strict=True))
        yield Image.fromarray((255 * (total - np.min(total)) / np.ptp(total)).astype(np.uint8))


def pictures(corpus: str | None, count: int) -> list[Picture]:
    if corpus is None:
        return list(drawn(count))
    found = list[Picture]()
    for folder in ("real", "ai"):
        for file in sorted((Path(corpus) / folder).glob("*"))[: count // 2]:
            picture = Image.open(file).convert("RGBA").convert("RGB")
            picture.thumbnail((1024, 1024))
            found.append(picture)
    return found


def rows_of(known: Sequence[Picture]) -> list[Row]:
    looks = [look_of(picture, parts=True) for picture in known]
    return [
        Row(f"{number:032x}", "prj", True, pdq if quality >= LEAST else None, core)
        for number, (pdq, quality, core) in enumerate(looks)
    ]


def table_of(rows: Sequence[Row]) -> HashTable:
    table = HashTable()
    table.add(rows)
    return table


def lain(picture: Picture, lying: Lying) -> Picture:
    return picture if lying is None else picture.transpose(lying)


def found(
    table: HashTable, known: Sequence[Picture], seen: Picture, sought: Sequence[Lying] = SOUGHT
) -> tuple[int | None, str]:
    """The number of the picture that is answered, and how, by the steps of flows/registry.py."""
    pdq, quality, _ = look_of(seen, parts=False)
    if quality < LEAST:
        return None, "flat"
    rows = [int(id, 16) for id, _ in table.near(ways(pdq), MOST + TURNED_MORE, 40)]
    near = [(fit[0], row) for row in rows if (fit := likest(pdq, look_of(known[row], parts=False)[0], MOST))]
    if near:
        return min(near)[1], "near"
    for lying in sought:
        if (number := part_found(table, known, seen, lying)) is not None:
            return number, "crop"
    return None, "none"


def part_found(table: HashTable, known: Sequence[Picture], seen: Picture, lying: Lying) -> int | None:
    turned = lying is Image.Transpose.FLIP_LEFT_RIGHT
    part = Part.of(seen if turned else lain(seen, lying))
    numbers = [int(id, 16) for id in table.parts(lows_of(part, turned), LOW_BITS, 64)]
    places = part.places([as_lying(core_of(known[number]) or "", turned) for number in numbers])
    likely = sorted((bits, number, box) for number, (box, bits) in zip(numbers, places, strict=True))
    seen = lain(seen, lying)
    for bits, number, place in likely[:3]:
        guess = mirrored_box(place) if turned else place
        box = align(seen, known[number], guess) if bits <= CORE_BITS else None
        if box is not None:
            correlation, far = likeness(seen, known[number], box)
            if correlation >= CORRELATION and far <= MOST:
                return number
    return None


def lows_of(part: Part, turned: bool) -> list[int]:
    return [mirrored_low(low) if turned else low for low in part.lows()]


def as_lying(core: str, turned: bool) -> str:
    return mirrored_core(core) if turned else core


def recall(known: Sequence[Picture], edits: dict[str, Edit], sought: Sequence[Lying] = SOUGHT) -> None:
    table = table_of(rows_of(known))
    flat = sum(look_of(picture, parts=False)[1] < LEAST for picture in known)
    print(f"\n{len(known)} pictures, of which {flat} too flat to be matched; the others:\n")
    print("edit                                         known again         near  crop  taken for another")
    for name, edit in edits.items():
        answers = [found(table, known, edit(picture), sought) for picture in known]
        usable = [(number, answer) for number, answer in enumerate(answers) if answer[1] != "flat"]
        right = [how for number, (one, how) in usable if one == number]
        wrong = sum(one not in (None, number) for number, (one, _) in usable)
        share, ways_found = f"{len(right)} of {len(usable)}", (right.count("near"), right.count("crop"))
        print(f"{name:<43} {share:>12} {len(right) / len(usable):7.1%} {ways_found[0]:5} {ways_found[1]:5} {wrong:6}")


def part_lying(lying: Lying) -> Edit:
    part = cut(0.05, 0.05, 0.95, 0.95)
    return lambda picture: lain(part(picture), lying)


def lying_otherwise(known: Sequence[Picture]) -> None:
    """Parts in all eight ways: what is known again as the registry looks, and were all eight looked for."""
    edits = {(lying.name.lower() if lying is not None else "upright"): part_lying(lying) for lying in UPRIGHT}
    for sought in (SOUGHT, tuple(UPRIGHT.values())):
        print(f"\nparts (5 % off each side) that are looked for in {len(sought)} ways:", end="")
        recall(known, edits, sought)


def confusion(known: Sequence[Picture]) -> None:
    """Every pair of different pictures, and each picture against a table without it."""
    looks = [look_of(picture, parts=True) for picture in known]
    good = [(number, pdq, core) for number, (pdq, quality, core) in enumerate(looks) if quality >= LEAST and core]
    near = [min(distance(way, other[1]) for way in ways(one[1])) for one, other in combinations(good, 2)]
    most = MOST + TURNED_MORE
    print(f"\n{len(near)} pairs of different pictures, eight ways: least PDQ distance {min(near)}", end=", ")
    print(f"{sum(bits <= most for bits in near)} within {most}")
    for turned, name in zip(LYING, ("a part", "a mirrored part"), strict=True):
        cores, lows = list[int](), list[int]()
        for number, _, _ in good:
            part = Part.of(known[number])
            others = [as_lying(core, turned) for other, _, core in good if other != number]
            mine = np.array(part.lows(), dtype=np.uint64)
            lows += [int(np.bitwise_count(mine ^ np.uint64(low_of(core))).min()) for core in others]
            cores += [bits for _, bits in part.places(others)]
        print(f"{len(cores)} looks for {name} in another picture:", end=" ")
        print(f"{np.mean(np.array(lows) <= LOW_BITS):.4%} within {LOW_BITS} of 64 bits", end="; ")
        print(f"least of 256 bits {min(cores)}, {sum(bits <= CORE_BITS for bits in cores)} within {CORE_BITS}")
    mirrored = [(look_of(ImageOps.mirror(known[number]), parts=False)[0], pdq) for number, pdq, _ in good]
    errors = [min(distance(one, way) for way in ways(pdq)) for one, pdq in mirrored]
    print(f"mirrored, from the hash alone: {statistics.median(errors):.0f} bits off, at most {max(errors)}")
    rows = rows_of(known)
    answers = [
        found(table_of([row for row in rows if row is not mine]), known, picture)
        for mine, picture in zip(rows, known, strict=True)
    ]
    wrong = sum(number is not None for number, _ in answers)
    print(f"unknown pictures that were taken for a known one: {wrong} of {len(known)}")


def spent(*work: Callable[[], object], rounds: int = 15) -> list[float]:
    """CPU milliseconds of each, medians."""
    taken: list[list[float]] = [[] for _ in work]
    for _ in range(rounds):
        for one, times in zip(work, taken, strict=True):
            began = time.process_time()
            one()
            times.append((time.process_time() - began) * 1000)
    return [statistics.median(times) for times in taken]


def bare_pdq(picture: Picture) -> object:
    small = picture.convert("RGB")
    small.thumbnail((512, 512), Image.Resampling.BOX)
    library: Any = pdqhash
    return library.compute(np.asarray(small))


def costs(known: Sequence[Picture]) -> None:
    picture = max(known, key=lambda each: each.width * each.height).resize((1024, 1024))
    bare, plain, parts = spent(
        lambda: bare_pdq(picture), lambda: look_of(picture, parts=False), lambda: look_of(picture, parts=True)
    )
    print(f"\n1024 x 1024, CPU ms: bare pdqhash {bare:.2f}, ours {plain:.2f}, with the middle {parts:.2f}")
    seen = cut(0.05, 0.05, 0.95, 0.95)(picture)
    core = core_of(picture) or ""
    ((guess, _),) = Part.of(seen).places([core])
    box = align(seen, picture, guess) or guess
    seen, picture = reduced(seen), reduced(picture)
    prepared, placed, aligned, confirmed = spent(
        lambda: Part.of(seen).lows(),
        lambda: Part.of(seen).places([core] * 20),
        lambda: align(seen, picture, guess),
        lambda: likeness(seen, picture, box),
    )
    print(f"a part, CPU ms: 81 ways {prepared:.2f}, 625 ways in 20 rows {placed:.2f}", end=", ")
    print(f"alignment {aligned:.2f}, check {confirmed:.2f}")


def scale(known: Sequence[Picture], sizes: Sequence[int]) -> None:
    print("\nCPU ms a look          near             a part, lying in         ")
    print("entries      MiB     8 ways    numpy     1 way    numpy    2 ways    8 ways")
    table = HashTable()
    hashes = [secrets.token_hex(32) for _ in range(8)]
    parts = [Part.of(lain(known[0], lying)).lows() for lying in UPRIGHT.values()]
    lows, both, every = parts[0], parts[0] + parts[1], [low for each in parts for low in each]
    for before, size in pairwise((0, *sizes)):
        for start in range(before, size, 10_000):
            count = min(10_000, size - start)
            table.add(
                [
                    Row(secrets.token_hex(16), "prj", True, secrets.token_hex(32), secrets.token_hex(32))
                    for _ in range(count)
                ]
            )
        matrix = np.frombuffer(secrets.token_bytes(32 * size), dtype=np.uint64).reshape(-1, 4)
        queries = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(-1, 4)

        def bare(matrix: Any = matrix, queries: Any = queries) -> None:
            for query in queries:
                np.flatnonzero(np.bitwise_count(matrix ^ query).sum(axis=1, dtype=np.uint16) <= MOST)

        middles = np.frombuffer(secrets.token_bytes(8 * size), dtype=np.uint64)

        def bare_parts(middles: Any = middles) -> None:
            for start in range(0, len(middles), 1 << 15):
                block = middles[start : start + (1 << 15)]
                best = np.full(len(block), 64, np.uint8)
                for low in np.array(lows, dtype=np.uint64):
                    np.minimum(best, np.bitwise_count(block ^ low), out=best)

        taken = spent(
            lambda: table.near(hashes, MOST, 5),
            bare,
            lambda: table.parts(lows, LOW_BITS, 64),
            bare_parts,
            lambda: table.parts(both, LOW_BITS, 64),
            lambda: table.parts(every, LOW_BITS, 64),
            rounds=5,
        )
        print(f"{size:>9} {table.nbytes / 2**20:6.1f}", *(f"{each:9.2f}" for each in taken))


async def looks(known: Sequence[Picture], sizes: Sequence[int]) -> None:
    """A picture of nobody's, decoded, hashed and looked for: with parts as they were, and mirrored ones after them."""
    print("\nentries    a look that finds nothing: no parts   straight parts   mirrored, too   ratio   (CPU ms)")
    files = [jpeg(picture.resize((1024, 1024))) for picture in known[:24]]
    with tempfile.TemporaryDirectory() as folder:
        async with open_platform(Settings(data=Path(folder), role="api", providers=())) as platform:
            for before, size in pairwise((0, *sizes)):
                for first in range(before, size, 10_000):
                    rows = [entry(200 * number) for number in range(first, min(size, first + 10_000))]
                    async with platform.store.transaction() as tx:
                        await tx.add(*rows)
                sums = [0.0, 0.0, 0.0]
                for data in files:
                    ways_to_look = [list[float]() for _ in sums]
                    for turn in range(4):
                        for times, lying in zip(ways_to_look, ((), LYING[:1], LYING), strict=True):
                            began = time.process_time()
                            await look(platform, data, lying)
                            # The first is for caches to warm.
                            times += [(time.process_time() - began) * 1000] if turn else []
                    sums = [total + min(times) for total, times in zip(sums, ways_to_look, strict=True)]
                none, straight, both = (total / len(files) for total in sums)
                print(f"{size:>9} {none:36.1f} {straight:16.1f} {both:15.1f} {both / straight:7.2f}")


async def look(platform: Platform, data: bytes, lying: Sequence[bool]) -> None:
    """The steps of an inspection up to the registry's answer (flows/analyze.py, flows/registry.py)."""
    with remembering(data):
        seen = await anyio.to_thread.run_sync(lambda: looked_at(data, **platform.limits.picture))
        whole = await matches(platform, None, seen.fingerprint("prj"))
        if whole or (lying and await cropped(platform, None, data, lying)):
            raise RuntimeError("A picture was found that is not there.")


async def marks(known: Sequence[Picture], count: int = 14) -> None:
    """Whether a watermark reads in a part, and again once the part is put back into register."""
    mark, number = SpreadWatermark(secrets.token_bytes(32), max_bytes=1 << 27, max_pixels=1 << 26), 123_456_789
    large = [picture for picture in known if min(picture.size) >= 512 and core_of(picture)][-count:]
    print(f"\nwatermark in parts of {len(large)} pictures:   as cut   put back")
    for name in ("crop 5 % each side", "crop 10 % left", "crop 10 % each side"):
        read = [0, 0]
        for picture in large:
            whole = opened(await mark.mark(png(picture), "image/png", number))
            seen = EDITS[name](whole)
            ((guess, _),) = Part.of(seen).places([core_of(whole) or ""])
            box = align(seen, whole, guess)
            files = (png(seen), png(put_back(seen, box, whole.size)) if box else b"")
            for place, file in enumerate(files):
                read[place] += bool(file) and (await mark.read(file)).number == number
        print(f"{name:<32} {read[0]:9} {read[1]:10}")


def jpeg(picture: Picture) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


def png(picture: Picture) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def opened(data: bytes) -> Picture:
    return Image.open(io.BytesIO(data)).convert("RGB")


async def start(count: int = 100_000) -> None:
    """What a process spends before its first look, and on following at each."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/registry.db"
        await upgrade(url)
        async with Database.open(url) as database:
            for first in range(0, count, 10_000):
                async with database.transaction() as tx:
                    await tx.add(*(entry(200 * number) for number in range(first, first + 10_000)))
            known = Known(database, Limits())
            began = time.process_time()
            await known.warm()
            print(f"\n{count} entries read at the start: {time.process_time() - began:.2f} CPU s", end=", ")
            times = list[float]()
            for _ in range(9):
                began = time.process_time()
                await known.warm()
                times.append((time.process_time() - began) * 1000)
            print(f"followed at each look, with 600 of the last two minutes: {statistics.median(times):.2f} CPU ms")


def entry(milliseconds: int) -> RegistryEntry:
    id = f"reg_{uuid7_hex(milliseconds, secrets.randbits(74))}"
    digits = secrets.token_hex(32)
    looks: dict[str, Any] = {"sha256": digits, "pdq": digits, "quality": 90, "core": digits}
    return RegistryEntry(id=id, project="prj", image=f"img_{secrets.token_hex(16)}", origin="generated", **looks)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--only", choices=["costs", "scale", "looks", "start", "marks", "recall", "lying", "confusion"])
    said = parser.parse_args()
    known, sizes = pictures(os.environ.get("PLATEMARK_CORPUS"), said.pictures), sorted(said.sizes)
    telemetry.configure(level="error")
    tables: dict[str, Callable[[], object]] = {
        "costs": lambda: costs(known),
        "scale": lambda: scale(known, sizes),
        "looks": lambda: anyio.run(looks, known, sizes),
        "start": lambda: anyio.run(start),
        "marks": lambda: anyio.run(marks, known),
        "recall": lambda: recall(known, EDITS | CROPS),
        "lying": lambda: lying_otherwise(known),
        "confusion": lambda: confusion(known),
    }
    for name, table in tables.items():
        if said.only in (None, name):
            table()


if __name__ == "__main__":
    main()
