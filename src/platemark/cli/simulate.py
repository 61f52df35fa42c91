"""`platemark simulate`: a fake vendor for your own tests."""

from typing import Annotated

import typer


def simulate(
    provider: Annotated[str, typer.Argument(help="Which vendor to stand in for, such as stability.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
) -> None:
    """Serve a fake of a hosted provider, with the key sk-simulated; `POST /_simulate` tells it what goes wrong.

    Prints one line with its address when it is ready.
    """
    import asyncio
    from contextlib import suppress

    from platemark.simulate.fakes import simulate as run

    def ready(url: str) -> None:
        typer.echo(f"platemark simulates {provider} {url}")

    with suppress(KeyboardInterrupt):
        asyncio.run(run(provider, host=host, port=port, ready=ready))
