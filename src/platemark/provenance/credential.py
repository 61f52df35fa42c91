"""C2PA credentials: sealing our images, and reading anybody's. Remote manifests and OCSP are never fetched."""

import functools
import io
import json
import struct
import time
import zlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import anyio
import anyio.to_thread
import c2pa

from platemark import telemetry
from platemark.core.base import JsonObject
from platemark.core.errors import InvalidImage, Misconfigured, PlatemarkError, SealFailed
from platemark.core.inspection import Finding
from platemark.core.ports import Claim, Ingredient
from platemark.imaging.containers import PNG_SIGNATURE, png_chunk
from platemark.provenance.certificates import Identity, ends_of
from platemark.provenance.claims import USUAL, Terms, claim_manifest, ingredient_definition
from platemark.provenance.ingredients import carried, without
from platemark.provenance.manifest import (
    SETTINGS,
    describe,
    finding,
    identity_of,
    names_identity,
    read_store,
    signature_of,
    state_of,
)
from platemark.provenance.metadata import read_metadata, write_xmp
from platemark.provenance.signers import Sign, Signer, Timestamp
from platemark.provenance.sources import IPTC
from platemark.provenance.trust import TrustList, joined

log = telemetry.logger(__name__)
GENERATOR = "Platemark"
NO_LIST = "no list of trusted authorities is here: platemark models pull provenance/c2pa-trust-list"
_STAMP_REST_SECONDS = 60.0


