"""AUTOMATIC1111 and Forge: each row of the table, what is sent, which pictures are ours, progress and interrupting."""

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import Any

import pytest
from attached import attached, check_row, drawn, never, order_of, verdict_of

from platemark.core.errors import ModelUnavailable, Unsupported
from platemark.core.generation import ControlUse, LoraUse
from platemark.core.model import Operation
from platemark.core.updates import Answered, Order, Picture, Preview, Progress
from platemark.providers.automatic1111 import MODELS, SAMPLERS, TABLE, Automatic1111
from platemark.providers.hosted import Hosted, open_hosted
from platemark.providers.http import Reply
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.settings import HostedModel
from platemark.simulate.automatic1111 import SAMPLER_NAMES, FakeAutomatic1111
from platemark.simulate.contract import FastClock, ask
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve

pytestmark = pytest.mark.anyio
# One answer for each row of the table, in its order.
ROWS: list[tuple[int, bytes, Outcome]] = [
    (200, b'{"error": "OutOfMemoryError", "detail": "", "body": "", "errors": "CUDA"}', "unusable"),
    (404, b'{"error": "HTTPException", "detail": "Sampler not found"}', "bad_request"),
    (500, b'{"error": "HTTPException", "detail": "Invalid encoded image"}', "bad_request"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, bytes, Outcome]) -> None:
    check_row(TABLE, row, *answer)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (404, b'{"detail": "Not Found"}', "not_found"),
        (422, b'{"detail": [{"loc": ["body"], "msg": "no", "type": "value_error"}]}', "bad_request"),
        (500, b'{"error": "OutOfMemoryError", "detail": "", "errors": "CUDA out of memory"}', "overloaded"),
        (401, b'{"detail": "Incorrect username or password"}', "auth"),
    ],
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, body: bytes, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, body).outcome == outcome


def connected(
    fake: FakeAutomatic1111 | None = None, *, keys: tuple[str, ...] = ()
) -> AbstractAsyncContextManager[tuple[Remote, FakeAutomatic1111]]:
    return attached(Automatic1111(), fake or FakeAutomatic1111(), keys=keys, fetch=never)


def order(model: str = "sd15", operation: Operation = "text_to_image", **parameters: Any) -> Order:
    return order_of(MODELS, f"automatic1111/{model}", operation, **parameters)


async def sent(wanted: Order) -> tuple[str, Mapping[str, Any]]:
    """Path and body of the one request that an order comes to."""
    (seen,), _ = await drawn(Automatic1111(), FakeAutomatic1111(), wanted, keys=(), fetch=never)
    return seen.path.removeprefix("/sdapi/v1/"), seen.json


async def test_text_is_asked_for_with_all_seeds_at_once() -> None:
    path, body = await sent(order(n=3, scheduler="dpmpp_2m_karras", clip_skip=1, steps=20, cfg_scale=6.5))
    assert path == "txt2img"
    assert body == {
        "prompt": "a red house in a green meadow",
        "negative_prompt": "people",
        "seed": 1234,
        "batch_size": 3,
        "n_iter": 1,
        "steps": 20,
        "cfg_scale": 6.5,
        "width": 512,
        "height": 512,
        "sampler_name": "DPM++ 2M Karras",
        "scheduler": "Karras",
        "override_settings": {
            "sd_model_checkpoint": "v1-5-pruned-emaonly.safetensors",
            "CLIP_stop_at_last_layers": 2,
        },
        "save_images": False,
        "send_images": True,
    }


async def test_seeds_that_do_not_count_up_are_asked_for_apart() -> None:
    async with connected() as (provider, fake):
        updates, error = await ask(provider, replace(order(n=3), seeds=(7, 8, 100)))
    assert error is None
    pictures = [each for each in updates if isinstance(each, Picture)]
    assert sorted((each.index, each.seed) for each in pictures) == [(0, 7), (1, 8), (2, 100)]
    assert sorted((seen.json["seed"], seen.json["batch_size"]) for seen in fake.board.seen) == [(7, 2), (100, 1)]


