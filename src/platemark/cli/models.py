"""`platemark models`: what can be asked for, and whether the weights on this machine are whole."""

from pathlib import Path

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
    """Read every model folder of this machine and say what is missing or damaged. Needs no server.

    Exit code 1 when a folder cannot be used.
    """
    from platemark.cli import output

    rows = [{"model": name, "folder": str(folder), **_state(folder)} for name, folder in folders(data).items()]
    if json:
        output.document(rows)
    else:
        shown = [(row["model"], row["state"], row["revision"] or row["reason"]) for row in rows]
        output.table(["MODEL", "STATE", "REVISION"], shown, empty="no local model is configured")
    if any(row["state"] != "ok" for row in rows):
        raise typer.Exit(FAILED)


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
