import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from pictures import encoded, house, noise, pixels
from platemark.core.errors import InvalidImage
from platemark.provenance.metadata import MAX_XMP_BYTES, read_metadata, write_xmp
from platemark.provenance.sources import IPTC, direction_of

AI = f"{IPTC}trainedAlgorithmicMedia"
FORMATS = ["png", "jpeg", "webp"]


def marked(data: bytes, format: str, source_type: str = AI, tool: str = "Platemark") -> bytes:
    return write_xmp(data, f"image/{format}", source_type=source_type, tool=tool)


def png_with(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, value in texts.items():
        info.add_text(key.replace("_", "-") if key == "sd_metadata" else key, value)
    return encoded(house(64), pnginfo=info)


def with_xmp(body: str) -> bytes:
    return encoded(house(64), "JPEG", xmp=body.encode())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_xmp_is_written_without_touching_pixels(format: str, mode: str) -> None:
    image = noise(64).convert("RGB" if format == "jpeg" else mode)
    data = encoded(image, format)
    out = marked(data, format)
    assert np.array_equal(pixels(out), pixels(data))
    assert Image.open(io.BytesIO(out)).mode == Image.open(io.BytesIO(data)).mode
    found = read_metadata(out, f"image/{format}")
    assert (found.status, found.direction, found.weight) == ("found", "ai", "weak")
    assert found.detail == {
        "fields": {"xmp:DigitalSourceType": AI, "xmp:CreatorTool": "Platemark"},
        "forgeable": True,
    }


@pytest.mark.parametrize("format", FORMATS)
def test_an_independent_reader_sees_the_same(format: str) -> None:
    described = Image.open(io.BytesIO(marked(encoded(house(64), format), format))).getxmp()
    description = described["xmpmeta"]["RDF"]["Description"]
    assert description["DigitalSourceType"] == AI
    assert description["CreatorTool"] == "Platemark"


@pytest.mark.parametrize("format", FORMATS)
def test_writing_again_replaces_the_packet(format: str) -> None:
    twice = marked(marked(encoded(house(64), format), format), format, f"{IPTC}digitalArt")
    assert twice.count(b"W5M0MpCehiHzreSzNTczkc9d") == 1
    assert read_metadata(twice, f"image/{format}").detail["fields"]["xmp:DigitalSourceType"].endswith("digitalArt")


@pytest.mark.parametrize("format", FORMATS)
def test_other_metadata_stays_where_it_is(format: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    data = encoded(house(64), format, exif=exif, icc_profile=b"x" * 200)
    image = Image.open(io.BytesIO(marked(data, format)))
    assert image.getexif()[0x010F] == "Maker"
    assert image.info["icc_profile"] == b"x" * 200


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_packet(source_type: str, tool: str) -> None:
    data = marked(encoded(house(16)), "png", f"x{source_type}", f"y{tool}")
    fields = read_metadata(data, "image/png").detail["fields"]
    assert fields["xmp:DigitalSourceType"].startswith("x")
    assert fields["xmp:CreatorTool"].startswith("y")


@pytest.mark.parametrize("format", FORMATS)
def test_a_broken_file_is_not_marked(format: str) -> None:
    with pytest.raises(InvalidImage):
        marked(encoded(house(64), format)[:40], format)


@pytest.mark.parametrize(
    ("texts", "generator"),
    [
        ({"parameters": "a cat\nSteps: 20, Sampler: Euler"}, "automatic1111"),
        ({"prompt": "{}", "workflow": "{}"}, "comfyui"),
        ({"fooocus_scheme": "fooocus", "parameters": "{}"}, "fooocus"),
        ({"fooocus_scheme": "fooocus"}, "fooocus"),
        ({"invokeai_metadata": "{}"}, "invokeai"),
        ({"sd_metadata": "{}"}, "invokeai"),
        ({"Dream": "a cat -s 20"}, "invokeai"),
        ({"Software": "NovelAI", "Comment": "{}"}, "novelai"),
    ],
)
def test_generators_are_known_by_their_text_and_their_prompts_are_not_kept(
    texts: dict[str, str], generator: str
) -> None:
    found = read_metadata(png_with(**texts), "image/png")
    assert (found.status, found.direction, found.weight) == ("found", "ai", "weak")
    assert found.detail["fields"]["generator"] == generator
    assert "cat" not in json.dumps(found.detail)


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_generators_are_known_by_their_exif(format: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "a cat\nSteps: 20, Sampler: Euler a".encode("utf-16-be")
    found = read_metadata(encoded(house(64), format, exif=exif), f"image/{format}")
    assert found.detail["fields"] == {"generator": "automatic1111"}
    assert found.detail["generator_from"] == "exif"


def test_a_program_s_name_is_a_weak_claim() -> None:
    exif = Image.Exif()
    exif[0x0131] = "Midjourney v7"
    found = read_metadata(encoded(house(64), "JPEG", exif=exif), "image/jpeg")
    assert found.detail["fields"] == {"exif:Software": "Midjourney v7", "generator": "midjourney"}
    assert found.direction == "ai"


def test_a_camera_s_name_alone_claims_nothing() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Nikon", "D850"
    found = read_metadata(encoded(house(64), "JPEG", exif=exif), "image/jpeg")
    assert found.detail["fields"] == {"exif:Make": "Nikon", "exif:Model": "D850"}
    assert (found.direction, found.weight) == ("none", "none")


NAMESPACES = (
    'xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
)


@pytest.mark.parametrize(
    ("body", "direction"),
    [
        (f"<r:RDF {NAMESPACES}><i:DigitalSourceType>{AI}</i:DigitalSourceType></r:RDF>", "ai"),
        (f'<r:RDF {NAMESPACES}><i:DigitalSourceType r:resource="{IPTC}digitalCapture"/></r:RDF>', "camera"),
        (f'<r:RDF {NAMESPACES}><r:D i:DigitalSourceType="{IPTC}screenCapture"/></r:RDF>', "none"),
        (f'<r:RDF {NAMESPACES}><r:D i:DigitalSourceType="compositeWithTrainedAlgorithmicMedia"/></r:RDF>', "ai"),
    ],
)
def test_source_types_are_read_in_every_spelling_of_rdf(body: str, direction: str) -> None:
    found = read_metadata(with_xmp(body), "image/jpeg")
    assert (found.status, found.direction) == ("found", direction)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "body",
    [
        f'{BOMB}<r:RDF {NAMESPACES}><r:D i:DigitalSourceType="&b;"/></r:RDF>',
        f'<!DOCTYPE x SYSTEM "file:///etc/passwd"><r:RDF {NAMESPACES}><r:D i:DigitalSourceType="{AI}"/></r:RDF>',
        f'<r:RDF {NAMESPACES}><r:D i:DigitalSourceType="{AI}"/>',
        "<a/><b/>",
        "no xml",
        '<?xml version="1.0" encoding="no-such"?><a/>',
        "",
    ],
)
def test_hostile_or_broken_xmp_says_nothing(body: str) -> None:
    assert read_metadata(with_xmp(body), "image/jpeg").status == "none"


def test_xmp_of_megabytes_is_not_parsed() -> None:
    webp = encoded(
        house(64),
        "WEBP",
        xmp=f'<r:RDF {NAMESPACES}><r:D i:DigitalSourceType="{AI}"/></r:RDF>'.encode() + b" " * MAX_XMP_BYTES,
    )
    assert read_metadata(webp, "image/webp").status == "none"


def test_pictures_without_metadata_and_files_that_are_none() -> None:
    assert read_metadata(encoded(house(64)), "image/png").status == "none"
    assert read_metadata(b"", "image/png").status == "error"
    assert read_metadata(b"GIF89a", "image/gif").status == "error"


@given(st.binary(max_size=300), st.sampled_from(["image/png", "image/jpeg", "image/webp"]))
def test_reading_never_raises(data: bytes, media_type: str) -> None:
    assert read_metadata(data, media_type).status in ("none", "error", "found")


@pytest.mark.parametrize("name", ["digitalArt", "humanEdits", "screenCapture", "", None, "https://x.example/"])
def test_other_source_types_point_nowhere(name: str | None) -> None:
    assert direction_of(name) == "none"
