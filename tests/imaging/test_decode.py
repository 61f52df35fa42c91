import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from pictures import BOUNDS, encoded, gradient, house, noise, pixels
from platemark.core.errors import InvalidImage, TooLarge
from platemark.core.model import OutputFormat
from platemark.imaging.containers import jpeg_segment, png_chunk, read_blocks
from platemark.imaging.decode import Facts, inspect_bytes, normalise, open_picture, sniff

FORMATS: list[OutputFormat] = ["png", "jpeg", "webp"]


def with_chunk(png: bytes, name: bytes, body: bytes, before: bytes = b"IDAT") -> bytes:
    at = png.index(before) - 4
    return png[:at] + png_chunk(name, body) + png[at:]


def of_size(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + data + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_facts_of_each_format(format: str) -> None:
    facts = inspect_bytes(encoded(house().resize((200, 100)), format), **BOUNDS)
    assert facts == Facts(200, 100, f"image/{format.lower()}", 1, has_alpha=False, exif_orientation=1)


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (house().convert("RGBA"), {"format": "PNG"}),
        (house().convert("RGBA"), {"format": "WEBP"}),
        (house().convert("RGBA"), {"format": "WEBP", "lossless": True}),
        (house().convert("P"), {"format": "PNG", "transparency": 3}),
        (house().convert("LA"), {"format": "PNG"}),
    ],
)
def test_transparency_is_seen_and_kept(image: Image.Image, options: dict[str, str]) -> None:
    if image.mode == "RGBA":
        image.putpixel((0, 0), (1, 2, 3, 0))
    data = encoded(image, **options)
    assert inspect_bytes(data, **BOUNDS).has_alpha
    assert Image.open(io.BytesIO(normalise(data, "png", **BOUNDS).data)).mode == "RGBA"
    assert Image.open(io.BytesIO(normalise(data, "jpeg", **BOUNDS).data)).mode == "RGB"


def test_transparent_parts_become_white_in_jpeg() -> None:
    clear = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    assert pixels(normalise(encoded(clear), "jpeg", **BOUNDS).data).min() >= 250


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "no bytes"),
        (b"hello", "not of any image format"),
        (encoded(house(), "GIF"), "image/gif"),
        (encoded(house(), "BMP"), "image/bmp"),
        (encoded(house(), "TIFF"), "image/tiff"),
        (encoded(house(), "AVIF"), "image/avif"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg"),
        (b" <!DOCTYPE html><html></html>", "text/html"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"PK\x03\x04rest", "application/zip"),
    ],
)
def test_other_formats_are_refused_by_name_with_what_to_send(data: bytes, what: str) -> None:
    with pytest.raises(InvalidImage, match=what) as caught:
        inspect_bytes(data, **BOUNDS)
    assert "Send a PNG, JPEG or WebP file" in caught.value.detail


def test_names_are_never_asked() -> None:
    assert sniff(encoded(house(), "WEBP")) == "image/webp"
    assert sniff(b"RIFF\0\0\0\0WAVE") is None
    assert sniff(b"xxxxxxxxWEBP") is None


@pytest.mark.parametrize("save_all", [{"format": "PNG"}, {"format": "WEBP"}, {"format": "WEBP", "lossless": True}])
def test_animations_are_refused(save_all: dict[str, str]) -> None:
    frames = [house(), gradient(256, (0, 0, 0), (255, 255, 255))]
    data = encoded(frames[0], save_all=True, append_images=frames[1:], duration=100, **save_all)
    with pytest.raises(InvalidImage, match="animated"):
        inspect_bytes(data, **BOUNDS)


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (4_000_001, 1)])
def test_too_many_pixels_are_refused_before_they_are_decoded(size: tuple[int, int]) -> None:
    # Decoding would fail with another error: there are no such pixels in the file.
    with pytest.raises(TooLarge, match="at most 4000000 are accepted"):
        inspect_bytes(of_size(*size), **BOUNDS)


def test_the_decoder_s_own_bound_is_an_error_of_ours_too() -> None:
    with pytest.raises(TooLarge, match="more pixels than can be decoded here"):
        inspect_bytes(of_size(20_000, 20_000), max_bytes=10_000, max_pixels=10**9)


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(TooLarge, match="at most 100 are accepted"):
        inspect_bytes(encoded(house()), max_bytes=100, max_pixels=10**6)


