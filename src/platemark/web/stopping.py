"""The wish to stop: whoever waits for a client also waits for this, so that a stop never cuts an answer off."""

from collections.abc import Awaitable

import anyio


class Stopping:
    """Asked once, never taken back. For one event loop; `ask` is called on its thread."""

    def __init__(self) -> None:
        self._asked = False
        self._pauses: set[anyio.CancelScope] = set()

    @property
    def asked(self) -> bool:
        """True once the server is to stop."""
        return self._asked

    def ask(self) -> None:
        """Tell everybody who waits."""
        self._asked = True
        for pause in tuple(self._pauses):
            pause.cancel()

    async def cut_short(self, pause: Awaitable[object]) -> None:
        """Await something that may be given up at any moment: until it is over or a stop is asked for."""
        with anyio.CancelScope() as scope:
            if self._asked:
                scope.cancel()
            self._pauses.add(scope)
            try:
                await pause
            finally:
                self._pauses.discard(scope)
