"""The licence of a model, as its makers wrote it into the model card or beside it."""

import re
from dataclasses import dataclass
from pathlib import Path

_CARDS = ("README.md", "readme.md", "MODEL_CARD.md")
_TEXTS = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "LICENCE.md", "LICENCE.txt")
_MAX_CARD = 64 * 1024
_LONGEST = 200
_FIELD = re.compile(r"^(license|license_name|license_link):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_LIST_ITEM = re.compile(r"^license:[ \t]*\n[ \t]*-[ \t]*(.+?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Licence:
    """Its name, and where its terms are; None when nothing was found."""

    name: str | None = None
    note: str | None = None


def find_licence(folder: Path) -> Licence:
    """From the front matter of the model card, else from the first line of a licence file. Raises nothing."""
    for name in _CARDS:
        if (text := _read(folder / name)) and (found := _from_card(text)):
            return found
    for name in _TEXTS:
        if text := _read(folder / name):
            title = next((line.strip(" #\t") for line in text.splitlines() if line.strip(" #\t")), name)
            return Licence(_line(title), f"The terms are in the model's file {name}.")
    return Licence()


def _from_card(text: str) -> Licence | None:
    """Three known lines are read, not YAML: a card is the work of a stranger."""
    opening, _, rest = text.partition("\n")
    front, end, _ = rest.partition("\n---")
    if opening.strip() != "---" or not end:
        return None
    fields = {name: _line(value.split(" #")[0]) for name, value in _FIELD.findall(front)}
    if (listed := _LIST_ITEM.search(front)) is not None:
        fields["license"] = _line(listed[1])
    name = fields.get("license")
    if name in (None, "", "other", "unknown"):
        name = fields.get("license_name") or name
    if not name:
        return None
    link = fields.get("license_link")
    return Licence(name, f"The terms: {link}" if link else None)


def _line(text: str) -> str:
    """One line that can be shown: without quotes and brackets of YAML, nothing unprintable, not too long."""
    bare = text.strip().strip("[]\"'").strip()
    return "".join(letter for letter in bare if letter.isprintable())[:_LONGEST]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_CARD).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return ""
