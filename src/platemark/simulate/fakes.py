"""The fake vendors by name, and one of them as a server for anybody's tests."""

from collections.abc import Callable, Mapping

import anyio

from platemark.core.errors import InvalidRequest
from platemark.simulate.server import Fake, serve
from platemark.simulate.stability import FakeStability

FAKES: Mapping[str, Callable[[], Fake]] = {"stability": FakeStability}


async def simulate(name: str, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve a fake until cancelled; `ready` is told its URL. Raises InvalidRequest for a name that is not known."""
    if name not in FAKES:
        raise InvalidRequest(f"There is no simulated provider {name!r}. There are: {', '.join(sorted(FAKES))}.")
    async with serve(FAKES[name](), host=host, port=port) as url:
        ready(url)
        await anyio.sleep_forever()
