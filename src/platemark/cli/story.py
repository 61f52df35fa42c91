"""A record as a table for people: what was asked, what was made, what was checked, what it cost."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platemark.cli import people_story as people
from platemark.cli.faults import appeal_hint, without_route
from platemark.cli.people_story import BETWEEN, Row, as_map, when, words

if TYPE_CHECKING:
    from rich.table import Table

_GOOD = frozenset({"allow", "approved", "generated_by_us", "overturned", "published", "trusted", "valid", "verified"})
_BAD = frozenset({"block", "conflicting", "failed", "invalid", "rejected", "upheld", "NOT VERIFIED"})
_UNSEEN = "not evaluated: "


def table(record: Mapping[str, Any], *, file: Path | None = None) -> "Table":
    """The record of one image. Parts that are missing say so."""
    rows = [*([("file", str(file))] if file else []), *_picture(record), *_request(record), *_checks(record)]
    return grid([*rows, *people.rows(record), *_cost(record), *_chain(record.get("chain"))])


def without_images(record: Mapping[str, Any]) -> "Table":
    """The record of a generation that has no image."""
    generation = as_map(record.get("generation"))
    error = as_map(generation.get("error"))
    detail = str(error.get("detail") or "")
    rows = [
        ("generation", str(generation.get("id"))),
        ("status", words(generation.get("status"), without_route(detail) or None)),
    ]
    if hint := appeal_hint(detail, str(generation.get("id"))):
        rows.append(("to appeal", hint))
    told = (*_request(record), *_checks(record), *people.rows(record), *_cost(record))
    return grid([*rows, *told, *_chain(record.get("chain"))])


def grid(rows: list[Row]) -> "Table":
    """Rows of a label and what stands there; the first part of it in green or red where it is good or bad."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for label, value in rows:
        first, *rest = value.split(BETWEEN)
        text = Text().append(first, "red" if first in _BAD else "green" if first in _GOOD else "")
        for part in rest:
            text.append(BETWEEN).append(part, "yellow" if part.startswith(_UNSEEN) else "")
        made.add_row(label, text)
    return made


def _picture(record: Mapping[str, Any]) -> Iterator[Row]:
    image = as_map(record.get("image"))
    size = f"{image.get('width')}×{image.get('height')} {image.get('media_type')}"
    yield "image", words(image.get("id"), size, image.get("origin"), None if image.get("stored") else "deleted")
    yield "sha256", str(image.get("sha256"))
    if record.get("request") is None:
        upload = as_map(record.get("upload"))
        said = words(upload.get("filename"), upload.get("caption"), upload.get("user"))
        yield "uploaded", words(said, when(upload.get("accepted_at"))) or "not said"
        return
    yield "seed", str(image.get("seed"))


def _request(record: Mapping[str, Any]) -> Iterator[Row]:
    request = as_map(record.get("request"))
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
        words(request.get("model"), f"asked for as {asked}" if asked not in (None, request.get("model")) else None),
    )
    if request.get("route"):
        yield "route", words(*map(_hop, map(as_map, request["route"])))
    if request.get("model_revision"):
        yield "revision", str(request["model_revision"])
    parameters = {name: value for name, value in as_map(request.get("parameters")).items() if value is not None}
    yield "parameters", ", ".join(f"{name} {_plain(value)}" for name, value in parameters.items())
    for source in map(as_map, request.get("inputs") or ()):
        yield "made from", words(source.get("image"), source.get("role"))
    for warning in request.get("warnings") or ():
        yield "warning", str(as_map(warning).get("message"))


def _hop(hop: Mapping[str, Any]) -> str:
    return f"{hop.get('model')} {hop.get('state')}" + (f" ({hop['code']})" if hop.get("code") else "")


def _checks(record: Mapping[str, Any]) -> Iterator[Row]:
    for verdict in map(as_map, record.get("moderation") or ()):
        signals = map(as_map, verdict.get("signals") or ())
        unseen = sorted({str(signal.get("detector")) for signal in signals if not signal.get("evaluated")})
        open_ends = _UNSEEN + ", ".join(unseen) if unseen else None
        yield "moderation", words(*people.ruled(verdict), open_ends)
    inspection, credential = as_map(record.get("inspection")), as_map(record.get("credential"))
    if "inspection" in record:
        yield "inspection", words(inspection.get("verdict"), inspection.get("tier")) if inspection else "none"
        yield "credential", words(credential.get("state"), credential.get("signer")) if credential else "none"
        yield "watermark", words(as_map(record.get("watermark")).get("state")) if record.get("watermark") else "none"


def _cost(record: Mapping[str, Any]) -> Iterator[Row]:
    usage = as_map(record.get("usage"))
    if not usage:
        return
    cost = as_map(usage.get("cost"))
    micro = cost.get("micro_usd")
    amount = "unknown" if micro is None else f"{micro / 1_000_000:.6f} USD".replace(".000000", "")
    yield "cost", words(amount, cost.get("status") if micro is not None else None, cost.get("basis"))
    yield "times", ", ".join(_times(record, usage))


def _times(record: Mapping[str, Any], usage: Mapping[str, Any]) -> Iterator[str]:
    for name, label in (("queue_ms", "queued"), ("run_ms", "made in")):
        if usage.get(name) is not None:
            yield f"{label} {usage[name] / 1000:.2f} s"
    attempts = usage.get("attempts")
    yield f"{attempts} attempt{'' if attempts == 1 else 's'}"
    accepted = as_map(record.get("request")).get("accepted_at")
    if accepted:
        yield f"accepted {when(accepted)}"


def _chain(found: Any) -> Iterator[Row]:
    chain = as_map(found)
    if chain:
        result = "verified" if chain.get("verified") else "NOT VERIFIED"
        lines = f"lines {chain.get('first_seq')} to {chain.get('last_seq')}"
        yield "audit chain", words(result, lines, f"head {str(chain.get('head'))[:16]}…")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        entries = [as_map(entry) for entry in value]  # pyright: ignore[reportUnknownVariableType]
        return " + ".join(" ".join(map(_plain, entry.values())) for entry in entries)
    return f"{value:g}" if isinstance(value, float) else str(value)
