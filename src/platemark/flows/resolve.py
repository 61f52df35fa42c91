"""From the name that a client uses to the model that will run."""

from collections.abc import Iterator

from platemark.core.errors import FieldError, InvalidRequest
from platemark.core.model import Model
from platemark.core.ports import Platform, Provider

# The reserved alias that stands for "the request named none".
DEFAULT = "default"


def models(platform: Platform) -> Iterator[Model]:
    """Every model of every configured provider."""
    for provider in platform.providers.values():
        yield from provider.models.values()


def resolve(platform: Platform, requested: str | None) -> Model:
    """The model for a name or alias. Raises InvalidRequest naming the models there are."""
    name = requested or DEFAULT
    name = platform.aliases.get(name, name)
    found = next((model for model in models(platform) if model.id == name), None)
    if found is None:
        known = sorted({model.id for model in models(platform)} | (set(platform.aliases) - {DEFAULT}))
        message = f"There is no model {requested!r}. Known here: {', '.join(known)}."
        raise InvalidRequest(message, errors=[FieldError(pointer="/model", code="unknown_model", message=message)])
    return found


def provider_of(platform: Platform, model: str) -> tuple[Provider, Model]:
    """The provider of a model that was resolved before. Raises InvalidRequest when it is no longer configured."""
    found = resolve(platform, model)
    return platform.providers[found.provider], found
