"""The page about hosted providers, from what their adapters declare: facts, refusals, models, and what is doubtful."""

from collections.abc import Iterator, Sequence

from platemark.cli import readiness
from platemark.core.readiness import ReadinessResource, ReadyModel
from platemark.providers.hosted import VENDORS
from platemark.providers.readiness import report

_COLUMNS = (
    "model", "the vendor's name for it", "operations", "sizes", "steps", "guidance", "strength", "seeds",
    "negative prompt", "controls", "LoRAs", "pictures", "price", "results stay",
)  # fmt: skip
# Alike for all of them, so the page says it once.
_SAME = frozenset({"several keys", "kept of an answer"})
_REFUSALS = ("outcome", "shows as", "error")


def providers() -> Iterator[str]:
    """The whole page, providers by name."""
    for name in sorted(VENDORS):
        make, public = VENDORS[name]
        yield from _provider(report(make(), base_url=public))


def _provider(found: ReadinessResource) -> Iterator[str]:
    yield f"## {found.id}\n"
    told = [(name, value) for name, value in readiness.facts(found) if name not in _SAME]
    yield from (f"- {_capital(name)}: {_cell(value)}" for name, value in told)
    yield ""
    if found.safety:
        yield from _table(_REFUSALS, ((f"`{one.outcome}`", one.shows, f"`{one.error}`") for one in found.safety))
    if found.models:
        yield from _table(_COLUMNS, map(_model, found.models))
    if found.not_verified:
        yield "No source confirms:\n"
        yield from (f"- {_cell(text)}" for text in found.not_verified)
        yield ""


def _model(model: ReadyModel) -> Sequence[object]:
    return (
        f"`{model.id}`",
        f"`{model.route}`" if model.route else "what the server serves",
        tuple(name.replace("_", " ") for name in model.operations),
        readiness.sizes(model),
        readiness.span(model.steps),
        readiness.span(model.cfg_scale),
        readiness.span(model.strength),
        f"{model.seeds[0]} to {model.seeds[1]}" if model.seeds else None,
        "yes" if model.negative_prompt else "no",
        tuple(f"`{name}`" for name in model.controls),
        "any of the vendor's" if model.any_lora else model.loras,
        model.max_count,
        readiness.price(model.price),
        readiness.lifetime(model.result_seconds),
    )


def _table(columns: Sequence[str], rows: Iterator[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in rows)
    yield ""


def _cell(value: object) -> str:
    """One line without what a table would take for its own; an empty cell is a dash."""
    if value is None or value == ():
        return "–"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
