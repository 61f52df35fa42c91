"""The reference names everything that is there: each test walks the real objects and looks for them in the page."""

import re
from collections.abc import Iterable

import pytest
from fastapi.routing import APIRoute
from typer.core import TyperGroup
from typer.main import get_command

from checkout import ROOT
from platemark.cli import app as command_line
from platemark.core.errors import all_errors
from platemark.core.event import EVENT_TYPES
from platemark.settings import Settings
from platemark.web import operations
from platemark.web.app import openapi_document

REFERENCE = ROOT / "docs" / "reference"
ENVIRONMENT = re.compile(r"\bPLATEMARK_[A-Z0-9_]+\b")
# Read by the scripts and the tests, not by the server.
NOT_SETTINGS = frozenset({"PLATEMARK_CORPUS", "PLATEMARK_INSTALLER", "PLATEMARK_PYTHON", "PLATEMARK_SPECS"})


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def missing(names: Iterable[str], text: str) -> list[str]:
    """Names that do not stand in the text as code."""
    return [name for name in names if f"`{name}`" not in text]


def setting_names() -> list[str]:
    prefix = str(Settings.model_config.get("env_prefix"))
    return [f"{prefix}{name}".upper() for name in Settings.model_fields]


def commands(command: object, path: str) -> list[str]:
    """The command lines that do something: `platemark keys create`, not `platemark keys`."""
    if isinstance(command, TyperGroup):
        visible = {name: child for name, child in command.commands.items() if not child.hidden}
        return [line for name, child in visible.items() for line in commands(child, f"{path} {name}")]
    return [path]


def routes() -> list[tuple[str, str]]:
    """Method and path of the API's routes and of those that every role answers."""
    described = [(method.upper(), path) for path, item in openapi_document()["paths"].items() for method in item]
    always = [route for route in operations.router.routes if isinstance(route, APIRoute)]
    return described + [(method, route.path) for route in always for method in sorted(route.methods or ())]


def documented(method: str, path: str, text: str) -> bool:
    """True when a line has the method and exactly this path."""
    exact = re.compile(rf"\b{method}\b.*{re.escape(path)}(?![\w/{{])")
    return any(exact.search(line) for line in text.splitlines())


def test_every_setting_is_documented() -> None:
    assert missing(setting_names(), page("settings.md")) == []


def test_no_documented_setting_is_gone() -> None:
    named = set(ENVIRONMENT.findall(page("settings.md")))
    assert sorted(named - set(setting_names()) - NOT_SETTINGS) == []


def test_every_setting_describes_itself() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_error_is_documented() -> None:
    assert missing([error.code for error in all_errors()], page("errors.md")) == []


def test_every_event_is_documented() -> None:
    assert missing(EVENT_TYPES, page("events.md")) == []


def test_every_route_is_documented() -> None:
    text = page("http.md")
    assert ("POST", "/v1/generate") in routes()
    assert [f"{method} {path}" for method, path in routes() if not documented(method, path, text)] == []


def test_every_command_is_documented() -> None:
    text = page("cli.md")
    found = commands(get_command(command_line), "platemark")
    assert found
    assert [line for line in found if not re.search(rf"{re.escape(line)}\b", text)] == []


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("| `GET` | `/v1/images/{id}` |", True),
        ("`GET /v1/images/{id}`: one image", True),
        ("`GET /v1/images/{id}/record`", False),
        ("`DELETE /v1/images/{id}`", False),
    ],
)
def test_a_route_counts_only_with_its_method_and_whole_path(line: str, there: bool) -> None:
    assert documented("GET", "/v1/images/{id}", line) is there