async def test_strength_and_mask_are_theirs_as_they_are() -> None:
    path, body = await sent(order("sdxl", "image_to_image", strength=0.3))
    assert (path, body["denoising_strength"], "mask" in body) == ("img2img", 0.3, False)
    path, body = await sent(order("sd15", "inpaint"))
    assert (path, body["denoising_strength"], body["mask_blur"]) == ("img2img", 0.75, 4)
    assert (body["inpainting_mask_invert"], body["inpainting_fill"], body["inpaint_full_res"]) == (0, 1, False)
    _, body = await sent(order("sd15", "inpaint", mask_feather=12))
    assert body["mask_blur"] == 12


async def test_sizes_that_it_cannot_draw_are_the_next_ones() -> None:
    _, body = await sent(order("sd15", "image_to_image", width=301, height=500))
    assert (body["width"], body["height"]) == (304, 496)


async def test_controls_are_units_and_loras_words() -> None:
    uses = (ControlUse(type="canny", strength=0.8, end=0.5), ControlUse(type="depth", preprocess=False))
    wanted = order("sd15", controls=uses, loras=(LoraUse(id="ink.safetensors", scale=0.7),))
    _, body = await sent(replace(wanted, guides=(striped(64, 64, "one"), striped(64, 64, "two"))))
    assert body["prompt"] == "a red house in a green meadow <lora:ink:0.7>"
    units = body["alwayson_scripts"]["controlnet"]["args"]
    told = [(unit["model"], unit["module"], unit["weight"], unit["guidance_end"]) for unit in units]
    assert told == [
        ("control_v11p_sd15_canny", "canny", 0.8, 0.5),
        ("control_v11f1p_sd15_depth", "none", 1.0, 1.0),
    ]


async def test_upscaling_goes_to_the_size_that_was_asked_for() -> None:
    path, body = await sent(order("upscaler", "upscale", width=512, height=512))
    assert (path, body["resize_mode"], body["upscaler_1"]) == ("extra-single-image", 1, "R-ESRGAN 4x+")
    assert (body["upscaling_resize_w"], body["upscaling_resize_h"]) == (512, 512)


def test_all_samplers_are_known_to_the_server() -> None:
    assert set(SAMPLERS.values()) <= set(SAMPLER_NAMES)


async def test_neither_grids_nor_maps_are_taken_for_pictures() -> None:
    wanted = order("sd15", n=2, controls=(ControlUse(type="canny"),))
    async with connected() as (provider, _):
        updates, error = await ask(provider, replace(wanted, guides=(striped(64, 64, "guide"),)))
    assert error is None
    pictures = [each for each in updates if isinstance(each, Picture)]
    assert [(each.seed, each.warnings) for each in pictures] == [(1234, ()), (1235, ())]
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.model_revision == "v1-5-pruned-emaonly [6ce0161689]"
    assert "red house" not in json.dumps(answer.response)
    assert "alwayson_scripts" not in answer.response["sent"]


async def test_another_checkpoint_than_the_one_asked_for_is_no_success() -> None:
    async with connected(FakeAutomatic1111(loaded="sd_xl_base_1.0")) as (provider, _):
        gone = {id: replace(each, route="gone.safetensors") for id, each in MODELS.items()}
        other = replace(provider, vendor=Automatic1111(models=gone))
        updates, error = await ask(other, order())
    assert isinstance(error, ModelUnavailable)
    assert "sd_xl_base_1.0" in error.detail
    assert not [each for each in updates if isinstance(each, Picture)]


@pytest.mark.parametrize(
    ("checkpoint", "info", "same"),
    [
        ("v1-5.safetensors", {"sd_model_name": "v1-5"}, True),
        ("people/v1-5.ckpt [6ce0161689]", {"sd_model_name": "v1-5", "sd_model_hash": "6ce0161689"}, True),
        ("6ce0161689", {"sd_model_name": "v1-5"}, True),
        ("v1-5.safetensors", {}, True),
        ("v1-5.safetensors", {"sd_model_name": "v2", "sd_model_hash": "0123456789"}, False),
        ("v1-5.safetensors", {"sd_model_name": "v2", "sd_model_hash": None}, False),
    ],
)
def test_which_checkpoint_drew(checkpoint: str, info: dict[str, Any], same: bool) -> None:
    body = {"images": ["aGVsbG8="], "info": json.dumps(info)}
    model = replace(MODELS["automatic1111/sd15"], route=checkpoint)
    (found,) = Automatic1111().read(Reply(200, {}, json.dumps(body).encode()), model).found
    assert found.outcome == ("ok" if same else "not_found")


