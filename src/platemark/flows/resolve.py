"""From the name that a client uses to the models that it stands for, and from a model to its provider."""

from collections.abc import Iterator

from platemark.core.errors import FieldError, InvalidRequest, ModelUnavailable
from platemark.core.model import Model
from platemark.core.ports import Platform, Provider

# The reserved alias that stands for "the request named none".
DEFAULT = "default"


def models(platform: Platform) -> Iterator[Model]:
    """Every model of every configured provider."""
    for provider in platform.providers.values():
        yield from provider.models.values()


def model_of(platform: Platform, id: str) -> Model | None:
    """The model of this id; None when it is not configured."""
    return next((model for model in models(platform) if model.id == id), None)


def named(platform: Platform, requested: str | None) -> tuple[str, ...]:
    """The ids that a name stands for, in the order in which they are asked, each once; a name of no alias is an id."""
    return tuple(dict.fromkeys(_expanded(platform, requested or DEFAULT, ())))


def _expanded(platform: Platform, name: str, above: tuple[str, ...]) -> Iterator[str]:
    # Inside its own list a name is the model of that name, so that a model may have others behind it.
    if name in above or name not in platform.aliases:
        yield name
        return
    for next_name in platform.aliases[name]:
        yield from _expanded(platform, next_name, (*above, name))


def unknown(platform: Platform, requested: str | None) -> InvalidRequest:
    """The error for a name that leads to no configured model, naming those there are."""
    known = sorted({model.id for model in models(platform)} | (set(platform.aliases) - {DEFAULT}))
    message = f"There is no model {requested!r}. Known here: {', '.join(known)}."
    return InvalidRequest(message, errors=[FieldError(pointer="/model", code="unknown_model", message=message)])


def provider_of(platform: Platform, id: str) -> tuple[Provider, Model]:
    """A model that was chosen before, and its provider. Raises ModelUnavailable when it is no longer configured."""
    model = model_of(platform, id)
    if model is None:
        raise ModelUnavailable(f"{id} is no longer configured here. Send the request to another model.")
    return platform.providers[model.provider], model
