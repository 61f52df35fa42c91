"""The readiness report as people read it."""

from collections.abc import Iterator, Sequence

from platemark.core.readiness import ReadinessResource, ReadyModel, Trial
from platemark.core.resource import PriceResource

Rows = list[tuple[str, object]]
MODEL_COLUMNS = ("MODEL", "NAME AT THE VENDOR", "OPERATIONS", "SIZES", "STEPS", "GUIDANCE", "PRICE")
_MANY, _LONG = 8, 80


def facts(report: ReadinessResource) -> Rows:
    """What holds for the whole provider, in the order of the guide."""
    return [
        ("address", report.base_url or "yours: base_url in PLATEMARK_HOSTED"),
        ("authentication", authentication(report)),
        ("keys can be limited to", report.authentication.scopes or "no source says it"),
        ("several keys", report.authentication.rotation),
        ("first request", first_request(report)),
        ("pictures come as", report.response.delivers or f"not declared; taken: {report.response.taken}"),
        ("formats", report.response.formats),
        ("results stay", lifetime(report.response.result_seconds)),
        ("can be cancelled", {True: "yes", False: "no", None: "not declared"}[report.response.cancels]),
        ("rate", rate(report)),
        ("request id in", report.metadata.request_id_headers or "no header that is known"),
        ("seed", seeds(report)),
        ("kept of an answer", report.metadata.kept),
        ("no answer came", repeats(report)),
    ]


def models(report: ReadinessResource) -> Iterator[Sequence[object]]:
    """One row for each model, for `MODEL_COLUMNS`."""
    for one in report.models:
        can = tuple(name.replace("_", " ") for name in one.operations)
        yield (
            one.id,
            one.route or "what it serves",
            can,
            sizes(one),
            span(one.steps),
            span(one.cfg_scale),
            price(one.price),
        )


def trial(found: Trial) -> Rows:
    """What came of the real request."""
    size = f"{found.width} × {found.height}, {found.bytes:,} bytes" if found.bytes else None
    echoed = "not told" if found.seed_echoed is None else f"{found.seed_echoed}"
    cost = "unknown" if found.cost.micro_usd is None else f"{found.cost.micro_usd / 1_000_000:g} USD"
    return [
        ("model", found.model),
        ("outcome", found.outcome),
        ("words", found.words),
        ("HTTP status", found.status),
        ("seconds", f"{found.seconds:.2f}"),
        ("type", found.media_type),
        ("picture", size),
        ("seed", f"{found.seed_sent} sent, {echoed} in the answer"),
        ("request id", found.request_id),
        ("model revision", found.model_revision),
        ("flags", ", ".join(f"{name}: {value}" for name, value in found.flags.items()) or None),
        ("cost", f"{cost} ({found.cost.status}; {found.cost.basis})"),
        ("saved", found.saved),
    ]


def authentication(report: ReadinessResource) -> str:
    """How a key travels, in words."""
    way = report.authentication
    if way.place is None:
        return "a key is needed; its place depends on the call" if way.needed else "none"
    example = f"{way.scheme} KEY" if way.scheme else "KEY"
    where = f"{way.place} `{way.name}`" if way.name else way.place
    return f"{where}: {example}{'' if way.needed else ' (only where the server wants one)'}"


def first_request(report: ReadinessResource) -> str:
    """The smallest request, in words."""
    asked = report.request
    if asked is None:
        return "none: no model that is declared draws from a text alone"
    fields = " ".join(f"{name}={_short(value)}" for name, value in asked.fields.items())
    accept = f", Accept: {asked.accept}" if asked.accept else ""
    return f"{asked.method} {asked.path} as {asked.body}{accept}{f'; {fields}' if fields else ''}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def rate(report: ReadinessResource) -> str:
    """The rate contract in words."""
    limits = report.limits
    calls = f"{limits.calls} calls in {limits.seconds:g} s, " if limits.calls and limits.seconds else ""
    wait = f"; {limits.retry_after:g} s after a 429 that names no time" if limits.retry_after else ""
    return f"{calls}{limits.concurrency} at once{wait}"


def seeds(report: ReadinessResource) -> str:
    """Which models take a seed."""
    taken = len(report.metadata.seeded)
    if taken == len(report.models):
        return "taken by all models, sent by us and kept" if taken else "no model is declared"
    return f"taken by {taken} of {len(report.models)} models, sent by us and kept" if taken else "taken by none"


def repeats(report: ReadinessResource) -> str:
    """What is done where nobody knows what became of a call."""
    if report.repeats.on_unknown == "fail":
        return "ends as outcome_unknown, because a repeat may cost twice"
    why = "a repeat is free" if report.repeats.free else "our idempotency key is replayed"
    return f"asked again, because {why}"


def lifetime(seconds: float | None) -> str:
    """How long results can be fetched."""
    if seconds is None:
        return "in the answer itself, or not said"
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"


def sizes(model: ReadyModel) -> str:
    """What can be asked for as width and height."""
    if model.sizes:
        named = ", ".join(f"{width}×{height}" for width, height in model.sizes[:_MANY])
        return named + (f" and {len(model.sizes) - _MANY} more" if len(model.sizes) > _MANY else "")
    if model.aspect_ratios:
        return f"proportions {', '.join(model.aspect_ratios)}"
    steps = f" in steps of {model.size_multiple}" if model.size_multiple > 1 else ""
    return f"{model.min_size} to {model.max_size} a side{steps}"


def span(limits: tuple[float, float] | None) -> str | None:
    """A range; None where there is none."""
    return None if limits is None else f"{limits[0]:g} to {limits[1]:g}"


def price(found: PriceResource | None) -> str:
    """A price with its source."""
    if found is None:
        return "unknown"
    doubt = "" if found.verified else ", not verified"
    return f"{found.usd} USD per {found.per.replace('_', ' × ')} ({found.source}, {found.as_of}{doubt})"
