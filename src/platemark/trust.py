"""The public lists of C2PA authorities as the settings want them: for the server, and for `platemark verify`."""

from collections.abc import Iterator

from platemark.engine.models.weights import Checked, check, listed, place
from platemark.provenance.trust import ListName, TrustList
from platemark.settings import Settings

# The list of the C2PA program first: where both name an authority, that is what is told.
_WEIGHTS: dict[ListName, str] = {"c2pa": "provenance/c2pa-trust-list", "interim": "provenance/interim-anchors"}


def public_lists(settings: Settings) -> tuple[TrustList, ...]:
    """Those that are wanted, on this machine, and the files that were listed. Blocks."""
    return tuple(
        TrustList(name, place(found.weight, settings.cache).read_text(encoding="utf-8"), str(found.weight.dated))
        for name, found in _checked(settings)
        if found.state == "good"
    )


def missing_lists(settings: Settings) -> tuple[str, ...]:
    """Names in `weights.toml` of those that are wanted and not here. Blocks."""
    return tuple(found.weight.name for _, found in _checked(settings) if found.state != "good")


def _checked(settings: Settings) -> Iterator[tuple[ListName, Checked]]:
    for name, weight in _WEIGHTS.items():
        if name in settings.trust_lists:
            yield name, check([listed()[weight]], settings.cache)[0]
