"""XMP source type, written without touching pixels; and what XMP, EXIF and generators' text say about any image."""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring  # pyright: ignore[reportUnknownVariableType]

from platemark.core.base import JsonObject
from platemark.core.errors import InvalidImage
from platemark.core.inspection import Finding
from platemark.imaging import tags
from platemark.imaging.containers import Block, join_blocks, jpeg_segment, png_chunk, read_blocks, webp_chunk
from platemark.imaging.header import read_header
from platemark.provenance.camera import is_camera
from platemark.provenance.generators import Trace, from_exif, from_hidden, from_names, from_system, from_texts
from platemark.provenance.sources import Direction, direction_of
from platemark.provenance.stealth import stealth_text

MAX_XMP_BYTES = 1024 * 1024
_MAX_FIELD = 200
_SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
_CREATOR_TOOL = "{http://ns.adobe.com/xap/1.0/}CreatorTool"
_AI_SYSTEM = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}AISystemUsed"
_XMP_FIELDS = {
    _SOURCE_TYPE: "xmp:DigitalSourceType",
    _CREATOR_TOOL: "xmp:CreatorTool",
    _AI_SYSTEM: "xmp:AISystemUsed",
}
_RDF_RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 Iptc4xmpExt:DigitalSourceType="{source_type}" xmp:CreatorTool="{tool}"/></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
_SETTINGS = re.compile(r"(?:prompt|workflow):\s*\{", re.IGNORECASE)
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Fields whose words are read and never shown: they may name people.
_XMP_HINTS = {"{http://ns.adobe.com/photoshop/1.0/}Credit": "credit"}


def write_xmp(data: bytes, media_type: str, *, source_type: str, tool: str) -> bytes:
    """The same file with an XMP packet that names its IPTC digital source type (a URI) and the program that made it.

    Replaces a packet that is there. Raises InvalidImage for a file whose blocks cannot be walked.
    """
    blocks, _ = read_blocks(data, media_type)
    packet = _PACKET.format(source_type=_escape(source_type), tool=_escape(tool)).encode()
    return join_blocks(media_type, _WRITERS[media_type](blocks, packet))


def read_metadata(data: bytes, media_type: str) -> Finding:
    """A finding of kind `metadata`: fields and generator, all of them forgeable. Never raises.

    Where a generator is known, `generator_from` names the place, and `model` and `seed` are what it says of them. Where
    there is none, a consistent set of a camera's EXIF fields is a weak claim of one.
    """
    try:
        blocks, _ = read_blocks(data, media_type)
        seen = _look(data, blocks, media_type)
    except (InvalidImage, KeyError):
        return Finding(kind="metadata", status="error", detail={"fields": {}, "forgeable": True})
    if not seen.fields:
        return Finding(kind="metadata", status="none", detail={"fields": {}, "forgeable": True})
    direction = _direction(seen)
    weight = "none" if direction == "none" else "weak"
    detail: JsonObject = {"fields": seen.fields, "forgeable": True}
    if trace := seen.trace:
        detail |= {"generator_from": trace.place, "model": trace.model, "seed": trace.seed}
    return Finding(kind="metadata", status="found", direction=direction, weight=weight, detail=detail)


@dataclass(frozen=True, slots=True)
class _Seen:
    fields: dict[str, str]
    trace: Trace | None
    camera: bool


def _direction(seen: _Seen) -> Direction:
    said = direction_of(seen.fields.get("xmp:DigitalSourceType"))
    if seen.trace or said == "ai":
        return "ai"
    return "camera" if seen.camera and "xmp:DigitalSourceType" not in seen.fields else said


def _look(data: bytes, blocks: Sequence[Block], media_type: str) -> _Seen:
    xmp = _xmp_fields(_found(tags.find_xmp, blocks, media_type))
    exif = tags.read_exif(_found(tags.find_exif, blocks, media_type))
    iptc = tags.read_iptc(blocks) if media_type == "image/jpeg" else {}
    texts = _png_texts(blocks) if media_type == "image/png" else {}
    fields = {name: value for name, value in xmp.items() if name in _XMP_FIELDS.values()}
    fields |= {f"exif:{name.title()}": str(exif[name]) for name in ("make", "model", "software") if name in exif}
    trace = from_texts(texts) or from_exif(exif)
    if trace is None and "xmp:AISystemUsed" in xmp:
        trace = from_system(xmp["xmp:AISystemUsed"])
    trace = trace or from_names(_names(xmp, exif, iptc, texts))
    if trace is None and (hidden := stealth_text(data, blocks, media_type)):
        trace = from_hidden(hidden)
    if trace is not None and trace.place == "exif" and _SETTINGS.match(fields.get("exif:Make", "")):
        # ComfyUI keeps its settings, prompt and all, where a camera has its maker.
        fields = {name: value for name, value in fields.items() if not _SETTINGS.match(value)}
    if trace is not None:
        fields["generator"] = trace.generator
    camera = trace is None and is_camera(exif)
    return _Seen({name: value[:_MAX_FIELD] for name, value in fields.items()}, trace, camera)


