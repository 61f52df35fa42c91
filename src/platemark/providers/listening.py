"""A vendor's WebSocket beside the polls: progress and previews, which are a comfort and never decide anything."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import httpx2
from httpx2.websockets import HTTPXWSException
from wsproto.events import BytesMessage, TextMessage
from wsproto.utilities import ProtocolError

from platemark.providers.http import Call, Transport
from platemark.providers.vendor import Reading, Socket

# A preview is a small picture; what is larger is none.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_CLOSE_SECONDS = 2.0


@asynccontextmanager
async def listening(
    transport: Transport,
    socket: Socket | None,
    authorised: Callable[[Call], Call],
    told: Callable[[Reading], None],
) -> AsyncGenerator[None]:
    """Tell what the socket says for as long as the block runs. A socket that fails is not missed."""
    if socket is None:
        yield
        return
    call = authorised(Call("GET", socket.path, query=socket.query))
    task = asyncio.create_task(_listen(transport, socket, call, told))
    try:
        yield
    finally:
        task.cancel()
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await asyncio.wait([task])


async def _listen(transport: Transport, socket: Socket, call: Call, told: Callable[[Reading], None]) -> None:
    url = f"{transport.base_url.rstrip('/')}{call.path}"
    done: float | None = None
    try:
        async with transport.client.websocket(
            url, params=dict(call.query), headers=dict(call.headers), max_message_size_bytes=MAX_MESSAGE_BYTES
        ) as session:
            while True:
                event = await session.receive()
                if isinstance(event, TextMessage | BytesMessage) and (said := socket.hear(_plain(event.data))):
                    # A preview comes without a number: it belongs to the one before it.
                    done = done if said.progress is None else said.progress
                    told(replace(said, progress=done))
    except* (httpx2.HTTPError, httpx2.StreamError, HTTPXWSException, ProtocolError, OSError):
        # Polls say all that matters.
        pass


def _plain(data: str | bytes | bytearray) -> str | bytes:
    return data if isinstance(data, str) else bytes(data)
