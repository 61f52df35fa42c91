"""Export: which marks every published file carries, and whether each still verifies, read from the file itself."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from platemark.core.base import JsonObject
from platemark.core.errors import NotFound, StorageUnavailable
from platemark.core.generation import Generation
from platemark.core.image import Image, Publication
from platemark.core.inspection import Finding
from platemark.core.ports import Platform
from platemark.core.project import Principal
from platemark.core.registry import RegistryEntry
from platemark.core.rendition import Rendition
from platemark.flows.publications.lookup import statement

_AT_ONCE = 200
_VERIFIES = frozenset({"trusted", "valid_untrusted"})
SCHEMA = "provenance/1"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# In the order in which the fields stand in a table.
COLUMNS = (
    "publication",
    "image",
    "rendition",
    "published_at",
    "audience",
    "media_type",
    "sha256",
    "stored",
    "digital_source_type",
    "credential.state",
    "credential.signer",
    "credential.verifies",
    "metadata.source_type",
    "watermark.state",
    "watermark.verifies",
    "registry.entry",
    "label.disclosure",
    "label.text",
    "label.burned",
    "eu_ai_act_article_50.machine_readable",
    "eu_ai_act_article_50.disclosed",
    "california_sb_942.provider",
    "california_sb_942.system",
    "california_sb_942.created_at",
    "california_sb_942.unique_id",
    "california_sb_942.latent_disclosure",
    "california_sb_942.manifest_disclosure",
)


async def export(
    platform: Platform, principal: Principal, *, since: datetime | None = None
) -> AsyncIterator[JsonObject]:
    """One object a file of every release that is published now, oldest first. Reads and verifies each file.

    `since`: only releases from then on. Raises NotAllowed.
    """
    principal.require("audit:read")
    last = ""
    while ids := await _some(platform, principal.project, last):
        last = ids[-1]
        for id in ids:
            async for line in _release(platform, id, since):
                yield line


async def _some(platform: Platform, project: str, after: str) -> list[str]:
    async with platform.store.reading() as read:
        rows = await read.fields(Publication, ("id",), after=after, limit=_AT_ONCE, project=project, state="published")
    return [row[0] for row in rows]


async def _release(platform: Platform, id: str, since: datetime | None) -> AsyncIterator[JsonObject]:
    try:
        found = await statement(platform, id)
    except NotFound:
        # Withdrawn, or closed, since the list was read.
        return
    when = found.publication.published_at or found.publication.changed_at
    if since is not None and when < since:
        return
    async with platform.store.reading() as read:
        made = await read.find(Generation, found.image.generation) if found.image.generation else None
        known = {row.sha256 for row in await read.all(RegistryEntry, image=found.image.id)}
    for one in found.renditions:
        yield await _line(platform, found.publication, found.image, made, one, found.source_type, one.sha256 in known)


async def _line(
    platform: Platform,
    publication: Publication,
    image: Image,
    made: Generation | None,
    one: Rendition,
    source_type: str | None,
    registered: bool,
) -> JsonObject:
    findings, number = await _read(platform, one)
    c2pa = _of(findings, "c2pa")
    verifies = c2pa is not None and bool(c2pa.detail.get("own")) and c2pa.status in _VERIFIES
    written = _source_type(findings)
    readable = verifies or number is not None or written is not None
    return {
        "schema": SCHEMA,
        "publication": publication.id,
        "image": image.id,
        "rendition": one.name,
        "published_at": (publication.published_at or publication.changed_at).isoformat(),
        "audience": publication.audience,
        "media_type": one.media_type,
        "sha256": one.sha256,
        "stored": c2pa is not None,
        "digital_source_type": source_type,
        "credential": {
            "state": c2pa.detail.get("credential_state") if c2pa else None,
            "signer": c2pa.detail.get("signer") if c2pa else None,
            "verifies": verifies,
        },
        "metadata": {"source_type": written},
        "watermark": {"state": one.watermark, "verifies": number is not None if one.watermark == "on" else None},
        "registry": {"entry": registered},
        "label": {
            "disclosure": publication.disclosure,
            "text": publication.label_text,
            "burned": publication.burn_label,
        },
        "eu_ai_act_article_50": {
            "machine_readable": readable,
            "disclosed": publication.disclosure != "none",
        },
        "california_sb_942": {
            "provider": c2pa.detail.get("signer") if c2pa else None,
            "system": made.model if made else None,
            "created_at": image.created_at.isoformat(),
            "unique_id": image.id,
            "latent_disclosure": verifies and number is not None,
            # In the picture, so that it goes wherever the picture goes; a text beside it does not.
            "manifest_disclosure": publication.burn_label,
        },
    }


async def _read(platform: Platform, one: Rendition) -> tuple[Sequence[Finding], int | None]:
    """What the file itself says now; nothing of one whose bytes cannot be read."""
    try:
        data = await platform.blobs.get(f"{one.project}/{one.sha256}")
    except (NotFound, StorageUnavailable):
        return (), None
    findings = await platform.provenance.read(data, one.media_type)
    marked = one.watermark == "on" and platform.watermark is not None
    mark = await platform.watermark.read(data) if marked and platform.watermark else None
    return findings, mark.number if mark else None


def _of(findings: Sequence[Finding], kind: str) -> Finding | None:
    return next((one for one in findings if one.kind == kind), None)


def _source_type(findings: Sequence[Finding]) -> str | None:
    """The digital source type in the file's own metadata, beside its credential."""
    found = _of(findings, "metadata")
    fields: JsonObject = found.detail.get("fields", {}) if found else {}
    return fields.get("xmp:DigitalSourceType")


def flat(line: JsonObject) -> list[str]:
    """The values of `COLUMNS`, as text; a table says nothing for what is not there."""
    return [_text(_at(line, name)) for name in COLUMNS]


def _at(line: JsonObject, name: str) -> object:
    outer, _, inner = name.partition(".")
    return line[outer][inner] if inner else line[outer]


def _text(value: object) -> str:
    if value is None:
        return ""
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    # No cell is ever a formula, nor after what a spreadsheet skips.
    return f"'{text}" if text.startswith(_FORMULA) else text
