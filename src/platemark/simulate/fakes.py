"""The fake vendors by name, and one of them as a server for anybody's tests."""

from collections.abc import Callable, Mapping
from functools import partial

import anyio

from platemark.core.errors import InvalidRequest
from platemark.simulate.aime import FakeAime
from platemark.simulate.aimlapi import FakeAimlapi
from platemark.simulate.automatic1111 import FakeAutomatic1111
from platemark.simulate.azure_content_safety import FakeAzureContentSafety
from platemark.simulate.comfyui import FakeComfyUI
from platemark.simulate.fal import FakeFal
from platemark.simulate.fireworks import FakeFireworks
from platemark.simulate.hive import FakeHive
from platemark.simulate.horde import FakeHorde
from platemark.simulate.hotpot import FakeHotpot
from platemark.simulate.huggingface import FakeHuggingFace
from platemark.simulate.modelslab import FakeModelsLab
from platemark.simulate.openai_images import FakeOpenAIImages
from platemark.simulate.openai_moderation import FakeOpenAIModeration
from platemark.simulate.openai_servers import SERVERS
from platemark.simulate.origin_services import (
    FakeAiOrNot,
    FakeAnyImageDetector,
    FakeHiveOrigin,
    FakeIlluminarty,
    FakePrivateDetector,
    FakeWinston,
)
from platemark.simulate.realitydefender import FakeRealityDefender
from platemark.simulate.receiver import Receiver
from platemark.simulate.replicate import FakeReplicate
from platemark.simulate.server import Fake, serve
from platemark.simulate.sightengine import FakeSightengine
from platemark.simulate.stability import FakeStability
from platemark.simulate.together import FakeTogether
from platemark.simulate.wordpress import FakeWordPress

FAKES: Mapping[str, Callable[[], Fake]] = {
    "stability": FakeStability,
    "together": FakeTogether,
    "replicate": FakeReplicate,
    "aimlapi": FakeAimlapi,
    "aime": FakeAime,
    "automatic1111": FakeAutomatic1111,
    "comfyui": FakeComfyUI,
    "hotpot": FakeHotpot,
    **{kind: partial(FakeOpenAIImages, kind) for kind in SERVERS},
    "huggingface": FakeHuggingFace,
    "fal": FakeFal,
    "fireworks": FakeFireworks,
    "modelslab": FakeModelsLab,
    "horde": FakeHorde,
}
# Services that look at texts and pictures instead of making them.
MODERATION: Mapping[str, Callable[[], Fake]] = {
    "openai_moderation": FakeOpenAIModeration,
    "azure_content_safety": FakeAzureContentSafety,
    "sightengine": FakeSightengine,
    "hive": FakeHive,
}
# Services that say whether a picture is AI-made; that of Sightengine does both.
ORIGIN: Mapping[str, Callable[[], Fake]] = {
    "anyimagedetector": FakeAnyImageDetector,
    "aiornot": FakeAiOrNot,
    "hive_origin": FakeHiveOrigin,
    "realitydefender": FakeRealityDefender,
    "winston": FakeWinston,
    "illuminarty": FakeIlluminarty,
    "private_detector": FakePrivateDetector,
}
# What releases are delivered to.
TARGETS: Mapping[str, Callable[[], Fake]] = {"wordpress": FakeWordPress, "webhook": Receiver}


async def simulate(name: str, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve a fake until cancelled; `ready` is told its URL. Raises InvalidRequest for a name that is not known."""
    known = {**FAKES, **MODERATION, **ORIGIN, **TARGETS}
    if name not in known:
        raise InvalidRequest(f"There is no simulated provider {name!r}. There are: {', '.join(sorted(known))}.")
    async with serve(known[name](), host=host, port=port) as url:
        ready(url)
        await anyio.sleep_forever()
