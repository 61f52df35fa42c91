"""The provider `local`: models on this machine, drawn by the embedded engine."""

import importlib.util
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio.to_thread

from platemark.core.errors import ModelUnavailable
from platemark.core.health import Health
from platemark.core.model import Capabilities, Model
from platemark.core.money import Cost
from platemark.core.updates import Answered, Charged, Order, Update
from platemark.engine.engine import Engine
from platemark.engine.models.catalogue import POCKET_NAME, sources
from platemark.engine.models.digest import Revisions
from platemark.engine.models.folder import capabilities, read_folder
from platemark.engine.models.source import Source
from platemark.settings import Settings

NAME = "local"
FREE = Cost(status="settled", micro_usd=0, basis="device price 0, default")
# For a folder that cannot be read: its requests are accepted and then fail with the reason, instead of "unknown model".
_ANYTHING = Capabilities(
    operations=frozenset({"text_to_image"}), min_size=8, max_size=4096, default_width=512, default_height=512
)


@dataclass(frozen=True)
class Local:
    """A provider over one engine. `broken` names the models that cannot be drawn, with the reason."""

    engine: Engine
    sources: Mapping[str, Source]
    models: Mapping[str, Model]
    broken: Mapping[str, ModelUnavailable]
    revisions: Revisions
    concurrency: int = 1
    name: str = NAME
    # A device that is ours costs nothing to ask again, so an unknown outcome is simply repeated.
    free_repeat: bool = True
    repeats_unknown: bool = True
    # The engine looks after itself: it is started again when it falls.
    health: Health = field(default_factory=Health)

    def estimate(self, order: Order) -> Cost:
        """What an order costs: known beforehand."""
        return FREE

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        """Draw an order. There are no tickets: work that was cut off is drawn again from its seed.

        Raises ModelUnavailable, EngineCrashed, ProviderRejected, ProviderError, ShuttingDown.
        """
        if order.model in self.broken:
            # Raises again, unless the folder was mended since the start.
            await anyio.to_thread.run_sync(read_folder, self.sources[order.model])
        revision = await anyio.to_thread.run_sync(self.revisions.of, self.sources[order.model])
        drawing = self.engine.draw(order)
        try:
            async for update in drawing:
                yield replace(update, model_revision=revision) if isinstance(update, Answered) else update
        finally:
            await drawing.aclose()
        yield Charged(FREE)

    async def cancel(self, model: str, ticket: str) -> bool:
        """There are no tickets: what is closed stops by itself."""
        return False

    async def check(self) -> None:
        """Raise ModelUnavailable when a library or a model folder is missing or damaged."""
        missing = [name for name in ("torch", "diffusers", "transformers") if not importlib.util.find_spec(name)]
        if missing:
            raise ModelUnavailable(
                f"The local engine needs {', '.join(missing)}. Install platemark with its extra: platemark[local]."
            )
        for reason in self.broken.values():
            raise reason


@asynccontextmanager
async def open_local(settings: Settings, *, warm: bool = True) -> AsyncGenerator[Local]:
    """The provider with `local/pocket` and the models of the settings.

    With `warm`, the engine starts at once and loads the default model if it is local (else pocket), while this returns.
    """
    places = await anyio.to_thread.run_sync(sources, settings)
    revisions = Revisions(settings.data / "cache" / "model-hashes.json")
    models, broken = await anyio.to_thread.run_sync(_describe, places, revisions)
    default = settings.aliases.get(settings.default_model, settings.default_model)
    named = (default,) if isinstance(default, str) else default
    first = next((model for model in named if model in models and model not in broken), POCKET_NAME)
    async with Engine.open(
        places,
        threads=settings.engine_threads,
        step_timeout=settings.engine_step_timeout,
        warm=first if warm else None,
        memory=settings.engine_memory,
        speed=settings.engine_speed,
    ) as engine:
        yield Local(engine, places, models, broken, revisions, settings.engine_concurrency)


def _describe(
    places: Mapping[str, Source], revisions: Revisions
) -> tuple[dict[str, Model], dict[str, ModelUnavailable]]:
    """Each model as far as its folder can be read, and why the others cannot."""
    models: dict[str, Model] = {}
    broken: dict[str, ModelUnavailable] = {}
    for name, source in places.items():
        try:
            models[name] = _model(name, source, revisions)
        except ModelUnavailable as error:
            broken[name] = error
            models[name] = Model(id=name, provider=NAME, capabilities=_ANYTHING, description=error.detail)
    return models, broken


def _model(name: str, source: Source, revisions: Revisions) -> Model:
    folder = read_folder(source)
    return Model(
        id=name,
        provider=NAME,
        capabilities=capabilities(folder),
        revision=revisions.of(source),
        licence=folder.licence.name,
        licence_note=folder.licence.note,
        description=folder.declared.description,
    )
