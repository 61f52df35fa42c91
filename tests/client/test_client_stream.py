"""Events: parsing however the bytes are cut, resuming after a break, and progress that polling backs up."""

from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import Script, Time, async_client, client, event, generation, ok, problem, stream

from platemark.client import Event, NotFinished, Progress, Unreachable
from platemark.client.events import MAX_EVENT_BYTES, Parser
from platemark.core.errors import BlockedByAppPolicy, BlockedByProvider, GenerationCanceled, NotFound, ProviderError

STEPS = b"".join(
    [
        b"retry: 1000\n\n",
        event(1, "generation.accepted", status="queued"),
        b": still here\n\n",
        event(2, "generation.progress", status="running", progress={"index": 0, "done": 2, "total": 4}),
        b'id: 3\r\nevent: generation.preview\r\ndata: {"status":\r\ndata: "running"}\r\n\r\n',
        event(4, "generation.succeeded", status="succeeded"),
    ]
)
QUEUED = generation("queued")


def parsed(*chunks: bytes) -> list[Event]:
    parser = Parser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@given(st.lists(st.integers(0, len(STEPS)), max_size=12).map(sorted))
def test_events_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    edges = [0, *cuts, len(STEPS)]
    found = parsed(*(STEPS[start:end] for start, end in pairwise(edges)))
    assert [(event.id, event.type) for event in found] == [
        ("1", "generation.accepted"),
        ("2", "generation.progress"),
        ("3", "generation.preview"),
        ("4", "generation.succeeded"),
    ]
    assert found[2].data == {"status": "running"}
    assert [event.last for event in found] == [False, False, False, True]


def test_an_event_without_data_is_none() -> None:
    assert parsed(b"id: 7\nevent: x\n\ndata: {}\n\n") == [Event("7", "message", {})]


@pytest.mark.parametrize("data", [b"data: [1]\n\n", b"data: {\n\n", b"data: " + b"x" * MAX_EVENT_BYTES])
def test_what_is_not_from_our_server_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"event|Expecting"):
        parsed(data)


def test_events_resume_where_they_broke() -> None:
    script = Script(
        [
            stream(event(1, "generation.accepted"), event(2, "generation.started"), httpx2.ReadError("reset")),
            stream(event(3, "generation.succeeded")),
        ]
    )
    found = list(client(script).generations.events("gen_1"))
    assert [event.id for event in found] == ["1", "2", "3"]
    assert [request.headers.get("last-event-id") for request in script.seen] == [None, "2"]
    assert script.asked == ["GET /v1/generations/gen_1/events"] * 2


def test_events_begin_where_the_caller_left_off() -> None:
    script = Script([stream(event(9, "generation.failed"))])
    assert [event.id for event in client(script).generations.events("gen_1", after="8")] == ["9"]
    assert script.seen[0].headers["last-event-id"] == "8"


def test_a_stream_that_never_says_anything_is_given_up() -> None:
    script = Script([lambda _: stream(b": still here\n\n")])
    with pytest.raises(Unreachable, match="again and again"):
        list(client(script).generations.events("gen_1"))
    assert len(script.seen) == 3


def test_events_of_nothing_are_not_found() -> None:
    with pytest.raises(NotFound):
        list(client(Script([problem("not_found", 404)])).generations.events("gen_2"))


def test_leaving_the_events_hangs_up() -> None:
    answer = stream(event(1, "generation.accepted"), event(2, "generation.started"))
    events = client(Script([answer])).generations.events("gen_1")
    assert next(iter(events)).id == "1"
    events.close()  # type: ignore[attr-defined]
    assert answer.is_closed


def test_progress_is_told_as_it_happens() -> None:
    script = Script([ok(QUEUED, 202), stream(STEPS), ok(generation())])
    told: list[Progress] = []
    done = client(script).generate("a red house", on_progress=told.append)
    assert done.status == "succeeded"
    assert [(now.status, now.done, now.total, now.preview) for now in told] == [
        ("queued", 0, 0, False),
        ("running", 2, 4, False),
        ("running", 2, 4, True),
        ("succeeded", 2, 4, False),
    ]
    assert told[1].fraction == 0.5
    assert script.asked == ["POST /v1/generate", "GET /v1/generations/gen_1/events", "GET /v1/generations/gen_1"]
    assert script.seen[0].headers["prefer"] == "respond-async"


