"""What users are told about a person's decision: texts to choose from, British English, without names or thresholds."""

MESSAGES: dict[str, str] = {
    "approved": "A person has looked at this and allowed it.",
    "approved_with_label": "A person has looked at this and allowed it. It carries a label.",
    "restricted": "A person has looked at this and allowed it for a limited audience.",
    "rejected": "A person has looked at this. It is not allowed here.",
    "sent_back": "A person has looked at this. Please change it and send it again.",
    "more_context": "A person has looked at this and could not tell what it is for. Please say more and send it again.",
    "upheld": "A second person has looked at this again. The decision stays.",
    "overturned": "A second person has looked at this again. The decision was undone.",
}
_USUAL = {
    "approve": "approved",
    "approve_with_label": "approved_with_label",
    "restrict_audience": "restricted",
    "reject": "rejected",
    "send_back": "sent_back",
    "uphold": "upheld",
    "overturn": "overturned",
}


def usual_message(action: str) -> str | None:
    """The key of the message for a decision that names none; None where users are told nothing yet."""
    return _USUAL.get(action)
