"""What the watermark survives, costs and mistakes: drawn pictures, and a corpus where PLATEMARK_CORPUS names one.

    python bench/watermark.py [--pictures 50] [--after 0] [--unmarked 500] [--decibels 40]

Times are processor seconds of one thread; set OMP_NUM_THREADS=1.
"""

import argparse
import io
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from rich.console import Console
from rich.table import Table

from platemark.core.errors import SealFailed
from platemark.imaging.marking import Levels, surface_of
from platemark.provenance.known_marks import SCHEMES, blocks, judge, matching
from platemark.provenance.watermark import THRESHOLD, SpreadWatermark
from platemark.provenance.watermark_spread import transform

MARKS = SpreadWatermark(b"the key of bench/watermark.py...", max_bytes=64 << 20, max_pixels=64_000_000)
SAY = Console()
Change = Callable[[Image.Image], Image.Image]


class Made(NamedTuple):
    """A marked picture with its number, what it lost, and how much of that is where it shows."""

    picture: Image.Image
    number: int
    decibels: float
    grain: float
    uncovered: float


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def file(picture: Image.Image, format: str, **options: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def recoded(format: str, quality: int, factor: float = 1.0) -> Change:
    def change(picture: Image.Image) -> Image.Image:
        size = (round(picture.width * factor), round(picture.height * factor))
        smaller = picture if factor == 1 else picture.resize(size, Image.Resampling.LANCZOS)
        return opened(file(smaller, format, quality=quality)) if quality else smaller

    return change


def noisy(picture: Image.Image) -> Image.Image:
    grain = np.random.default_rng(7).normal(0, 8, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.rint(np.asarray(picture) + grain), 0, 255).astype(np.uint8))


def captioned(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    copy.paste((255, 255, 255), (0, round(copy.height * 0.88), copy.width, copy.height))
    return copy


COPIES: dict[str, Change] = {
    "none": lambda picture: picture,
    "JPEG 80": recoded("JPEG", 80),
    "JPEG 50": recoded("JPEG", 50),
    "JPEG 30": recoded("JPEG", 30),
    "JPEG 20": recoded("JPEG", 20),
    "WebP 80": recoded("WEBP", 80),
    "WebP 50": recoded("WEBP", 50),
    "half size": recoded("PNG", 0, 0.5),
    "half size, JPEG 50": recoded("JPEG", 50, 0.5),
    "quarter size": recoded("PNG", 0, 0.25),
    "screenshot (.8, JPEG 85)": recoded("JPEG", 85, 0.8),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "blur 1.5": lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)),
    "noise of 8 levels": noisy,
    "brightness 0.8": lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
    "brightness 1.2": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "caption over 12 %": captioned,
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 90°": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "turned by 1°": lambda picture: picture.rotate(1, Image.Resampling.BICUBIC),
    "10 % cut off": lambda picture: picture.crop((0, 0, round(picture.width * 0.9), round(picture.height * 0.9))),
}


def drawn(seed: int, side: int, softness: float) -> Image.Image:
    """Colour at all scales, the finer the weaker."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side, 3), dtype=np.float32)
    for cells in (4, 8, 16, 32, 64, 128, 256):
        layer = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(layer.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32) / cells**softness
    return Image.fromarray((255 * (total - total.min()) / np.ptp(total)).astype(np.uint8))


def flat(seed: int, side: int) -> Image.Image:
    """A few plain shapes on a plain ground."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (side, side), tuple(int(rng.integers(256)) for _ in range(3)))
    for _ in range(int(rng.integers(4))):
        left, up, width, height = (int(place) for place in rng.integers(8, side, 4))
        colour = tuple(int(rng.integers(256)) for _ in range(3))
        picture.paste(colour, (left, up, left + width, up + height))
    return picture


def corpus(*folders: str, least: int) -> Iterator[Image.Image]:
    root = os.environ.get("PLATEMARK_CORPUS")
    found = [path for folder in folders for path in sorted(Path(root, folder).glob("*"))] if root else []
    np.random.default_rng(4).shuffle(found)
    for path in found:
        picture = Image.open(path)
        if min(picture.size) >= least:
            yield picture.convert("RGBA").convert("RGB") if picture.mode == "P" else picture.convert("RGB")


def squares(picture: Image.Image) -> Levels:
    """The brightness in blocks of 16 × 16 pixels, one a row, without what is left over."""
    levels = np.asarray(picture.convert("L"), dtype=np.float32)
    down, across = levels.shape[0] // 16, levels.shape[1] // 16
    parts = levels[: down * 16, : across * 16].reshape(down, 16, across, 16)
    return parts.swapaxes(1, 2).reshape(-1, 256)


