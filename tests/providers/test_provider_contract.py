"""Every hosted adapter against its fake: what it declares, and everything that can go wrong. One line an adapter."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from attached import MOST_BYTES, fetched

from platemark.core.errors import BlockedByProvider, ProviderRejected, ProviderUnavailable
from platemark.providers.aime import Aime
from platemark.providers.aimlapi import Aimlapi
from platemark.providers.automatic1111 import Automatic1111
from platemark.providers.comfyui import ComfyUI
from platemark.providers.fal import Fal
from platemark.providers.fireworks import Fireworks
from platemark.providers.horde import Horde
from platemark.providers.hotpot import Hotpot
from platemark.providers.http import Deadlines, Keys, open_transport
from platemark.providers.huggingface import HuggingFace
from platemark.providers.modelslab import ModelsLab
from platemark.providers.openai_images import SERVERS, OpenAIImages
from platemark.providers.remote import Remote
from platemark.providers.replicate import Replicate
from platemark.providers.stability import Stability
from platemark.providers.together import Together
from platemark.providers.vendor import Vendor
from platemark.simulate.aime import FakeAime
from platemark.simulate.aimlapi import FakeAimlapi
from platemark.simulate.automatic1111 import FakeAutomatic1111
from platemark.simulate.comfyui import FakeComfyUI
from platemark.simulate.contract import ALL, CHECKS, KEY, Case, FastClock, Open, Subject, cases, survives
from platemark.simulate.fal import FakeFal
from platemark.simulate.fireworks import FakeFireworks
from platemark.simulate.horde import FakeHorde
from platemark.simulate.hotpot import FakeHotpot
from platemark.simulate.huggingface import FakeHuggingFace
from platemark.simulate.modelslab import FakeModelsLab
from platemark.simulate.openai_images import FakeOpenAIImages
from platemark.simulate.replicate import FakeReplicate
from platemark.simulate.server import Fake, serve
from platemark.simulate.stability import FakeStability
from platemark.simulate.together import FakeTogether

pytestmark = pytest.mark.anyio


def opening(vendor: Vendor, fake: Callable[[], Fake]) -> Open:
    @asynccontextmanager
    async def opened(deadlines: Deadlines) -> AsyncGenerator[tuple[Remote, Fake]]:
        server = fake()
        async with (
            serve(server) as url,
            open_transport(vendor.name, url, deadlines=deadlines, max_bytes=MOST_BYTES) as transport,
        ):
            yield Remote(vendor, transport, Keys((KEY,)), FastClock(), fetched), server

    return opened


def case(trouble: str, **changes: object) -> Case:
    return replace(next(each for each in ALL if each.trouble == trouble), **changes)


# Nobody is paid at an address of one's own, and what gave no answer is asked again.
FREE = {
    **{
        name: case(name, error=ProviderUnavailable, cost="settled")
        for name in ("timeout", "slow_drip", "reset", "truncated", "never_ending")
    },
    **{
        name: case(name, cost="settled")
        for name in (
            *("wrong_type", "huge_body", "corrupt_base64", "corrupt_picture", "expired_url", "private_redirect"),
            "fewer_pictures",
        )
    },
}
SUBJECTS = (
    Subject(
        "stability",
        opening(Stability(), FakeStability),
        FakeStability().troubles,
        "stability/sd3.5-large",
        later=("stability/upscale-creative", "upscale"),
        controls={"stability/control": "structure"},
        expects={
            # Their limit without a word about when stands in their documents: 60 s.
            "rate_limited": case("rate_limited", retry_after=60.0),
            "failed_later": case("failed_later", outcome="prompt_blocked", error=BlockedByProvider),
        },
    ),
    Subject(
        "automatic1111",
        opening(Automatic1111(), FakeAutomatic1111),
        FakeAutomatic1111().troubles,
        "automatic1111/sd15",
        expects=FREE,
    ),
    Subject(
        "comfyui",
        opening(ComfyUI(), FakeComfyUI),
        FakeComfyUI().troubles,
        "comfyui/sd15",
        later=("comfyui/sd15", "text_to_image"),
        # Its success with an error inside is a graph that it would not run.
        expects={**FREE, "error_in_200": case("error_in_200", outcome="bad_request", error=ProviderRejected)},
    ),
    Subject("together", opening(Together(), FakeTogether), FakeTogether().troubles, "together/flux.1-schnell"),
    Subject(
        "replicate",
        opening(Replicate(), FakeReplicate),
        FakeReplicate().troubles,
        "replicate/sd3.5-large-turbo",
        later=("replicate/sdxl", "image_to_image"),
    ),
    Subject(
        "aimlapi",
        opening(Aimlapi(), FakeAimlapi),
        FakeAimlapi().troubles,
        "aimlapi/sd3.5-large",
        # The answer says what was taken, also where its picture cannot be had.
        expects={
            name: case(name, cost="settled")
            for name in ("corrupt_base64", "corrupt_picture", "expired_url", "private_redirect")
        },
    ),
    Subject(
        "aime",
        opening(Aime(), FakeAime),
        FakeAime().troubles,
        "aime/stable-diffusion-3-5",
        later=("aime/stable-diffusion-3-5", "image_to_image"),
    ),
    Subject(
        "hotpot",
        opening(Hotpot(), FakeHotpot),
        FakeHotpot().troubles,
        "hotpot/stable-diffusion",
        # Nobody says when; the first wait is ours.
        expects={"rate_limited": case("rate_limited", retry_after=10.0)},
    ),
    Subject("openai", opening(OpenAIImages(), FakeOpenAIImages), FakeOpenAIImages().troubles, "openai/gpt-image-1"),
    *(
        Subject(
            name,
            opening(SERVERS[name](), partial(FakeOpenAIImages, name)),
            FakeOpenAIImages(name).troubles,
            model,
            later=("localai/stablediffusion-inpaint", "inpaint") if name == "localai" else None,
            expects=FREE,
        )
        for name, model in (
            ("vllm-omni", "vllm-omni/served"),
            ("sglang", "sglang/served"),
            ("localai", "localai/stablediffusion"),
            ("xinference", "xinference/sd1.5"),
        )
    ),
    Subject(
        "huggingface",
        opening(HuggingFace(), FakeHuggingFace),
        FakeHuggingFace().troubles,
        # Of all its models the one whose answers show that something was withheld.
        "huggingface/sd-1.5",
    ),
    Subject(
        "fal",
        opening(Fal(), FakeFal),
        FakeFal().troubles,
        "fal/sd3.5-large",
        later=("fal/fast-sdxl", "image_to_image"),
    ),
    Subject(
        "fireworks",
        opening(Fireworks(), FakeFireworks),
        FakeFireworks().troubles,
        "fireworks/sdxl-1.0",
        later=("fireworks/flux.1-kontext-pro", "image_to_image"),
        polls="POST",
        controls={"fireworks/sdxl-1.0-control": "canny"},
        expects={
            # Only Kontext has results behind URLs, and says that it refuses a prompt.
            **{name: case(name, later=True) for name in ("prompt_blocked", "expired_url", "private_redirect")},
        },
    ),
    Subject(
        "modelslab",
        opening(ModelsLab(), FakeModelsLab),
        FakeModelsLab().troubles,
        "modelslab/sdxl",
        later=("modelslab/sdxl", "image_to_image"),
        polls="POST",
        controls={"modelslab/controlnet": "canny"},
    ),
    Subject(
        "horde",
        opening(Horde(), FakeHorde),
        FakeHorde().troubles,
        "horde/stable-diffusion-1.5",
        later=("horde/stable-diffusion-1.5", "image_to_image"),
        controls={"horde/stable-diffusion-1.5-control": "canny"},
        expects={
            # Without a word about when, as the horde itself does in maintenance.
            "error_503": case("error_503", retry_after=60.0),
            # All that is wrong with pictures shows when they are fetched.
            **{
                name: case(name, method="GET")
                for name in ("output_blocked", "corrupt_base64", "corrupt_picture", "expired_url", "private_redirect")
            },
        },
    ),
)
TROUBLES = [pytest.param(each, one, id=f"{each.name}-{one.trouble}") for each in SUBJECTS for one in cases(each)]


@pytest.mark.parametrize(("subject", "trouble"), TROUBLES)
async def test_it_survives(subject: Subject, trouble: Case) -> None:
    await survives(subject, trouble)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
async def test_it_keeps_the_contract(subject: Subject, check: Callable[[Subject], Awaitable[None]]) -> None:
    await check(subject)


def test_every_trouble_of_a_fake_has_a_case() -> None:
    # A hint comes to no outcome: it is tried where hints are.
    known = {each.trouble for each in ALL} | {"duplicate_webhook", "forged_webhook"}
    assert {subject.name: subject.troubles - known for subject in SUBJECTS if subject.troubles - known} == {}
