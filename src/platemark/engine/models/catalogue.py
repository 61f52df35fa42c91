"""From the settings to what the engine opens: every local model by its full name, with the place of its files."""

from collections.abc import Mapping
from pathlib import Path

from platemark.core.errors import Misconfigured, ModelUnavailable
from platemark.engine.models.folder import POCKET
from platemark.engine.models.headers import printable
from platemark.engine.models.hub import snapshot
from platemark.engine.models.single_file import VOCABULARY, default_config, inspect
from platemark.engine.models.source import Source
from platemark.engine.models.weights import listed, place
from platemark.settings import LocalModel, Settings

PROVIDER = "local"
POCKET_NAME = f"{PROVIDER}/pocket"


def sources(settings: Settings) -> dict[str, Source]:
    """Every local model, `local/pocket` first. Reads headers of checkpoints: call it in a thread. Raises nothing.

    A model whose files are not there yet is a source that says so.
    """
    found = {POCKET_NAME: Source(path=POCKET)}
    for name, model in settings.models.items():
        found[f"{PROVIDER}/{name}"] = source_of(name, model, settings.cache)
    return found


def source_of(name: str, model: LocalModel, cache: Path) -> Source:
    """One model of the settings. `name` appears in what it says when something is missing."""
    source = Source(
        path=_path(name, model),
        config=model.config,
        sha256=model.sha256,
        loras=_real(model.loras),
        embeddings=_real(model.embeddings),
        controlnets=_real(model.controlnets),
        vaes=_real(model.vaes),
    )
    if model.hub and not source.path.is_dir():
        missing = f"{model.hub} is not in the hub cache of this machine. Run: platemark models pull {name}"
        return source.model_copy(update={"missing": missing})
    return _with_config(source, cache) if source.is_file and source.config is None else source


def _path(name: str, model: LocalModel) -> Path:
    if model.path:
        return model.path
    if model.hub and model.revision:
        return snapshot(model.hub, model.revision)
    return POCKET if name == "pocket" else Path(name)


def _with_config(source: Source, cache: Path) -> Source:
    """With configuration files of our own where the checkpoint has the size of a published model."""
    try:
        found = inspect(source.path)
    except ModelUnavailable:
        return source  # it says so itself when it is read
    if not found.known:
        return source
    try:
        weight = listed()[VOCABULARY]
        merges = place(weight, cache)
        if not merges.is_file():
            missing = (
                f"{printable(source.path)} needs CLIP's vocabulary, which no checkpoint holds. Run: platemark models "
                f"pull {VOCABULARY} (or name a folder with the configuration files of its base as `config`)."
            )
            return source.model_copy(update={"missing": missing})
        return source.model_copy(update={"config": default_config(found, merges, cache)})
    except (ModelUnavailable, Misconfigured) as error:
        return source.model_copy(update={"missing": error.detail})


def _real(adapters: Mapping[str, Path]) -> dict[str, Path]:
    """Where the operator's own links lead is the operator's word; links inside of folders are another matter."""
    found: dict[str, Path] = {}
    for name, path in adapters.items():
        try:
            found[name] = path.resolve()
        except (OSError, RuntimeError):
            found[name] = path.absolute()
    return found