def shown(before: Image.Image, after: Image.Image) -> tuple[float, float]:
    """How much of a change the eye can find, by blocks of 16 × 16 pixels.

    The root mean square of it in the tenth of the blocks that is smoothest, in levels; and the 95th percentile of that
    of a block, divided by one level more than its own deviation.
    """
    levels = squares(before)
    strayed = (squares(after) - levels).astype(np.float64)
    spread = np.sqrt(np.mean(strayed**2, axis=1, dtype=np.float64))
    busy = levels.std(axis=1, dtype=np.float64)
    smoothest = np.argsort(busy, kind="stable")[: max(1, len(busy) // 10)]
    return float(np.sqrt(np.mean(strayed[smoothest] ** 2))), float(np.percentile(spread / (busy + 1), 95))


def mark(pictures: Iterator[Image.Image], decibels: float) -> tuple[list[Made], int]:
    """The marked pictures, and how many could not carry a mark."""
    made, refused, rng = list[Made](), 0, np.random.default_rng(1)
    for picture in pictures:
        data, number = file(picture, "PNG"), int(rng.integers(1 << 40))
        try:
            marked, reached = MARKS.write(data, "image/png", number, decibels=decibels)
        except SealFailed:
            refused += 1
            continue
        made.append(Made(opened(marked), number, reached, *shown(picture, opened(marked))))
    return made, refused


def survival(title: str, pictures: Iterator[Image.Image], decibels: float) -> None:
    made, refused = mark(pictures, decibels)
    table = Table("copy", "numbers read", "strength, mean", "least", title=title)
    for name, change in COPIES.items():
        marks = [(MARKS.look(surface_of(change(one.picture))), one.number) for one in made]
        right = sum(mark.number == number for mark, number in marks)
        wrong = sum(mark.number not in (None, number) for mark, number in marks)
        strengths = [mark.strength for mark, _ in marks] or [0.0]
        said = f"{right}/{len(marks)}" + (f", {wrong} wrong" if wrong else "")
        table.add_row(name, said, f"{np.mean(strengths):.3f}", f"{min(strengths):.3f}")
    SAY.print(table)
    if made:
        loss = [one.decibels for one in made]
        SAY.print(f"{len(made)} marked, {refused} refused; PSNR mean {np.mean(loss):.1f} dB, least {min(loss):.1f}")
        grain, uncovered = [one.grain for one in made], [one.uncovered for one in made]
        SAY.print(
            f"Change in the smoothest tenth: mean {np.mean(grain):.2f} levels, most {max(grain):.2f}; against what "
            f"hides it, 95th percentile of the blocks: mean {np.mean(uncovered):.2f}, most {max(uncovered):.2f}\n"
        )


def cost() -> None:
    columns = ("megapixels", "mark, ms", "read, ms", "of it decoding", "bare DCT of 512 × 512")
    table = Table(*columns, title="Processor time")
    for side in (1024, 2048, 3464):
        picture = drawn(1, side, 0.7)
        data = file(picture, "PNG")
        timed = defaultdict[str, list[float]](list)
        for _ in range(3):
            for name, work in (
                ("mark", lambda data=data: MARKS.write(data, "image/png", 5)),
                ("read", lambda data=data: MARKS.look(MARKS.open(data))),
                ("open", lambda data=data: opened(data)),
                ("bare", lambda: transform(np.zeros((512, 512), dtype=np.float32))),
            ):
                started = time.process_time()
                work()
                timed[name].append(1000 * (time.process_time() - started))
        row = (f"{min(timed[each]):.1f}" for each in ("mark", "read", "open", "bare"))
        table.add_row(f"{side * side / 1e6:.0f}", *row)
    SAY.print(table)


def mistakes(count: int) -> None:
    """Pictures without a mark: how near they come to one, of ours and of others."""
    found = islice(corpus("real", "ai", "real_nonphoto", least=128), count)
    pictures = [*found]
    pictures += [drawn(seed, 300, 0.3 + seed % 7 / 10) for seed in range(count - len(pictures))]
    marks = [MARKS.look(surface_of(picture)) for picture in pictures]
    strengths = np.array([mark.strength for mark in marks])
    ids = sum(mark.number is not None for mark in marks)
    over = int((strengths >= THRESHOLD).sum())
    SAY.print(
        f"{len(pictures)} unmarked pictures, eight poses each: {ids} false numbers, {over} over the threshold; "
        f"strength mean {strengths.mean():.3f}, deviation {strengths.std():.3f}, greatest {strengths.max():.3f}"
    )
    levels = [np.asarray(picture) for picture in pictures if picture.width * picture.height >= 1 << 16]
    false = sum(judge(each).status == "present" for each in levels)
    most = dict.fromkeys((scheme.name for scheme in SCHEMES), 0)
    for votes in (votes for each in levels for votes in blocks(each)):
        most = {scheme.name: max(most[scheme.name], matching(votes, scheme.message)) for scheme in SCHEMES}
    nearest = {scheme.name: f"{most[scheme.name]}/{len(scheme.message)}" for scheme in SCHEMES}
    SAY.print(f"Marks of others in {len(levels)} of them: {false} false; the most bits by chance: {nearest}\n")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=50, help="of each kind that are marked")
    parser.add_argument("--after", type=int, default=0, help="how many of the corpus to leave out first")
    parser.add_argument("--decibels", type=float, default=40.0)
    parser.add_argument("--unmarked", type=int, default=500)
    said = parser.parse_args()
    few, end = range(min(said.pictures, 20)), said.after + said.pictures
    for title, pictures in (
        ("Corpus, sides of 512 and more", islice(corpus("real", "ai", least=512), said.after, end)),
        ("Drawn, 768 × 768", (drawn(n, 768, 0.4 + n % 6 / 10) for n in few)),
        ("Soft, 512 × 512", (drawn(n, 512, 1 + n % 6 / 10) for n in few)),
        ("Small, 256 × 256", (drawn(n, 256, 0.4 + n % 6 / 10) for n in few)),
        ("Flat shapes, 512 × 512", (flat(n, 512) for n in few)),
        ("Flat shapes, 256 × 256", (flat(n, 256) for n in few)),
    ):
        survival(title, pictures, said.decibels)
    cost()
    mistakes(said.unmarked)


if __name__ == "__main__":
    main()
