"""A release as it is handed to a target, and targets as they are configured."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platemark.core.ports import Parcel, Target
from platemark.settings import Settings, TargetSettings
from platemark.store.targets import open_targets

PUBLICATION = "pub_" + "0a" * 16
PICTURE, SMALL = b"\x89PNG picture", b"RIFF small"


def parcel(**changes: Any) -> Parcel:
    def about(name: str, data: bytes, media_type: str, extension: str) -> dict[str, Any]:
        return {
            "name": name,
            "filename": f"{PUBLICATION}-{name}.{extension}",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "media_type": media_type,
            "width": 4,
            "height": 3,
            "path": f"/v1/publications/{PUBLICATION}/content?rendition={name}",
        }

    files = [about("full", PICTURE, "image/png", "png"), about("w2", SMALL, "image/webp", "webp")]
    document = {
        "publication": PUBLICATION,
        "image": "img_" + "0b" * 16,
        "changed_at": "2026-11-22T12:00:00+00:00",
        "alt_text": "A red house — drawn",
        "label_text": "AI-generated image",
        "verify_path": f"/verify/{PUBLICATION}",
        "files": files,
    }
    given = tuple((one["filename"], data) for one, data in zip(files, (PICTURE, SMALL), strict=True))
    fields: dict[str, Any] = {
        "id": "dlv_" + "0c" * 16,
        "publication": PUBLICATION,
        "moment": datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
        "document": document,
        "files": given,
    }
    return Parcel(**{**fields, **changes})


def opened(tmp_path: Path, **said: Any) -> Target:
    settings = Settings(data=tmp_path, public_url="https://api.example", targets={"there": TargetSettings(**said)})
    return open_targets(settings)["there"]
