"""The server process: listens, says when it is ready, and stops without cutting an answer off."""

import asyncio
import errno
import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

import uvicorn
from fastapi import FastAPI

from platemark import telemetry
from platemark.core.errors import Misconfigured
from platemark.settings import RoleName, Settings
from platemark.web.allocator import tune_allocator as tune_allocator
from platemark.web.app import create_app
from platemark.web.requests import ours_in
from platemark.web.stopping import Stopping
from platemark.wiring import open_platform

log = telemetry.logger(__name__)
_ROLES: dict[RoleName, str] = {"all": "api,worker", "api": "api", "worker": "worker", "engine": "engine"}
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Longer than what clients and load balancers keep an idle connection for, so that they hang up first.
_KEEP_ALIVE_SECONDS = 75
MISCONFIGURED_EXIT = 2
INTERRUPTED_EXIT = 130


class Server(uvicorn.Server):
    """uvicorn that tells its streams to end before it waits for them, and leaves signals to `serve`."""

    def __init__(self, config: uvicorn.Config, stopping: Stopping, ready: str) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so. Raises Misconfigured when somebody else was faster."""
        try:
            await super().startup(sockets)
        except OSError as error:
            raise Misconfigured(f"The address cannot be listened on: {error.strerror}.") from error
        print(self._ready, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams and waiting calls, then finish what is left."""
        self._stopping.ask()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Nothing: uvicorn would end the process by the signal's own code."""
        yield

    def stop(self) -> None:
        """Stop gracefully; when asked again, at once."""
        self.force_exit = self.should_exit
        self.should_exit = True


def run(settings: Settings) -> int:
    """Serve until a signal comes; return the exit code. A configuration that cannot work is told on standard error."""
    telemetry.configure(level=settings.log_level, form=settings.log_format, otlp_endpoint=settings.otlp_endpoint)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(settings))
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT
    except Exception as error:
        ours = ours_in(error)
        if ours is None:
            raise
        print(f"platemark: {telemetry.hide_secrets(ours.detail)}", file=sys.stderr)
        return MISCONFIGURED_EXIT
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def serve(settings: Settings) -> None:
    """Listen and work until SIGTERM or SIGINT. Raises Misconfigured for an address that cannot be had.

    The address is taken before anything is opened, and the ready line is printed once connections are answered.
    """
    stopping = Stopping()
    with ExitStack() as stack:
        sockets = _bind(settings.host, settings.port, stack)
        server: list[Server] = []
        stack.enter_context(_signals(stopping, server))
        async with open_platform(settings) as platform:
            app = create_app(platform, settings, stopping=stopping)
            if not stopping.asked:
                server.append(Server(_config(app, settings), stopping, _ready_line(settings, sockets[0])))
                await server[0].serve(sockets)
            log.info("server.stopping")


@contextmanager
def _signals(stopping: Stopping, server: list[Server]) -> Generator[None]:
    # From the first moment to the last: a signal while the platform opens or closes must not tear it.
    def stop() -> None:
        if server:
            server[0].stop()
        else:
            stopping.ask()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.stop_seconds)),
    )


def _bind(host: str, port: int, stack: ExitStack) -> list[socket.socket]:
    """A socket for every address of `host`, all on one port."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise Misconfigured(
            f"The host {host!r} is not an address of this machine ({error.strerror}). Set another."
        ) from None
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        listener = stack.enter_context(socket.socket(family, kind, protocol))
        try:
            _claim(listener, (address[0], sockets[0].getsockname()[1] if sockets else port))
        except OSError as error:
            failure = error
        else:
            sockets.append(listener)
    if failure is not None and (not sockets or failure.errno == errno.EADDRINUSE):
        raise _taken(host, port, failure)
    return sockets


def _claim(listener: socket.socket, address: tuple[str | int, int]) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(address)


def _taken(host: str, port: int, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"{host}:{port} cannot be listened on: {error.strerror}. Stop what uses it, or choose another port (--port, "
        "PLATEMARK_PORT; 0 takes a free one)."
    )


def _ready_line(settings: Settings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"platemark ready http://{shown}:{port} roles={_ROLES[settings.role]} data={settings.data}"
