"""The words that a small model knows, and whether a prompt goes beyond them."""

import re
from pathlib import Path

_WORD = re.compile(r"\w+")


def read_words(path: Path) -> frozenset[str]:
    """One or more words a line; `#` starts a comment."""
    lines = (line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines())
    return frozenset(_WORD.findall(" ".join(lines).lower()))


def unknown_words(prompt: str, known: frozenset[str]) -> int:
    """How many different words of the prompt are not known. Only the number: the words are the caller's text."""
    return len(set(_WORD.findall(prompt.lower())) - known)
