"""Bad input where a user meets it: each has its outcome and code, and the next request works. One server for all."""

import base64
import io
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hostile
import httpx2
import psutil
import pytest
from PIL import Image

from pictures import encoded, house
from serving import Served, serve

# The libraries warn about each other while the folders are made.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]
SMALL: dict[str, Any] = {"prompt": "a red house", "width": 64, "height": 64, "steps": 2, "seed": 1}


@dataclass
class Site:
    """A server with good and bad models; `folder` is where these lie."""

    served: Served
    http: httpx2.Client
    folder: Path

    def post(self, status: int = 200, **fields: Any) -> dict[str, Any]:
        """A request for a small picture of `local/sd`. A field that is None is left out."""
        body = {name: value for name, value in (SMALL | {"model": "local/sd"} | fields).items() if value is not None}
        answer = self.http.post("/v1/generate", json=body)
        assert answer.status_code == status, answer.text
        assert "Traceback" not in answer.text
        return answer.json()

    def still_draws(self) -> None:
        """The next request, in the bits of the first one."""
        image = self.post()["images"][0]
        assert (image["width"], image["height"]) == (64, 64)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    folder = tmp_path_factory.mktemp("bad")
    good = hostile.folder_with_bad_adapters(folder)
    places = hostile.hostile_folders(good, folder) | {"sd": good, "lost": folder / "lost"}
    places["nan"] = hostile.broken_numbers(good, folder / "nan")
    for name in ("going", "gone"):
        places[name] = Path(shutil.copytree(good, folder / name))
    models = json.dumps({name: str(place) for name, place in places.items()})
    settings = {"models": models, "engine_threads": "1", "rate_per_minute": "0", "max_engine_crashes": "3"}
    with serve(folder / "data", **settings) as served, served.http as http:
        yield Site(served, http, folder)


KINDS = (
    ("pickled", "not a readable safetensors file"),
    ("pickled-beside", "can run code"),
    ("misshapen", "do not fit together"),
    ("bomb", "not a readable safetensors file"),
    ("endless", "not a readable safetensors file"),
    ("swollen", "cut off"),
    ("linked", "link to a place outside"),
    ("truncated", "cut off"),
    ("own-code", "only diffusers and transformers"),
    ("lost", "does not exist"),
)


@pytest.mark.parametrize(("name", "why"), KINDS)
def test_a_damaged_or_hostile_model_is_refused_and_the_others_work(site: Site, name: str, why: str) -> None:
    problem = site.post(503, model=f"local/{name}")
    assert problem["code"] == "model_unavailable"
    assert why in problem["detail"]
    assert "ignore_mismatched" not in problem["detail"]
    assert not (site.folder / "harmed").exists()
    site.still_draws()


def test_every_kind_of_hostile_model_was_asked_for() -> None:
    assert set(hostile.HOSTILE) == {name for name, _ in KINDS} - {"lost"}


@pytest.mark.parametrize("name", ["disguised", "pickled", "cut", "strange", "nan", "nowhere"])
def test_a_bad_lora_is_refused_by_name(site: Site, name: str) -> None:
    problem = site.post(422, loras=[{"id": "ink"}, {"id": name}])
    assert problem["code"] == "unsupported_by_model"
    assert name in json.dumps(problem)
    assert not (site.folder / "harmed").exists()
    site.still_draws()


def test_numbers_that_are_none_are_said_and_recorded(site: Site) -> None:
    made = site.post(model="local/nan")
    assert [warning["code"] for warning in made["warnings"]] == ["broken_numbers"]
    record = site.http.get(f"/v1/images/{made['images'][0]['id']}/record").json()
    assert "broken_numbers" in json.dumps(record)
    site.still_draws()


def test_a_model_that_was_deleted_draws_while_it_is_loaded_and_then_says_so(site: Site) -> None:
    site.post(model="local/going")
    for name in ("going", "gone"):
        shutil.rmtree(site.folder / name)
    assert site.post(model="local/going")["images"]
    problem = site.post(503, model="local/gone")
    assert problem["code"] == "model_unavailable"
    problem = site.post(503, model="local/going", loras=[{"id": "ink"}])
    assert problem["code"] == "model_unavailable"
    site.still_draws()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("steps", 0, "invalid_request"),
        ("steps", 1001, "invalid_request"),
        ("steps", 1000, "unsupported_by_model"),
        ("width", 63, "unsupported_by_model"),
        ("height", 2048, "unsupported_by_model"),
        ("width", 0, "invalid_request"),
        ("n", 5, "unsupported_by_model"),
        ("n", 65, "invalid_request"),
        ("clip_skip", 4, "unsupported_by_model"),
        ("cfg_scale", 101.0, "invalid_request"),
        ("scheduler", "nowhere", "unsupported_by_model"),
        ("vae", "nowhere", "unsupported_by_model"),
    ],
)
def test_what_is_out_of_bounds_names_its_field(site: Site, field: str, value: Any, code: str) -> None:
    problem = site.post(422, **{field: value})
    assert problem["code"] == code
    assert field in json.dumps(problem)


def test_bounds_themselves_are_drawn(site: Site) -> None:
    assert len(site.post(n=4)["images"]) == 4
    assert site.post(steps=150, width=16, height=16)["images"]
    assert site.post(width=128, height=16)["images"][0]["width"] == 128


