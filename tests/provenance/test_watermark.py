import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from pictures import BOUNDS as MOST
from pictures import encoded, gradient, house, noise, pixels, weave
from platemark.core.errors import InvalidImage, Misconfigured, SealFailed
from platemark.imaging.marking import surface_of
from platemark.provenance.watermark import THRESHOLD, SpreadWatermark, key_id, open_watermark
from platemark.provenance.watermark_spread import Pattern
from platemark.settings import Settings

pytestmark = pytest.mark.anyio

NUMBER = 0xA1B2C3D4E5
BYTES, PIXELS = MOST["max_bytes"], MOST["max_pixels"]
KEY, OTHER = b"k" * 32, b"o" * 32


def marks(key: bytes, *, older: tuple[bytes, ...] = (), decibels: float = 40.0) -> SpreadWatermark:
    return SpreadWatermark(key, older=older, decibels=decibels, max_bytes=BYTES, max_pixels=PIXELS)


MARKS = marks(KEY)
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


def photo(side: int = 640, seed: int = 5) -> Image.Image:
    """Soft shapes with fine grain, as a photograph has them."""
    soft = noise(side, seed).filter(ImageFilter.GaussianBlur(2))
    return Image.blend(soft, noise(side, seed + 100), 0.15)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def saved(picture: Image.Image, format: str, quality: int) -> Image.Image:
    return opened(encoded(picture, format, quality=quality))


def scaled(picture: Image.Image, factor: float) -> Image.Image:
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture.resize(size, Image.Resampling.LANCZOS)


def captioned(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    copy.paste((255, 255, 255), (0, round(copy.height * 0.88), copy.width, copy.height))
    return copy


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda picture: picture,
    "jpeg 80": lambda picture: saved(picture, "JPEG", 80),
    "jpeg 50": lambda picture: saved(picture, "JPEG", 50),
    "jpeg 30": lambda picture: saved(picture, "JPEG", 30),
    "webp 80": lambda picture: saved(picture, "WEBP", 80),
    "webp 50": lambda picture: saved(picture, "WEBP", 50),
    "half": lambda picture: scaled(picture, 0.5),
    "screenshot": lambda picture: saved(scaled(picture, 0.8), "JPEG", 85),
    "squeezed": lambda picture: picture.resize((picture.width, round(picture.height * 0.7))),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "blur": lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
    "caption": captioned,
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "on its side": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "on its head": lambda picture: picture.transpose(Image.Transpose.ROTATE_180),
    "transposed": lambda picture: picture.transpose(Image.Transpose.TRANSPOSE),
}


@pytest.fixture(scope="module")
def marked() -> Image.Image:
    return opened(MARKS.write(encoded(photo()), "image/png", NUMBER)[0])


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES)
def test_the_number_survives(marked: Image.Image, change: Callable[[Image.Image], Image.Image]) -> None:
    mark = MARKS.look(surface_of(change(marked)))
    assert (mark.status, mark.number) == ("present", NUMBER)
    assert mark.threshold <= mark.strength <= 1.0


@pytest.mark.parametrize("format", FORMATS)
async def test_a_marked_file_has_its_size_its_format_and_no_metadata(format: str) -> None:
    before = encoded(photo(520), format, quality=92)
    after = await MARKS.mark(before, FORMATS[format], NUMBER)
    assert opened(after).size == (520, 520)
    assert Image.open(io.BytesIO(after)).format == format
    assert (await MARKS.read(after)).number == NUMBER
    error = np.mean((pixels(after).astype(float) - pixels(before)) ** 2)
    assert 10 * np.log10(255**2 / error) > (38 if format == "PNG" else 35)


def test_the_loss_is_about_what_was_asked_for() -> None:
    data = encoded(weave())
    for aim in (46.0, 43.0, 40.0):
        assert abs(marks(KEY, decibels=aim).write(data, "image/png", 1)[1] - aim) < 1.5


def test_smooth_parts_are_changed_far_less_than_busy_ones() -> None:
    picture = gradient(512, (40, 80, 160), (200, 220, 240))
    picture.paste(weave(512).crop((0, 256, 512, 512)), (0, 256))
    data = encoded(picture)
    strayed = np.abs(pixels(MARKS.write(data, "image/png", NUMBER)[0]).astype(float) - pixels(data))
    assert strayed[:224].mean() < strayed[288:].mean() / 4


def test_a_mark_that_would_not_last_lies_where_half_the_size_leaves_it() -> None:
    data, _ = MARKS.write(encoded(photo(256, 6)), "image/png", NUMBER)
    assert MARKS.look(surface_of(scaled(opened(data), 0.25))).number == NUMBER


def test_pictures_of_any_shape_are_marked() -> None:
    wide = photo(640).resize((900, 380))
    data, _ = MARKS.write(encoded(wide), "image/png", 7)
    assert MARKS.look(surface_of(saved(opened(data), "JPEG", 60))).number == 7


