"""Pictures that fakes answer with: valid, of any size, cheap to make, neither blank nor alike; and broken ones."""

import hashlib
import struct
import zlib

from platemark.core.model import OutputFormat
from platemark.imaging.containers import png_chunk
from platemark.imaging.decode import open_picture
from platemark.imaging.header import sniff
from platemark.imaging.pixels import encode
from platemark.providers.catalogue import header_of
from platemark.providers.http import as_base64


def striped(width: int, height: int, *told: bytes | str | int) -> bytes:
    """A PNG of stripes whose colours and widths follow from what was told: prompt, seed, sources."""
    digest = hashlib.sha256("\n".join(map(repr, told)).encode()).digest()
    # Far enough from grey that its opposite is another colour.
    one = bytes((digest[0] // 3, digest[1], digest[2]))
    other = bytes(255 - level for level in one)
    stripe = 2 + digest[3] % 14
    left = width * (64 + digest[4] % 128) // 256
    rows = (b"\0" + one * left + other * (width - left), b"\0" + other * left + one * (width - left))
    lines = b"".join(rows[(row // stripe) % 2] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(lines, 1)), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def blank(width: int, height: int) -> bytes:
    """A black PNG: what some vendors send in place of a picture that they withhold."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = zlib.compress(bytes((width + 1) * height), 1)
    parts = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", lines), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def as_format(png: bytes, output_format: OutputFormat) -> bytes:
    """The picture in another format."""
    if output_format == "png":
        return png
    return encode(open_picture(png, max_bytes=len(png), max_pixels=2**28), output_format, 1)


def broken(picture: bytes) -> bytes:
    """It begins as the picture does and is none."""
    return picture[:8] + b"broken" * 20


def as_payload(data: bytes, trouble: str | None = None) -> str:
    """The data as text; what nobody can decode where that is the trouble."""
    return "!!not base64!!" if trouble == "corrupt_base64" else as_base64(data)


def measured(data: bytes) -> tuple[int, int]:
    """Width and height by the header alone. Raises InvalidImage."""
    media_type = sniff(data)
    header = header_of(data, media_type if media_type in ("image/jpeg", "image/webp") else "image/png")
    return header.width, header.height


def by_ratio(ratio: str, pixels: int) -> tuple[int, int]:
    """Width and height of about so many pixels in these proportions, in multiples of 64."""
    across, down = (int(part) for part in ratio.split(":"))
    unit = (pixels / (across * down)) ** 0.5
    return max(64, round(across * unit / 64) * 64), max(64, round(down * unit / 64) * 64)
