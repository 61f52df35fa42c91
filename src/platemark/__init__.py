"""Platemark: one API from prompt to a picture you can publish and stand behind.

>>> from platemark import Client
>>> Client("http://127.0.0.1:8460", api_key="pm_…").generate("a red house").images[0].save()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from platemark import errors
    from platemark.client import AsyncClient, Client, Progress
    from platemark.core.errors import PlatemarkError

# Loaded when they are asked for: every part of Platemark imports this package, and few need the SDK.
_HOMES = {
    "AsyncClient": "platemark.client",
    "Client": "platemark.client",
    "PlatemarkError": "platemark.core.errors",
    "Progress": "platemark.client",
}

__all__ = ["AsyncClient", "Client", "PlatemarkError", "Progress", "errors"]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("platemark.errors")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
