"""An empty bucket at each vendor, as somebody who configures Platemark knows it: S3, Google Cloud Storage, Azure."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import obstore
import pytest
from obstore.store import AzureStore, GCSStore, S3Store

from google_storage import GoogleStorage, key_file
from platemark.simulate.server import serve
from services import AZURE_ACCOUNT, AZURE_KEY, S3, Azure

VENDORS = [pytest.param("s3", marks=pytest.mark.s3), "google", "azure"]


@dataclass(frozen=True)
class Bucket:
    """Where a bucket is, the options that open it, those with a wrong key, and the test's own way in."""

    scheme: str
    name: str
    options: Mapping[str, str]
    wrong_key: Mapping[str, str]
    store: S3Store | GCSStore | AzureStore

    @property
    def location(self) -> str:
        """As it is configured."""
        return f"{self.scheme}://{self.name}"

    @property
    def missing(self) -> str:
        """A bucket of the same vendor that is not there."""
        return f"{self.scheme}://{self.name}-none"

    async def keys(self) -> set[str]:
        """The names of all that is in it."""
        found = obstore.list(self.store)  # pyright: ignore[reportUnknownMemberType]
        return {one["path"] async for some in found for one in some}


@asynccontextmanager
async def fresh_bucket(vendor: str, request: pytest.FixtureRequest) -> AsyncGenerator[Bucket]:
    """An empty bucket of one of the `VENDORS`, for the fixture that asks."""
    match vendor:
        case "s3":
            yield _at_s3(request.getfixturevalue("s3"))
        case "azure":
            yield _at_azure(request.getfixturevalue("azure"))
        case _:
            async with serve(GoogleStorage({"pictures": {}})) as url:
                yield at_google(url)


def at_google(url: str) -> Bucket:
    """The bucket `pictures` of a `GoogleStorage` at this address."""
    options = {"base_url": url, "service_account_key": key_file()}
    store = GCSStore("pictures", client_options={"allow_http": True}, base_url=url, service_account_key=key_file())
    return Bucket("gs", "pictures", options, {**options, "service_account_key": key_file(forged=True)}, store)


def _at_s3(s3: S3) -> Bucket:
    options = {
        "endpoint": s3.endpoint,
        "region": s3.region,
        "access_key_id": s3.access_key,
        "secret_access_key": s3.secret_key,
    }
    return Bucket("s3", s3.bucket, options, {**options, "secret_access_key": "guessed-secret"}, s3.store())


def _at_azure(azure: Azure) -> Bucket:
    endpoint = f"{azure.endpoint}/{AZURE_ACCOUNT}"
    options = {"endpoint": endpoint, "account_name": AZURE_ACCOUNT, "account_key": AZURE_KEY}
    return Bucket("az", azure.container, options, {**options, "account_key": "Z3Vlc3NlZA=="}, azure.store())
