"""The audit chain: line hash = SHA-256(previous hash ‖ sequence ‖ body digest). Verifiable without a server."""

import hashlib
import json
from collections.abc import Iterable

from platemark.core.base import JsonObject, Part
from platemark.core.errors import AuditBroken

GENESIS = "0" * 64


class AuditLine(Part):
    """One line of one project's chain. `seq` starts at 1 and has no gaps."""

    project: str
    seq: int
    prev: str
    hash: str
    body: JsonObject


def canonical(body: JsonObject) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def line_hash(prev: str, seq: int, body: JsonObject) -> str:
    """The hash of a line, 64 hexadecimal digits."""
    digest = hashlib.sha256(canonical(body)).digest()
    return hashlib.sha256(bytes.fromhex(prev) + seq.to_bytes(8, "big") + digest).hexdigest()


def salted_digest(salt: str, body: JsonObject) -> str:
    """Digest of personal text that says nothing once the salt is gone (erasure keeps the chain whole)."""
    return hashlib.sha256(bytes.fromhex(salt) + canonical(body)).hexdigest()


def next_line(project: str, last: AuditLine | None, body: JsonObject) -> AuditLine:
    """The line that follows `last` (None: the first line)."""
    seq, prev = (1, GENESIS) if last is None else (last.seq + 1, last.hash)
    return AuditLine(project=project, seq=seq, prev=prev, hash=line_hash(prev, seq, body), body=body)


def verify(lines: Iterable[AuditLine], *, after: AuditLine | None = None) -> AuditLine | None:
    """Recompute every line of one chain; return the head. Raises AuditBroken at the first line that does not fit."""
    last = after
    for line in lines:
        expected = next_line(line.project, last, line.body)
        if expected != line:
            raise AuditBroken(
                f"The chain of {line.project} breaks at line {line.seq}: something was changed, removed or reordered "
                "after it was written. Compare with an earlier export to see what."
            )
        last = line
    return last
