"""Deliveries: released files on their way to targets, and out of them again."""

from typing import Literal

from platemark.core.base import JsonObject, Noun, Timestamp

DeliveryAction = Literal["deliver", "withdraw"]
DeliveryState = Literal["pending", "delivered", "failed"]
DELIVERY_MOVES: dict[str, frozenset[str]] = {
    "pending": frozenset({"delivered", "failed"}),
    "delivered": frozenset(),
    # By somebody who asks for another try.
    "failed": frozenset({"pending"}),
}


class Delivery(Noun):
    """One release on its way to one target, or out of it. Written before anything is sent; sending twice is once.

    `receipt` is what the target said: an address, an id, an ETag. `next_at`: when it is tried (again). `failed` ones
    have `needs_attention` until somebody retries or dismisses them.
    """

    project: str
    image: str
    publication: str
    target: str
    action: DeliveryAction
    state: DeliveryState
    attempts: int = 0
    receipt: JsonObject | None = None
    error: JsonObject | None = None
    needs_attention: bool = False
    next_at: Timestamp | None = None
    created_at: Timestamp
    changed_at: Timestamp
