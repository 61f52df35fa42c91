"""`platemark models add`, `remove`, `inspect`, `bench`: the models of this machine. None of them needs a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platemark.cli.connect import Data, Json

if TYPE_CHECKING:
    from platemark.engine.models.inspection import Inspection
    from platemark.engine.models.source import Source
    from platemark.settings import LocalModel, Settings

Name = Annotated[str, typer.Argument(help="Name after `local/`.")]
_Pairs = list[str] | None


def add(
    name: Name,
    source: Annotated[
        str | None,
        typer.Argument(help="A diffusers folder, a .safetensors checkpoint, or the id of a hub (owner/name)."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch at the hub; kept as commit. [default: main]")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Folder with the configuration files of a checkpoint.")] = None,
    sha256: Annotated[str | None, typer.Option(help="What the checkpoint's hash or the folder's revision is.")] = None,
    lora: Annotated[_Pairs, typer.Option(help="A LoRA as ID=FILE; repeat it.")] = None,
    embedding: Annotated[_Pairs, typer.Option(help="A textual inversion as WORD=FILE; repeat it.")] = None,
    controlnet: Annotated[_Pairs, typer.Option(help="A ControlNet as TYPE=FOLDER; repeat it.")] = None,
    vae: Annotated[_Pairs, typer.Option(help="Another autoencoder as NAME=FOLDER; repeat it.")] = None,
    replace: Annotated[bool, typer.Option(help="Replace what was added under this name.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Look at a model and write it into models.toml of the data directory; the next start of the server serves it.

    Adapters of `local/pocket` are added under the name pocket, without a source.
    """
    from platemark.cli import output
    from platemark.cli.serve import settings
    from platemark.core.errors import Conflict, ModelUnavailable
    from platemark.engine.models.catalogue import source_of
    from platemark.engine.models.folder import read_folder
    from platemark.engine.models.models_file import read_models, write_models

    found: Settings = settings(data=data)
    known = read_models(found.data)
    if name in found.models and not (replace and name in known):
        where = "models.toml; --replace replaces it" if name in known else "platemark.toml or PLATEMARK_MODELS"
        raise Conflict(f"There is already a model {name}, in {where}.")
    adapters = {
        "loras": _pairs("--lora", lora),
        "embeddings": _pairs("--embedding", embedding),
        "controlnets": _pairs("--controlnet", controlnet),
        "vaes": _pairs("--vae", vae),
    }
    model = _model(
        name, {**_source(source, revision), "config": config and config.absolute(), "sha256": sha256} | adapters
    )
    place = source_of(name, model, found.cache)
    notes = [place.missing] if place.missing else []
    if not place.missing:
        folder = read_folder(place)
        if folder.problems:
            raise ModelUnavailable(f"Nothing was added. {' '.join(folder.problems)}")
    path = write_models(found.data, known | {name: model})
    if json:
        output.document({"name": f"local/{name}", "file": str(path), "notes": notes})
        return
    for note in notes:
        output.note(note)
    typer.echo(f"local/{name} is in {path}. Start the server again to serve it.")


def remove(name: Name, json: Json = False, data: Data = None) -> None:
    """Take a model out of models.toml. Its files stay where they are."""
    from platemark.cli import output
    from platemark.cli.serve import settings
    from platemark.core.errors import NotFound
    from platemark.engine.models.models_file import read_models, write_models

    found: Settings = settings(data=data)
    known = read_models(found.data)
    if name not in known:
        where = (
            "It is in platemark.toml or PLATEMARK_MODELS." if name in found.models else "There is none of that name."
        )
        raise NotFound(f"models.toml has no model {name}. {where}")
    gone = known.pop(name)
    path = write_models(found.data, known)
    if json:
        output.document({"name": f"local/{name}", "file": str(path), "kept": str(gone.path or gone.hub or "")})
    else:
        typer.echo(f"local/{name} is no longer in {path}. Its files were left where they are.")


