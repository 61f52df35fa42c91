"""Buckets of S3, Google Cloud Storage and Azure: how they are opened, and what their errors mean."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError, UnknownConfigurationKeyError
from obstore.store import AzureStore, GCSStore, S3Store

from platemark.core.errors import Misconfigured

_REMOTE: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
_CLIENT_OPTIONS = frozenset({"allow_http", "allow_invalid_certificates", "proxy_url", "root_certificate"})
_ENDPOINT = re.compile(r"(endpoint|endpoint_url|base_url)$", re.IGNORECASE)
# Long enough for a store that restarts, short enough for somebody who waits.
_RETRY = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}
_TIMEOUTS = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60)}
# Deletions go out in bulk, and what comes back of them has the status in its words only.
_REFUSED = re.compile(r"status code: 40[13]\b")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist|container does not exist")


def open_bucket(
    location: str, options: Mapping[str, str], *, setting: str, options_in: str | None = None
) -> S3Store | GCSStore | AzureStore:
    """The object store at s3://, gs:// or az:// BUCKET/PREFIX; it is not asked yet. Raises Misconfigured.

    `setting` and `options_in` are where location and options were configured, for messages.
    """
    scheme, options_in = location.partition("://")[0], options_in or f"{setting}.options"
    if scheme not in _REMOTE:
        raise Misconfigured(
            f"{setting} is not a place that Platemark can use. Give s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, "
            "az://CONTAINER/PREFIX or a directory."
        )
    config = {name: value for name, value in options.items() if name not in _CLIENT_OPTIONS}
    client = {name: _flag(value) for name, value in options.items() if name in _CLIENT_OPTIONS}
    # Whoever names an endpoint without encryption means it.
    client.setdefault("allow_http", any(_ENDPOINT.search(n) and v.startswith("http://") for n, v in options.items()))
    try:
        return _REMOTE[scheme].from_url(
            location, config=config, client_options={**_TIMEOUTS, **client}, retry_config=_RETRY
        )
    except UnknownConfigurationKeyError:
        raise Misconfigured(
            f"{options_in} has an option that {scheme}:// does not know, among {', '.join(sorted(options))}."
        ) from None
    except (BaseError, ValueError, TypeError):
        raise Misconfigured(
            f"{setting} and {options_in} do not make a usable {scheme}:// store. Check the bucket's "
            "name, and that options which belong together are all there."
        ) from None


def refused(error: Exception) -> bool:
    """True when the store knows our credentials not, or allows them not what we did."""
    return isinstance(error, PermissionDeniedError | UnauthenticatedError) or bool(_REFUSED.search(str(error)))


def lacks_bucket(error: Exception) -> bool:
    """True when it is not the object that is missing, but its bucket."""
    return bool(_NO_BUCKET.search(str(error)))


def _flag(value: str) -> str | bool:
    return {"true": True, "false": False}.get(value.lower(), value)
