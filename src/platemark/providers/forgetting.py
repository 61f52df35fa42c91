"""Forgetting: has a vendor delete what it keeps of a request, where its API has such a call."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from platemark.providers.http import Call, Keys, Lost, Reply, Transport

_NO_RIGHT = (401, 403)
_LATER = (408, 429)


@runtime_checkable
class Forgetting(Protocol):
    """A vendor that deletes. `platform_url`: where that API lives; empty: at the address of the rest."""

    @property
    def platform_url(self) -> str: ...  # noqa: D102

    def forget(self, ticket: str) -> Call:
        """The call that deletes."""
        ...

    def forgotten(self, reply: Reply) -> bool:
        """Whether an answer that is no refusal says that nothing is left."""
        ...


async def forget(
    vendor: Forgetting, transport: Transport, keys: Keys, authorise: Callable[[Call, str], Call], tickets: Sequence[str]
) -> bool | None:
    """True: nothing is kept any more; False: the vendor refuses; None: it did not answer, or not for everything."""
    said = [await _one(vendor, transport, keys, authorise, ticket) for ticket in tickets]
    return False if False in said else None if None in said else True


async def _one(
    vendor: Forgetting, transport: Transport, keys: Keys, authorise: Callable[[Call, str], Call], ticket: str
) -> bool | None:
    for key in keys.in_turn():
        try:
            reply = await transport.send(authorise(vendor.forget(ticket), key))
        except Lost:
            return None
        # A key without this right still makes pictures, so it is not put aside.
        if reply.status not in _NO_RIGHT:
            return _meant(vendor, reply)
    return False


def _meant(vendor: Forgetting, reply: Reply) -> bool | None:
    if reply.status == 404:
        return True
    if reply.status < 300:
        return vendor.forgotten(reply) or None
    return None if reply.status >= 500 or reply.status in _LATER else False