def test_transparency_stays_and_what_cannot_be_seen_needs_no_mark() -> None:
    picture = photo(560).convert("RGBA")
    alpha = Image.new("L", picture.size, 255)
    alpha.paste(0, (0, 0, 280, 200))
    picture.putalpha(alpha)
    data, _ = MARKS.write(encoded(picture), "image/png", 9)
    after = Image.open(io.BytesIO(data))
    assert after.mode == "RGBA"
    assert after.getchannel("A").tobytes() == alpha.tobytes()
    white = Image.new("RGB", after.size, "white")
    white.paste(after, mask=after.getchannel("A"))
    assert MARKS.look(surface_of(saved(white, "JPEG", 70))).number == 9


@pytest.mark.parametrize("seed", range(12))
def test_unmarked_pictures_have_no_number(seed: int) -> None:
    mark = MARKS.look(surface_of(photo(400, seed)))
    assert (mark.status, mark.number) == ("absent", None)
    assert mark.strength < THRESHOLD


@pytest.mark.parametrize("picture", [Image.new("RGB", (512, 512), "white"), house(512), gradient(512, (0, 0, 0))])
def test_flat_pictures_have_no_number(picture: Image.Image) -> None:
    assert MARKS.look(surface_of(picture)).number is None


def test_another_key_reads_nothing_and_an_older_one_still_does(marked: Image.Image) -> None:
    surface = surface_of(marked)
    assert marks(OTHER).look(surface).status == "absent"
    both = marks(OTHER, older=(KEY,))
    assert both.look(surface).number == NUMBER
    assert both.key == key_id(OTHER) != MARKS.key
    assert KEY.hex() not in both.key


@pytest.mark.parametrize(
    "picture", [noise(150), noise(700).crop((0, 0, 700, 100)), Image.new("RGBA", (512, 512), (0, 0, 0, 0))]
)
async def test_small_and_empty_pictures_are_refused_honestly(picture: Image.Image) -> None:
    with pytest.raises(SealFailed, match="too small or too flat") as caught:
        await MARKS.mark(encoded(picture), "image/png", NUMBER)
    assert caught.value.reason_code == "watermark_not_carried"


async def test_a_picture_is_marked_again_with_the_last_number() -> None:
    once = await MARKS.mark(encoded(photo()), "image/png", 1)
    twice = await MARKS.mark(once, "image/png", 2)
    assert (await MARKS.read(twice)).number == 2


@pytest.mark.parametrize("data", [b"", b"GIF89a", encoded(noise(64))[:200]])
async def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage):
        await MARKS.read(data)
    with pytest.raises(InvalidImage):
        await MARKS.mark(data, "image/png", 1)


async def test_a_format_that_is_not_ours_is_refused() -> None:
    with pytest.raises(InvalidImage, match="PNG, JPEG or WebP"):
        await MARKS.mark(encoded(photo()), "image/gif", 1)


def test_places_and_signs_of_a_key_do_not_change_from_version_to_version() -> None:
    # Marks that are out in the world are read by them.
    pattern = Pattern.of(KEY)
    assert pattern.places.shape == pattern.signs.shape == (124, 127)
    assert len(set(pattern.places.ravel().tolist())) == 124 * 127
    assert pattern.places[0, :4].tolist() == [9398, 3150, 11524, 1015]
    assert pattern.signs[0, :8].tolist() == [1, -1, 1, 1, -1, 1, 1, 1]
    assert (Pattern.of(OTHER).places != pattern.places).mean() > 0.99


async def test_the_key_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    first, again = await open_watermark(settings), await open_watermark(settings)
    file = tmp_path / "watermark.key"
    assert (file.stat().st_mode & 0o777, file.stat().st_size) == (0o600, 32)
    assert first.key == again.key == key_id(file.read_bytes())


async def test_a_configured_key_comes_first_and_the_one_of_the_directory_still_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: Image.Image
) -> None:
    (tmp_path / "watermark.key").write_bytes(KEY)
    monkeypatch.setenv("MARK_KEY", "s" * 40)
    opened_ = await open_watermark(Settings(data=tmp_path, watermark_key="env:MARK_KEY"))
    assert opened_.key == key_id(b"s" * 40)
    assert opened_.look(surface_of(marked)).number == NUMBER


async def test_a_key_is_neither_logged_nor_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("MARK_KEY", "hidden-key" * 4)
    monkeypatch.setenv("SHORT", "hidden-key")
    settings = Settings(data=tmp_path, watermark_key="env:MARK_KEY")
    opened_ = await open_watermark(settings)
    await opened_.mark(encoded(noise(256)), "image/png", NUMBER)
    with pytest.raises(Misconfigured) as failed:
        await open_watermark(Settings(data=tmp_path, watermark_key="env:SHORT"))
    told = f"{failed.value!r} {failed.value.detail} {opened_!r} {opened_.key} {settings!r} {caplog.text}"
    assert "hidden-key" not in told


async def test_keys_that_are_no_keys_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "x" * 31)
    with pytest.raises(Misconfigured, match=r"watermark_key: a key of 31 bytes"):
        await open_watermark(Settings(data=tmp_path, watermark_key="env:SHORT"))
    (tmp_path / "watermark.key").write_bytes(b"half")
    with pytest.raises(Misconfigured, match="has 4 bytes, not 32"):
        await open_watermark(Settings(data=tmp_path))
