"""`platemark models`: what can be asked for, and whether the weights on this machine are whole."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from platemark.cli.connect import Data, Json, Url
from platemark.cli.faults import FAILED
from platemark.cli.model_files import add, bench, inspect, remove

if TYPE_CHECKING:
    from platemark.core.resource import ModelResource
    from platemark.engine.models.source import Source
    from platemark.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Models: what can be asked for, and whether weights are whole.")


@app.command("list")
def listing(json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the models of the server, the aliases that lead to them, and the routes that they are part of."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.models()
    if json:
        output.document([one.model_dump(mode="json") for one in found])
    else:
        show(found)


def show(found: "Sequence[ModelResource]") -> None:
    """Models as a table, and under it each route with its models in the order in which they are asked."""
    from platemark.cli import output

    rows = [
        (one.id, one.aliases, f"{_can(one.capabilities, 'min_size')}–{_can(one.capabilities, 'max_size')}", one.licence)
        for one in found
    ]
    output.table(["MODEL", "ALIASES", "PIXELS A SIDE", "LICENCE"], rows, empty="no model is configured")
    routes = {route.name: route.models for one in found for route in one.routes}
    if routes:
        output.console().print()
        output.table(["ROUTE", "MODELS IN ORDER"], [(name, routes[name]) for name in sorted(routes)], empty="")


def _can(capabilities: dict[str, object], name: str) -> object:
    return capabilities.get(name, "?")


@app.command()
def check(json: Json = False, data: Data = None) -> None:
    """Read every model folder and every downloaded weight of this machine; say what is missing or damaged.

    Needs no server. Exit code 1 when something cannot be used.
    """
    from platemark.cli import output
    from platemark.cli.serve import settings
    from platemark.engine.models.catalogue import sources

    found: Settings = settings(data=data)
    rows = [{"name": name, "place": str(one.path), **_state(one)} for name, one in sources(found).items()]
    rows += _weights(found)
    if json:
        output.document(rows)
    else:
        shown = [(row["name"], row["state"], row["reason"] or row["revision"]) for row in rows]
        output.table(["MODEL OR WEIGHT", "STATE", "REVISION OR REASON"], shown, empty="no local model is configured")
    if any(row["state"] == "failed" for row in rows):
        raise typer.Exit(FAILED)


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Weights as `models check` names them, or models that come from a hub.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch every weight and every model of a hub.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Fetch what is named and not here yet: hash-checked data files, never code. Needs no server.

    Models of a hub go into the hub cache of this user (HF_HOME), at the commit that the settings name.
    """
    from platemark.cli import output
    from platemark.cli.serve import settings
    from platemark.core.errors import InvalidRequest
    from platemark.engine.models.hub import fetch as fetch_model
    from platemark.engine.models.weights import load_weights
    from platemark.engine.models.weights import pull as fetch

    found: Settings = settings(data=data)
    listed = {weight.name: weight for weight in load_weights()}
    hubs = {name: (one.hub, one.revision) for name, one in found.models.items() if one.hub and one.revision}
    wanted = [name.removeprefix("local/") for name in names or (*listed, *hubs)]
    if unknown := sorted(set(wanted) - listed.keys() - hubs.keys()):
        known = ", ".join((*listed, *hubs))
        raise InvalidRequest(f"No weight and no model of a hub is called {', '.join(unknown)}. There are: {known}.")
    if not names and not everything:
        raise InvalidRequest("Name what to fetch, or say --all.")
    rows: list[dict[str, str]] = []
    for name in wanted:
        output.note(f"fetching {name}")
        path = fetch_model(*hubs[name]) if name in hubs else fetch([listed[name]], found.cache)[0]
        rows.append({"name": name, "path": str(path)})
    if json:
        output.document(rows)
    else:
        output.table(["NAME", "PLACE"], [(row["name"], row["path"]) for row in rows], empty="nothing is listed")


for command in (add, remove, inspect, bench):
    app.command()(command)


def _weights(found: "Settings") -> list[dict[str, str | None]]:
    """The state of every weight in the list that Platemark ships."""
    from platemark.engine.models.weights import check as compare
    from platemark.engine.models.weights import load_weights, place

    states = {"good": "ok", "missing": "missing", "changed": "failed"}
    return [
        {
            "name": one.weight.name,
            "place": str(place(one.weight, found.cache)),
            "state": states[one.state],
            "revision": f"sha256:{one.weight.sha256}" if one.state == "good" else None,
            "reason": None if one.state == "good" else one.message,
        }
        for one in compare(load_weights(), found.cache)
    ]


def _state(place: "Source") -> dict[str, str | None]:
    from platemark.core.errors import ModelUnavailable
    from platemark.engine.models.digest import Revisions
    from platemark.engine.models.folder import read_folder

    try:
        problems = read_folder(place).problems
        revision = Revisions().of(place)
    except ModelUnavailable as error:
        return {"state": "failed", "revision": None, "reason": error.detail}
    # The model itself works, so this is no failure; but whoever put an adapter there should know.
    return {"state": "note" if problems else "ok", "revision": revision, "reason": " ".join(problems) or None}
