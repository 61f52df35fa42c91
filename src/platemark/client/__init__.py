"""The Python SDK: `Client` and `AsyncClient`, two thin drivers of one core that does no I/O.

wire.py      one call: address, key, retries, redirects, errors
retry.py     the retry table
verbs.py     what a client does, as steps: generate, wait, listen, export
effects.py   what steps ask their driver for
sync.py, aio.py   the drivers with their public faces
"""

from platemark.client.aio import AsyncClient, AsyncGeneration, AsyncImage
from platemark.client.errors import Damaged, NotFinished, Unreachable
from platemark.client.events import Event, Progress
from platemark.client.retry import Retry
from platemark.client.sync import Client, Generation, Image

__all__ = [
    "AsyncClient",
    "AsyncGeneration",
    "AsyncImage",
    "Client",
    "Damaged",
    "Event",
    "Generation",
    "Image",
    "NotFinished",
    "Progress",
    "Retry",
    "Unreachable",
]
