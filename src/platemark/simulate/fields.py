"""Forms and field tables of fake vendors: what a route takes, and the complaints about everything else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Field:
    """One field: a text, number, integer, flag, list, object or file.

    `least` and `most` bound a number, or the length of a text or list; `step`: the number is a multiple of it.
    """

    kind: str = "text"
    required: bool = False
    least: float | None = None
    most: float | None = None
    one_of: tuple[str, ...] = ()
    step: int | None = None


async def form_of(request: Request) -> tuple[dict[str, str], dict[str, bytes]]:
    """The fields of a form, and its files."""
    given, files = dict[str, str](), dict[str, bytes]()
    async with request.form() as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files[name] = await value.read()
            else:
                given[name] = value
    return given, files


def complaints(table: Mapping[str, Field], given: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    """One sentence for each thing that the vendor would refuse; unknown names are refused too."""
    for name in (*given, *files):
        if name not in table:
            yield f"{name}: is not a known field"
    for name, field in table.items():
        value = files.get(name) if field.kind == "file" else given.get(name)
        if value is None:
            if field.required:
                yield f"{name}: is required"
        elif complaint := _complaint(field, value):
            yield f"{name}: {complaint}"


# What Python makes of it, what it is called, and what its length counts.
_SHAPES: Mapping[str, tuple[type[Any], str, str]] = {
    "text": (str, "a text", "characters"),
    "list": (list, "a list", "entries"),
    "flag": (bool, "true or false", ""),
    "object": (dict, "an object", ""),
}


def _complaint(field: Field, value: Any) -> str | None:
    if field.kind == "file":
        return None if value else "is empty"
    if field.one_of:
        return None if value in field.one_of else f"must be one of {', '.join(field.one_of)}"
    if field.kind in _SHAPES:
        shape, called, unit = _SHAPES[field.kind]
        return _outside(field, len(value) if unit else 0, unit) if isinstance(value, shape) else f"must be {called}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return "must be a number"
    if field.kind == "integer" and number != int(number):
        return "must be a whole number"
    if field.step and number % field.step:
        return f"must be a multiple of {field.step}"
    return _outside(field, number, "")


def _outside(field: Field, number: float, unit: str) -> str | None:
    if field.least is not None and number < field.least:
        return f"must be at least {field.least:g} {unit}".rstrip()
    if field.most is not None and number > field.most:
        return f"must be at most {field.most:g} {unit}".rstrip()
    return None
