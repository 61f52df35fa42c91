"""Generators and cameras, known by what they leave in files made here and in those of sd-parsers."""

import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from pictures import encoded, house, noise
from platemark.core.inspection import Finding
from platemark.imaging.containers import PNG_SIGNATURE, join_blocks, jpeg_segment, png_chunk, read_blocks
from platemark.imaging.tags import MAX_INFLATED
from platemark.provenance import stealth
from platemark.provenance.generators import from_exif, from_hidden, from_names, from_texts
from platemark.provenance.metadata import read_metadata

A1111 = (
    "portrait of Jane Roe, Model: Jane\nNegative prompt: blur\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 512x512, Model hash: ab, Model: dream_v8, Hires: 2"
)
COMFY = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 77, "steps": 20}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "C:\\models\\jane\\sd_xl.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": 'Jane Roe, "ckpt_name": "of Jane"'}},
}
NOVELAI = {
    "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4 F6E18726",
    "Description": "Jane Roe",
    "Comment": json.dumps({"prompt": "Jane Roe", "steps": 28, "seed": 99}),
}
JOB = "a cat --v 6 Job ID: 0a1b2c3d-0000-4000-8000-0123456789ab"


def png_with(texts: dict[str, str]) -> bytes:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    return encoded(house(32), pnginfo=info)


def said(found: Finding) -> tuple[str | None, ...]:
    assert "Jane" not in json.dumps(found.detail)
    detail = found.detail
    return detail["fields"].get("generator"), detail.get("generator_from"), detail.get("model"), detail.get("seed")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"parameters": A1111}, ("automatic1111", "png", "dream_v8", "1234")),
        ({"prompt": json.dumps(COMFY), "workflow": "{}"}, ("comfyui", "png", "sd_xl.safetensors", "77")),
        (
            {"fooocus_scheme": "fooocus", "parameters": '{"base_model": "jug", "seed": "5", "prompt": "Jane"}'},
            ("fooocus", "png", "jug", "5"),
        ),
        ({"parameters": '{"version": "Fooocus v2.5", "seed": 6}'}, ("fooocus", "png", None, "6")),
        ({"parameters": f"{A1111}, Version: Fooocus v2.5"}, ("fooocus", "png", "dream_v8", "1234")),
        ({"parameters": '{"sui_image_params": {"model": "x", "seed": 4}}'}, ("swarmui", "png", "x", "4")),
        (
            {"invokeai_metadata": '{"seed": 8, "model": {"model_name": "deliberate"}}'},
            ("invokeai", "png", "deliberate", "8"),
        ),
        (
            {"sd-metadata": '{"model_weights": "deliberate", "image": {"seed": 9}}'},
            ("invokeai", "png", "deliberate", "9"),
        ),
        ({"Dream": '"Jane Roe" -s 20 -S 5'}, ("invokeai", "png", None, None)),
        (NOVELAI, ("novelai", "png", None, "99")),
        ({"Description": JOB, "Author": "Jane"}, ("midjourney", "png", None, None)),
        ({"Software": "ChatGPT"}, ("chatgpt", "png", None, None)),
    ],
)
def test_a_png_s_texts_name_generator_model_and_seed_and_no_prompt_is_kept(
    texts: dict[str, str], expected: tuple[str | None, ...]
) -> None:
    found = read_metadata(png_with(texts), "image/png")
    assert said(found) == expected
    assert (found.status, found.direction, found.weight) == ("found", "ai", "weak")


@pytest.mark.parametrize(
    "texts",
    [
        {"workflow": "approved by Jane"},
        {"prompt": "Enter your name"},
        {"parameters": "gamma=2.2"},
        {"Description": "Job ID: 12"},
        {"Software": "Editor de imagen"},
        {"Software": "f.lux"},
        {"Comment": "a poem on Midjourney"},
    ],
)
def test_words_that_others_use_too_are_no_generator(texts: dict[str, str]) -> None:
    assert read_metadata(png_with(texts), "image/png").direction == "none"


def test_text_after_the_pixels_is_read() -> None:
    blocks, _ = read_blocks(encoded(house(32)), "image/png")
    raws = [block.raw for block in blocks]
    text = png_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(A1111.encode()))
    data = join_blocks("image/png", [*raws[:-1], text, raws[-1]])
    assert said(read_metadata(data, "image/png")) == ("automatic1111", "png", "dream_v8", "1234")


