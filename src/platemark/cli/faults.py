"""Errors as people read them: one line, a hint, an exit code; a traceback only for who asks for it."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import cast

import typer

FAILED, MISUSED, UNFINISHED, INTERRUPTED = 1, 2, 3, 130
DEBUG = "PLATEMARK_DEBUG"
_ROUTE = re.compile(r" with POST /v1/\w+/(\w+)/appeal")
_SECRET = re.compile(r"pm_[0-9a-f]{64}")


def guarded(run: Callable[[], int]) -> int:
    """The exit code of `run`, or that of the error it ended with, which is told on standard error."""
    try:
        return run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as caught:
        error = _unwrapped(caught)
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has left; Python would complain about it once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        if os.environ.get(DEBUG):
            raise
        code, lines = explained(error)
        sys.stderr.write(_SECRET.sub("pm_…", "\n  ".join(lines)) + "\n")
        return code


def _unwrapped(error: Exception) -> Exception:
    """The error in a task group's group of one."""
    group: object = error
    if isinstance(group, ExceptionGroup):
        inside = cast("ExceptionGroup[Exception]", group).exceptions
        return _unwrapped(inside[0]) if len(inside) == 1 else error
    return error


def explained(error: Exception) -> tuple[int, list[str]]:
    """Exit code and lines for an error."""
    from platemark.core.errors import Misconfigured, PlatemarkError

    match error:
        case typer.TyperException():
            return error.exit_code, [_line(error.format_message()), "hint: add --help to see what is accepted"]
        case PlatemarkError():
            code = MISUSED if isinstance(error, Misconfigured) else FAILED
            return code, [_line(without_route(error.detail)), *_details(error)]
        case ModuleNotFoundError() if not (error.name or "").startswith("platemark"):
            return MISUSED, [
                _line(f"this needs the package {error.name}, which is not installed."),
                "hint: pip install 'platemark[server,local]'",
            ]
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return FAILED, [_line(f"{place}{error.strerror or error}.")]
        case _:
            what = f"{type(error).__name__}: {error}".rstrip(": ")
            return FAILED, [_line(f"unexpected: {what}"), f"hint: {DEBUG}=1 shows where it happened; please report it"]


def without_route(detail: str) -> str:
    """What a server said without the address to appeal at, for which the command line has a command."""
    return _ROUTE.sub("", detail)


def appeal_hint(detail: str, generation: str | None) -> str | None:
    """The command for an appeal, where a server's sentence offers one."""
    route = _ROUTE.search(detail)
    about = route.group(1) if route else generation
    offered = about is not None and (route is not None or "or appeal" in detail)
    return f'platemark reviews appeal {about} --statement "…"' if offered else None


def _line(text: str) -> str:
    return f"platemark: error: {' '.join(text.split())}"


def _details(error: Exception) -> Iterator[str]:
    from platemark.core.errors import PlatemarkError

    if not isinstance(error, PlatemarkError):
        return
    for field in error.errors:
        yield f"{field.pointer}: {field.message}" if field.pointer else field.message
    named = {"generation": error.generation, "request": error.request_id}
    known = [f"{name} {value}" for name, value in named.items() if value]
    if known:
        yield ", ".join(known)
    if hint := appeal_hint(error.detail, error.generation):
        yield f"hint: {hint}"
    if error.retry_after:
        yield f"hint: try again in {error.retry_after:.0f} s"
