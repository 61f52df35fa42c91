"""The target `wordpress`: puts the picture of a release into a site's media library, with its words.

By the REST handbook of WordPress (wp/v2/media), with an application password. A file is known again by its slug.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from platemark.core.errors import DeliveryFailed
from platemark.core.ports import Parcel
from platemark.net.posting import Host

_MEDIA = "/wp-json/wp/v2/media"


def basic(user: str, password: str) -> dict[str, str]:
    """The header of an application password."""
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@dataclass(frozen=True)
class WordPress:
    """Implements `core.ports.Target`. Only the picture itself is sent: the site makes its own sizes, without marks."""

    name: str
    host: Host = field(repr=False)
    kind: str = "wordpress"

    async def deliver(self, parcel: Parcel) -> Mapping[str, Any]:
        """Upload, unless it is there already, then say what it shows. The receipt has `id` and `url`."""
        found = await self._find(parcel) or await self._upload(parcel)
        words = {
            "slug": _slug(parcel),
            "title": parcel.publication,
            "alt_text": parcel.document["alt_text"] or "",
            "caption": parcel.document["label_text"] or "",
        }
        headers = {"content-type": "application/json"}
        await self.host.send("POST", f"{_MEDIA}/{found['id']}", headers=headers, content=json.dumps(words).encode())
        return {"id": found["id"], "url": found.get("source_url")}

    async def withdraw(self, parcel: Parcel) -> Mapping[str, Any]:
        """Delete it for good; posts that show it lose it."""
        found = await self._find(parcel)
        if found is None:
            return {"removed": False, "reason": "it was not there any more"}
        # 410: somebody else has just deleted it.
        reply = await self.host.send("DELETE", f"{_MEDIA}/{found['id']}", query={"force": "true"}, fine=(404, 410))
        return {"removed": reply.status < 300, "id": found["id"]}

    async def _find(self, parcel: Parcel) -> dict[str, Any] | None:
        reply = await self.host.send("GET", _MEDIA, query={"slug": _slug(parcel), "context": "edit"})
        data: Any = reply.data
        rows = cast("list[Any]", data) if isinstance(data, list) else []
        return self._row(rows[0]) if rows else None

    async def _upload(self, parcel: Parcel) -> dict[str, Any]:
        _, data = parcel.files[0]
        about = parcel.document["files"][0]
        name = f"{_slug(parcel)}.{about['filename'].rpartition('.')[2]}"
        headers = {"content-type": about["media_type"], "content-disposition": f'attachment; filename="{name}"'}
        return self._row((await self.host.send("POST", _MEDIA, headers=headers, content=data)).data)

    def _row(self, data: Any) -> dict[str, Any]:
        row = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
        if not isinstance(row.get("id"), int):
            raise DeliveryFailed(f"{self.name} does not answer like WordPress (wp/v2/media). Check its address.")
        return row


def _slug(parcel: Parcel) -> str:
    # Lower case, figures and hyphens: WordPress keeps it as it is.
    return "platemark-" + parcel.publication.removeprefix("pub_")