def test_progress_counts_over_all_pictures() -> None:
    assert Progress("gen_1", "running", index=1, count=4, done=2, total=4).fraction == 0.375
    assert Progress("gen_1", "queued", count=4).fraction == 0.0


def test_without_progress_one_held_call_is_enough() -> None:
    script = Script([ok(generation())])
    client(script).generate("a red house")
    assert script.asked == ["POST /v1/generate"]
    assert script.seen[0].headers["prefer"] == "wait=50"
    assert script.seen[0].extensions["timeout"]["read"] == 65.0


def test_polling_does_without_events() -> None:
    time = Time()
    running = ok(generation("running"))
    refused = problem("not_found", 404)
    script = Script([ok(QUEUED, 202), refused, running, httpx2.Response(404), running, refused, ok(generation())])
    told: list[str] = []
    client(script, time).generate("a red house", on_progress=lambda now: told.append(now.status))
    assert told == ["queued", "running", "succeeded"]
    assert time.slept == [0.25, 0.375, 0.5625]


def test_a_stream_of_nothing_is_tried_three_times_and_polling_goes_on() -> None:
    script, polls = Script([ok(QUEUED, 202)]), iter([QUEUED] * 6)

    def later(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("events"):
            return stream()
        return ok(next(polls, generation()))

    script.answers.append(later)
    client(script).generate("a red house", on_progress=lambda _: None)
    assert script.asked.count("GET /v1/generations/gen_1/events") == 3
    assert script.asked.count("GET /v1/generations/gen_1") == 7


def test_a_held_generation_comes_back_and_can_be_waited_for_through_its_review() -> None:
    held = generation("held")
    sdk = client(
        Script([ok(held, 202), stream(event(5, "generation.succeeded", status="succeeded")), ok(generation())])
    )
    waiting = sdk.generate("a red house")
    assert waiting.status == "held"
    assert waiting.wait(through_review=True).status == "succeeded"


def test_what_an_appeal_has_let_go_on_is_waited_for() -> None:
    blocked = generation("blocked", error={"code": "blocked_by_app_policy", "detail": "no"})
    script = Script([ok(blocked), ok(blocked), ok(generation("running")), stream(), ok(generation())])
    refused = client(script).generations.get("gen_1")
    with pytest.raises(BlockedByAppPolicy):
        refused.wait()
    assert refused.wait().status == "succeeded"


def test_a_held_generation_that_was_released_is_waited_for() -> None:
    script = Script([ok(generation("held")), ok(generation())])
    assert client(script).generations.get("gen_1").wait().status == "succeeded"


def test_a_timeout_names_the_generation_that_goes_on() -> None:
    time, script = Time(), Script([ok(generation("running"), 202)])
    with pytest.raises(NotFinished) as caught:
        client(script, time).generate("a red house", timeout=10)
    assert caught.value.generation == "gen_1"
    assert sum(time.slept) == 10
    assert script.seen[0].headers["prefer"] == "wait=10"


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        (generation("failed", error={"code": "provider_error", "detail": "it broke"}), ProviderError),
        (
            generation("blocked", error={"code": "blocked_by_provider", "detail": "no", "retryable": False}),
            BlockedByProvider,
        ),
        (generation("canceled"), GenerationCanceled),
    ],
    ids=["failed", "blocked", "canceled"],
)
def test_a_generation_without_images_raises_its_error(ended: dict[str, object], kind: type[Exception]) -> None:
    script = Script([ok(QUEUED, 202), stream(event(1, "generation.failed", status="failed")), ok(ended)])
    with pytest.raises(kind) as caught:
        client(script).generate("a red house", on_progress=lambda _: None)
    assert getattr(caught.value, "generation") == "gen_1"  # noqa: B009 - the type is a parameter


def test_a_listener_that_raises_ends_the_wait() -> None:
    def listener(now: Progress) -> None:
        raise ValueError(now.status)

    with pytest.raises(ValueError, match="queued"):
        client(Script([ok(QUEUED, 202)])).generate("a red house", on_progress=listener)


@pytest.mark.anyio
async def test_the_async_client_hears_the_same() -> None:
    told: list[str] = []

    async def listener(now: Progress) -> None:
        told.append(now.status)

    script = Script([ok(QUEUED, 202), stream(STEPS), ok(generation()), stream(STEPS)])
    async with async_client(script) as sdk:
        done = await sdk.generate("a red house", on_progress=listener)
        assert [event.id async for event in sdk.generations.events(done.id)] == ["1", "2", "3", "4"]
    assert told == ["queued", "running", "running", "succeeded"]
