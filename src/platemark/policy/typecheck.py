"""The types of conditions, checked by the reference implementation of CEL where it is installed."""

from functools import cache
from typing import Any

from platemark.policy.vocabulary import NAMES

try:
    from cel_expr_python import cel
except ImportError:  # an operator may have left it out; lint says so
    cel = None

AVAILABLE = cel is not None


def type_error(text: str) -> str | None:
    """What is wrong with the types of a condition; None when nothing is, or nobody can tell."""
    if cel is None:
        return None
    try:
        made = _environment().compile(text)
    except RuntimeError as error:
        # The first line says what; the rest draws an arrow under it.
        return str(error).splitlines()[0].rpartition("ERROR: <input>:")[2]
    if made.return_type() != cel.Type.BOOL:
        return f"gives {made.return_type().name()}, not true or false"
    return None


@cache
def _environment() -> Any:
    if cel is None:
        raise LookupError("cel-expr-python is not installed")
    return cel.NewEnv(variables={name: _type(signature) for name, (signature, _) in NAMES.items()})


def _type(signature: str) -> Any:
    """`map(string, list(string))` as the library builds it."""
    if cel is None:
        raise LookupError("cel-expr-python is not installed")
    if signature.startswith("list("):
        return cel.Type.List(_type(signature[5:-1]))
    if signature.startswith("map("):
        key, _, value = signature[4:-1].partition(", ")
        return cel.Type.Map(_type(key), _type(value))
    return getattr(cel.Type, signature.upper())