@pytest.mark.parametrize("size", [(0, 10), (10, 0)])
def test_no_pixels_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidImage, match="no pixels"):
        inspect_bytes(of_size(*size), **BOUNDS)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_truncated_files_are_refused(format: str, share: float) -> None:
    data = encoded(noise(), format)
    with pytest.raises(InvalidImage):
        inspect_bytes(data[: int(len(data) * share)], **BOUNDS)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 3_000_000)),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"a" * 3_000_000)),
        (b"iCCP", b"p\0\0" + zlib.compress(b"a" * 3_000_000)),
    ],
)
def test_metadata_that_unpacks_to_megabytes_is_refused(name: bytes, body: bytes) -> None:
    with pytest.raises(InvalidImage, match="unpacks to more than"):
        inspect_bytes(with_chunk(encoded(house()), name, body), **BOUNDS)


def test_megabytes_of_plain_metadata_are_refused() -> None:
    with pytest.raises(InvalidImage, match="16 MiB of metadata"):
        inspect_bytes(with_chunk(encoded(house()), b"tEXt", b"Comment\0" + b"a" * 2**24), **BOUNDS)


def test_a_file_of_empty_blocks_is_refused() -> None:
    png = encoded(house())
    at = png.index(b"IDAT") - 4
    with pytest.raises(InvalidImage, match="more than 50000 blocks"):
        inspect_bytes(png[:at] + png_chunk(b"tEXt", b"") * 50_001 + png[at:], **BOUNDS)


def test_a_jpeg_of_hundreds_of_scans_is_refused() -> None:
    jpeg = encoded(noise(64), "JPEG", progressive=True)
    blocks, _ = read_blocks(jpeg, "image/jpeg")
    scan = next(bytes(block.raw) for block in blocks if block.name == "SOS")
    with pytest.raises(InvalidImage, match="more than 100 scans"):
        inspect_bytes(jpeg[:-2] + scan * 100 + b"\xff\xd9", **BOUNDS)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.html", "<script>")
    return out.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("rest", [zipped(), b"%PDF-1.4\n", b"<HTML><script>alert(1)</script>", b"Rar!\x1a\x07\0"])
def test_an_image_that_is_something_else_too_is_refused(format: str, rest: bytes) -> None:
    with pytest.raises(InvalidImage, match="something else at the same time"):
        inspect_bytes(encoded(house(), format) + rest, **BOUNDS)


def test_an_archive_hidden_in_a_chunk_is_found() -> None:
    png = with_chunk(encoded(house()), b"tEXt", b"Comment\0" + zipped(), before=b"IEND")
    with pytest.raises(InvalidImage, match="something else at the same time"):
        inspect_bytes(png, **BOUNDS)


def test_a_document_that_starts_in_a_comment_is_found() -> None:
    jpeg = encoded(house(), "JPEG", comment=b"%PDF-1.4 1 0 obj")
    with pytest.raises(InvalidImage, match="something else at the same time"):
        inspect_bytes(jpeg, **BOUNDS)


def test_a_camera_s_second_picture_is_cut_off() -> None:
    jpeg = encoded(house(), "JPEG")
    normal = normalise(jpeg + encoded(house(64), "JPEG"), "jpeg", **BOUNDS)
    assert normal.data == jpeg


def test_a_second_header_with_another_size_is_refused() -> None:
    second = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    with pytest.raises(InvalidImage, match="broken"):
        inspect_bytes(with_chunk(encoded(house()), b"IHDR", second), **BOUNDS)


def test_a_webp_canvas_that_contradicts_its_frame_is_refused() -> None:
    webp = bytearray(encoded(house(), "WEBP", xmp=b"<x/>"))
    assert webp[12:16] == b"VP8X"
    webp[24:27] = (15_000).to_bytes(3, "little")
    with pytest.raises(InvalidImage):
        inspect_bytes(bytes(webp), **BOUNDS)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP"])
def test_normal_pictures_look_the_same_and_carry_nothing(source: str, target: OutputFormat) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAM"
    data = encoded(noise(), source, exif=exif, xmp=b"<x>SECRETXMP</x>")
    normal = normalise(data, target, **BOUNDS)
    assert (normal.media_type, normal.width, normal.height) == (f"image/{target}", 256, 256)
    assert b"SECRET" not in normal.data
    assert inspect_bytes(normal.data, **BOUNDS).media_type == normal.media_type
    # WebP halves the resolution of colour; the picture stays.
    assert np.abs(pixels(normal.data).astype(int) - pixels(data)).mean() < 6


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_that_is_normal_already_stays_as_it_is_byte_for_byte(format: OutputFormat) -> None:
    data = normalise(encoded(noise()), format, **BOUNDS).data
    assert normalise(data, format, **BOUNDS).data == data


