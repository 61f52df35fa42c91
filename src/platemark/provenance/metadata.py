"""XMP source type, written without touching pixels; and what XMP, EXIF and generators' text say about any image."""

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring  # pyright: ignore[reportUnknownVariableType]

from platemark.core.base import JsonObject
from platemark.core.errors import InvalidImage
from platemark.core.inspection import Finding
from platemark.imaging import tags
from platemark.imaging.containers import Block, join_blocks, jpeg_segment, png_chunk, read_blocks, webp_chunk
from platemark.imaging.header import read_header
from platemark.provenance.sources import Direction, direction_of

MAX_XMP_BYTES = 1024 * 1024
_MAX_FIELD = 200
_SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
_CREATOR_TOOL = "{http://ns.adobe.com/xap/1.0/}CreatorTool"
_XMP_FIELDS = {_SOURCE_TYPE: "xmp:DigitalSourceType", _CREATOR_TOOL: "xmp:CreatorTool"}
_RDF_RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 Iptc4xmpExt:DigitalSourceType="{source_type}" xmp:CreatorTool="{tool}"/></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Keywords of PNG text by which programs are known.
_KEYWORDS = {
    "workflow": "comfyui",
    "prompt": "comfyui",
    "fooocus_scheme": "fooocus",
    "invokeai_metadata": "invokeai",
    "invokeai_graph": "invokeai",
    "sd-metadata": "invokeai",
    "Dream": "invokeai",
    # Others write this one too, beside their own.
    "parameters": "automatic1111",
}
_A1111 = re.compile(r"\bSteps: \d+, .*\bSampler: ", re.DOTALL)
_COMFY = re.compile(r"^(?:prompt|workflow):\{", re.IGNORECASE)
_NAMES = re.compile(
    r"\b(?:midjourney|dall[-·. ]?e|stable diffusion|comfyui|invokeai|fooocus|novelai|firefly|ideogram|imagen|flux)\b",
    re.IGNORECASE,
)


def write_xmp(data: bytes, media_type: str, *, source_type: str, tool: str) -> bytes:
    """The same file with an XMP packet that names its IPTC digital source type (a URI) and the program that made it.

    Replaces a packet that is there. Raises InvalidImage for a file whose blocks cannot be walked.
    """
    blocks, _ = read_blocks(data, media_type)
    packet = _PACKET.format(source_type=_escape(source_type), tool=_escape(tool)).encode()
    return join_blocks(media_type, _WRITERS[media_type](blocks, packet))


def read_metadata(data: bytes, media_type: str) -> Finding:
    """A finding of kind `metadata`: fields and generator, all of them forgeable. Never raises."""
    try:
        blocks, _ = read_blocks(data, media_type)
        fields = _read_fields(blocks, media_type)
    except (InvalidImage, KeyError):
        return Finding(kind="metadata", status="error", detail={"fields": {}, "forgeable": True})
    if not fields:
        return Finding(kind="metadata", status="none", detail={"fields": {}, "forgeable": True})
    direction: Direction = "ai" if "generator" in fields else direction_of(fields.get("xmp:DigitalSourceType"))
    weight = "none" if direction == "none" else "weak"
    detail: JsonObject = {"fields": fields, "forgeable": True}
    return Finding(kind="metadata", status="found", direction=direction, weight=weight, detail=detail)


def _read_fields(blocks: Sequence[Block], media_type: str) -> dict[str, str]:
    fields = _xmp_fields(tags.find_xmp(blocks, media_type))
    exif = tags.read_exif(tags.find_exif(blocks, media_type))
    fields |= {f"exif:{name.title()}": str(exif[name]) for name in ("make", "model", "software") if name in exif}
    texts = dict(tags.png_texts(blocks)) if media_type == "image/png" else {}
    generator = _generator(texts, exif) or _named(fields.values())
    if generator:
        fields["generator"] = generator
    return {name: value[:_MAX_FIELD] for name, value in fields.items()}


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
        for key, name in _XMP_FIELDS.items():
            value = element.get(key)
            if element.tag == key:
                value = element.get(_RDF_RESOURCE) or element.text
            if value and value.strip():
                found.setdefault(name, value.strip())
    return found


def _generator(texts: dict[str, bytes], exif: dict[str, str | int]) -> str | None:
    """The program that left its settings in the file. The settings hold somebody's prompt and are not kept."""
    for keyword, generator in _KEYWORDS.items():
        if keyword in texts:
            return generator
    if texts.get("Software") == b"NovelAI":
        return "novelai"
    if _A1111.search(str(exif.get("user_comment", ""))):
        return "automatic1111"
    if any(_COMFY.match(str(exif.get(name, ""))) for name in ("make", "model")):
        return "comfyui"
    return None


def _named(values: Iterable[str]) -> str | None:
    return next((match[0].lower() for value in values if (match := _NAMES.search(value))), None)


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
