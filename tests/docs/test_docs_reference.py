"""The generated parts of docs/reference are those of the code, and nothing that they need to say is missing."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from checkout import ROOT, SOURCE
from platemark.core.errors import all_errors
from platemark.core.event import EVENT_TYPES

WORDS: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "scripts" / "_reference.toml").read_text(encoding="utf-8"))
# Their type stands in a table, with these fields for all of them.
ENDED = {"status", "needs_attention", "code"}
FIELD_CODE = re.compile(r"(?:FieldError\([^)]*?code=|PydanticCustomError\(\s*)\"(\w+)\"", re.DOTALL)


def test_the_reference_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "_reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_error_says_what_to_do() -> None:
    assert set(WORDS["errors"]) == {error.code for error in all_errors()}
    assert [code for code, words in WORDS["errors"].items() if len(words) < 30] == []


def test_every_event_says_when_it_happens() -> None:
    assert set(WORDS["events"]) == set(EVENT_TYPES)


# Functions that emit an event, by how their names begin; the type is the third argument.
TELLING = ("tell", "_tell", "note", "_note")


def told() -> Iterator[tuple[str, set[str], bool]]:
    """Types of events that flows emit, with the names in their data, and whether that is all of it.

    It is not where a function of the flow's own adds to it, or where a dictionary is unpacked.
    """
    for file in (SOURCE / "flows").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        plain = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in ("platemark.flows.note", "platemark.flows.keys")
            for alias in node.names
        }
        plain |= {"note"} if file.name == "keys.py" else set()
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id == "emit":
                # Its data is one dictionary; its keywords say what it is about.
                yield from ((kind, set[str](), False) for kind in _types(call.args))
            elif call.func.id.startswith(TELLING):
                names = {keyword.arg for keyword in call.keywords if keyword.arg}
                unpacked = any(keyword.arg is None for keyword in call.keywords)
                whole = call.func.id in plain & {"tell", "note"} and not unpacked
                yield from ((kind, names, whole) for kind in _types(call.args))


def _types(arguments: list[ast.expr]) -> list[str]:
    texts = [
        one.value
        for one in ast.walk(ast.Module([ast.Expr(one) for one in arguments[2:3]], []))
        if isinstance(one, ast.Constant)
    ]
    return [text for text in texts if text in EVENT_TYPES]


def test_the_data_of_events_is_what_flows_tell() -> None:
    found, partly = defaultdict[str, set[str]](set), set[str]()
    for kind, names, whole in told():
        found[kind] |= names
        partly |= set() if whole else {kind}
    for kind in ("succeeded", "failed", "blocked", "canceled", "expired"):
        found[f"generation.{kind}"] |= ENDED - ({"code"} if kind == "succeeded" else set())
        partly.discard(f"generation.{kind}")
    documented = {kind: set(about["data"]) for kind, about in WORDS["events"].items()}
    assert {kind: names - documented[kind] for kind, names in found.items() if names - documented[kind]} == {}
    # An event whose data is spelt out wherever it is emitted has nothing else in the page.
    assert {kind: documented[kind] for kind in found.keys() - partly} == {
        kind: found[kind] for kind in found.keys() - partly
    }
    # Emitted as events of their own making, without a call that names them.
    made = {kind for kind in EVENT_TYPES if kind not in found}
    sources = "".join(file.read_text(encoding="utf-8") for file in (SOURCE / "flows").rglob("*.py"))
    assert [kind for kind in sorted(made) if f'"{kind}"' not in sources] == []


def test_every_code_of_a_field_is_documented() -> None:
    parts = (SOURCE / part for part in ("core", "flows", "web"))
    sources = [file.read_text(encoding="utf-8") for part in parts for file in part.rglob("*.py")]
    used = {code for text in sources for code in FIELD_CODE.findall(text)}
    words = (SOURCE / "web" / "validation.py").read_text(encoding="utf-8")
    translated = dict(re.findall(r'"(\w+)": \("(\w+)", "', words))
    used = (used - translated.keys()) | set(translated.values())
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    assert used >= {"missing", "unknown_model", "blank"}
    assert sorted(code for code in used if f"`{code}`" not in page) == []