def inspect(
    model: Annotated[str, typer.Argument(help="Name of a local model, or a path.")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Describe a model without loading it: class, sizes, parameters, licence, what it can do, its adapters."""
    from platemark.cli import output
    from platemark.cli.serve import settings
    from platemark.engine.models.inspection import inspect_model

    _, place = _chosen(model, settings(data=data))
    found = inspect_model(place)
    if json:
        document = found.model_dump(mode="json")
        document["capabilities"]["operations"].sort()
        output.document(document)
        return
    output.table(["FIELD", "VALUE"], _facts(found), empty="")
    rows = [(one.name, f"{one.parameters:,}", _bytes(one.bytes), one.dtypes) for one in found.components]
    output.table(["PART", "PARAMETERS", "BYTES", "NUMBERS"], rows, empty="no weights")
    if found.adapters:
        rows = [(one.kind, one.name, _bytes(one.bytes), one.path) for one in found.adapters]
        output.table(["ADAPTER", "NAME", "BYTES", "PLACE"], rows, empty="")
    for problem in found.problems:
        output.note(f"left out: {problem}")


def bench(
    model: Annotated[str, typer.Argument(help="Name of a local model, or a path.")],
    size: Annotated[int | None, typer.Option(min=16, help="Pixels a side; the model's default when absent.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps; the model's default when absent.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Pictures at once; the most it takes when absent.")] = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Load a model and draw with it, alone and several at once: seconds a picture and memory, measured now."""
    import asyncio

    from platemark.cli import output
    from platemark.cli.serve import settings
    from platemark.engine.trial import try_model

    found: Settings = settings(data=data)
    name, place = _chosen(model, found)
    threads = found.engine_threads
    told = asyncio.run(
        try_model(
            name, place, size=size, steps=steps, count=count, threads=threads, tell=lambda text: output.note(text)
        )
    )
    if json:
        output.document(told.model_dump(mode="json"))
        return
    rows = [
        ("model", told.model),
        ("picture", f"{told.size}×{told.size}, {told.steps} steps"),
        ("first step, with loading", f"{told.load_seconds:.2f} s"),
        ("alone", f"{told.alone:.3f} s a picture"),
        (f"{told.count} at once", f"{told.together:.3f} s a picture"),
        ("most memory", _bytes(told.memory) if told.memory else None),
        ("device", " ".join(str(told.facts[fact]) for fact in ("device", "dtype") if fact in told.facts)),
    ]
    output.table(["MEASURED", "VALUE"], rows, empty="")


def _chosen(model: str, found: "Settings") -> "tuple[str, Source]":
    """A model of the settings by its name with or without `local/`, else what lies at a path."""
    from platemark.core.errors import NotFound
    from platemark.engine.models.catalogue import source_of, sources
    from platemark.settings import LocalModel

    known = sources(found)
    full = model if model.startswith("local/") else f"local/{model}"
    if full in known:
        return full, known[full]
    path = Path(model).expanduser()
    if path.exists():
        return path.stem, source_of(path.stem, LocalModel(path=path.absolute()), found.cache)
    raise NotFound(f"There is no local model {model}, and no file or folder of that name. Models: {', '.join(known)}.")


def _source(source: str | None, revision: str | None) -> dict[str, Any]:
    from platemark.core.errors import InvalidRequest
    from platemark.engine.models.hub import commit_of

    if source is None:
        return {}
    path = Path(source).expanduser()
    if path.exists() or source.count("/") != 1 or source.startswith((".", "~", "/")):
        if revision:
            raise InvalidRequest("--revision is for models of a hub; a path has none.")
        return {"path": path.absolute()}
    return {"hub": source, "revision": commit_of(source, revision or "main")}


def _model(name: str, facts: dict[str, Any]) -> "LocalModel":
    from pydantic import ValidationError

    from platemark.core.errors import InvalidRequest
    from platemark.engine.models.models_file import check_model

    try:
        return check_model(name, {key: value for key, value in facts.items() if value})
    except ValidationError as error:
        wrong = "; ".join(": ".join(map(str, (*problem["loc"], problem["msg"]))) for problem in error.errors())
        raise InvalidRequest(f"This model cannot be added: {wrong}.") from None


def _pairs(option: str, given: _Pairs) -> dict[str, Path]:
    from platemark.core.errors import InvalidRequest

    found: dict[str, Path] = {}
    for pair in given or ():
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise InvalidRequest(f"{option} takes NAME=PATH, not {pair!r}.")
        found[name] = Path(path).expanduser().absolute()
    return found


def _facts(found: "Inspection") -> list[tuple[str, object]]:
    can = found.capabilities
    return [
        ("place", found.path),
        ("form", found.form),
        ("pipeline", found.pipeline),
        ("trained at", f"{found.native_size} px"),
        ("sizes", f"{can.min_size} to {can.max_size} px in steps of {can.size_multiple}, default {can.default_width}"),
        ("operations", tuple(sorted(can.operations))),
        ("schedulers", can.schedulers),
        ("parameters", f"{found.parameters:,}"),
        ("bytes", _bytes(found.bytes)),
        ("licence", found.licence or "not said by the model; ask its maker before you publish"),
        ("terms", found.licence_note),
    ]


def _bytes(count: int) -> str:
    amount = float(count)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"
