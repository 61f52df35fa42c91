"""Reads YAML that people write: bounded and strict, with file, line and field in every complaint."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from platemark.core.errors import Misconfigured

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 20
M = TypeVar("M", bound=BaseModel)


def read_yaml_file(path: Path, model: type[M], *, setting: str) -> M:
    """The file as `model`. Blocks. Raises Misconfigured, also for a file that is missing, too large or no text."""
    return read_yaml(read_text(path, setting=setting), model, where=str(path))


def read_text(path: Path, *, setting: str) -> str:
    """The file's text. Blocks. Raises Misconfigured for a file that is missing, too large or no text."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{setting}: {path} cannot be read as text ({error}). Check path and rights.") from error
    if len(data) > MAX_BYTES:
        raise Misconfigured(f"{setting}: {path} has more than {MAX_BYTES} bytes. Split or shorten it.")
    return text


def read_yaml(text: str, model: type[M], *, where: str) -> M:
    """The text as `model`, nothing coerced. Raises Misconfigured with the first problem's line and field."""
    try:
        root = _compose(text)
        data: Any = yaml.safe_load(text)
        # As JSON, so that a list may become a tuple but no word a number.
        plain = json.dumps(data, default=str)
    except yaml.YAMLError as error:
        raise Misconfigured(f"{where}{_mark(error)}: this is not YAML. Check indentation and quotes.") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise Misconfigured(f"{where}: there is more in it than lists, names, words and numbers.") from error
    for key in _repeated_keys(root):
        raise Misconfigured(f"{where}, line {key.start_mark.line + 1}: {key.value} is given twice. Keep one.")
    try:
        return model.model_validate_json(plain, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = _field(first["loc"])
        raise Misconfigured(f"{where}, line {_line(root, first['loc'])}, {field}: {first['msg']}.") from error


def refusal(text: str, location: Sequence[int | str], problem: str, *, where: str) -> Misconfigured:
    """The error for what is wrong at `location` of a text that `read_yaml` could read."""
    line = _line(_compose(text), location)
    return Misconfigured(f"{where}, line {line}, {_field(location)}: {problem}.")


def locator(text: str) -> Callable[[Sequence[int | str]], tuple[int, str]]:
    """What gives line and field of a location in a text that `read_yaml` could read."""
    root = _compose(text)
    return lambda location: (_line(root, location), _field(location))


def _compose(text: str) -> yaml.Node | None:
    depth = 0
    parse: Callable[..., Iterator[yaml.Event]] = yaml.parse  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    for event in parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        # References could make a short file endless, and deep nesting takes time that grows with its square.
        if isinstance(event, yaml.AliasEvent) or depth > MAX_DEPTH:
            # Stubs of the library disagree about the class of a mark.
            mark: Any = event.start_mark  # pyright: ignore[reportUnknownMemberType]
            raise yaml.MarkedYAMLError(problem="not read here", problem_mark=mark)
    return yaml.compose(text, Loader=yaml.SafeLoader)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _mark(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _repeated_keys(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _repeated_keys(value)


def _field(location: Sequence[int | str]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".") or "the whole file"


def _line(node: yaml.Node | None, location: Sequence[int | str]) -> int:
    """The line, from 1, of the innermost part of `location` that is in the file."""
    line = 1
    for part in location:
        node = _child(node, part)
        if node is None:
            break
        line = node.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    return None
