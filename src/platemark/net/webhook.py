"""The target `webhook`: tells an address of releases and their end, signed by the Standard Webhooks."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from platemark.core.errors import Misconfigured
from platemark.core.ports import Parcel
from platemark.net.posting import Host

_PREFIX = "whsec_"
_LEAST_KEY = 24


def key_of(secret: str, *, setting: str) -> bytes:
    """The bytes of a `whsec_…` secret, 24 or more. Raises Misconfigured naming `setting`."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if len(key) < _LEAST_KEY:
        raise Misconfigured(
            f"{setting}: a webhook's secret is whsec_ and {_LEAST_KEY} random bytes or more in base64. "
            "Make one with: printf 'whsec_%s' \"$(head -c 32 /dev/urandom | base64)\""
        )
    return key


def signature(key: bytes, id: str, moment: datetime, body: bytes) -> dict[str, str]:
    """The three headers by which the receiver knows that the body is ours, and not an old one."""
    seconds = int(moment.timestamp())
    mac = hmac.new(key, f"{id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


@dataclass(frozen=True)
class Webhook:
    """Implements `core.ports.Target`. The id of a message is the delivery's, the same at every try."""

    name: str
    host: Host = field(repr=False)
    key: bytes = field(repr=False)
    base_url: str | None = None
    kind: str = "webhook"

    async def deliver(self, parcel: Parcel) -> Mapping[str, Any]:
        """Tell of a release: addresses and hashes of its files, not their bytes."""
        return await self._tell("publication.published", parcel)

    async def withdraw(self, parcel: Parcel) -> Mapping[str, Any]:
        """Tell that it was taken back; what the receiver does then is its own affair."""
        return await self._tell("publication.withdrawn", parcel)

    async def _tell(self, type: str, parcel: Parcel) -> Mapping[str, Any]:
        document = {"type": type, "timestamp": parcel.document["changed_at"], "data": self._data(parcel)}
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", **signature(self.key, parcel.id, parcel.moment, body)}
        reply = await self.host.send("POST", headers=headers, content=body)
        return {"status": reply.status, "id": parcel.id}

    def _data(self, parcel: Parcel) -> dict[str, Any]:
        files = [{**one, "url": self._url(one["path"])} for one in parcel.document["files"]]
        return {**parcel.document, "verify_url": self._url(parcel.document["verify_path"]), "files": files}

    def _url(self, path: str) -> str | None:
        return f"{self.base_url}{path}" if self.base_url else None
