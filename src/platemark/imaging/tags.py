"""What travels beside the pixels: PNG text, XMP, EXIF, IPTC, colour profile. Bounded, and nothing here is believed."""

import warnings
from collections.abc import Iterator, Sequence

from PIL import Image

from platemark.imaging.containers import Block, inflate

# What a broken EXIF block makes Pillow say is about somebody's file, and not for whoever reads thousands of them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

XMP_KEYWORD = "XML:com.adobe.xmp"
XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
EXIF_HEADER = b"Exif\0\0"
_ICC_HEADER = b"ICC_PROFILE\0"
# Pillow's own bound for one compressed text or profile of a PNG.
MAX_INFLATED = 1024 * 1024
_EXIF_IFD = 0x8769
_EXIF_TAGS = {
    0x010E: "description",
    0x010F: "make",
    0x0110: "model",
    0x0112: "orientation",
    0x0131: "software",
    0x013B: "artist",
}
_EXIF_PHOTO_TAGS = {
    0x829A: "exposure_time",
    0x829D: "f_number",
    0x8827: "iso",
    0x9003: "taken_at",
    0x927C: "maker_note",
    0x9286: "user_comment",
    0x920A: "focal_length",
}
# IPTC IIM 4.2, record 2: texts that programs sign with.
_IPTC_FIELDS = {65: "program", 80: "byline", 110: "credit", 120: "caption"}
_IPTC_HEADER = b"Photoshop 3.0\0"
_IPTC_RESOURCE = b"8BIM\x04\x04"
_MAX_IPTC = 200


def png_texts(blocks: Sequence[Block]) -> Iterator[tuple[str, bytes]]:
    """Keyword and text of every PNG text chunk. Raises InvalidImage for one that is broken or unpacks to too much."""
    for block in blocks:
        if block.name in ("tEXt", "zTXt", "iTXt"):
            keyword, _, rest = bytes(block.body).partition(b"\0")
            yield keyword.decode("latin-1"), _text(block.name, rest)


def _text(name: str, rest: bytes) -> bytes:
    if name == "tEXt":
        return rest
    if name == "zTXt":
        return inflate(rest[1:], MAX_INFLATED)
    compressed = rest[:1] == b"\1"
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return inflate(text, MAX_INFLATED) if compressed else text


def find_xmp(blocks: Sequence[Block], media_type: str) -> bytes | None:
    """The XMP packet, None when there is none."""
    if media_type == "image/png":
        return next((text for keyword, text in png_texts(blocks) if keyword == XMP_KEYWORD), None)
    if media_type == "image/jpeg":
        return _app(blocks, "APP1", XMP_HEADER)
    return _body(blocks, "XMP ")


def find_exif(blocks: Sequence[Block], media_type: str) -> bytes | None:
    """The EXIF block, beginning with its TIFF header; None when there is none."""
    if media_type == "image/png":
        return _body(blocks, "eXIf")
    if media_type == "image/jpeg":
        return _app(blocks, "APP1", EXIF_HEADER)
    found = _body(blocks, "EXIF")
    return found.removeprefix(EXIF_HEADER) if found else None


def find_profile(blocks: Sequence[Block], media_type: str) -> bytes | None:
    """The ICC colour profile, None when there is none."""
    if media_type == "image/png":
        packed = _body(blocks, "iCCP")
        return inflate(packed.partition(b"\0")[2][1:], MAX_INFLATED) if packed else None
    if media_type == "image/jpeg":
        parts = [b.body for b in blocks if b.name == "APP2" and bytes(b.body[:12]) == _ICC_HEADER and len(b.body) > 14]
        return b"".join(part[14:] for part in sorted(parts, key=lambda part: part[12])) or None
    return _body(blocks, "ICCP")


def read_exif(exif: bytes | None) -> dict[str, str | int]:
    """Orientation (1 to 8) and the other fields named above, as text: those that are present and readable."""
    if not exif or len(exif) > MAX_INFLATED:
        return {}
    parsed = Image.Exif()
    try:
        parsed.load(exif)
        found = {name: parsed.get(tag) for tag, name in _EXIF_TAGS.items()}
        photo = parsed.get_ifd(_EXIF_IFD)
        found |= {name: photo.get(tag) for tag, name in _EXIF_PHOTO_TAGS.items()}
    except Exception:
        # Pillow raises whatever its parser meets in a broken block; such a block says nothing.
        return {}
    return {name: value if isinstance(value, int) else _plain(value) for name, value in found.items() if value}


def read_iptc(blocks: Sequence[Block]) -> dict[str, str]:
    """Program, byline, credit, caption of a JPEG's IPTC block (IIM): those present and readable."""
    block = _app(blocks, "APP13", _IPTC_HEADER) or b""
    _, found, rest = block.partition(_IPTC_RESOURCE)
    if not found or not rest:
        return {}
    # A name, padded to an even length, then four bytes of size.
    body = rest[(rest[0] // 2 + 1) * 2 + 4 :]
    return dict(_iptc_texts(body))


def _iptc_texts(body: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    for _ in range(_MAX_IPTC):
        if body[at : at + 1] != b"\x1c" or len(body) < at + 5:
            return
        record, dataset = body[at + 1 : at + 3]
        size = int.from_bytes(body[at + 3 : at + 5], "big")
        if record == 2 and dataset in _IPTC_FIELDS:
            yield _IPTC_FIELDS[dataset], _plain(body[at + 5 : at + 5 + size].decode("utf-8", "replace"))
        at += 5 + size


def orientation_of(exif: dict[str, str | int]) -> int:
    """EXIF orientation, 1 to 8; 1 where it is missing or nonsense."""
    value = exif.get("orientation")
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def check_sizes(blocks: Sequence[Block], media_type: str) -> None:
    """Raise InvalidImage when compressed metadata is broken or unpacks to more than a mebibyte."""
    if media_type == "image/png":
        find_profile(blocks, media_type)
        for _ in png_texts(blocks):
            pass


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        value = _comment(value)
    return str(value).strip("\0 ")[:10_000]


def _comment(value: bytes) -> str:
    # UserComment begins with eight bytes that name its encoding.
    match value[:8].rstrip(b"\0"):
        case b"UNICODE":
            return value[8:].decode("utf-16-be", "replace")
        case b"" | b"ASCII" | b"JIS":
            return value[8:].decode("utf-8", "replace")
        case _:
            return value.decode("latin-1")


def _app(blocks: Sequence[Block], name: str, header: bytes) -> bytes | None:
    bodies = (bytes(block.body) for block in blocks if block.name == name)
    return next((body.removeprefix(header) for body in bodies if body.startswith(header)), None)


def _body(blocks: Sequence[Block], name: str) -> bytes | None:
    return next((bytes(block.body) for block in blocks if block.name == name), None)
