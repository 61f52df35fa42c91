"""The C2PA claim that we write about an image, by the words of the C2PA specification (2.x)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from platemark.core.base import JsonObject
from platemark.core.ports import Claim, Ingredient

Training = Literal["allowed", "not_allowed", "unsaid"]
# Actions whose subject is a picture that was there before: they name the parent.
_NAMES_PARENT = frozenset({"opened", "transcoded"})
_MAKES = frozenset({"created", "edited"})
_MINING = ("cawg.ai_training", "cawg.ai_generative_training", "cawg.data_mining")
_USES = {"allowed": "allowed", "not_allowed": "notAllowed"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator wants to be said in every claim: may it be trained on, and which model made it."""

    training: Training = "not_allowed"
    names_model: bool = True


USUAL = Terms()


def claim_manifest(
    claim: Claim,
    *,
    generator: str,
    version: str,
    terms: Terms = USUAL,
    left_out: Sequence[str] = (),
) -> JsonObject:
    """The manifest definition of one image. No prompt and no person in it: it is public.

    `left_out`: why credentials of ingredients are not carried along.
    """
    first = _first_parameters(claim, terms, left_out)
    actions = [_action(name, claim, version, first if number == 0 else {}) for number, name in enumerate(claim.actions)]
    assertions: list[JsonObject] = [{"label": "c2pa.actions.v2", "data": {"actions": actions}}]
    if claim.soft_binding:
        assertions.append(_soft_binding(*claim.soft_binding))
    if terms.training != "unsaid":
        entries = {name: {"use": _USES[terms.training]} for name in _MINING}
        assertions.append({"label": "cawg.training-mining", "data": {"entries": entries}})
    return {
        "claim_generator_info": [{"name": generator, "version": version}],
        "title": claim.title,
        "assertions": assertions,
    }


def ingredient_definition(ingredient: Ingredient, number: int) -> JsonObject:
    """An ingredient as a manifest names it; actions know it by its `instance_id`."""
    return {
        "title": ingredient.title,
        "format": ingredient.media_type,
        "relationship": ingredient.relationship,
        "instance_id": _instance(number),
    }


def _instance(number: int) -> str:
    return f"platemark:ingredient:{number}"


def _action(name: str, claim: Claim, version: str, parameters: JsonObject) -> JsonObject:
    said: JsonObject = {
        # Anything but created or opened as the first action makes the manifest malformed.
        "action": f"c2pa.{name}",
        "when": claim.when,
        "softwareAgent": {"name": claim.software, "version": version},
    }
    named = _ingredients_of(name, claim)
    parameters = parameters | ({"ingredientIds": named} if named else {})
    if name == "published" and claim.label:
        parameters["platemark.label"] = claim.label
    if claim.digital_source_type and name == _telling(claim):
        said["digitalSourceType"] = claim.digital_source_type
    return said | ({"parameters": parameters} if parameters else {})


def _telling(claim: Claim) -> str:
    """The action that says what kind of picture it is: the one that made it, else the one that opened it."""
    return next((name for name in claim.actions if name in _MAKES), "opened")


def _ingredients_of(name: str, claim: Claim) -> list[str]:
    """What an action is about: the parent, or, for what a model made, what it was given besides."""
    wanted = ("parentOf",) if name in _NAMES_PARENT else ("inputTo", "componentOf") if name in _MAKES else ()
    return [_instance(n) for n, each in enumerate(claim.ingredients) if each.relationship in wanted]


def _first_parameters(claim: Claim, terms: Terms, left_out: Sequence[str]) -> JsonObject:
    parameters: JsonObject = {"platemark.image": claim.image}
    if claim.model and terms.names_model:
        parameters["platemark.model"] = claim.model
    if left_out:
        parameters["platemark.credentials_left_out"] = list(left_out)
    return parameters


def _soft_binding(algorithm: str, value: str) -> JsonObject:
    return {
        "label": "c2pa.soft-binding",
        "data": {"alg": algorithm, "blocks": [{"scope": {}, "value": value}]},
    }