def test_a_text_that_cannot_be_unpacked_takes_nothing_from_the_others() -> None:
    blocks, _ = read_blocks(encoded(house(32)), "image/png")
    bomb = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(b" " * (MAX_INFLATED * 4)))
    good = png_chunk(b"tEXt", b"parameters\0" + A1111.encode())
    data = join_blocks("image/png", [blocks[0].raw, bomb, good, *(block.raw for block in blocks[1:])])
    assert said(read_metadata(data, "image/png"))[0] == "automatic1111"


def exif_with(values: dict[int, object], photo: dict[int, object] | None = None) -> Image.Exif:
    exif = Image.Exif()
    # Pillow leaves out a block that has nothing but a part.
    exif[0x0112] = 1
    for tag, value in values.items():
        exif[tag] = value
    exif.get_ifd(0x8769).update(photo or {})
    return exif


@pytest.mark.parametrize("format", ["jpeg", "webp", "png"])
@pytest.mark.parametrize(
    ("values", "photo", "expected"),
    [
        ({}, {0x9286: b"UNICODE\0" + A1111.encode("utf-16-be")}, ("automatic1111", "exif", "dream_v8", "1234")),
        ({}, {0x9286: b"ASCII\0\0\0" + A1111.encode()}, ("automatic1111", "exif", "dream_v8", "1234")),
        ({0x010F: f"prompt:{json.dumps(COMFY)}"}, {}, ("comfyui", "exif", None, "77")),
        ({0x010E: "workflow:{}", 0x010F: f"prompt:{json.dumps(COMFY)}"}, {}, ("comfyui", "exif", None, "77")),
        (
            {},
            {0x9286: b'ASCII\0\0\0{"base_model": "jug", "version": "Fooocus v2"}', 0x927C: b"fooocus"},
            ("fooocus", "exif", "jug", None),
        ),
        ({0x010E: JOB}, {}, ("midjourney", "exif", None, None)),
        ({0x0131: "Adobe Firefly"}, {}, ("adobe firefly", "exif", None, None)),
        ({0x013B: "Made with Google AI"}, {}, ("google ai", "exif", None, None)),
    ],
)
def test_exif_names_the_generator_and_no_prompt_is_kept(
    format: str, values: dict[int, object], photo: dict[int, object], expected: tuple[str | None, ...]
) -> None:
    data = encoded(house(32), format, exif=exif_with(values, photo))
    generator, place, model, seed = said(read_metadata(data, f"image/{format}"))
    assert (generator, place, seed) == (expected[0], expected[1], expected[3])
    # JSON behind "prompt:" is not parsed, so its model may stay unsaid.
    assert expected[2] in (model, None)


XMP = (
    '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:p="http://ns.adobe.com/photoshop/1.0/" '
    'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:x="http://ns.adobe.com/xap/1.0/"><r:D {}/></r:RDF>'
)


@pytest.mark.parametrize(
    ("attribute", "generator"),
    [
        ('p:Credit="Made with Google AI"', "google ai"),
        ('p:Credit="Edited with Google AI"', "google ai"),
        ('x:CreatorTool="Adobe Firefly 3"', "adobe firefly"),
        ('i:AISystemUsed="OpenAI DALL·E 3"', "dall-e"),
        ('i:AISystemUsed="Unheard-of 7"', "unheard-of 7"),
    ],
)
def test_xmp_names_the_generator(attribute: str, generator: str) -> None:
    data = encoded(house(32), "JPEG", xmp=XMP.format(attribute).encode())
    found = read_metadata(data, "image/jpeg")
    assert said(found)[:2] == (generator, "xmp")
    assert found.direction == "ai"


def test_whom_xmp_credits_is_not_kept() -> None:
    data = encoded(house(32), "JPEG", xmp=XMP.format('p:Credit="Jane Roe"').encode())
    assert read_metadata(data, "image/jpeg").detail == {"fields": {}, "forgeable": True}


def with_iptc(*fields: tuple[int, bytes], lie: int = 0) -> bytes:
    body = b"".join(b"\x1c\x02" + bytes([n]) + (len(text) + lie).to_bytes(2, "big") + text for n, text in fields)
    block = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(body).to_bytes(4, "big") + body
    blocks, _ = read_blocks(encoded(house(32), "JPEG"), "image/jpeg")
    return join_blocks("image/jpeg", [blocks[0].raw, jpeg_segment(0xED, block), *(b.raw for b in blocks[1:])])


