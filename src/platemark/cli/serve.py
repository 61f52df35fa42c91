"""`platemark serve`: the server."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Role = Literal["all", "api", "worker", "engine"]


def serve(
    data: Annotated[
        Path | None, typer.Option(help="Directory for database, images, keys and certificates. [default: data]")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one. [default: 8460]")
    ] = None,
    role: Annotated[Role | None, typer.Option(help="What this process does. [default: all]")] = None,
) -> None:
    """Run the server until it is told to stop.

    Prints one line when it is ready; logs go to standard error. Everything else is set by PLATEMARK_… variables or by
    platemark.toml in the data directory.
    """
    from platemark.web.allocator import tune_allocator

    # First of all: it starts this process anew, and whatever was imported before was imported for nothing.
    tune_allocator()
    given: dict[str, Any] = {"data": data, "host": host, "port": port, "role": role}
    chosen = settings(**given)
    if chosen.role in ("all", "engine") and "local" in chosen.providers:
        from platemark.engine.serving.process import start_early

        # Both take seconds to import what they need, and there is more than one core.
        start_early(chosen.engine_threads)
    from platemark.web.server import run

    code = run(chosen)
    if code:
        raise typer.Exit(code)


def settings(**given: Any) -> Any:
    """The settings, with what was given on the command line. Raises Misconfigured naming every wrong setting."""
    from tomllib import TOMLDecodeError

    from pydantic import ValidationError

    from platemark.core.errors import Misconfigured
    from platemark.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = [f"{_name(problem['loc'])} {problem['msg'].lower()}" for problem in error.errors()]
        raise Misconfigured(f"The configuration cannot be used: {'; '.join(wrong)}.") from None
    except TOMLDecodeError as error:
        raise Misconfigured(f"platemark.toml or models.toml in the data directory is not TOML: {error}.") from error
    except ValueError as error:
        raise Misconfigured(f"The configuration cannot be read: {error}.") from error


def _name(place: tuple[int | str, ...]) -> str:
    return "PLATEMARK_" + "_".join(str(part) for part in place[:1]).upper()
