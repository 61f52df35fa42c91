"""Writes the generated parts of docs/reference from the code; `--check` only says which pages are out of date.

A page keeps its own words: only what stands between its two marks is written here.
"""

import sys
import tomllib
import types
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin

from _reference_http import flowing, routes
from _reference_policy import policy
from _reference_providers import providers
from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from typer.main import get_command

from platemark.cli import app as command_line
from platemark.core.errors import all_errors
from platemark.core.event import ENDINGS, EVENT_TYPES, TRANSIENT
from platemark.settings import Settings

PAGES = Path(__file__).parent.parent / "docs" / "reference"
WORDS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
BEGIN, END = "<!-- from the code: scripts/reference -->", "<!-- to here -->"
_KINDS: dict[object, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", timedelta: "duration",
    SecretStr: "secret text", dict: "JSON object", tuple: "JSON list",
}  # fmt: skip


def settings() -> Iterator[str]:
    yield "| setting | kind | default | meaning |\n| --- | --- | --- | --- |"
    for name, field in Settings.model_fields.items():
        kind, default = " or ".join(_kinds(field.annotation)), _default(field)
        yield f"| `PLATEMARK_{name.upper()}` | {kind} | {default} | {_bounds(field)}{field.description} |"


def _kinds(annotation: object) -> list[str]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return [kind for part in arguments if part is not types.NoneType for kind in _kinds(part)]
    if origin is Literal:
        return [f"`{value}`" for value in arguments]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [_KINDS[dict]]
    return [_KINDS[origin or annotation]]


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == {} or value == ():
        return "not set"
    if isinstance(value, Path | str):
        return f"`{value}`"
    return f"`{TypeAdapter(Any).dump_json(value).decode().strip(chr(34))}`"


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [f"{sign} {value}" for rule in field.metadata for key, sign in signs.items()
             if (value := getattr(rule, key, None)) is not None]  # fmt: skip
    return f"{', '.join(found)}. " if found else ""


def errors() -> Iterator[str]:
    for error in all_errors():
        again = "worth repeating" if error.retryable else "not worth repeating as it is"
        yield f"### `{error.code}`\n\n{error.status}, {again}. {error.title}.\n\n{WORDS['errors'][error.code]}\n"


def events() -> Iterator[str]:
    yield "| type | when | its own fields of `data` | notes |\n| --- | --- | --- | --- |"
    for name in EVENT_TYPES:
        about = WORDS["events"][name]
        notes = ["not in the audit chain"] * (name in TRANSIENT) + ["ends the generation"] * (name in ENDINGS)
        fields = " ".join(f"`{field}`" for field in about["data"])
        yield f"| `{name}` | {about['when']} | {fields} | {', '.join(notes)} |"


def commands() -> Iterator[str]:
    every = list(_commands(get_command(command_line), "platemark"))
    counted = Counter(_option(parameter) for _, command in every for parameter in command.params)
    usual = {row for row, count in counted.items() if 3 * count > len(every)}
    yield "These mean the same wherever a command takes them:\n"
    yield from _table(sorted(usual - {row for row in usual if "--help" in row}))
    for path, command in every:
        asked = [parameter for parameter in command.params if parameter.expose_value and not parameter.hidden]
        usage = [one.name.upper() if one.required else f"[{one.name.upper()}]" for one in asked if not _dashes(one)]
        yield f"### `{' '.join([path, *usage])}`\n\n{flowing(command.help)}\n"
        yield from _table([row for row in map(_option, asked) if row not in usual])
        shared = [f"`{one.opts[0]}`" for one in asked if _option(one) in usual]
        yield f"Also {' '.join(shared)}.\n" if shared else ""


def _table(rows: list[str]) -> Iterator[str]:
    if rows:
        yield "| | |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = cast(dict[str, Any], getattr(command, "commands", {}))
    if not children:
        yield path, command
    for name, child in children.items():
        if not child.hidden:
            yield from _commands(child, f"{path} {name}")


def _dashes(parameter: Any) -> bool:
    return parameter.opts[0].startswith("-")


def _option(parameter: Any) -> str:
    value = "" if parameter.opts == [parameter.name] or getattr(parameter, "is_flag", False) else _value(parameter)
    names = [f"`{name}{value}`" for name in (*parameter.opts, *parameter.secondary_opts)]
    names = names if _dashes(parameter) else [f"`{parameter.name.upper()}`"]
    return f"| {', '.join(names)} | {flowing(parameter.help)} |"


def _value(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    choices = [str(getattr(one, "value", one)) for one in get_args(kind) or list(getattr(kind, "__members__", ()))]
    written = choices if get_origin(kind) is Literal or not get_args(kind) else []
    return " " + (parameter.metavar or "\\|".join(written) or parameter.name.upper())


WRITERS: dict[str, Callable[[], Iterator[str]]] = {
    "settings.md": settings, "errors.md": errors, "events.md": events, "cli.md": commands, "http.md": routes,
    "providers.md": providers, "policy.md": policy,
}  # fmt: skip


def rewritten(page: str, text: str) -> str:
    """The page with its generated part as the code is now."""
    head, _, rest = text.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise SystemExit(f"docs/reference/{page} lacks the lines {BEGIN!r} and {END!r}, between which it is written.")
    body = "\n".join(WRITERS[page]()).strip()
    return f"{head}{BEGIN}\n\n{body}\n\n{END}{tail}"


def main(check: bool) -> int:
    stale: list[str] = []
    for page in WRITERS:
        text = (PAGES / page).read_text(encoding="utf-8")
        if (now := rewritten(page, text)) != text:
            stale.append(page)
            if not check:
                (PAGES / page).write_text(now, encoding="utf-8")
    verb = "out of date, run scripts/reference:" if check else "written:"
    sys.stdout.write(f"docs/reference: {verb} {' '.join(stale)}\n" if stale else "docs/reference: up to date\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
