"""Checks what a fake saw against the vendor's published OpenAPI document, where PLATEMARK_SPECS names the folder."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from platemark.simulate.board import Seen


def document(name: str) -> dict[str, Any]:
    """The document of this file name; skips the test where there is none."""
    folder = os.environ.get("PLATEMARK_SPECS")
    if not folder:
        pytest.skip("PLATEMARK_SPECS names no folder with the vendors' published documents")
    text = (Path(folder) / name).read_text()
    return yaml.load(text, Loader=yaml.CSafeLoader) if name.endswith(".yaml") else json.loads(text)


def problems(spec: dict[str, Any], seen: Seen) -> Iterator[str]:
    """What the document would refuse in a request: unknown fields too, which it may allow by saying nothing."""
    path, operation = _operation(spec, seen)
    content = operation["requestBody"]["content"]
    media_type = seen.headers["content-type"].partition(";")[0]
    if media_type not in content:
        yield f"{path}: takes {list(content)}, not {media_type}"
        return
    schema = {**content[media_type]["schema"], "components": spec.get("components", {})}
    given = seen.json if seen.json is not None else _typed(spec, schema, seen)
    for error in Draft202012Validator(schema).iter_errors(given):  # pyright: ignore[reportUnknownMemberType]
        yield f"{path}: {'/'.join(map(str, error.path))}: {error.message[:200]}"
    known = _properties(spec, schema)
    yield from (f"{path}: {name} is not in the document" for name in given if known and name not in known)


def problems_of_answer(spec: dict[str, Any], method: str, path: str, status: int, answer: Any) -> Iterator[str]:
    """What the document says otherwise about a JSON answer of this status."""
    path, operation = _operation(spec, Seen(method, path, {}))
    responses = operation["responses"]
    if str(status) not in responses:
        yield f"{path}: answers {list(responses)}, not {status}"
        return
    content = _resolved(spec, responses[str(status)]).get("content", {})
    schema = {**content.get("application/json", {}).get("schema", {}), "components": spec.get("components", {})}
    for error in Draft202012Validator(schema).iter_errors(answer):  # pyright: ignore[reportUnknownMemberType]
        yield f"{path}: {'/'.join(map(str, error.path))}: {error.message[:200]}"


def _operation(spec: dict[str, Any], seen: Seen) -> tuple[str, dict[str, Any]]:
    for path, item in spec["paths"].items():
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))
        if re.fullmatch(pattern, seen.path) and seen.method.lower() in item:
            return path, item[seen.method.lower()]
    raise AssertionError(f"{seen.method} {seen.path} is not in the document")


def _resolved(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        at: Any = spec
        for name in schema["$ref"].removeprefix("#/").split("/"):
            at = at[name]
        schema = at
    return schema


def _properties(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    schema = _resolved(spec, schema)
    parts = [_properties(spec, part) for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, [])]
    return {**schema.get("properties", {}), **{name: rule for part in parts for name, rule in part.items()}}


def _typed(spec: dict[str, Any], schema: dict[str, Any], seen: Seen) -> dict[str, Any]:
    """Form fields as the values that they stand for; files as texts."""
    rules = _properties(spec, schema)
    given: dict[str, Any] = {name: "file" for name in seen.files}
    for name, value in seen.fields.items():
        if nested := re.fullmatch(r"(\w+)\[(\d+)\]\[(\w+)\]", name):
            _put(given, nested[1], int(nested[2]), nested[3], value)
            continue
        kind = _resolved(spec, rules.get(name, {})).get("type")
        given[name] = float(value) if kind in ("number", "integer") else value
    return given


def _put(given: dict[str, Any], name: str, index: int, key: str, value: str) -> None:
    """`text_prompts[0][weight]` in a form is a number in an object in a list."""
    entries: list[dict[str, Any]] = given.setdefault(name, [])
    entries.extend({} for _ in range(index + 1 - len(entries)))
    entries[index][key] = float(value) if key == "weight" else value
