"""Tests pass parts in; they do not reach into modules by name and swap what is there."""

import ast

import pytest

from checkout import ROOT, python_files

MOCKING = frozenset({"mock", "pytest_mock", "unittest.mock"})


def patching(source: str) -> list[int]:
    """Lines that import a mocking library, ask for its fixture, or replace something named by a string."""
    found = (_patching(node) for node in ast.walk(ast.parse(source)))
    return sorted({node.lineno for node in found if node})


def _patching(node: ast.AST) -> "ast.expr | ast.stmt | ast.arg | None":
    match node:
        case ast.Import(names=names) if any(name.name in MOCKING for name in names):
            return node
        case ast.ImportFrom(module=module, names=names) if module in MOCKING or (
            module == "unittest" and any(name.name == "mock" for name in names)
        ):
            return node
        case ast.arg(arg="mocker"):
            return node
        case ast.Call(func=ast.Attribute(attr="setattr" | "delattr"), args=[ast.Constant(value=str()), *_]):
            return node
        case _:
            return None


def test_nothing_is_patched() -> None:
    files = python_files("src", "tests", "bench", "examples", "scripts")
    found = {str(file.relative_to(ROOT)): patching(file.read_text(encoding="utf-8")) for file in files}
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import unittest.mock",
        "from unittest import mock",
        "from unittest.mock import patch",
        "def test_x(mocker): ...",
        "def test_x(monkeypatch):\n    monkeypatch.setattr('platemark.flows.accept', 1)",
    ],
)
def test_patching_is_seen(source: str) -> None:
    assert patching(source)


def test_an_environment_variable_may_be_set() -> None:
    assert patching("def test_x(monkeypatch):\n    monkeypatch.setenv('A', 'b')") == []
