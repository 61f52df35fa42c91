"""The pages about HTTP, from the OpenAPI document: one section a tag, one heading a route, one table a shape."""

import json
import re
import types
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from platemark.core.ports import Platform
from platemark.settings import Settings
from platemark.web.app import create_app
from platemark.web.stopping import Stopping

_PROBLEM = "application/problem+json"
_LIST = "ListResource"
_ANYTHING: dict[str, Any] = {}


def routes() -> Iterator[str]:
    """The whole page."""
    document = _document()
    operations = [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    counted = Counter(problem for _, _, operation in operations for problem in _problems(operation))
    usual = {problem for problem, count in counted.items() if 2 * count > len(operations)}
    yield f"Any route may also answer with {', '.join(sorted(usual))}; below stands what is particular to each.\n"
    for tag in dict.fromkeys(operation["tags"][0] for _, _, operation in operations):
        yield f"## {tag.capitalize()}\n"
        for method, path, operation in operations:
            if operation["tags"][0] == tag:
                yield from _route(method, path, operation, usual)
    schemas: dict[str, dict[str, Any]] = document["components"]["schemas"]
    shown = {name: schema for name, schema in sorted(schemas.items()) if "properties" in schema and not _hidden(name)}
    sent = set[str]().union(*(_reached(operation.get("requestBody"), schemas) for _, _, operation in operations))
    yield "## What is sent\n"
    for name in (name for name in shown if name in sent):
        yield from _sent(name, shown[name])
    yield "## What comes back\n"
    for name in (name for name in shown if name not in sent):
        yield from _answered(name, shown[name])


def _hidden(name: str) -> bool:
    return name == "GenerationForm" or name.startswith(_LIST)


def _reached(schema: object, schemas: dict[str, dict[str, Any]]) -> set[str]:
    names = {name for name in re.findall(r"#/components/schemas/(\w+)", str(schema)) if not _hidden(name)}
    return names.union(*(_reached(schemas[name], schemas) for name in names))


def _document() -> dict[str, Any]:
    """Building the document touches no port."""
    nothing = cast(Platform, types.SimpleNamespace(ids=None, clock=None))
    return create_app(nothing, Settings(), stopping=Stopping()).openapi()


def _route(method: str, path: str, operation: dict[str, Any], usual: set[str]) -> Iterator[str]:
    yield f"### `{method} {path}`\n\n{operation['summary']}. {flowing(operation.get('description'))}\n"
    given = [one for one in operation.get("parameters", ()) if one["in"] != "path"]
    if given:
        rows = (f"| `{one['name']}` | {one['in']} | {_about(one['schema'], one.get('description'))} |" for one in given)
        yield "| parameter | in | |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
    scopes = sorted({scope for way in operation.get("security", ()) for scopes in way.values() for scope in scopes})
    body = operation.get("requestBody", {}).get("content", {})
    facts = {
        "Scope": " ".join(f"`{scope}`" for scope in scopes),
        "Body": ", or ".join(f"{_kind(one['schema'])} (`{media}`)" for media, one in body.items()),
        "Answers": "; ".join(_good(operation)),
        "Problems": ", ".join(found for found in _problems(operation) if found not in usual),
    }
    yield "".join(f"- {name}: {text}\n" for name, text in facts.items() if text)


def _good(operation: dict[str, Any]) -> Iterator[str]:
    for status, response in operation["responses"].items():
        if _PROBLEM not in response.get("content", {}):
            kinds = [_kind(one["schema"]) for media, one in response.get("content", {}).items() if "json" in media]
            words = [*kinds, response["description"].rstrip(".")]
            yield f"{status} {', '.join(word for word in words if word and word != 'Successful Response')}"


def _problems(operation: dict[str, Any]) -> Iterator[str]:
    for status, response in operation["responses"].items():
        for code in response.get("content", {}).get(_PROBLEM, {}).get("examples", {}):
            yield f"{status} [`{code}`](errors.md#{code})"


def _sent(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n\n{flowing(schema.get('description'))}\n\n| field | |\n| --- | --- |"
    for field, about in schema["properties"].items():
        needed = "required. " if field in schema.get("required", ()) else ""
        yield f"| `{field}` | {needed}{_about(about, about.get('description'))} |"
    yield ""


def _answered(name: str, schema: dict[str, Any]) -> Iterator[str]:
    fields = (f"`{field}` {_kind(about)}" for field, about in schema["properties"].items())
    yield f"### {name}\n\n{flowing(schema.get('description'))}\n\n{'; '.join(fields)}.\n"


def _about(schema: dict[str, Any], words: str | None) -> str:
    default = schema.get("default")
    usual = "" if default in (None, [], {}, "") else f"; `{json.dumps(default).strip(chr(34))}` when absent"
    words = words or next((one["description"] for one in schema.get("anyOf", ()) if "description" in one), "")
    # A field or parameter that may be null may be left out.
    return flowing(f"{_kind(schema).removesuffix(' or null')}{usual}. {words}")


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _named(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', _ANYTHING))}"
    kind = schema.get("type", "any value")
    words = {"integer": "whole number", "string": schema.get("format", "text"), "boolean": "true or false"}
    return words.get(kind, kind) + _range(schema)


def _named(name: str) -> str:
    if name.startswith(_LIST):
        return f"[list](#lists) of {_named(name.removeprefix(_LIST).strip('_'))}"
    return "the same names as a form" if name == "GenerationForm" else f"[{name}](#{name.lower()})"


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" {low} to {high}"
    longest = schema.get("maxLength")
    return f" of at most {longest} characters" if longest else ""


def flowing(text: str | None) -> str:
    """One line."""
    return re.sub(r"\s+", " ", text or "").strip()
