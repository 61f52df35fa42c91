"""Options that every command against a server takes, and the client that they name."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from platemark.client import Client

LOCAL_URL = "http://127.0.0.1:8460"
ADMIN_KEY_FILE = "admin.key"
Url = Annotated[
    str | None,
    typer.Option("--url", help=f"Address of the server; PLATEMARK_URL when absent, {LOCAL_URL} without either."),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Data directory of a server on this machine: its admin key is used. Without it PLATEMARK_API_KEY or "
        "SD_API_KEY is, and for a server on this machine the directory that `serve` uses by default.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else on standard output.")]


def client(url: str | None, data: Path | None) -> "Client":
    """The client for these options. Raises Misconfigured when nothing gives a key."""
    from platemark.client import Client
    from platemark.core.errors import Misconfigured

    address = url or os.environ.get("PLATEMARK_URL") or LOCAL_URL
    key = admin_key(data) if data else _default_key(address)
    if key is None:
        raise Misconfigured(
            "No API key is given. Set PLATEMARK_API_KEY (or SD_API_KEY), or name the data directory of a server on "
            "this machine with --data."
        )
    return Client(address, key)


def admin_key(data: Path) -> str:
    """The admin key that the first start wrote. Raises Misconfigured when it is not there or cannot be read."""
    from platemark.core.errors import Misconfigured

    file = data.expanduser() / ADMIN_KEY_FILE
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Misconfigured(
            f"{file} cannot be read: {error.strerror}. It is written when `platemark serve --data {data}` starts for "
            "the first time, unless PLATEMARK_ADMIN_KEY was set."
        ) from error


def _default_key(address: str) -> str | None:
    """The environment's. A key that lies in a file here is for the server here, and is sent to no other."""
    given = os.environ.get("PLATEMARK_API_KEY") or os.environ.get("SD_API_KEY")
    if given or address != LOCAL_URL:
        return given
    data = Path(os.environ.get("PLATEMARK_DATA", "data"))
    return admin_key(data) if (data.expanduser() / ADMIN_KEY_FILE).is_file() else None
