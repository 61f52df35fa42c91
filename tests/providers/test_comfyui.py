"""ComfyUI: each row of the table, uploads, what the history says, cancelling, and the socket beside the polls."""

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest
from attached import attached, check_row, never, operations_of, order_of, verdict_of

from platemark.core.errors import ModelUnavailable, ProviderError, ProviderRejected, Unsupported
from platemark.core.generation import ControlUse, LoraUse
from platemark.core.model import Operation
from platemark.core.updates import Accepted, Answered, Order, Picture, Preview, Progress
from platemark.providers.comfyui import MODELS, TABLE, ComfyUI, hear
from platemark.providers.hosted import Hosted, open_hosted
from platemark.providers.http import Reply
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.settings import HostedModel
from platemark.simulate.comfyui import FakeComfyUI
from platemark.simulate.contract import FastClock, ask
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve

pytestmark = pytest.mark.anyio
PNG = striped(64, 64, "x")
GONE = "Value not in list: ckpt_name: 'gone.safetensors' not in ['a.safetensors']"
# One answer for each row of the table, in its order.
ROWS: list[tuple[int, Mapping[str, Any], Outcome]] = [
    (200, {"prompt_id": "p", "number": 1, "node_errors": {"3": {"errors": [{"message": "no"}]}}}, "bad_request"),
    (400, {"error": {"type": "x", "message": "Failed", "details": GONE}, "node_errors": {}}, "not_found"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, Mapping[str, Any], Outcome]) -> None:
    check_row(TABLE, row, *answer)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"prompt_id": "p", "number": 1, "node_errors": {}}', "ok"),
        (200, b"{}", "ok"),
        (400, b'{"error": "no prompt", "node_errors": []}', "bad_request"),
        (403, b"", "auth"),
        (404, b"", "not_found"),
        (413, b"", "bad_request"),
        (500, b"500 Internal Server Error", "overloaded"),
    ],
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, body: bytes, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, body).outcome == outcome


def connected(
    fake: FakeComfyUI | None = None, *, keys: tuple[str, ...] = ()
) -> AbstractAsyncContextManager[tuple[Remote, FakeComfyUI]]:
    return attached(ComfyUI(), fake or FakeComfyUI(), keys=keys, fetch=never)


def order(model: str = "sd15", operation: Operation = "text_to_image", **parameters: Any) -> Order:
    return order_of(MODELS, f"comfyui/{model}", operation, **parameters)


async def drawn(wanted: Order, fake: FakeComfyUI | None = None) -> tuple[Picture, FakeComfyUI]:
    """The one picture that an order comes to."""
    async with connected(fake) as (provider, server):
        updates, error = await ask(provider, wanted)
    assert error is None, (error, error.errors)
    (picture,) = (each for each in updates if isinstance(each, Picture))
    return picture, server


ALL = operations_of(MODELS)


@pytest.mark.parametrize(("model", "operation"), ALL)
async def test_results_have_the_size_that_was_asked_for(model: str, operation: Operation) -> None:
    picture, _ = await drawn(order(model.partition("/")[2], operation))
    assert [each.code for each in picture.warnings if each.code != "prompt_ignored"] == []


@pytest.mark.parametrize("operation", ["image_to_image", "inpaint"])
async def test_sizes_that_latents_do_not_have_are_drawn_larger_and_scaled_back(operation: Operation) -> None:
    source = striped(301, 203, "source")
    wanted = replace(order("sd15", operation, width=301, height=203), image=source)
    picture, _ = await drawn(replace(wanted, mask=source if operation == "inpaint" else None))
    assert picture.warnings == ()


async def test_sources_are_uploaded_once_by_their_content_and_named_as_the_server_says() -> None:
    wanted = order("sd15", "inpaint", controls=(ControlUse(type="depth", preprocess=False),))
    assert wanted.image is not None
    _, fake = await drawn(replace(wanted, guides=(wanted.image,)))
    uploads = [seen for seen in fake.board.seen if seen.path == "/upload/image"]
    assert len(uploads) == 2
    assert {(each.fields["type"], each.fields["subfolder"], each.fields["overwrite"]) for each in uploads} == {
        ("temp", "platemark", "true")
    }
    graph = fake.board.seen[-1].json["prompt"].values()
    loaded = [node["inputs"]["image"] for node in graph if node["class_type"].startswith("LoadImage")]
    assert len(loaded) == 3
    assert {name.removeprefix("platemark/").removesuffix(" [temp]") for name in loaded} == {
        name for each in uploads for name in each.files
    }


