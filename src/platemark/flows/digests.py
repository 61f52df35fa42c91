"""Digests under which personal ids may stand in an index."""

import hashlib


def user_digest(project: str, user: str) -> str:
    """The form in which an end user's id may stand in an index."""
    return hashlib.sha256(f"{project}\n{user}".encode()).hexdigest()