def test_what_says_nothing_about_itself_is_read_too() -> None:
    for info in ('"not json {"', "null", "[1]", '{"index_of_first_image": 9, "all_seeds": ["x"]}'):
        body = f'{{"images": ["aGVsbG8="], "info": {json.dumps(info)}}}'.encode()
        reading = Automatic1111().read(Reply(200, {}, body), MODELS["automatic1111/sd15"])
        assert [(found.data, found.seed) for found in reading.found] == [(b"hello", None)]


async def test_how_far_it_is_and_what_it_looks_like_are_told_while_it_draws() -> None:
    async with connected(FakeAutomatic1111(questions=4)) as (provider, _):
        updates, error = await ask(provider, replace(order(steps=20), previews=True))
    assert error is None
    told = [each.done for each in updates if isinstance(each, Progress)]
    assert told == sorted(told)
    assert {5, 10} <= set(told)
    shown = [each for each in updates if isinstance(each, Preview)]
    assert shown
    assert all(each.media_type == "image/png" for each in shown)


async def test_who_goes_away_interrupts_it() -> None:
    async with (
        connected(FakeAutomatic1111(questions=10_000)) as (provider, fake),
        aclosing(provider.generate(order())) as updates,
    ):
        async for update in updates:
            assert isinstance(update, Progress)
            if fake.lock.locked():
                break
    assert fake.interrupted == 1


async def test_where_others_draw_too_nothing_is_interrupted_and_nothing_of_theirs_is_shown() -> None:
    async with connected() as (provider, fake):
        models = {id: replace(each, facts={**each.facts, "shared": "yes"}) for id, each in MODELS.items()}
        _, error = await ask(replace(provider, vendor=Automatic1111(models=models)), replace(order(), previews=True))
        (asked,) = Automatic1111().ask(order(), models["automatic1111/sd15"])
    assert error is None
    assert fake.board.calls == [("POST", "/sdapi/v1/txt2img")]
    assert asked.stop is None


async def test_the_key_is_a_login() -> None:
    async with connected(FakeAutomatic1111(logins=frozenset({"ann:secret"})), keys=("ann:secret",)) as (provider, fake):
        _, error = await ask(provider, order())
    assert error is None
    assert fake.board.seen[0].headers["authorization"] == "Basic YW5uOnNlY3JldA=="


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (order(width=500, n=1, loras=(LoraUse(id="a:2> <lora:b"),)), "/loras/0/id"),
        (order("sd15", "inpaint", mask_grow=3), "/mask_grow"),
        (order("sd15", "inpaint", mask_feather=65), "/mask_feather"),
        (order(cfg_scale=0.5), "/cfg_scale"),
        (order("upscaler", "upscale", strength=0.5), "/strength"),
    ],
)
async def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointer: str) -> None:
    async with connected() as (provider, fake):
        with pytest.raises(Unsupported) as error:
            provider.estimate(wanted)
    assert [each.pointer for each in error.value.errors] == [pointer]
    assert fake.board.calls == []


async def test_operators_name_their_checkpoints() -> None:
    fake = FakeAutomatic1111()
    async with serve(fake) as url:
        mine = HostedModel(like="sd15", route="sd_xl_base_1.0.safetensors")
        hosted = Hosted(base_url=url, kind="automatic1111", models={"mine": mine})
        async with open_hosted("studio", hosted, clock=FastClock(), fetch=never) as provider:
            wanted = replace(order(), model="studio/mine")
            assert provider.estimate(wanted).micro_usd == 0
            updates, error = await ask(provider, wanted)
    assert error is None
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.model_revision == "sd_xl_base_1.0 [31e35c80fc]"
