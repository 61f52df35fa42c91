"""What the documents show is real: Python compiles; commands, scripts, routes and settings are there."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest
from fences import RUN, Block, blocks, documents, runnable
from typer.main import get_command

from checkout import ROOT
from platemark.cli import app as command_line
from platemark.core.errors import all_errors
from platemark.core.event import EVENT_TYPES
from platemark.detectors.lexicon import Lexicon
from platemark.policy.builtin import load_policy
from platemark.settings import Settings

SCRIPT = re.compile(r"(?:^|[\s;&|(])(?:\./)?(scripts/[\w-]+)", re.MULTILINE)
COMMAND = re.compile(r"(?:^|(?<!from)[\s`/$(])platemark((?: +[a-z-]+)+)(?P<options>(?: +--[a-z-]+)*)", re.MULTILINE)
ROUTE = re.compile(r"\b(GET|POST|DELETE) (/[\w/{}.-]*\w[\w/{}]*)")
SHOWN_CODE = re.compile(r"errors\.md#(\w+)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
# Filled in by readers, or one of several.
PLACE = re.compile(r"\b(gen|img|att|ins|key|prj)_[\w…]*|\{\w+\}|\$\w+")
# Beside the API, and so not in its contract.
# The last two belong to the fakes of providers, and to providers themselves.
OF_PROVIDERS = {"/_simulate", "/v1/providers/NAME/webhook"}
OUTSIDE = {"/healthz", "/readyz", "/metrics", "/verify", "/verify/{id}", "/docs/errors", "/openapi.json", *OF_PROVIDERS}
# It shows what is sent to vendors, by their routes.
OF_VENDORS = "docs/reference/providers.md"


def named(block: Block) -> str:
    return str(block)


@pytest.mark.parametrize("block", blocks("python"), ids=named)
def test_python_compiles(block: Block) -> None:
    ast.parse(block.body, filename=str(block))


@pytest.mark.parametrize("block", blocks("json"), ids=named)
def test_json_can_be_read(block: Block) -> None:
    try:
        assert json.loads(block.body) is not None
    except ValueError:
        assert [json.loads(line) for line in block.body.splitlines()]


@pytest.mark.parametrize("block", [one for one in blocks("toml") if "platemark.toml" in one.body], ids=named)
def test_a_configuration_names_only_settings(block: Block) -> None:
    assert sorted(set(tomllib.loads(block.body)) - set(Settings.model_fields)) == []


def test_scripts_that_are_shown_exist() -> None:
    shown = {(str(block), script) for block in blocks("sh") for script in SCRIPT.findall(block.body)}
    assert shown
    assert sorted(f"{where} {script}" for where, script in shown if not (ROOT / script).exists()) == []


def known_command(words: str) -> bool:
    """True when the words start with a command that does something, or are a group of commands."""
    command = get_command(command_line)
    for word in words.split():
        children = getattr(command, "commands", {})
        if not children:
            return True
        if word not in children:
            return False
        command = children[word]
    return True


def test_commands_that_are_shown_exist() -> None:
    shown = {
        (str(document.relative_to(ROOT)), " ".join(words.split()))
        for document in documents()
        for words, _ in COMMAND.findall("\n".join(_code(document.read_text(encoding="utf-8"))))
    }
    assert shown
    assert sorted(f"{where}: platemark {words}" for where, words in shown if not known_command(words)) == []


def _code(text: str) -> list[str]:
    fenced = re.findall(r"^ *```(?:sh|console)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return fenced + re.findall(r"`([^`\n]+)`", text)


def shape(path: str) -> str:
    """A path with its ids taken out, so that an example fits its template."""
    return PLACE.sub("*", path)


def test_routes_that_are_mentioned_exist(contract: dict[str, dict[str, object]]) -> None:
    there = {(method.upper(), shape(path)) for path, item in contract.items() for method in item}
    mentioned = {
        (str(document.relative_to(ROOT)), method, path)
        for document in documents()
        for method, path in ROUTE.findall(document.read_text(encoding="utf-8"))
    }
    assert mentioned
    strangers = [
        f"{where}: {method} {path}"
        for where, method, path in mentioned
        if path not in OUTSIDE and where != OF_VENDORS and (method, shape(path)) not in there
    ]
    assert sorted(strangers) == []


def test_codes_and_events_that_are_mentioned_exist() -> None:
    codes = {error.code for error in all_errors()}
    known = {kind.split(".")[0] for kind in EVENT_TYPES}
    # Files may be called as what they are about.
    event = re.compile(rf"`((?:{'|'.join(known)})\.(?!py`|sh`|json`)[a-z_]+)`")
    text = {document: document.read_text(encoding="utf-8") for document in documents()}
    assert [
        (page, code) for page, words in text.items() for code in SHOWN_CODE.findall(words) if code not in codes
    ] == []
    assert [
        (page, kind) for page, words in text.items() for kind in event.findall(words) if kind not in EVENT_TYPES
    ] == []


def test_tests_that_are_named_exist() -> None:
    named = {(page.name, file, test) for page in documents() for file, test in TEST.findall(page.read_text("utf-8"))}
    assert named
    assert sorted(one for one in named if not _has_test(*one[1:])) == []


def _has_test(file: str, name: str) -> bool:
    return (ROOT / file).exists() and re.search(
        rf"^(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.M
    ) is not None


def test_what_is_marked_to_run_can_be_run() -> None:
    marks = sum(len(re.findall(rf"^{RUN}$", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in documents())
    assert 0 < marks == len(runnable()), "each mark stands alone on the line before a python or sh block"


@pytest.mark.parametrize("block", blocks("yaml"), ids=named)
def test_lexicons_and_policies_are_taken_as_they_stand(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "shown.yaml"
    file.write_text(block.body, encoding="utf-8")
    assert load_policy(file).version if "\nrules:" in block.body else Lexicon.load(file).version
