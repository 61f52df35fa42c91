"""Secrets by reference: `env:NAME`, `file:PATH`, `exec:COMMAND`. Only operators write references, never requests."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from platemark.core.errors import Misconfigured

MAX_SECRET_BYTES = 64 * 1024


def resolve_secret(reference: str, *, setting: str, seconds: float = 10.0) -> str:
    """The secret that `reference` names, without the line end of a file. Blocks: call it from a thread.

    Raises Misconfigured naming `setting`; no message ever holds a secret, nor text that may be one.
    """
    kind, _, rest = reference.partition(":")
    read = _READERS.get(kind)
    if read is None or not rest.strip():
        raise Misconfigured(f"{setting} is not a reference. Write it as env:NAME, file:PATH or exec:COMMAND.")
    secret = read(rest, setting, seconds).rstrip("\r\n")
    if not secret:
        raise Misconfigured(f"{setting}: what its {kind}: reference names is empty. Put the secret there.")
    return secret


def key_file(path: Path, length: int = 32) -> bytes:
    """The random key in a file: made once, readable by its owner only, shared by whoever reads the file.

    Of several processes that make it at the same time one wins. Blocks.
    Raises Misconfigured where it cannot be read or made, or is shorter than `length` bytes.
    """
    try:
        if not path.exists():
            _make(path, length)
        key = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"The key file {path} cannot be used ({error.strerror}). Check path and rights.") from error
    if len(key) < length:
        raise Misconfigured(f"The key file {path} has {len(key)} bytes, not {length}. Put the right file in its place.")
    return key


def _make(path: Path, length: int) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(length))
    try:
        os.link(partial, path)
    except FileExistsError:
        # Another process was faster: its key holds.
        return
    finally:
        partial.unlink()


def _env(name: str, setting: str, _seconds: float) -> str:
    value = os.environ.get(name)
    if value is None:
        raise Misconfigured(f"{setting}: the environment variable {name} is not set. Set it, or change the reference.")
    return value


def _file(path: str, setting: str, _seconds: float) -> str:
    try:
        with Path(path).expanduser().open("rb") as file:
            return _text(file.read(MAX_SECRET_BYTES + 1), setting)
    except OSError as error:
        raise Misconfigured(f"{setting}: {path} cannot be read ({error.strerror}). Check path and rights.") from error


def _exec(command: str, setting: str, seconds: float) -> str:
    try:
        arguments = shlex.split(command)
        done = subprocess.run(arguments, capture_output=True, timeout=seconds, check=True, stdin=subprocess.DEVNULL)
    except (ValueError, OSError, subprocess.SubprocessError) as error:
        # Arguments and output of the command may hold secrets: only its first word and the kind of failure are told.
        program = command.split(maxsplit=1)[0]
        raise Misconfigured(f"{setting}: {program} gave no secret ({type(error).__name__}). Run it by hand.") from None
    return _text(done.stdout, setting)


def _text(data: bytes, setting: str) -> str:
    if len(data) > MAX_SECRET_BYTES:
        raise Misconfigured(f"{setting}: more than {MAX_SECRET_BYTES} bytes are no secret. Check the reference.")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Misconfigured(f"{setting}: the secret is not UTF-8 text. Check the reference.") from None


_READERS: dict[str, Callable[[str, str, float], str]] = {"env": _env, "file": _file, "exec": _exec}
