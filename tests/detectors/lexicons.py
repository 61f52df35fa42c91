"""The built-in lexicon, and short ways to ask it."""

from collections.abc import Sequence

from platemark.core.moderation import Decision, Signal
from platemark.core.ports import Circumstances
from platemark.detectors.lexicon import Lexicon
from platemark.policy.builtin import load_policy

LEXICON = Lexicon.load(None)
POLICY = load_policy(None)


def signals(prompt: str, negative: str | None = None) -> Sequence[Signal]:
    return LEXICON.measure({"prompt": prompt} | ({"negative_prompt": negative} if negative else {}))


def rules(prompt: str, negative: str | None = None) -> set[str]:
    """Ids of the rules that made a signal which a policy acts on."""
    return {
        signal.evidence["rule"]
        for signal in signals(prompt, negative)
        if "rule" in signal.evidence and not signal.evidence.get("avoided")
    }


def decision(prompt: str, negative: str | None = None, audience: str | None = None) -> Decision:
    """What the built-in policy makes of what the built-in lexicon finds."""
    circumstances = Circumstances(stage="before_request", audience=audience)
    return POLICY.rule(signals(prompt, negative), circumstances).decision
