"""The services that are known here: how each is asked, how it is told who asks, what its answer means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from platemark.detectors.origin_services import realitydefender
from platemark.detectors.origin_services.forms import Form
from platemark.detectors.origin_services.realitydefender import RealityDefender

Secrets = Sequence[str]
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Known:
    """One service. `keys`: what each of its keys is; `headers` and `fields` carry them. `seconds`: for one answer."""

    service: Form | RealityDefender
    base_url: str
    headers: Callable[[Secrets], Mapping[str, str]]
    keys: tuple[str, ...] = ("key",)
    fields: Callable[[Secrets], Mapping[str, str]] = field(default=lambda _: {})
    seconds: float = SECONDS


def _bearer(keys: Secrets) -> Mapping[str, str]:
    return {"authorization": f"Bearer {keys[0]}"}


def _header(name: str, prefix: str = "") -> Callable[[Secrets], Mapping[str, str]]:
    return lambda keys: {name: f"{prefix}{keys[0]}"}


_HIVE = "https://api.thehive.ai"
_CLASS = "classes[class=ai_generated]"
KNOWN: Mapping[str, Known] = {
    # imagedetector.online/docs: at most 8 MB, one call a second and key.
    "anyimagedetector": Known(
        Form(
            path="/image/detect",
            body="multipart",
            place="image",
            score=("ai_score",),
            verdict="verdict",
            words={"likely_ai": "ai", "likely_human": "real", "uncertain": "unsure"},
        ),
        "https://imagedetector.online/v1",
        _bearer,
    ),
    # PyPI aiornot 0.1.1, the vendor's own client.
    "aiornot": Known(
        Form(
            path="/v2/image/sync",
            body="multipart",
            place="image",
            query={"only": "ai_generated"},
            score=("report.ai_generated.ai.confidence",),
            verdict="report.ai_generated.verdict",
            words={"ai": "ai", "human": "real", "unknown": "unsure"},
        ),
        "https://api.aiornot.com",
        _bearer,
    ),
    # PyPI sightengine 1.4.0 and third-party descriptions.
    "sightengine": Known(
        Form(
            path="/check.json",
            body="multipart",
            place="media",
            fields={"models": "genai"},
            score=("type.ai_generated",),
            must=("status", "success"),
        ),
        "https://api.sightengine.com/1.0",
        lambda _: {},
        keys=("api_user", "api_secret"),
        fields=lambda keys: {"api_user": keys[0], "api_secret": keys[1]},
    ),
    # Public client code. One key opens one kind of model.
    "hive": Known(
        Form(
            path="/api/v3/hive/ai-generated-and-deepfake-content-detection",
            body="data_uri",
            place="input[0].media_base64",
            score=(f"output[0].{_CLASS}.value",),
        ),
        _HIVE,
        _bearer,
    ),
    "hive_v2": Known(
        Form(
            path="/api/v2/task/sync",
            body="multipart",
            place="media",
            score=(f"status[0].response.output[0].{_CLASS}.score",),
        ),
        _HIVE,
        _header("authorization", "Token "),
    ),
    "realitydefender": Known(
        RealityDefender(),
        "https://api.prd.realitydefender.xyz",
        _header("x-api-key"),
        seconds=realitydefender.SECONDS,
    ),
    # Public clients agree that `score` is that of the human; it reads pictures from public URLs only.
    "winston": Known(
        Form(path="/v2/image-detection", body="url", place="url", score=("score",), scale=100, inverted=True),
        "https://api.gowinston.ai",
        _bearer,
    ),
    # Public clients agree on the route; one of them reads the number at the top.
    "illuminarty": Known(
        Form(
            path="/v1/image/classify",
            body="multipart",
            place="file",
            score=("data.probability", "probability"),
        ),
        "https://api.illuminarty.ai",
        _header("x-api-key"),
    ),
}