def _names(
    xmp: dict[str, str], exif: dict[str, str | int], iptc: dict[str, str], texts: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Fields that name a program or whom to credit, each with its place."""
    yield from (("xmp", xmp[name]) for name in ("xmp:CreatorTool", "credit") if name in xmp)
    yield from (("exif", str(exif[name])) for name in ("software", "artist", "description") if name in exif)
    yield from (("iptc", iptc[name]) for name in ("program", "byline", "credit") if name in iptc)
    yield from (("png", texts[name]) for name in ("Software", "Source", "Author") if name in texts)


def _png_texts(blocks: Sequence[Block]) -> dict[str, str]:
    """Keyword to text, the first of each; none of what cannot be unpacked, which takes nothing from the others."""
    found: dict[str, str] = {}
    for block in blocks:
        with suppress(InvalidImage):
            for keyword, text in tags.png_texts([block]):
                found.setdefault(keyword, text.decode("utf-8", "replace"))
    return found


def _found(find: Callable[[Sequence[Block], str], bytes | None], blocks: Sequence[Block], kind: str) -> bytes | None:
    try:
        return find(blocks, kind)
    except InvalidImage:
        return None


def _xmp_fields(xmp: bytes | None) -> dict[str, str]:
    """The fields of interest. A packet that is broken, too large or carries a DTD says nothing."""
    if not xmp or len(xmp) > MAX_XMP_BYTES:
        return {}
    try:
        root: Any = fromstring(xmp.strip(b"\0 \r\n"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return {}
    found: dict[str, str] = {}
    for element in root.iter():
        for key, name in (_XMP_FIELDS | _XMP_HINTS).items():
            value = element.get(key)
            if element.tag == key:
                value = element.get(_RDF_RESOURCE) or element.text
            if value and value.strip():
                found.setdefault(name, value.strip())
    return found


def _escape(text: str) -> str:
    return html.escape(_NOT_XML.sub("", text))


def _write_png(blocks: Sequence[Block], packet: bytes) -> list[bytes | memoryview]:
    chunk = png_chunk(b"iTXt", tags.XMP_KEYWORD.encode() + b"\0\0\0\0\0" + packet)
    old = f"{tags.XMP_KEYWORD}\0".encode()
    kept = [block.raw for block in blocks if bytes(block.body[: len(old)]) != old]
    return [kept[0], chunk, *kept[1:]]


def _write_jpeg(blocks: Sequence[Block], packet: bytes) -> list[bytes | memoryview]:
    segment = jpeg_segment(0xE1, tags.XMP_HEADER + packet)
    header = len(tags.XMP_HEADER)
    kept = [b for b in blocks if b.name != "APP1" or bytes(b.body[:header]) != tags.XMP_HEADER]
    # JFIF and Exif want to be first.
    at = next((n for n, block in enumerate(kept) if block.name not in ("SOI", "APP0", "APP1")), len(kept))
    return [*(b.raw for b in kept[:at]), segment, *(b.raw for b in kept[at:])]


def _write_webp(blocks: Sequence[Block], packet: bytes) -> list[bytes | memoryview]:
    header = read_header(blocks, "image/webp")
    kept = [block for block in blocks if block.name not in ("XMP ", "VP8X")]
    flags = 0x04 | 0x10 * header.has_alpha
    flags |= 0x20 * any(b.name == "ICCP" for b in kept) | 0x08 * any(b.name == "EXIF" for b in kept)
    size = (header.width - 1).to_bytes(3, "little") + (header.height - 1).to_bytes(3, "little")
    extended = webp_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size)
    return [extended, *(block.raw for block in kept), webp_chunk(b"XMP ", packet)]


_WRITERS = {"image/png": _write_png, "image/jpeg": _write_jpeg, "image/webp": _write_webp}