@pytest.mark.parametrize(("format", "source"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_stripping_metadata_leaves_pixels_untouched(format: OutputFormat, source: str) -> None:
    data = encoded(noise(), source, exif=Image.Exif().tobytes(), xmp=b"<x>SECRET</x>")
    normal = normalise(data, format, **BOUNDS)
    assert normal.data != data
    assert np.array_equal(pixels(normal.data), pixels(data))


def test_png_text_is_stripped() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "SECRET prompt")
    data = encoded(house(), pnginfo=info)
    assert b"SECRET" in data
    assert b"SECRET" not in normalise(data, "png", **BOUNDS).data


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_orientation_is_reported_and_applied(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(noise().crop((0, 0, 200, 120)), format, exif=exif)
    assert inspect_bytes(data, **BOUNDS).exif_orientation == orientation
    upright = open_picture(data, **BOUNDS)
    expected = Image.open(io.BytesIO(data)).convert("RGB")
    turned = expected.transpose(Image.Transpose.ROTATE_90) if orientation > 4 else expected
    assert upright.size == turned.size
    normal = normalise(data, "png", **BOUNDS)
    assert (normal.width, normal.height) == turned.size


def test_orientation_6_turns_clockwise() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (20, 10), "black")
    image.putpixel((0, 0), (255, 255, 255))
    upright = open_picture(encoded(image, exif=exif), **BOUNDS)
    assert upright.getpixel((9, 0)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", [0, 9, 60_000])
def test_nonsense_orientation_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert inspect_bytes(encoded(house(), exif=exif), **BOUNDS).exif_orientation == 1


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65_535, 256, dtype=np.uint16)
    data = encoded(Image.fromarray(np.repeat(ramp[None, :], 32, axis=0)))
    levels = pixels(normalise(data, "png", **BOUNDS).data)[0, :, 0]
    assert np.abs(levels.astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    data = encoded(house().convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    normal = normalise(data, "png", **BOUNDS)
    assert Image.open(io.BytesIO(normal.data)).mode == "RGB"
    assert np.abs(pixels(normal.data).astype(int) - pixels(data)).mean() < 8


def test_a_foreign_colour_profile_is_converted_and_srgb_is_not() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    clean = encoded(house())
    assert normalise(encoded(house(), icc_profile=srgb), "png", **BOUNDS).data == normalise(clean, "png", **BOUNDS).data
    for profile in (lab, b"no profile at all"):
        normal = normalise(encoded(house(), icc_profile=profile), "png", **BOUNDS)
        assert np.array_equal(pixels(normal.data), pixels(clean))


def test_a_wide_gamut_profile_changes_the_levels(wide_gamut: bytes) -> None:
    data = encoded(house(), "JPEG", icc_profile=wide_gamut, quality=95)
    normal = normalise(data, "png", **BOUNDS)
    assert np.abs(pixels(normal.data).astype(int) - pixels(data)).mean() > 2


@pytest.fixture
def wide_gamut() -> bytes:
    """An RGB profile other than sRGB: sRGB's own with red and green exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    at = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[at[0] : at[0] + 4], profile[at[1] : at[1] + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "pRGB".encode("utf-16-be"))


def test_the_corpus_decodes_and_nothing_in_it_is_refused(corpus: Path) -> None:
    files = sorted(file for folder in ("real_nonphoto", "c2pa", "metadata") for file in (corpus / folder).iterdir())
    refused = [file.name for file in files if not _decodes(file.read_bytes())]
    assert refused == ["bad_images__empty_file.png"]


def _decodes(data: bytes) -> bool:
    try:
        inspect_bytes(data, max_bytes=64 * 1024 * 1024, max_pixels=64_000_000)
    except InvalidImage:
        return False
    return True


def test_segments_and_chunks_round_trip() -> None:
    jpeg = encoded(house(), "JPEG")
    inserted = jpeg[:2] + jpeg_segment(0xFE, b"note") + jpeg[2:]
    blocks, end = read_blocks(inserted, "image/jpeg")
    assert [bytes(block.body) for block in blocks if block.name == "COM"] == [b"note"]
    assert end == len(inserted)
