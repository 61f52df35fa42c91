"""C2PA credentials: sealing our images, and reading anybody's. Remote manifests and OCSP are never fetched."""

import functools
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import anyio
import anyio.to_thread
import c2pa

from platemark.core.errors import InvalidImage, Misconfigured, SealFailed
from platemark.core.inspection import Finding
from platemark.core.ports import Claim
from platemark.provenance.certificates import Identity, development_identity, operator_identity, read_anchors
from platemark.provenance.claims import claim_manifest
from platemark.provenance.manifest import (
    SETTINGS,
    describe,
    finding,
    read_store,
    signature_of,
    state_of,
)
from platemark.provenance.metadata import read_metadata, write_xmp
from platemark.settings import Settings

GENERATOR = "Platemark"
T = TypeVar("T")


class Credential:
    """Implements `core.ports.Provenance` with one signing identity.

    Our own certificate is no trust anchor when reading: anybody can make a development certificate, so files signed
    with it show as *valid*. That the signature is really ours is checked apart and told in `detail["own"]`.
    """

    def __init__(self, identity: Identity, *, trust_anchors: str | None = None, threads: int = 2) -> None:
        self._identity = identity
        self._anchors = trust_anchors
        self._limiter = anyio.CapacityLimiter(threads)

    @property
    def signer(self) -> str:
        """The common name of the signing certificate."""
        return self._identity.name

    async def seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        """The same pixels with XMP source type and a signed claim, read back before they are returned.

        Nothing may touch the bytes afterwards. Raises SealFailed.
        """
        return await self._run(functools.partial(self._seal, data, media_type, claim))

    async def read(self, data: bytes, media_type: str) -> tuple[Finding, ...]:
        """One finding of kind `c2pa` and one of kind `metadata`, whatever the bytes are."""
        return await self._run(lambda: (self._read(data, media_type), read_metadata(data, media_type)))

    def check(self) -> None:
        """Raise Misconfigured when C2PA does not accept key and certificate. Blocks for milliseconds."""
        try:
            self._signer().close()
        except c2pa.C2paError as error:
            raise Misconfigured(f"C2PA does not accept the certificate of {self.signer} ({error}).") from error

    async def _run(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    def _signer(self) -> c2pa.Signer:
        own = self._identity
        return c2pa.Signer.from_info(c2pa.C2paSignerInfo(own.algorithm, own.chain.encode(), own.key.encode(), None))

    def _seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        try:
            marked = write_xmp(data, media_type, source_type=claim.digital_source_type, tool=claim.software)
            sealed = self._sign(marked, media_type, claim)
        except (InvalidImage, c2pa.C2paError, KeyError, ValueError) as error:
            raise SealFailed(f"The image could not be signed ({error}). Check the certificate, then retry.") from error
        read = self._read(sealed, media_type)
        if not read.detail["own"] or read.detail["digital_source_type"] != claim.digital_source_type:
            raise SealFailed(f"The new credential does not read back ({read.status}, {read.detail['codes']}). Retry.")
        return sealed

    def _sign(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        sealed = io.BytesIO()
        manifest = claim_manifest(claim, generator=GENERATOR, version=_version())
        with (
            c2pa.Context.from_json(json.dumps(SETTINGS)) as context,
            c2pa.Builder(manifest, context=context) as builder,
            self._signer() as signer,
        ):
            builder.sign(signer, media_type, io.BytesIO(data), sealed)
        return sealed.getvalue()

    def _read(self, data: bytes, media_type: str) -> Finding:
        try:
            store = read_store(data, media_type, self._anchors)
            if store is None:
                return finding("none", "absent")
            claims_to_be_ours = signature_of(store).get("cert_serial_number") == str(self._identity.serial)
            return describe(store, own=claims_to_be_ours and self._is_own(data, media_type))
        except Exception as error:
            # What a hostile manifest makes of the parser, or of its JSON, has no list of errors.
            if str(error).startswith("Remote"):
                return finding("remote_not_fetched", "absent")
            return finding("error", "invalid" if _has_manifest(data) else "absent", error=str(error)[:200])

    def _is_own(self, data: bytes, media_type: str) -> bool:
        # With our own issuer as the only anchor, trusted means: signed under it. Serial numbers are an issuer's own.
        store = read_store(data, media_type, self._identity.issuer)
        return store is not None and state_of(store) == "Trusted"


async def open_provenance(settings: Settings) -> Credential:
    """The operator's certificate where one is set, else a development certificate. Raises Misconfigured."""
    return await anyio.to_thread.run_sync(_open, settings, datetime.now(UTC))


def _open(settings: Settings, now: datetime) -> Credential:
    if (settings.signing_certificate is None) != (settings.signing_key is None):
        raise Misconfigured("signing_certificate and signing_key belong together: set both, or neither.")
    if settings.signing_certificate is not None and settings.signing_key is not None:
        identity = operator_identity(settings.signing_certificate, settings.signing_key, now)
    else:
        identity = development_identity(settings.data, now)
    anchors = read_anchors(settings.trust_anchors) if settings.trust_anchors else None
    credential = Credential(identity, trust_anchors=anchors)
    credential.check()
    return credential


def _has_manifest(data: bytes) -> bool:
    return b"jumb" in data and b"c2pa" in data


@functools.cache
def _version() -> str:
    try:
        return version("platemark")
    except PackageNotFoundError:
        return "0"