@pytest.mark.parametrize("text", ["house " * 3300, "(" * 10_000 + "x" + ")" * 9_000, "<sks> " * 3000, "é🙂" * 9000])
def test_a_very_long_prompt_is_cut_off_aloud(site: Site, text: str) -> None:
    made = site.post(prompt=text, negative_prompt=text)
    assert {warning["code"] for warning in made["warnings"]} <= {"prompt_truncated"}
    if "(" not in text:
        assert [warning["field"] for warning in made["warnings"]] == ["prompt", "negative_prompt"]


def test_ten_thousand_words_are_refused(site: Site) -> None:
    problem = site.post(422, prompt="house " * 10_000)
    assert problem["errors"][0]["code"] == "too_long"


def animated() -> bytes:
    frames = [house(64), house(64, 0.1)]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(house(64).resize((96, 64)), "JPEG", exif=exif)


def deep() -> bytes:
    return encoded(Image.new("I;16", (64, 64), 40_000))


def plain(width: int, height: int) -> bytes:
    return encoded(house(64).resize((width, height)))


PICTURES: dict[str, tuple[bytes, dict[str, Any], Any]] = {
    "cmyk": (encoded(house(64).convert("CMYK"), "JPEG"), {}, (64, 64)),
    "16 bits": (deep(), {}, (64, 64)),
    "palette": (encoded(house(64).convert("P")), {}, (64, 64)),
    "transparent": (encoded(house(64).convert("RGBA")), {}, (64, 64)),
    "upright": (rotated(), {"width": None, "height": None}, (64, 96)),
    "one pixel": (plain(1, 1), {}, (64, 64)),
    "one pixel as it is": (plain(1, 1), {"width": None, "height": None}, "unsupported_by_model"),
    "very wide": (plain(20_000, 10), {}, (64, 64)),
    "very wide as it is": (plain(20_000, 10), {"width": None, "height": None}, "unsupported_by_model"),
    "off the grid": (plain(61, 67), {"width": None, "height": None}, (61, 67)),
    "animated": (animated(), {}, "invalid_image"),
    "gif": (encoded(house(64), "GIF"), {}, "invalid_image"),
    "cut off": (encoded(house(64))[:-300], {}, "invalid_image"),
    "nothing": (b"nothing", {}, "invalid_image"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_source_of_any_make_is_used_or_refused(site: Site, name: str) -> None:
    data, size, expected = PICTURES[name]
    sent = base64.b64encode(data).decode()
    refused = isinstance(expected, str)
    made = site.post(422 if refused else 200, operation="image_to_image", image=sent, **size)
    if refused:
        assert made["code"] == expected
        site.still_draws()
    else:
        assert (made["images"][0]["width"], made["images"][0]["height"]) == expected


def test_masks_and_guides_that_are_none_are_refused_before_anything_is_drawn(site: Site) -> None:
    image, other = (base64.b64encode(plain(side, 64)).decode() for side in (64, 80))
    black = base64.b64encode(encoded(Image.new("L", (64, 64), 0))).decode()
    for fields, code in (
        ({"operation": "inpaint", "image": image, "mask": other}, "size_mismatch"),
        ({"operation": "inpaint", "image": image, "mask": black}, "no_content"),
        ({"operation": "inpaint", "image": image}, "missing"),
        ({"controls": [{"type": "canny", "image": black}]}, "no_content"),
        ({"controls": [{"type": "nowhere", "image": image}]}, "unsupported"),
        ({"controls": [{"type": "canny", "image": image, "start": 0.6, "end": 0.5}]}, "unsupported"),
    ):
        assert [error["code"] for error in site.post(422, **fields)["errors"]] == [code]
    site.still_draws()


def test_an_engine_killed_in_the_middle_of_a_shared_batch_costs_nobody_a_picture(site: Site) -> None:
    bodies = [SMALL | {"model": "local/sd", "steps": 100, "seed": seed, "n": 2} for seed in range(5)]
    answers: dict[int, dict[str, Any]] = {}

    def ask(number: int) -> None:
        with site.served.http as http:
            answers[number] = http.post("/v1/generate", json=bodies[number]).json()

    threads = [threading.Thread(target=ask, args=[number]) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    while len([one for one in listed(site) if one["status"] == "running"]) < 2:
        time.sleep(0.02)
    for child in psutil.Process(site.served.process.pid).children(recursive=True):
        os.kill(child.pid, signal.SIGKILL)
    for thread in threads:
        thread.join(120)
    assert [answers[number].get("status") for number in range(len(bodies))] == ["succeeded"] * len(bodies)
    assert {len(answer["images"]) for answer in answers.values()} == {2}
    attempts = [site.http.get(answer["urls"]["record"]).json()["attempts"] for answer in answers.values()]
    codes = [attempt["error"]["code"] for each in attempts for attempt in each if attempt["error"]]
    assert set(codes) == {"engine_crashed"}
    # The queue repeated them, not the look for lost work that comes later.
    assert "generation.resubmitted" not in site.served.logged()
    site.still_draws()


def listed(site: Site) -> list[dict[str, Any]]:
    return site.http.get("/v1/generations", params={"limit": 20}).json()["data"]


def test_nothing_of_all_this_was_a_traceback_or_ran_code(site: Site) -> None:
    site.still_draws()
    assert "Traceback" not in site.served.logged()
    assert not (site.folder / "harmed").exists()
