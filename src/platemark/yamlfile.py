"""YAML files that people write, read into shapes; what is wrong in one is told with its file, line and field."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from platemark.core.errors import Misconfigured

M = TypeVar("M", bound=BaseModel)
Place = Sequence[int | str]
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document(Generic[M]):
    """A file that was read: its text, its value, and where in the file each part of the value stands."""

    name: str
    text: str
    value: M
    node: yaml.Node

    def refuse(self, place: Place, problem: str) -> NoReturn:
        """Raise Misconfigured about the part at `place` (keys and indices from the top)."""
        _refuse(self.name, _line(self.node, place), place, problem)


def read_document(path: Path, shape: type[M]) -> Document[M]:
    """The file as a `shape`. Raises Misconfigured naming file, line and field."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Misconfigured(f"{path} cannot be read: {reason}. Correct the path, or mend the file.") from error
    return parse_document(text, str(path), shape)


def parse_document(text: str, name: str, shape: type[M]) -> Document[M]:
    """As `read_document`, for text that is there already. `name` stands for the file in messages."""
    try:
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            _no_key_twice(name, node)
            data = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "this is not YAML that can be read"
        _refuse(name, mark.line + 1 if mark else 1, (), str(problem), error)
    try:
        return Document(name, text, shape.model_validate(data), node)
    except ValidationError as error:
        first = error.errors()[0]
        _refuse(name, _line(node, first["loc"]), first["loc"], first["msg"], error)


def _refuse(name: str, line: int, place: Place, problem: str, cause: Exception | None = None) -> NoReturn:
    field = ".".join(map(str, place))
    where = f"{name}, line {line}" + (f", {field}" if field else "")
    raise Misconfigured(f"{where}: {problem.rstrip('.')}. Mend the file and start again.") from cause


def _line(node: yaml.Node | None, place: Place) -> int:
    """The line, from 1, of the part at `place`, or of the innermost part above it that is there."""
    line = 1
    for step in place:
        found = _child(node, step)
        if found is None:
            break
        key, node = found
        line = key.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, step: Hashable) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _no_key_twice(name: str, node: yaml.Node | None, place: Place = ()) -> None:
    """YAML would let the last of two equal keys win without a word."""
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _no_key_twice(name, value, (*place, index))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                _refuse(name, key.start_mark.line + 1, (*place, key.value), "this key stands here twice")
            seen.add(str(key.value))
            _no_key_twice(name, value, (*place, str(key.value)))