def test_a_name_that_the_server_changed_is_the_one_that_is_used() -> None:
    (asked,) = ComfyUI().ask(order("sd15", "image_to_image"), MODELS["comfyui/sd15"])
    assert asked.fill is not None
    call = asked.fill([Reply(200, {}, b'{"name": "x (1).png", "subfolder": "", "type": "input"}')])
    loaders = [node for node in call.json["prompt"].values() if node["class_type"] == "LoadImage"]
    assert [node["inputs"]["image"] for node in loaders] == ["x (1).png"]


async def test_several_pictures_are_several_prompts_with_clients_of_their_own() -> None:
    async with connected() as (provider, fake):
        updates, error = await ask(provider, order(n=3))
    assert error is None
    pictures = sorted((each for each in updates if isinstance(each, Picture)), key=lambda each: each.index)
    assert [each.seed for each in pictures] == [1234, 1235, 1236]
    assert len({seen.json["client_id"] for seen in fake.board.seen}) == 3
    (ticket,) = (each.ticket for each in updates if isinstance(each, Accepted))
    assert json.loads(ticket) == list(fake.jobs)


async def test_what_was_sent_is_kept_without_words() -> None:
    async with connected() as (provider, _):
        updates, _ = await ask(provider, order())
    (answer,) = (each for each in updates if isinstance(each, Answered))
    nodes = answer.response["sent"]["nodes"]
    assert {"class_type": "CLIPTextEncode"} in nodes
    (sampler,) = (node for node in nodes if node["class_type"] == "KSampler")
    assert (sampler["seed"], sampler["sampler_name"], sampler["scheduler"]) == (1234, "euler", "normal")
    assert "red house" not in json.dumps(answer.response)


async def test_a_refused_graph_is_told_in_its_words() -> None:
    async with connected() as (provider, fake):
        _, error = await ask(provider, order(loras=(LoraUse(id="gone"),)))
    assert isinstance(error, ProviderRejected)
    assert "lora_name: 'gone.safetensors' not in" in error.detail
    assert fake.jobs == {}


async def test_a_checkpoint_that_is_not_there_is_a_model_that_is_not_there() -> None:
    async with connected() as (provider, _):
        gone = {id: replace(each, route="gone.safetensors") for id, each in MODELS.items()}
        _, error = await ask(replace(provider, vendor=ComfyUI(models=gone)), order())
    assert isinstance(error, ModelUnavailable)
    assert "gone.safetensors" in error.detail


async def test_what_fails_while_it_is_drawn_is_told_in_its_words() -> None:
    async with connected() as (provider, fake):
        fake.board.next("failed_later", method="GET")
        _, error = await ask(provider, order())
    assert type(error) is ProviderError
    assert "KSampler: RuntimeError: mat1 and mat2 shapes cannot be multiplied" in error.detail


FAILED: list[tuple[Any, Outcome, str]] = [
    ([["execution_error", {"exception_type": "torch.OutOfMemoryError"}]], "overloaded", "torch.OutOfMemoryError"),
    ([["execution_start", {}], ["execution_interrupted", {"node_id": "3"}]], "unusable", "it was interrupted"),
    ([], "unusable", "its history says error"),
    ("nonsense", "unusable", "its history says error"),
]


@pytest.mark.parametrize(("messages", "outcome", "words"), FAILED)
def test_how_work_failed(messages: Any, outcome: Outcome, words: str) -> None:
    entry = {"p": {"outputs": {}, "status": {"status_str": "error", "completed": False, "messages": messages}}}
    (found,) = ComfyUI().read(Reply(200, {}, json.dumps(entry).encode()), MODELS["comfyui/sd15"]).found
    assert (found.outcome, found.words) == (outcome, (words,))


async def test_older_versions_say_nothing_about_how_it_went() -> None:
    picture, _ = await drawn(order(), FakeComfyUI(old=True))
    assert picture.seed == 1234


def test_a_history_without_pictures_has_none() -> None:
    reading = ComfyUI().read(Reply(200, {}, b'{"p": {"outputs": {"9": {"text": ["hello"]}}}}'), MODELS["comfyui/sd15"])
    assert (reading.found, reading.follow, reading.pending) == ((), None, False)


