"""Accept: one request becomes one generation, checked and written down before anything is spent."""

import anyio
import pytest

from platemark.core.audit import salted_digest
from platemark.core.errors import IdempotencyKeyReused, InvalidRequest, NotAllowed, Unsupported
from platemark.core.generation import Generation, PromptText
from platemark.core.ports import Query
from platemark.core.project import Principal
from platemark.core.request import GenerationRequest
from platemark.flows import look
from platemark.flows.accept import accept
from workbench import Bench


async def test_defaults_and_seed_are_drawn_and_kept(bench: Bench) -> None:
    generation = await bench.ask()
    assert generation.status == "queued"
    assert generation.requested_model is None
    assert generation.model == "scripted/plain"
    assert generation.parameters.width == 64
    assert 0 <= generation.parameters.seed < 2**32 - 63
    assert bench.jobs.submitted == [(generation.id, 0.0)]


async def test_p3_an_alias_is_named(bench: Bench) -> None:
    generation = await bench.ask(model="stable-diffusion-xl")
    assert generation.requested_model == "stable-diffusion-xl"
    assert [warning.code for warning in generation.warnings] == ["model_alias"]
    assert "scripted/plain" in generation.warnings[0].message


async def test_p3_every_field_that_cannot_be_honoured_is_named_at_once(bench: Bench) -> None:
    with pytest.raises(Unsupported) as caught:
        await bench.ask(width=4096, steps=900, n=60, operation="inpaint", loras=({"id": "x"},))
    pointers = {error.pointer for error in caught.value.errors}
    missing = {"/image", "/mask"}
    assert pointers == {"/width", "/steps", "/n", "/operation", "/loras"} | missing
    refused = [error for error in caught.value.errors if error.pointer not in missing]
    assert all("scripted/plain" in error.message for error in refused)
    assert bench.jobs.submitted == []
    assert (await look.generations(bench.platform, bench.caller, Query(bench.caller.project))).data == ()


async def test_p3_dropped_fields_are_said(bench: Bench) -> None:
    generation = await bench.ask(scheduler="euler", clip_skip=2, on_unsupported="drop")
    assert set(generation.dropped) == {"scheduler", "clip_skip"}
    assert {warning.field for warning in generation.warnings} == {"scheduler", "clip_skip"}
    assert generation.parameters.scheduler is None


async def test_a_size_is_never_dropped(bench: Bench) -> None:
    with pytest.raises(Unsupported):
        await bench.ask(width=4096, on_unsupported="drop")


async def test_an_unknown_model_names_those_there_are(bench: Bench) -> None:
    with pytest.raises(InvalidRequest, match="scripted/plain"):
        await bench.ask(model="nobody/nothing")


async def test_scopes_are_needed(bench: Bench) -> None:
    reader = Principal(project=bench.caller.project, key=bench.caller.key, scopes=frozenset({"images:read"}))
    with pytest.raises(NotAllowed, match="images:write"):
        await accept(bench.platform, reader, GenerationRequest(prompt="a tree"))
    writer = Principal(project=bench.caller.project, key=bench.caller.key, scopes=frozenset({"images:write"}))
    with pytest.raises(NotAllowed, match="roles:assert"):
        await accept(bench.platform, writer, GenerationRequest(prompt="a tree", role="editor"))


async def test_p2_same_key_and_body_is_the_same_generation(bench: Bench) -> None:
    request = GenerationRequest(prompt="a tree")
    first = await accept(bench.platform, bench.caller, request, idempotency_key="k")
    again = await accept(bench.platform, bench.caller, request, idempotency_key="k")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.generation.id == first.generation.id
    assert len(bench.jobs.submitted) == 1


async def test_p2_same_key_and_another_body_is_a_conflict(bench: Bench) -> None:
    first = await bench.ask(key="k")
    with pytest.raises(IdempotencyKeyReused) as caught:
        await bench.ask(key="k", steps=7)
    assert caught.value.generation == first.id


async def test_p2_keys_belong_to_projects(bench: Bench) -> None:
    first = await bench.ask(key="k")
    theirs = await accept(bench.platform, await bench.stranger(), GenerationRequest(prompt="x"), idempotency_key="k")
    assert theirs.generation.id != first.id


async def test_p2_many_at_once_make_one_generation(bench: Bench) -> None:
    found: list[Generation] = []

    async def one() -> None:
        found.append(await bench.ask(key="storm"))

    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(one)
    assert len({generation.id for generation in found}) == 1
    assert len(bench.jobs.submitted) == 1


async def test_p2_an_accepted_generation_stays_when_the_queue_is_down(bench: Bench) -> None:
    bench.jobs.broken = ConnectionError("the queue is down")
    generation = await bench.ask()
    assert (await bench.again(generation)).status == "queued"


async def test_a_blocked_prompt_costs_nothing_and_says_why(bench: Bench) -> None:
    generation = await bench.ask(prompt="nude photo of a 9 year old child")
    assert generation.status == "blocked"
    assert generation.error is not None
    assert generation.error["code"] == "blocked_by_app_policy"
    assert generation.error["reason_code"] == "MINOR_SAFETY"
    assert bench.jobs.submitted == []
    assert bench.provider.calls.total() == 0
    assert await bench.events(generation) == ["generation.accepted", "generation.blocked"]


async def test_p8_personal_text_lies_in_one_row_and_the_chain_has_its_salted_digest(bench: Bench) -> None:
    generation = await bench.ask(prompt="portrait of Xanthippe Quill", user="user-4711")
    async with bench.platform.store.reading() as read:
        text = await read.get(PromptText, generation.text)
        lines = await read.chain(generation.project)
    assert text.body is not None
    assert text.salt is not None
    assert generation.text_sha256 == salted_digest(text.salt, text.body)
    chained = "".join(line.model_dump_json() for line in lines)
    assert "Xanthippe" not in chained
    assert "user-4711" not in chained
    assert "Xanthippe" not in generation.model_dump_json()
