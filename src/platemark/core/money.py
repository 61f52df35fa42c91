"""Cost: integer micro-USD, never a silent zero (promise P7)."""

from typing import Literal

from platemark.core.base import Noun, Part, Timestamp

CostStatus = Literal["estimated", "settled", "unknown"]


class Cost(Part):
    """`micro_usd` is None when the status is unknown. `basis` says in words where the number comes from."""

    status: CostStatus
    micro_usd: int | None
    basis: str


class Usage(Noun):
    """One ledger line: what one attempt cost."""

    project: str
    generation: str
    attempt: str
    cost_status: CostStatus
    micro_usd: int | None
    basis: str
    created_at: Timestamp
