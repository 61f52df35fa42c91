"""Ingredients: the pictures that one was made from, and which of their credentials go along with it."""

from collections.abc import Sequence
from dataclasses import replace

import c2pa

from platemark.core.errors import InvalidImage
from platemark.core.ports import Ingredient
from platemark.imaging.containers import read_blocks
from platemark.provenance.manifest import read_store, state_of

# All of them together: a chain of edits with others' thumbnails would outgrow the picture.
MAX_CARRIED_BYTES = 1024 * 1024
# Where each format has its manifest store.
_HOLDERS = {"image/png": "caBX", "image/jpeg": "APP11", "image/webp": "C2PA"}


def carried(
    ingredients: Sequence[Ingredient], *, room: int = MAX_CARRIED_BYTES
) -> tuple[tuple[Ingredient, ...], tuple[str, ...]]:
    """The ingredients, those whose credential goes along with their data, and why others' is left out.

    What is broken would make every picture from it read as broken; what outgrows `room` bytes is in each of them.
    """
    kept, left_out = list[Ingredient](), list[str]()
    for each in ingredients:
        size = _credential_bytes(each)
        reason = _obstacle(each, room, size) if size else None
        if reason:
            left_out.append(f"{each.title}: {reason}")
        room -= 0 if reason else size
        kept.append(each if size and not reason else replace(each, data=None))
    return tuple(kept), tuple(left_out)


def without(ingredients: Sequence[Ingredient]) -> tuple[tuple[Ingredient, ...], tuple[str, ...]]:
    """The ingredients without any credential, and which had to leave theirs out."""
    left_out = tuple(f"{each.title}: does not validate with ours" for each in ingredients if each.data is not None)
    return tuple(replace(each, data=None) for each in ingredients), left_out


def _credential_bytes(ingredient: Ingredient) -> int:
    """The size of the manifest store in its file; 0 where there is none."""
    if ingredient.data is None or b"jumb" not in ingredient.data:
        return 0
    try:
        blocks, _ = read_blocks(ingredient.data, ingredient.media_type)
    except (InvalidImage, KeyError):
        return 0
    return sum(len(block.body) for block in blocks if block.name == _HOLDERS[ingredient.media_type])


def _obstacle(ingredient: Ingredient, room: int, size: int) -> str | None:
    if size > room:
        return "too large"
    try:
        # With what others will hold against it, whoever reads the picture from it.
        store = read_store(ingredient.data or b"", ingredient.media_type, None, identities=True)
    except (c2pa.C2paError, ValueError):
        return "unreadable"
    return "broken" if store is None or state_of(store) == "Invalid" else None