def test_iptc_names_the_generator_and_not_the_person() -> None:
    data = with_iptc((80, b"Jane Roe"), (110, b"Made with Google AI"))
    assert said(read_metadata(data, "image/jpeg"))[:2] == ("google ai", "iptc")
    assert read_metadata(with_iptc((110, b"Jane Roe")), "image/jpeg").detail["fields"] == {}
    assert read_metadata(with_iptc((110, b"Jane"), lie=60_000), "image/jpeg").status == "none"


def hidden(payload: bytes, form: bytes = b"stealth_pnginfo", *, side: int = 160, lie: int = 0) -> Image.Image:
    bits = np.unpackbits(np.frombuffer(form + (len(payload) * 8 + lie).to_bytes(4, "big") + payload, np.uint8))
    picture = noise(side).convert("RGBA")
    alpha = np.full(side * side, 254, np.uint8)
    alpha[: len(bits)] += bits
    picture.putalpha(Image.fromarray(alpha.reshape(side, side).T.copy()))
    return picture


@pytest.mark.parametrize(
    ("payload", "form", "expected"),
    [
        (A1111.encode(), b"stealth_pnginfo", ("automatic1111", "alpha", "dream_v8", "1234")),
        (gzip.compress(A1111.encode()), b"stealth_pngcomp", ("automatic1111", "alpha", "dream_v8", "1234")),
        (gzip.compress(json.dumps(NOVELAI).encode()), b"stealth_pngcomp", ("novelai", "alpha", None, "99")),
        (json.dumps(COMFY).encode(), b"stealth_pnginfo", ("comfyui", "alpha", "sd_xl.safetensors", "77")),
    ],
)
def test_settings_hidden_in_the_alpha_plane_are_found(
    payload: bytes, form: bytes, expected: tuple[str | None, ...]
) -> None:
    picture = hidden(payload, form)
    assert said(read_metadata(encoded(picture), "image/png")) == expected
    webp = encoded(picture, "WEBP", lossless=True, exact=True)
    assert said(read_metadata(webp, "image/webp")) == expected


@pytest.mark.parametrize(
    ("payload", "form", "lie"),
    [
        (gzip.compress(b" " * (stealth.MAX_TEXT_BYTES * 2)), b"stealth_pngcomp", 0),
        (b"not gzip", b"stealth_pngcomp", 0),
        (A1111.encode(), b"stealth_pnginfo", 2**31),
        (A1111.encode(), b"stealth_other..", 0),
        (b"\xff\xfe\xff", b"stealth_pnginfo", 0),
        (b"", b"stealth_pnginfo", 0),
        (b"words", b"stealth_pnginfo", 0),
        (b'{"Software": "NovelAI", "Comment": ' + b"[" * 400, b"stealth_pnginfo", -8),
    ],
)
def test_hidden_bombs_lies_and_noise_cost_nothing(payload: bytes, form: bytes, lie: int) -> None:
    found = read_metadata(encoded(hidden(payload, form, lie=lie)), "image/png")
    assert said(found)[0] in (None, "novelai")


def test_pictures_that_are_opaque_tiny_or_too_large_hide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for side in (1, 2, 13):
        assert read_metadata(encoded(noise(side).convert("RGBA")), "image/png").status == "none"
    data = encoded(hidden(A1111.encode()))
    monkeypatch.setattr(stealth, "MAX_PIXELS", 160 * 160 - 1)
    assert read_metadata(data, "image/png").status == "none"


CAMERA: dict[int, object] = {0x010F: "Nikon", 0x0110: "D850"}
EXPOSURE: dict[int, object] = {0x829A: 0.004, 0x829D: 2.8, 0x8827: 200, 0x9003: "2026:05:01 10:20:30"}


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_a_whole_set_of_a_camera_s_fields_is_a_weak_claim(format: str) -> None:
    data = encoded(house(32), format, exif=exif_with(CAMERA, EXPOSURE))
    found = read_metadata(data, f"image/{format}")
    assert (found.direction, found.weight) == ("camera", "weak")
    assert found.detail["fields"] == {"exif:Make": "Nikon", "exif:Model": "D850"}