@pytest.mark.parametrize(("shared", "interrupted"), [("no", True), ("yes", False)])
async def test_cancelling_takes_it_out_of_the_queue_and_interrupts_it(shared: str, interrupted: bool) -> None:
    async with connected() as (provider, fake):
        models = {id: replace(each, facts={**each.facts, "shared": shared}) for id, each in MODELS.items()}
        mine = replace(provider, vendor=ComfyUI(models=models))
        generating = mine.generate(order())
        (ticket,) = [update.ticket async for update in generating if isinstance(update, Accepted)]
        fake.jobs[ticket].left = 3
        assert await mine.cancel("comfyui/sd15", ticket)
    assert fake.jobs[ticket].deleted
    assert fake.interrupts == ([ticket] if interrupted else [])


async def test_the_socket_tells_progress_and_previews() -> None:
    async with connected(FakeComfyUI(awaits_listener=True), keys=("secret",)) as (provider, fake):
        updates, error = await ask(provider, replace(order(steps=20), previews=True))
    assert error is None
    assert fake.listeners == 1
    assert [each.done for each in updates if isinstance(each, Progress)][:2] == [5, 5]
    assert {each.done for each in updates if isinstance(each, Progress)} == {5, 10, 15, 20}
    assert [each.step for each in updates if isinstance(each, Preview)] == [5, 10, 15, 20]
    assert all(each.media_type == "image/png" for each in updates if isinstance(each, Preview))


async def test_nobody_is_shown_previews_who_did_not_ask_for_them() -> None:
    async with connected(FakeComfyUI(awaits_listener=True)) as (provider, _):
        updates, error = await ask(provider, order())
    assert error is None
    assert [each for each in updates if isinstance(each, Preview)] == []


@pytest.mark.parametrize("socket", ["refused", "broken", "huge", "noise"])
async def test_where_the_socket_fails_the_polls_suffice(socket: str) -> None:
    picture, fake = await drawn(order(), FakeComfyUI(socket=socket, polls=40))
    assert picture.seed == 1234
    assert fake.board.submissions() == 1
    assert fake.listeners == (socket != "refused")


@pytest.mark.parametrize(
    ("message", "progress", "preview"),
    [
        ('{"type": "progress", "data": {"value": 3, "max": 12}}', 0.25, None),
        ((1).to_bytes(4, "big") + (2).to_bytes(4, "big") + PNG, None, PNG),
        ((4).to_bytes(4, "big") + (2).to_bytes(4, "big") + b"{}" + PNG, None, PNG),
    ],
)
def test_what_is_heard(message: str | bytes, progress: float | None, preview: bytes | None) -> None:
    said = hear(message)
    assert said is not None
    assert (said.progress, said.preview) == (progress, preview)


@pytest.mark.parametrize(
    "message",
    [
        '{"type": "executing", "data": {"node": "3"}}',
        '{"type": "progress", "data": {"value": 3, "max": 0}}',
        '{"type": "progress", "data": {"value": "3"}}',
        '{"type": "progress", "data": null}',
        "[1, 2]",
        "no JSON",
        b"",
        b"\0\0\0\1",
        (1).to_bytes(4, "big") + (2).to_bytes(4, "big") + b"no picture",
        (3).to_bytes(4, "big") + (2).to_bytes(4, "big") + PNG,
        (4).to_bytes(4, "big") + (2**31).to_bytes(4, "big") + PNG,
    ],
)
def test_what_says_nothing(message: str | bytes) -> None:
    assert hear(message) is None


@pytest.mark.parametrize(("key", "sent"), [("ann:secret", "Basic YW5uOnNlY3JldA=="), ("token", "Bearer token")])
async def test_a_key_is_for_a_proxy(key: str, sent: str) -> None:
    async with connected(keys=(key,)) as (provider, fake):
        _, error = await ask(provider, order())
    assert error is None
    assert fake.board.seen[0].headers["authorization"] == sent


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (order(controls=(ControlUse(type="depth"),)), "/controls/0/preprocess"),
        (order("sd15", "inpaint", mask_feather=32), "/mask_feather"),
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
    async with serve(fake := FakeComfyUI()) as url:
        mine = HostedModel(like="sd15", route="sd_xl_base_1.0.safetensors")
        hosted = Hosted(base_url=url, kind="comfyui", models={"mine": mine})
        async with open_hosted("studio", hosted, clock=FastClock(), fetch=never) as provider:
            _, error = await ask(provider, replace(order(), model="studio/mine"))
    assert error is None
    (seen,) = fake.board.seen
    assert seen.json["prompt"]["1"]["inputs"] == {"ckpt_name": "sd_xl_base_1.0.safetensors"}
