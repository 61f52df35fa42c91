"""The HTTP contract, for documents that name routes."""

import types
from typing import cast

import pytest

from platemark.core.ports import Platform
from platemark.settings import Settings
from platemark.web.app import create_app
from platemark.web.stopping import Stopping


@pytest.fixture(scope="session")
def contract() -> dict[str, dict[str, object]]:
    """Paths and methods of the OpenAPI document. Building it touches no port."""
    nothing = cast(Platform, types.SimpleNamespace(ids=None, clock=None))
    return create_app(nothing, Settings(), stopping=Stopping()).openapi()["paths"]
