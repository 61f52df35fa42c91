"""Webhooks that fakes send."""

from collections.abc import Mapping

import anyio
import anyio.to_thread
import httpx2

# Whoever submitted reads the answer first.
_AFTER_SECONDS = 0.05


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(trust_env=False)


async def call_back(url: str, body: bytes, headers: Mapping[str, str], *, times: int = 1) -> None:
    """Post a webhook, once or several times. That nobody is there is nothing to a vendor."""
    await anyio.sleep(_AFTER_SECONDS)
    # In a thread: the first client reads the system's certificates.
    async with await anyio.to_thread.run_sync(_client) as client:
        for _ in range(times):
            try:
                await client.post(url, content=body, headers={"content-type": "application/json", **headers})
            except httpx2.HTTPError:
                return
