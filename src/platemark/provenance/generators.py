"""Programs that make images, known by what they leave in a file. All of it is forgeable, and prompts are not kept."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from platemark.core.base import JsonObject

_MAX_NAME = 120
_MAX_SCANNED = 64 * 1024


@dataclass(frozen=True, slots=True)
class Trace:
    """What a generator left: its name, where (`png`, `exif`, `iptc`, `xmp`, `alpha`), model and seed if it says so."""

    generator: str
    place: str
    model: str | None = None
    seed: str | None = None


_A1111 = re.compile(r"\bSteps: \d{1,6}, .{0,2000}?\bSampler: ", re.DOTALL)
_FOOOCUS = re.compile(
    r"\"version\": ?\"Fooocus\b|\bVersion: Fooocus\b|\"metadata_scheme\": ?\"fooocus\"", re.IGNORECASE
)
_COMFY = re.compile(r"^(?:prompt|workflow):\s*\{", re.IGNORECASE)
_COMFY_JSON = re.compile(r"^\s*(?:\{|$)")
_SWARM = re.compile(r"^\s*\{\s*\"sui_image_params\"")
# Midjourney names its job in the description; GUIDs alone say nothing.
_MIDJOURNEY = re.compile(r"\bJob ID: [0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_GOOGLE = re.compile(r"\b(?:made|created|edited|generated) with google ai\b", re.IGNORECASE)
# In the order in which they are looked for in names of programs. Plain words that others use, too, are left out:
# "imagen" is Spanish for picture, Firefly a camera.
_WORDS = {
    "midjourney": r"midjourney",
    "dall-e": r"dall[-·. ]?e",
    "chatgpt": r"chatgpt|gpt-?4o|gpt-image|openai",
    "novelai": r"novelai",
    "comfyui": r"comfyui",
    "invokeai": r"invokeai",
    "fooocus": r"fooocus",
    "swarmui": r"swarmui",
    "draw things": r"draw things",
    "stable diffusion": r"stable[- ]diffusion|stability ai",
    "adobe firefly": r"adobe[_ ]firefly|firefly image",
    "google ai": r"google ai|google imagen|imagen \d|google gemini|gemini \d",
    "ideogram": r"ideogram",
    "leonardo.ai": r"leonardo\.ai",
    "recraft": r"recraft",
    "flux": r"flux[-. ]?(?:[12]|pro|dev|schnell|kontext)|black forest labs",
}
_NAMES = {name: re.compile(rf"\b(?:{each})\b", re.IGNORECASE) for name, each in _WORDS.items()}
_MODELS = tuple(
    re.compile(each)
    for each in (
        r"\bModel: ([^,\n]{1,200})",
        r"\"(?:ckpt_name|unet_name)\": ?\"([^\"\n]{1,200})\"",
        r"\"base_model\": ?\"([^\"\n]{1,200})\"",
        r"\"model_weights\": ?\"([^\"\n]{1,200})\"",
        r"\"model\": ?\{[^{}]{0,400}?\"(?:model_)?name\": ?\"([^\"\n]{1,200})\"",
        r"\"model\": ?\"([^\"\n]{1,200})\"",
    )
)
_SEED = re.compile(r"(?:\bSeed: |\"(?:noise_)?seed\": ?\"?)(\d{1,20})\b")


def from_texts(texts: Mapping[str, str]) -> Trace | None:
    """By a PNG's texts, keyword to text."""
    found = next((name for keyword, name in _by_keyword(texts) if keyword in texts), None)
    described = "\n".join(texts.get(name, "") for name in ("Description", "Comment", "Title"))
    found = found or ("midjourney" if _MIDJOURNEY.search(described) else None)
    return _trace(found, "png", texts.values()) if found else None


def _by_keyword(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Keywords with the program that each stands for, where its text has the form that this program gives it."""
    if texts.get("Software", "").strip().lower() == "novelai":
        yield "Software", "novelai"
    parameters = texts.get("parameters", "")
    if texts.get("fooocus_scheme") or _FOOOCUS.search(parameters):
        yield ("fooocus_scheme" if "fooocus_scheme" in texts else "parameters"), "fooocus"
    for keyword in ("invokeai_metadata", "invokeai_graph", "sd-metadata", "Dream"):
        yield keyword, "invokeai"
    if _SWARM.match(parameters):
        yield "parameters", "swarmui"
    if _A1111.search(parameters[:_MAX_SCANNED]):
        yield "parameters", "automatic1111"
    for keyword in ("workflow", "prompt"):
        if _COMFY_JSON.match(texts.get(keyword, "")):
            yield keyword, "comfyui"


def from_exif(exif: Mapping[str, str | int]) -> Trace | None:
    """By EXIF fields as `imaging.tags.read_exif` gives them."""
    comment = str(exif.get("user_comment", ""))
    described = [str(exif.get(name, "")) for name in ("description", "make", "model")]
    rules: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("fooocus", lambda: exif.get("maker_note") == "fooocus" or bool(_FOOOCUS.search(comment))),
        ("swarmui", lambda: bool(_SWARM.match(comment))),
        ("automatic1111", lambda: bool(_A1111.search(comment))),
        ("comfyui", lambda: any(_COMFY.match(text) for text in described)),
        ("midjourney", lambda: bool(_MIDJOURNEY.search(described[0]))),
    )
    found = next((name for name, fits in rules if fits()), None)
    return _trace(found, "exif", [comment, *described]) if found else None


def from_hidden(text: str) -> Trace | None:
    """By text from the alpha plane: what would stand in a PNG's texts, as one JSON object or A1111's settings."""
    if re.search(r"\"Software\": ?\"NovelAI\"", text):
        # NovelAI's settings are JSON within JSON.
        return _trace("novelai", "alpha", [text, _member(text, "Comment")])
    if _A1111.search(text[:_MAX_SCANNED]):
        return _trace("automatic1111", "alpha", [text])
    return _trace("comfyui", "alpha", [text]) if '"class_type"' in text else None


def from_system(name: str) -> Trace:
    """By XMP's own field for the AI system that was used, whatever it names."""
    return from_names([("xmp", name)]) or Trace(name.strip().lower()[:_MAX_NAME], "xmp")


def from_names(values: Iterable[tuple[str, str]]) -> Trace | None:
    """By a program's name among (place, text) of fields that name programs or whom to credit."""
    for place, value in values:
        if _GOOGLE.search(value):
            return Trace("google ai", place)
        if name := next((name for name, each in _NAMES.items() if each.search(value)), None):
            return Trace(name, place)
    return None


def _trace(generator: str, place: str, texts: Iterable[str]) -> Trace:
    """With model and seed, the only settings that are kept: they say nothing about a person."""
    scanned = [_settings(text[:_MAX_SCANNED]) for text in texts]
    models = (match[1] for text in scanned for each in _MODELS if (match := each.search(text)))
    seeds = (match[1] for text in scanned if (match := _SEED.search(text)))
    return Trace(generator, place, _model(next(models, None)), next(seeds, None))


def _settings(text: str) -> str:
    """What of a text is settings: all of a JSON object, what follows the prompts of A1111, nothing of other words."""
    if match := _A1111.search(text):
        return text[match.start() :]
    text = _COMFY.sub("{", text.lstrip(), count=1)
    return text if text.startswith("{") else ""


def _member(text: str, name: str) -> str:
    """A string in a JSON object; empty where there is none."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    value = cast(JsonObject, found).get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def _model(name: str | None) -> str | None:
    """A file's own name: folders before it name people."""
    return re.split(r"[\\/]+", name.strip())[-1][:_MAX_NAME] or None if name else None
