"""Lists of certificates that a signer may end in to count as trusted. Our own certificate is on none of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from platemark.core.base import JsonObject

ListName = Literal["operator", "c2pa", "interim"]


@dataclass(frozen=True, slots=True)
class TrustList:
    """PEM certificates. `dated`: the day (ISO 8601) on which a public list was fetched; None for the operator's own.

    `c2pa` is the list of the C2PA Conformance Program; `interim` the one of the Content Authenticity Initiative, frozen
    since: it asks to be told apart from the first.
    """

    name: ListName
    pem: str = field(repr=False)
    dated: str | None = None

    @property
    def words(self) -> JsonObject:
        """Name and day, as findings carry them."""
        return {"name": self.name, "dated": self.dated}


def joined(lists: Sequence[TrustList]) -> str | None:
    """The certificates of all lists as one PEM text; None when there is no list."""
    return "\n".join(one.pem for one in lists) or None
