"""Policies: which rules hold for a project, and what they make of signals."""

from collections.abc import Sequence

from platemark.core.moderation import Ruling, Signal
from platemark.core.ports import Circumstances, Platform


async def rule(platform: Platform, signals: Sequence[Signal], circumstances: Circumstances) -> Ruling:
    """What the policy in force makes of signals."""
    return platform.policy.rule(signals, circumstances)
