"""Our own invisible watermark: a number in a picture's brightness that is read again with a key.

Who has the key can read, forge and remove it, and drawing a picture anew removes it without a key: what a mark says
is proof of nothing until the registry confirms it.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from platemark.core.errors import InvalidImage, Misconfigured, SealFailed
from platemark.core.image import FORMATS
from platemark.core.ports import Mark
from platemark.core.watermark import NOT_CARRIED
from platemark.imaging.marking import Surface, changed, file_of, open_surface
from platemark.net.secrets import key_file, resolve_secret
from platemark.provenance.watermark_code import Soft, decode, encode, likeness, number_of, payload_of
from platemark.provenance.watermark_spread import Pattern, levelled, poses, push, transform
from platemark.settings import Settings

T = TypeVar("T")
KEY_FILE = "watermark.key"
_KEY_BYTES = 32
# Of the method: numbers of another one are not read by this.
VERSION = "1"
# Of 20,000 draws of noise the greatest was 0.728, of 500 unmarked pictures in eight poses each 0.713.
THRESHOLD = 0.74
# What a fresh mark has to have, so that something is left after the next recompression.
_FRESH = 0.85
_MIN_SIDE = 192
# Decibels by which a mark may be stronger where the first one does not read back.
_STRONGER = 3.0


class SpreadWatermark:
    """Implements `core.ports.Watermark` with one key for marking; older keys are tried when reading.

    `decibels`: the peak signal-to-noise ratio that is aimed at; busy pictures get a few decibels less.
    """

    def __init__(
        self,
        key: bytes,
        *,
        older: Sequence[bytes] = (),
        decibels: float = 40.0,
        max_bytes: int,
        max_pixels: int,
        threads: int = 2,
    ) -> None:
        self._patterns = tuple(Pattern.of(each) for each in (key, *older))
        self._decibels = decibels
        self.open = partial(open_surface, max_bytes=max_bytes, max_pixels=max_pixels)
        self._limiter = anyio.CapacityLimiter(threads)
        self.version, self.key = VERSION, key_id(key)

    async def mark(self, data: bytes, media_type: str, number: int, *, decibels: float | None = None) -> bytes:
        """The same picture with the number in it, encoded in the same format without metadata, and read back.

        Raises InvalidImage, SealFailed (code `watermark_not_carried`) for a picture that is too small or too flat.
        """
        return await self._run(lambda: self.write(data, media_type, number, decibels=decibels)[0])

    async def read(self, data: bytes) -> Mark:
        """What is found with any key, in any of the eight ways that a picture can lie. Raises InvalidImage."""
        return await self._run(lambda: self.look(self.open(data)))

    async def _run(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    def write(self, data: bytes, media_type: str, number: int, *, decibels: float | None = None) -> tuple[bytes, float]:
        """As `mark`, on this thread; with the peak signal-to-noise ratio before encoding, in decibels."""
        output_format = FORMATS.get(media_type)
        if output_format is None:
            raise InvalidImage(f"No watermark can be written into {media_type}. Use PNG, JPEG or WebP.")
        surface, code, aim = self.open(data), encode(payload_of(number)), decibels or self._decibels
        width, height = surface.picture.size
        if min(width, height) >= _MIN_SIDE:
            for wanted in (aim, aim - _STRONGER):
                change = push(surface, self._patterns[0], code, 255**2 / 10 ** (wanted / 10))
                marked, reached = changed(surface.picture, change.rows(width, height), change.weights)
                file = file_of(marked, output_format)
                mark = self.look(self.open(file))
                if mark.number == number and mark.strength >= _FRESH:
                    return file, reached
        raise SealFailed(
            f"This picture of {width} × {height} pixels is too small or too flat to carry a watermark. "
            f"Use one with sides of at least 512 pixels, or do without.",
            code=NOT_CARRIED,
        )

    def look(self, surface: Surface) -> Mark:
        """As `read`, on this thread."""
        spectrum = transform(surface.brightness)
        found = self._best(soft for pattern in self._patterns for soft in [pattern.gather(levelled(spectrum))])
        if found.status == "present":
            return found
        lying = [levelled(each) for each in poses(spectrum)][1:]
        turned = self._best(pattern.gather(each) for pattern in self._patterns for each in lying)
        return turned if turned.strength > found.strength else found

    @staticmethod
    def _best(readings: Iterable[Soft]) -> Mark:
        return max(map(judge, readings), key=lambda mark: mark.strength)


async def open_watermark(settings: Settings) -> SpreadWatermark:
    """With the configured keys, or the one in the data directory. Raises Misconfigured."""
    return await anyio.to_thread.run_sync(_open, settings)


def _open(settings: Settings) -> SpreadWatermark:
    said, file = settings.watermark_key, settings.data / KEY_FILE
    older = [_key_of(each, "watermark_older_keys") for each in settings.watermark_older_keys]
    if said is not None and file.exists():
        older.append(key_file(file))
    return SpreadWatermark(
        key_file(file) if said is None else _key_of(said, "watermark_key"),
        older=older,
        decibels=settings.watermark_decibels,
        max_bytes=settings.max_image_bytes,
        max_pixels=settings.max_pixels,
    )


def _key_of(reference: str, setting: str) -> bytes:
    key = resolve_secret(reference, setting=setting).encode()
    if len(key) < _KEY_BYTES:
        raise Misconfigured(
            f"{setting}: a key of {len(key)} bytes can be guessed; {_KEY_BYTES} or more are needed. "
            f"`openssl rand -hex 32` makes one."
        )
    return key


def judge(soft: Soft) -> Mark:
    """What 124 soft values say. The strength is the cosine between them and the code that is nearest to them."""
    payload = decode(soft)
    strength = likeness(encode(payload), soft)
    if strength < THRESHOLD:
        return Mark("absent", strength, THRESHOLD)
    number = number_of(payload)
    return Mark("present" if number is not None else "crc_failed", strength, THRESHOLD, number)


def key_id(key: bytes) -> str:
    """Eight hexadecimal digits by which keys are told apart; they give nothing of the key away."""
    return hashlib.sha256(b"platemark watermark key id" + key).hexdigest()[:8]