@pytest.mark.parametrize(
    ("values", "photo"),
    [
        (CAMERA, {}),
        ({}, EXPOSURE),
        *((CAMERA, {tag: value for tag, value in EXPOSURE.items() if tag != left_out}) for left_out in EXPOSURE),
        (CAMERA, EXPOSURE | {0x829D: 5000.0}),
        (CAMERA, EXPOSURE | {0x9003: "yesterday"}),
    ],
)
def test_less_than_a_whole_set_claims_nothing(values: dict[int, object], photo: dict[int, object]) -> None:
    data = encoded(house(32), "JPEG", exif=exif_with(values, photo))
    assert read_metadata(data, "image/jpeg").direction == "none"


def test_a_generator_s_word_counts_more_than_a_camera_s() -> None:
    data = encoded(house(32), "JPEG", exif=exif_with(CAMERA | {0x0131: "Midjourney"}, EXPOSURE))
    assert read_metadata(data, "image/jpeg").direction == "ai"


anything = st.text(max_size=200) | st.sampled_from([A1111, JOB, json.dumps(COMFY), "prompt:{", "{" * 300])


@given(st.dictionaries(st.sampled_from(["parameters", "prompt", "Software", "Comment", "Dream"]), anything))
def test_no_texts_raise(texts: dict[str, str]) -> None:
    from_texts(texts)
    from_exif({"user_comment": texts.get("prompt", ""), "make": texts.get("Dream", ""), "description": 3})
    from_hidden(texts.get("parameters", ""))
    from_names([("xmp", text) for text in texts.values()])


@given(st.binary(max_size=400), st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"eXIf"]))
def test_no_chunk_of_a_whole_picture_raises(body: bytes, name: bytes) -> None:
    blocks, _ = read_blocks(encoded(house(16)), "image/png")
    data = join_blocks("image/png", [blocks[0].raw, png_chunk(name, body), *(block.raw for block in blocks[1:])])
    assert data.startswith(PNG_SIGNATURE)
    assert read_metadata(data, "image/png").status in ("none", "found")


@given(st.binary(max_size=300))
def test_no_iptc_block_raises(body: bytes) -> None:
    blocks, _ = read_blocks(encoded(house(16), "JPEG"), "image/jpeg")
    segment = jpeg_segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04" + body)
    data = join_blocks("image/jpeg", [blocks[0].raw, segment, *(block.raw for block in blocks[1:])])
    assert read_metadata(data, "image/jpeg").status in ("none", "found")


FILES = {
    "bad_images__empty_file.png": ("error", None),
    "bad_images__empty_image.jpg": ("none", None),
    "bad_images__empty_image.png": ("none", None),
    "bad_images__text_after_idat.png": ("found", "automatic1111"),
    "parsers__AUTOMATIC1111__automatic1111_cropped.jpg": ("found", "automatic1111"),
    "parsers__AUTOMATIC1111__automatic1111_cropped.png": ("found", "automatic1111"),
    "parsers__AUTOMATIC1111__automatic1111_stealth.png": ("found", "automatic1111"),
    "parsers__ComfyUI__img2img_cropped.png": ("found", "comfyui"),
    "parsers__ComfyUI__night_evening_day_morning_cropped.png": ("found", "comfyui"),
    "parsers__ComfyUI__noisy_latents_3_subjects_cropped.png": ("found", "comfyui"),
    "parsers__ComfyUI__unclip_2pass_cropped.png": ("found", "comfyui"),
    "parsers__Fooocus__fooocus1_cropped.png": ("found", "fooocus"),
    "parsers__InvokeAI__invokeai_dream1.png": ("found", "invokeai"),
    "parsers__InvokeAI__invokeai_imeta1.png": ("found", "invokeai"),
    "parsers__InvokeAI__invokeai_sdmeta1.png": ("found", "invokeai"),
    "parsers__NovelAI__novelai1_cropped.png": ("found", "novelai"),
}


def test_every_file_of_the_corpus_names_its_generator(corpus: Path) -> None:
    found = {
        file.name: read_metadata(file.read_bytes(), f"image/{'png' if file.suffix == '.png' else 'jpeg'}")
        for file in (corpus / "metadata").iterdir()
    }
    assert {name: (one.status, one.detail["fields"].get("generator")) for name, one in found.items()} == FILES
    assert all((one.direction == "ai") == ("generator" in one.detail["fields"]) for one in found.values())
    assert found["parsers__AUTOMATIC1111__automatic1111_stealth.png"].detail["generator_from"] == "alpha"
