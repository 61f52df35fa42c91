"""Google Cloud Storage for the tests: as much of its XML API as the library speaks, and keys that it checks.

Written after https://docs.cloud.google.com/storage/docs/xml-api/overview, since no emulator that a package index has
takes an upload in that API. A key is that of a service account, whose self-signed tokens are verified as
https://google.aip.dev/auth/4111 says. Nothing is listed, and every object is read whole: Platemark does no more.
"""

import base64
import functools
import hashlib
import itertools
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from defusedxml.ElementTree import fromstring
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import Switchboard, bearer_of

ACCOUNT, READER = "platemark@tests.example", "reader@tests.example"
SMALLEST_PART = 5 * 1024 * 1024
_WRITTEN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_ERRORS = {
    "AccessDenied": (403, "Access denied."),
    "AuthenticationRequired": (401, "Authentication required."),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum object size."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchUpload": (404, "The requested upload was not found."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold."),
    "ServiceUnavailable": (503, "The service is currently unavailable. Reduce your request rate and try again."),
}


@dataclass(frozen=True)
class Stored:
    """An object: its bytes, its type, its entity tag, and the number of the write that made it."""

    data: bytes
    media_type: str
    etag: str
    generation: int

    @property
    def headers(self) -> dict[str, str]:
        """What an answer says of it."""
        said = {"etag": self.etag, "x-goog-generation": str(self.generation)}
        return {**said, "last-modified": format_datetime(_WRITTEN, usegmt=True)}


@dataclass
class Upload:
    """One that comes in parts, each under its number."""

    media_type: str
    parts: dict[int, bytes] = field(default_factory=dict[int, bytes])


@dataclass
class GoogleStorage:
    """The server, for `simulate.server.serve`. `buckets`: their objects by name. `open`: it asks nobody for a key."""

    buckets: dict[str, dict[str, Stored]] = field(default_factory=dict[str, dict[str, Stored]])
    uploads: dict[str, Upload] = field(default_factory=dict[str, Upload])
    open: bool = False
    board: Switchboard = field(default_factory=Switchboard)
    name: str = "google_storage"
    troubles: frozenset[str] = frozenset()
    _generations: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def app(self) -> ASGIApp:
        """Every bucket under /BUCKET, its objects under /BUCKET/NAME."""
        return Starlette(
            routes=[
                Route("/{bucket}", self._answer, methods=["GET"]),
                Route("/{bucket}/{name:path}", self._answer, methods=[*self._verbs()]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """What the board asks for."""
        return _refusal("ServiceUnavailable", status)

    async def _answer(self, request: Request) -> Response:
        account = ACCOUNT if self.open else _signed_by(bearer_of(request))
        if account is None:
            return _refusal("AuthenticationRequired")
        if account == READER and request.method not in ("GET", "HEAD"):
            return _refusal("AccessDenied")
        bucket = self.buckets.get(request.path_params["bucket"])
        if bucket is None:
            return _refusal("NoSuchBucket")
        if (name := request.path_params.get("name")) is None:
            return _listed(bucket, request.query_params.get("prefix", ""))
        return await self._verbs()[request.method](bucket, name, request)

    def _verbs(self) -> dict[str, Callable[[dict[str, Stored], str, Request], Awaitable[Response]]]:
        return {"GET": self._get, "HEAD": self._get, "PUT": self._put, "POST": self._post, "DELETE": self._delete}

    async def _get(self, bucket: dict[str, Stored], name: str, request: Request) -> Response:
        if (found := bucket.get(name)) is None:
            return _refusal("NoSuchKey")
        return Response(found.data, media_type=found.media_type, headers=found.headers)

    async def _put(self, bucket: dict[str, Stored], name: str, request: Request) -> Response:
        data, wanted = await request.body(), request.headers.get("x-goog-if-generation-match")
        if "uploadId" in request.query_params:
            return self._take(request.query_params, data)
        if wanted is not None and int(wanted) != (bucket[name].generation if name in bucket else 0):
            return _refusal("PreconditionFailed")
        media_type = request.headers.get("content-type", "application/octet-stream")
        return self._store(bucket, name, data, media_type, _tag(data))

    def _take(self, said: Mapping[str, str], data: bytes) -> Response:
        if (upload := self.uploads.get(said["uploadId"])) is None:
            return _refusal("NoSuchUpload")
        upload.parts[int(said["partNumber"])] = data
        return Response(headers={"etag": _tag(data)})

    async def _post(self, bucket: dict[str, Stored], name: str, request: Request) -> Response:
        if "uploads" in request.query_params:
            id = secrets.token_hex(8)
            self.uploads[id] = Upload(request.headers.get("content-type", "application/octet-stream"))
            return _document("InitiateMultipartUploadResult", Key=name, UploadId=id)
        if (upload := self.uploads.pop(request.query_params["uploadId"], None)) is None:
            return _refusal("NoSuchUpload")
        parts = [upload.parts[number] for number in _numbers(await request.body())]
        if any(len(part) < SMALLEST_PART for part in parts[:-1]):
            return _refusal("EntityTooSmall")
        # The tag of an upload in parts is not the digest of its bytes.
        tag = f'"{_digest(b"".join(map(_digest, parts))).hex()}-{len(parts)}"'
        kept = self._store(bucket, name, b"".join(parts), upload.media_type, tag)
        done = _document("CompleteMultipartUploadResult", Key=name, ETag=tag)
        done.headers["x-goog-generation"] = kept.headers["x-goog-generation"]
        return done

    async def _delete(self, bucket: dict[str, Stored], name: str, request: Request) -> Response:
        if "uploadId" in request.query_params:
            gone = self.uploads.pop(request.query_params["uploadId"], None)
            return _refusal("NoSuchUpload") if gone is None else Response(status_code=204)
        return _refusal("NoSuchKey") if bucket.pop(name, None) is None else Response(status_code=204)

    def _store(self, bucket: dict[str, Stored], name: str, data: bytes, media_type: str, tag: str) -> Response:
        bucket[name] = Stored(data, media_type, tag, next(self._generations))
        return Response(headers=bucket[name].headers)


def key_file(account: str = ACCOUNT, *, forged: bool = False) -> str:
    """The key of a service account as Google hands it out; `forged`: made by somebody else."""
    private = _private_key(f"{account}{' forged' if forged else ''}")
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps(
        {
            "type": "service_account",
            "private_key_id": "1",
            "private_key": pem,
            "client_email": account,
            "client_id": "1",
        }
    )


@functools.cache
def _private_key(_owner: str) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _signed_by(token: str) -> str | None:
    """The account that signed a token for this service, None for any other token."""
    try:
        signed, _, signature = token.rpartition(".")
        head, claims = (json.loads(_unpacked(part)) for part in signed.split("."))
        account: str = claims["iss"]
        if account not in (ACCOUNT, READER) or head["alg"] != "RS256" or not _is_for_storage(claims):
            return None
        _private_key(account).public_key().verify(_unpacked(signature), signed.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, KeyError, ValueError):
        return None
    return account


def _is_for_storage(claims: Mapping[str, Any]) -> bool:
    scopes = (f"https://www.googleapis.com/auth/{name}" for name in ("devstorage.full_control", "cloud-platform"))
    lasts = claims["iat"] - 60 <= time.time() < claims["exp"] <= claims["iat"] + 3600
    return lasts and claims["sub"] == claims["iss"] and any(scope in claims["scope"].split() for scope in scopes)


def _unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _digest(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _tag(data: bytes) -> str:
    return f'"{_digest(data).hex()}"'


def _numbers(body: bytes) -> list[int]:
    return [int(found.text or "") for found in fromstring(body).iter() if found.tag.endswith("PartNumber")]


def _listed(bucket: Mapping[str, Stored], prefix: str) -> Response:
    document = Element("ListBucketResult")
    SubElement(document, "IsTruncated").text = "false"
    for name, one in sorted(bucket.items()):
        if name.startswith(prefix):
            said = {"Key": name, "LastModified": _WRITTEN.isoformat(), "ETag": one.etag, "Size": str(len(one.data))}
            _say(SubElement(document, "Contents"), said)
    return _xml(document)


def _document(root: str, **parts: str) -> Response:
    return _xml(_say(Element(root), parts))


def _say(element: Element, parts: Mapping[str, str]) -> Element:
    for name, text in parts.items():
        SubElement(element, name).text = text
    return element


def _xml(document: Element) -> Response:
    return Response(tostring(document, xml_declaration=True), media_type="application/xml; charset=UTF-8")


def _refusal(code: str, status: int | None = None) -> Response:
    usual, message = _ERRORS[code]
    response = _document("Error", Code=code, Message=message)
    response.status_code = status or usual
    return response