class Credential:
    """Implements `core.ports.Provenance` with one signing identity.

    `sign`: what makes signatures where we hold no key. `former`: PEM chains that were signed with before.
    `trust`: whom else to trust when reading; of two lists that name an authority, the first is told.

    Our own certificate is no trust anchor when reading: anybody can make a development certificate, so files signed
    with it show as *valid*. That the signature is really ours is checked apart and told in `detail["own"]`.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        sign: Sign | None = None,
        timestamp: Timestamp | None = None,
        terms: Terms = USUAL,
        former: Sequence[str] = (),
        trust: Sequence[TrustList] = (),
        threads: int = 2,
    ) -> None:
        self._identity = identity
        self._signer = Signer(identity, sign)
        self._timestamp = timestamp
        self._no_stamp_before = 0.0
        self._terms = terms
        # Serial numbers of all our certificates, with what each was issued by.
        self._issuers = dict([*map(ends_of, former), (identity.serial, identity.issuer)])
        self._trust = tuple(trust)
        # Apart, so that who waits for an outside signer keeps nobody from reading.
        self._sealing, self._reading = anyio.CapacityLimiter(threads), anyio.CapacityLimiter(threads)

    @property
    def signer(self) -> str:
        """The common name of the signing certificate."""
        return self._identity.name

    async def seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        """The same pixels with XMP source type and a signed claim, read back before they are returned.

        Nothing may touch the bytes afterwards. Raises SealFailed.
        """
        work = functools.partial(self._seal, data, media_type, claim)
        return await anyio.to_thread.run_sync(work, limiter=self._sealing)

    async def read(self, data: bytes, media_type: str) -> tuple[Finding, ...]:
        """One finding of kind `c2pa` and one of kind `metadata`, whatever the bytes are."""
        return await anyio.to_thread.run_sync(
            lambda: (self._read(data, media_type), read_metadata(data, media_type)), limiter=self._reading
        )

    def check(self) -> None:
        """Raise Misconfigured when C2PA does not accept key and certificate. Blocks for milliseconds."""
        try:
            self._signer.open([]).close()
        except c2pa.C2paError as error:
            raise Misconfigured(f"C2PA does not accept the certificate of {self.signer} ({error}).") from error

    def try_out(self) -> None:
        """Sign a picture of one pixel as any other, and read it back. Blocks. Raises SealFailed, Misconfigured."""
        self.check()
        claim = Claim("trial", "trial", f"{IPTC}trainedAlgorithmicMedia", GENERATOR, None, "2000-01-01T00:00:00+00:00")
        self._seal(_pixel(), "image/png", claim)

    def _seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        try:
            marked = self._with_xmp(data, media_type, claim)
            ingredients, left_out = carried(claim.ingredients)
            sealed = self._sign(marked, media_type, claim, ingredients, left_out)
            fault = self._fault(sealed, media_type, claim)
            if fault and any(each.data for each in ingredients):
                # Some credentials hold alone and spoil what they go into, as unknown identities (CAWG) do.
                ingredients, also = without(ingredients)
                sealed = self._sign(marked, media_type, claim, ingredients, (*left_out, *also))
                fault = self._fault(sealed, media_type, claim)
        except (InvalidImage, c2pa.C2paError, KeyError, ValueError) as error:
            raise SealFailed(f"The image could not be signed ({error}). Check the certificate, then retry.") from error
        if fault:
            raise SealFailed(
                f"The new credential does not read back ({fault}). "
                f"Look at the certificate with `platemark doctor`, then retry."
            )
        return sealed

    def _fault(self, sealed: bytes, media_type: str, claim: Claim) -> str | None:
        """What is wrong with what was just written; None where nothing is."""
        # With our own issuer as the only anchor, trusted means: intact, and signed under it. Read as others will, who
        # look into identities, too.
        store = read_store(sealed, media_type, self._identity.issuer, identities=True)
        read = describe(store or {}, own=True)
        if read.status == "trusted" and read.detail["digital_source_type"] == claim.digital_source_type:
            return None
        return f"{read.status}: {', '.join(read.detail['codes']) or 'no code'}"

    def _with_xmp(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        if claim.digital_source_type is None:
            return data
        return write_xmp(data, media_type, source_type=claim.digital_source_type, tool=claim.software)

    def _sign(
        self,
        data: bytes,
        media_type: str,
        claim: Claim,
        ingredients: Sequence[Ingredient],
        left_out: Sequence[str],
    ) -> bytes:
        """With a time stamp where there is an authority. Raises c2pa.C2paError, SealFailed."""
        manifest = claim_manifest(claim, generator=GENERATOR, version=_version(), terms=self._terms, left_out=left_out)
        manifest["ingredients"] = [ingredient_definition(e, n) for n, e in enumerate(ingredients) if e.data is None]
        write = functools.partial(self._write, data, media_type, manifest, ingredients)
        if self._timestamp is None or time.monotonic() < self._no_stamp_before:
            return write(None)
        try:
            return write(self._timestamp.url)
        except c2pa.C2paError as error:
            if self._timestamp.required:
                raise SealFailed(
                    f"The image could not be signed with a time stamp ({error}). Check timestamp_url, or allow "
                    f"signatures without one (timestamp_missing)."
                ) from error
            sealed = write(None)
            # It may take c2pa half a minute to see that nobody answers: not for every picture.
            self._no_stamp_before = time.monotonic() + _STAMP_REST_SECONDS
            log.warning("seal.without_timestamp", image=claim.image)
            return sealed

    def _write(
        self,
        data: bytes,
        media_type: str,
        manifest: JsonObject,
        ingredients: Sequence[Ingredient],
        authority: str | None,
    ) -> bytes:
        sealed, faults = io.BytesIO(), list[PlatemarkError]()
        try:
            with (
                c2pa.Context.from_json(json.dumps(SETTINGS)) as context,
                c2pa.Builder(manifest, context=context) as builder,
                self._signer.open(faults, authority) as signer,
            ):
                for number, each in enumerate(ingredients):
                    if each.data is not None:
                        definition = json.dumps(ingredient_definition(each, number))
                        builder.add_ingredient(definition, each.media_type, io.BytesIO(each.data))  # pyright: ignore[reportUnknownMemberType]
                builder.sign(signer, media_type, io.BytesIO(data), sealed)
        except c2pa.C2paError:
            if faults:
                raise SealFailed(faults[0].detail) from faults[0]
            raise
        return sealed.getvalue()

    def _read(self, data: bytes, media_type: str) -> Finding:
        try:
            store = read_store(data, media_type, joined(self._trust))
            if store is None:
                return finding("none", "absent", **self._list())
            identity = self._identity_in(store, data, media_type)
            settled = self._list(self._settled(store, data, media_type))
            return describe(store, own=self._is_own(store, data, media_type), **identity, **settled)
        except Exception as error:
            # What a hostile manifest makes of the parser, or of its JSON, has no list of errors.
            if str(error).startswith("Remote"):
                return finding("remote_not_fetched", "absent", **self._list())
            state = "invalid" if _has_manifest(data) else "absent"
            return finding("error", state, error=str(error)[:200], **self._list())

    def _list(self, settled: TrustList | None = None) -> JsonObject:
        """The list that the signer is on, else the first one that was looked into."""
        told = settled or next(iter(self._trust), None)
        return {"trust_list": told.words} if told else {"trust_list": None, "trust_list_reason": NO_LIST}

    def _settled(self, store: JsonObject, data: bytes, media_type: str) -> TrustList | None:
        """The list that makes this signer trusted; None where none does."""
        if state_of(store) != "Trusted":
            return None
        for one in self._trust[:-1]:
            again = read_store(data, media_type, one.pem)
            if again is not None and state_of(again) == "Trusted":
                return one
        return self._trust[-1]

    def _identity_in(self, store: JsonObject, data: bytes, media_type: str) -> JsonObject:
        """Who the file says stands behind it (CAWG), as `identity` and `identity_codes`.

        Read apart: it changes nothing about the credential.
        """
        if not names_identity(store):
            return {}
        again = read_store(data, media_type, None, identities=True)
        return identity_of(again or {})

    def _is_own(self, store: JsonObject, data: bytes, media_type: str) -> bool:
        claimed = str(signature_of(store).get("cert_serial_number"))
        issuer = next((issuer for serial, issuer in self._issuers.items() if str(serial) == claimed), None)
        if issuer is None:
            return False
        # With our own issuer as the only anchor, trusted means: signed under it. Serial numbers are an issuer's own.
        again = read_store(data, media_type, issuer)
        return again is not None and state_of(again) == "Trusted"


def _pixel() -> bytes:
    """A PNG of one black pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


def _has_manifest(data: bytes) -> bool:
    return b"jumb" in data and b"c2pa" in data


@functools.cache
def _version() -> str:
    try:
        return version("platemark")
    except PackageNotFoundError:
        return "0"
