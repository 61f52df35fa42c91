"""The C2PA claim that we write about an image."""

from platemark.core.base import JsonObject
from platemark.core.ports import Claim


def claim_manifest(claim: Claim, *, generator: str, version: str) -> JsonObject:
    """The manifest definition of one created image. No prompt and no person in it: it is public."""
    action: JsonObject = {
        # Anything but created or opened as the first action makes the manifest malformed.
        "action": "c2pa.created",
        "when": claim.when,
        "digitalSourceType": claim.digital_source_type,
        "softwareAgent": {"name": claim.software, "version": version},
        "parameters": {"platemark.image": claim.image} | ({"platemark.model": claim.model} if claim.model else {}),
    }
    return {
        "claim_generator_info": [{"name": generator, "version": version}],
        "title": claim.title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
