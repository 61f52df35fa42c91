"""A record as a table for people: what was asked, what was made, what was checked, what it cost."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Row = tuple[str, str]
_GOOD = frozenset({"allow", "generated_by_us", "trusted", "valid", "verified"})
_BAD = frozenset({"block", "conflicting", "failed", "invalid", "NOT VERIFIED"})
_BETWEEN, _UNSEEN = " · ", "not evaluated: "


def table(record: Mapping[str, Any], *, file: Path | None = None) -> "Table":
    """The record of one image. Parts that are missing say so."""
    rows = [*([("file", str(file))] if file else []), *_picture(record), *_request(record), *_checks(record)]
    return _grid([*rows, *_cost(record), *_chain(record.get("chain"))])


def without_images(record: Mapping[str, Any]) -> "Table":
    """The record of a generation that has no image."""
    generation = _map(record.get("generation"))
    error = _map(generation.get("error"))
    rows = [
        ("generation", str(generation.get("id"))),
        ("status", _words(generation.get("status"), error.get("detail"))),
    ]
    return _grid([*rows, *_request(record), *_checks(record), *_cost(record), *_chain(record.get("chain"))])


def _grid(rows: list[Row]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for label, value in rows:
        first, *rest = value.split(_BETWEEN)
        text = Text().append(first, "red" if first in _BAD else "green" if first in _GOOD else "")
        for part in rest:
            text.append(_BETWEEN).append(part, "yellow" if part.startswith(_UNSEEN) else "")
        made.add_row(label, text)
    return made


def _picture(record: Mapping[str, Any]) -> Iterator[Row]:
    image = _map(record.get("image"))
    size = f"{image.get('width')}×{image.get('height')} {image.get('media_type')}"
    yield "image", _words(image.get("id"), size, image.get("origin"), None if image.get("stored") else "deleted")
    yield "sha256", str(image.get("sha256"))
    if record.get("request") is None:
        return
    yield "seed", str(image.get("seed"))


def _request(record: Mapping[str, Any]) -> Iterator[Row]:
    request = _map(record.get("request"))
    if not request:
        return
    yield "prompt", request.get("prompt") or "(erased)"
    if request.get("negative_prompt"):
        yield "without", str(request["negative_prompt"])
    if request.get("operation") not in (None, "text_to_image"):
        yield "operation", str(request["operation"])
    asked = request.get("requested_model")
    yield (
        "model",
        _words(request.get("model"), f"asked for as {asked}" if asked not in (None, request.get("model")) else None),
    )
    if request.get("route"):
        yield "route", _words(*map(_hop, map(_map, request["route"])))
    if request.get("model_revision"):
        yield "revision", str(request["model_revision"])
    parameters = {name: value for name, value in _map(request.get("parameters")).items() if value is not None}
    yield "parameters", ", ".join(f"{name} {_plain(value)}" for name, value in parameters.items())
    for source in map(_map, request.get("inputs") or ()):
        yield "made from", _words(source.get("image"), source.get("role"))
    for warning in request.get("warnings") or ():
        yield "warning", str(_map(warning).get("message"))


def _hop(hop: Mapping[str, Any]) -> str:
    return f"{hop.get('model')} {hop.get('state')}" + (f" ({hop['code']})" if hop.get("code") else "")


def _checks(record: Mapping[str, Any]) -> Iterator[Row]:
    for verdict in map(_map, record.get("moderation") or ()):
        signals = map(_map, verdict.get("signals") or ())
        unseen = sorted({str(signal.get("detector")) for signal in signals if not signal.get("evaluated")})
        open_ends = _UNSEEN + ", ".join(unseen) if unseen else None
        stage = str(verdict.get("stage")).replace("_", " ")
        yield "moderation", _words(verdict.get("decision"), stage, verdict.get("reason_code"), open_ends)
    inspection, credential = _map(record.get("inspection")), _map(record.get("credential"))
    if "inspection" in record:
        yield "inspection", _words(inspection.get("verdict"), inspection.get("tier")) if inspection else "none"
        yield "credential", _words(credential.get("state"), credential.get("signer")) if credential else "none"
        yield "watermark", _words(_map(record.get("watermark")).get("state")) if record.get("watermark") else "none"


def _cost(record: Mapping[str, Any]) -> Iterator[Row]:
    usage = _map(record.get("usage"))
    if not usage:
        return
    cost = _map(usage.get("cost"))
    micro = cost.get("micro_usd")
    amount = "unknown" if micro is None else f"{micro / 1_000_000:.6f} USD".replace(".000000", "")
    yield "cost", _words(amount, cost.get("status") if micro is not None else None, cost.get("basis"))
    yield "times", ", ".join(_times(record, usage))


def _times(record: Mapping[str, Any], usage: Mapping[str, Any]) -> Iterator[str]:
    for name, label in (("queue_ms", "queued"), ("run_ms", "made in")):
        if usage.get(name) is not None:
            yield f"{label} {usage[name] / 1000:.2f} s"
    attempts = usage.get("attempts")
    yield f"{attempts} attempt{'' if attempts == 1 else 's'}"
    accepted = _map(record.get("request")).get("accepted_at")
    if accepted:
        yield f"accepted {datetime.fromisoformat(str(accepted)):%Y-%m-%d %H:%M:%S} UTC"


def _chain(found: Any) -> Iterator[Row]:
    chain = _map(found)
    if chain:
        result = "verified" if chain.get("verified") else "NOT VERIFIED"
        lines = f"lines {chain.get('first_seq')} to {chain.get('last_seq')}"
        yield "audit chain", _words(result, lines, f"head {str(chain.get('head'))[:16]}…")


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _plain(value: Any) -> str:
    if isinstance(value, list):
        entries = [_map(entry) for entry in value]  # pyright: ignore[reportUnknownVariableType]
        return " + ".join(" ".join(map(_plain, entry.values())) for entry in entries)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(*parts: Any) -> str:
    return _BETWEEN.join(str(part) for part in parts if part not in (None, ""))
