"""Targets: where releases are delivered. Directories and buckets are kept here; the others are opened from `net`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from platemark.core.errors import DeliveryFailed, DeliveryUnavailable, Misconfigured
from platemark.core.ports import Parcel, Target
from platemark.net.posting import Host
from platemark.net.secrets import resolve_secret
from platemark.net.webhook import Webhook, key_of
from platemark.net.wordpress import WordPress, basic
from platemark.settings import Settings, TargetSettings
from platemark.store.buckets import lacks_bucket, open_bucket, refused

Store = LocalStore | S3Store | GCSStore | AzureStore
_ABOUT = "publication.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
_SCHEME = re.compile(r"(s3|gs|az)://")


@dataclass(frozen=True)
class Files:
    """Implements `core.ports.Target` for a directory or a bucket: a folder a release, its words beside its files.

    Files are replaced whole, so that writing them twice is writing them once.
    """

    name: str
    kind: str
    store: Store = field(repr=False)
    public_url: str | None = None

    async def deliver(self, parcel: Parcel) -> Mapping[str, Any]:
        """Write every file, then what is said of them: who sees that sees all. The receipt names them."""
        kinds = {one["filename"]: one["media_type"] for one in parcel.document["files"]}
        written = [await self._put(parcel, name, data, kinds[name]) for name, data in parcel.files]
        about = json.dumps(dict(parcel.document), ensure_ascii=False, indent=2, sort_keys=True).encode()
        await self._put(parcel, _ABOUT, about, "application/json")
        return {"files": written}

    async def withdraw(self, parcel: Parcel) -> Mapping[str, Any]:
        """Delete what is there of them, first what is said of them; in a directory their folder goes, too."""
        keys = [self._key(parcel, name) for name in (_ABOUT, *(one["filename"] for one in parcel.document["files"]))]
        try:
            for key in keys:
                await self._delete(key)
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from None
        return {"removed": True}

    async def _delete(self, key: str) -> None:
        try:
            await obstore.delete_async(self.store, key)
        except FileNotFoundError as error:
            # Another bucket than the one that was delivered to: its files may still be seen.
            if lacks_bucket(error):
                raise

    async def _put(self, parcel: Parcel, name: str, data: bytes, media_type: str) -> dict[str, Any]:
        key = self._key(parcel, name)
        # A directory keeps no types.
        attributes = None if isinstance(self.store, LocalStore) else {"Content-Type": media_type}
        try:
            done = await obstore.put_async(self.store, key, data, mode="overwrite", attributes=attributes)
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from None
        url = f"{self.public_url.rstrip('/')}/{key}" if self.public_url else None
        return {"key": key, "etag": done["e_tag"], "url": url}

    def _key(self, parcel: Parcel, name: str) -> str:
        """Where a file lies: one folder, one name in it, and nothing that leads elsewhere."""
        if not (_NAME.fullmatch(parcel.publication) and _NAME.fullmatch(name)):
            raise DeliveryFailed(f"{self.name}: this name cannot be kept. Publish the image again.")
        return f"{parcel.publication}/{name}"

    def _unavailable(self, error: Exception) -> DeliveryUnavailable:
        # The words of the library quote addresses.
        if isinstance(self.store, LocalStore):
            return DeliveryUnavailable(f"{self.name} cannot be written to. Check its location, rights and disk.")
        if refused(error):
            return DeliveryUnavailable(
                f"{self.name} refused our credentials. Check its options, and that they may write and delete there."
            )
        if lacks_bucket(error):
            return DeliveryUnavailable(f"{self.name} has no such bucket. Create it, or change its location.")
        return DeliveryUnavailable(
            f"{self.name} does not answer as it should. Check its location and options, and the network in between."
        )


def open_targets(settings: Settings) -> dict[str, Target]:
    """Every configured target by its name. Blocks. Raises Misconfigured naming what is wrong."""
    return {name: _open(name, said, settings) for name, said in settings.targets.items()}


def _open(name: str, said: TargetSettings, settings: Settings) -> Target:
    setting = f"targets.{name}"
    if said.kind == "directory":
        return Files(name, "directory", _folder(said.location or "", setting), said.public_url)
    if said.kind == "bucket":
        options = {key: value.get_secret_value() for key, value in said.options.items()}
        return Files(name, "bucket", open_bucket(said.location or "", options, setting=setting), said.public_url)
    secret = resolve_secret(said.secret or "", setting=f"{setting}.secret")
    base = settings.public_url.rstrip("/") if settings.public_url else None
    if said.kind == "webhook":
        host = Host(name, said.url or "", seconds=said.timeout_seconds)
        return Webhook(name, host, key_of(secret, setting=f"{setting}.secret"), base)
    return WordPress(name, Host(name, said.url or "", basic(said.user or "", secret), said.timeout_seconds))


def _folder(location: str, setting: str) -> LocalStore:
    try:
        return LocalStore(Path(location).expanduser(), automatic_cleanup=True, mkdir=True)
    except (BaseError, OSError):
        raise Misconfigured(f"{setting}: the directory {location} cannot be made. Check the path and rights.") from None
