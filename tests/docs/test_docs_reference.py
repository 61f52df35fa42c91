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


def told() -> Iterator[tuple[str, set[str]]]:
    """Types of events that flows emit, with the names in their data."""
    for file in (SOURCE / "flows").glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("tell", "note"):
                names = {keyword.arg for keyword in call.keywords if keyword.arg}
                yield from ((kind, names) for kind in _types(call.args))


def _types(arguments: list[ast.expr]) -> list[str]:
    texts = [
        one.value
        for one in ast.walk(ast.Module([ast.Expr(one) for one in arguments[2:3]], []))
        if isinstance(one, ast.Constant)
    ]
    return [text for text in texts if text in EVENT_TYPES]


def test_the_data_of_events_is_what_flows_tell() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for kind, names in told():
        found[kind] |= names
    for kind in ("succeeded", "failed", "blocked", "canceled", "expired"):
        found[f"generation.{kind}"] |= ENDED - ({"code"} if kind == "succeeded" else set())
    assert {kind: set(about["data"]) for kind, about in WORDS["events"].items()} == found


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
