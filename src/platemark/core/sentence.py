"""What people who meet a ruling are told: one plain sentence a reason code, and never a threshold or a word found."""

from platemark.core.moderation import Ruled

SENTENCES: dict[str, str] = {
    "MINOR_SAFETY": "This cannot be made or shown here, to protect children.",
    "SEXUAL_EXPLICIT": "Sexually explicit content is not allowed here.",
    "SEXUAL_SUGGESTIVE": "Sexually suggestive content is restricted for this audience.",
    "NUDITY_NON_EXPLICIT": "Nudity is restricted for this audience.",
    "NCII": "Intimate pictures of a person without their consent are not allowed here.",
    "VIOLENCE": "Depicting violence is restricted here.",
    "GORE": "Graphic injury and death are not allowed here.",
    "EXTREMISM": "Promoting or glorifying extremism is not allowed here.",
    "HATE": "Content that attacks people for who they are is not allowed here.",
    "HARASSMENT": "Content that bullies or threatens somebody is not allowed here.",
    "SELF_HARM": "Content about self-harm is restricted here. If you are in need, please talk to somebody near you.",
    "ILLICIT_DANGEROUS": "Instructions or promotion of dangerous or illegal acts are not allowed here.",
    "REGULATED_GOODS": "Alcohol, tobacco, gambling and the like are restricted for this audience.",
    "PUBLIC_FIGURE_DECEPTION": "A public figure in an invented scene that looks real needs a person's approval.",
    "ELECTION_INTEGRITY": "Content that could mislead voters needs a person's approval.",
    "PRIVATE_PERSON_LIKENESS": "The likeness of a private person needs that person's consent.",
    "PII_IN_PROMPT": "This seems to hold personal data, such as an address or a number. Leave it out.",
    "IP_COPYRIGHT": "This seems to ask for a work that belongs to somebody else.",
    "IP_TRADEMARK": "This seems to ask for a brand that belongs to somebody else.",
    "EVASION_SUSPECTED": "Part of this is written so that our checks miss it. Write it plainly.",
    "KNOWN_HASH_MATCH": "This picture matches one that may not be shown here.",
    "REPEAT_OFFENDER": "Too many of your last requests were refused. Wait before you try again.",
    "PROVIDER_UNSPECIFIED": "A moderation service objected without a reason that is known here.",
    "PROVIDER_OUTPUT_DEGRADED": "The provider returned a blurred or empty picture instead of the one asked for.",
    "MODERATION_UNAVAILABLE": "A check that is needed could not be made.",
    "PROFILE_OFF": "The project has no moderation.",
}
_WITHOUT_CODE: dict[Ruled, str] = {
    "off": "Nothing was checked.",
    "allow": "Nothing stands against this.",
    "label": "This is allowed with a label.",
    "review": "A person has to look at this first.",
    "block": "This is not allowed here.",
}


def sentence(decision: Ruled, reason_code: str | None) -> str:
    """One sentence for the person who asked. A code that is not known here gets the decision's own."""
    return SENTENCES.get(reason_code or "", _WITHOUT_CODE[decision])
