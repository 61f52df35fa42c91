"""`platemark models`: what can be asked for, and whether the weights on this machine are whole."""

from pathlib import Path
from typing import Annotated

import typer

from platemark.cli.connect import Data, Json, Url
from platemark.cli.faults import FAILED

app = typer.Typer(no_args_is_help=True, help="Models: what can be asked for, and whether weights are whole.")


@app.command("list")
def listing(json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the models of the server, and the aliases that lead to them."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.models()
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [
        (one.id, one.aliases, f"{_can(one.capabilities, 'min_size')}–{_can(one.capabilities, 'max_size')}", one.licence)
        for one in found
    ]
    output.table(["MODEL", "ALIASES", "PIXELS A SIDE", "LICENCE"], rows, empty="no model is configured")


def _can(capabilities: dict[str, object], name: str) -> object:
    return capabilities.get(name, "?")


@app.command()
def check(json: Json = False, data: Data = None) -> None:
    """Read every model folder and every downloaded weight of this machine; say what is missing or damaged.

    Needs no server. Exit code 1 when something cannot be used.
    """
    from platemark.cli import output

    rows = [{"name": name, "place": str(folder), **_state(folder)} for name, folder in folders(data).items()]
    rows += _weights(data)
    if json:
        output.document(rows)
    else:
        shown = [(row["name"], row["state"], row["revision"] or row["reason"]) for row in rows]
        output.table(["MODEL OR WEIGHT", "STATE", "REVISION"], shown, empty="no local model is configured")
    if any(row["state"] not in ("ok", "missing") for row in rows):
        raise typer.Exit(FAILED)


@app.command()
def pull(
    names: Annotated[list[str] | None, typer.Argument(help="Weights to fetch, as `models check` names them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch every weight that is listed.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Fetch weights that are listed and not here yet: hash-checked data files, never code. Needs no server."""
    from platemark.cli import output
    from platemark.cli.serve import settings
    from platemark.core.errors import InvalidRequest
    from platemark.engine.weights import load_weights
    from platemark.engine.weights import pull as fetch

    listed = {weight.name: weight for weight in load_weights()}
    if unknown := sorted(set(names or ()) - set(listed)):
        raise InvalidRequest(f"No weight is called {', '.join(unknown)}. Listed: {', '.join(listed)}.")
    if not names and not everything:
        raise InvalidRequest("Name the weights to fetch, or say --all.")
    wanted = [listed[name] for name in names] if names else list(listed.values())
    paths = fetch(wanted, settings(data=data).cache)
    rows = [{"name": weight.name, "path": str(path)} for weight, path in zip(wanted, paths, strict=True)]
    if json:
        output.document(rows)
    else:
        output.table(["WEIGHT", "FILE"], [(row["name"], row["path"]) for row in rows], empty="nothing is listed")


def _weights(data: Path | None) -> list[dict[str, str | None]]:
    """The state of every weight in the list that Platemark ships."""
    from platemark.cli.serve import settings
    from platemark.engine.weights import check as compare
    from platemark.engine.weights import load_weights, place

    cache = settings(data=data).cache
    states = {"good": "ok", "missing": "missing", "changed": "failed"}
    return [
        {
            "name": found.weight.name,
            "place": str(place(found.weight, cache)),
            "state": states[found.state],
            "revision": f"sha256:{found.weight.sha256}" if found.state == "good" else None,
            "reason": None if found.state == "good" else found.message,
        }
        for found in compare(load_weights(), cache)
    ]


def folders(data: Path | None) -> dict[str, Path]:
    """The local models that this configuration names, the one that ships with Platemark among them."""
    from platemark.cli.serve import settings
    from platemark.engine.folder import POCKET

    configured: dict[str, Path] = settings(data=data).models
    return {"local/pocket": POCKET, **{f"local/{name}": path for name, path in configured.items()}}


def _state(folder: Path) -> dict[str, str | None]:
    from platemark.core.errors import ModelUnavailable
    from platemark.engine.digest import Revisions
    from platemark.engine.folder import read_folder

    try:
        read_folder(folder)
        return {"state": "ok", "revision": Revisions().of(folder), "reason": None}
    except ModelUnavailable as error:
        return {"state": "failed", "revision": None, "reason": error.detail}
