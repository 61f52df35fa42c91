"""Pictures for tests: drawn, never downloaded."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

BOUNDS = {"max_bytes": 32 * 1024 * 1024, "max_pixels": 4_000_000}


def house(side: int = 256, blur: float = 0.0) -> Image.Image:
    """Flat art: a red house on green ground under a plain sky. `blur` is the radius as a share of the side."""
    image = Image.new("RGB", (side, side), (120, 190, 240))
    draw = ImageDraw.Draw(image)
    unit = side / 16
    draw.rectangle((0, 10 * unit, side, side), fill=(90, 170, 80))
    draw.rectangle((5 * unit, 7 * unit, 10 * unit, 12 * unit), fill=(220, 60, 50))
    draw.polygon([(4 * unit, 7 * unit), (7.5 * unit, 4 * unit), (11 * unit, 7 * unit)], fill=(150, 30, 30))
    return image.filter(ImageFilter.GaussianBlur(blur * side)) if blur else image


def gradient(side: int = 256, *stops: tuple[int, int, int]) -> Image.Image:
    """A vertical gradient through these colours."""
    place = np.linspace(0, len(stops) - 1, side)
    column = np.stack([np.interp(place, range(len(stops)), [stop[c] for stop in stops]) for c in range(3)], axis=1)
    return Image.fromarray(np.repeat(column[:, None, :], side, axis=1).round().astype(np.uint8))


def noise(side: int = 256, seed: int = 1) -> Image.Image:
    """Smooth coloured noise with detail at all scales, the nearest to a photograph that can be drawn."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize((side, side)))
        * np.float32(1 / cells**0.5)
        for cells in (4, 16, 64, side)
    ]
    total = np.sum(layers, axis=0)
    return Image.fromarray((255 * (total - total.min()) / np.ptp(total)).astype(np.uint8))


def weave(side: int = 512) -> Image.Image:
    """Cells of weak contrast, as wide as the waves of a watermark: it gets as strong as is asked for."""
    cells = round(side * 3 / 16)
    levels = np.random.default_rng(1).integers(90, 166, (cells, cells, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def pixels(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture in a file, as RGB levels, by Pillow alone."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
