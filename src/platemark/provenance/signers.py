"""Who makes a signature: our own key, a command, or a service that is asked over HTTPS."""

import shlex
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import c2pa
import httpx2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from platemark.core.errors import PlatemarkError, SealFailed
from platemark.net.secrets import resolve_secret
from platemark.provenance.certificates import Identity

# Bytes in, signature out; raises SealFailed.
Sign = Callable[[bytes], bytes]
_MAX_SIGNATURE = 4096
_HASHES = {"es256": hashes.SHA256(), "es384": hashes.SHA384(), "es512": hashes.SHA512(), "ps256": hashes.SHA256()}
_ALGORITHMS = {
    "es256": c2pa.C2paSigningAlg.ES256,
    "es384": c2pa.C2paSigningAlg.ES384,
    "es512": c2pa.C2paSigningAlg.ES512,
    "ps256": c2pa.C2paSigningAlg.PS256,
    "ed25519": c2pa.C2paSigningAlg.ED25519,
}


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A time-stamping authority (RFC 3161). `required`: without its answer nothing is sealed."""

    url: str
    required: bool = True


class Signer:
    """Makes C2PA's signers for one identity. `sign`: asked for each signature; None where we hold the key."""

    def __init__(self, identity: Identity, sign: Sign | None = None) -> None:
        self.identity = identity
        self._sign = sign

    def open(self, faults: list[PlatemarkError], authority: str | None = None) -> c2pa.Signer:
        """C2PA's signer; the caller closes it. What an external one fails with is appended to `faults`.

        `authority`: the URL of a time-stamping authority, which c2pa asks by itself. Raises c2pa.C2paError.
        """
        own = self.identity
        sign = self._sign
        if sign is None:
            return c2pa.Signer.from_info(
                c2pa.C2paSignerInfo(own.algorithm, own.chain.encode(), own.key.encode(), authority)
            )
        leaf = x509.load_pem_x509_certificate(own.chain.encode())

        def ask(data: bytes) -> bytes:
            # c2pa swallows what is raised here, and logs it: the fault is carried around it instead.
            try:
                return bare_signature(sign(data), own.algorithm, leaf, data)
            except PlatemarkError as error:
                faults.append(error)
                return b""

        return c2pa.Signer.from_callback(ask, _ALGORITHMS[own.algorithm], own.chain, authority)


def by_command(command: str, seconds: float) -> Sign:
    """A command that reads what is to be signed from its input and writes the bare signature. No shell is used."""
    arguments = shlex.split(command)

    def sign(data: bytes) -> bytes:
        try:
            done = subprocess.run(arguments, input=data, capture_output=True, timeout=seconds, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            # Its arguments and output may hold secrets: only its name and the kind of failure are told.
            raise SealFailed(
                f"The signing command {arguments[0]} gave no signature ({type(error).__name__}). Run it by hand."
            ) from None
        return _bounded(done.stdout, f"The signing command {arguments[0]}")

    return sign


def by_https(url: str, token: str | None, algorithm: str, seconds: float, *, tls: ssl.SSLContext | None = None) -> Sign:
    """A service that is sent what is to be signed, and answers with the bare signature.

    `token`: a reference to its bearer token, read for each signature, so that it may change.
    """
    host = httpx2.URL(url).host

    def sign(data: bytes) -> bytes:
        headers = {"content-type": "application/octet-stream", "platemark-algorithm": algorithm}
        if token:
            headers["authorization"] = f"Bearer {resolve_secret(token, setting='signing_token')}"
        try:
            return _bounded(_post(url, headers, data, seconds, tls), f"The signing service {host}")
        except httpx2.HTTPError as error:
            raise SealFailed(
                f"The signing service {host} could not be asked ({type(error).__name__}). Check it and signing_url."
            ) from None

    return sign


def _post(url: str, headers: dict[str, str], data: bytes, seconds: float, tls: ssl.SSLContext | None) -> bytes:
    """What it answers, bounded in size and time. Raises SealFailed, httpx2.HTTPError."""
    ends, body = time.monotonic() + seconds, bytearray()
    with (
        httpx2.Client(verify=tls or ssl.create_default_context(), trust_env=False, timeout=seconds) as client,
        client.stream("POST", url, content=data, headers=headers) as answer,
    ):
        if answer.status_code != 200:
            raise SealFailed(
                f"The signing service {answer.url.host} answered with status {answer.status_code}. "
                f"Check it, signing_url and signing_token."
            )
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > _MAX_SIGNATURE or time.monotonic() > ends:
                raise SealFailed(f"The signing service {answer.url.host} answers too much or too slowly. Check it.")
    return bytes(body)


def _bounded(signature: bytes, who: str) -> bytes:
    if not 0 < len(signature) <= _MAX_SIGNATURE:
        raise SealFailed(f"{who} gave {len(signature)} bytes, which are no signature. It has to give the bare bytes.")
    return signature


def bare_signature(signature: bytes, algorithm: str, leaf: x509.Certificate, data: bytes) -> bytes:
    """The signature as C2PA wants it (RFC 9053): ECDSA's two numbers side by side, whether they came so or as DER.

    It is checked with the certificate's key at once. Raises SealFailed.
    """
    key = leaf.public_key()
    width = (key.key_size + 7) // 8 if isinstance(key, ec.EllipticCurvePublicKey) else 0
    try:
        if width and len(signature) != 2 * width:
            numbers = decode_dss_signature(signature)
            signature = b"".join(number.to_bytes(width, "big") for number in numbers)
        _verify(signature, algorithm, key, data, width)
    except (InvalidSignature, ValueError, OverflowError) as error:
        raise SealFailed(
            f"What came from the external signer is no {algorithm} signature by the key of the certificate. "
            f"Check that it signs with that key and algorithm."
        ) from error
    return signature


def _verify(signature: bytes, algorithm: str, key: object, data: bytes, width: int) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    elif isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(_HASHES[algorithm]), padding.PSS.DIGEST_LENGTH)
        key.verify(signature, data, pss, _HASHES[algorithm])
    elif isinstance(key, ec.EllipticCurvePublicKey):
        r, s = (int.from_bytes(part, "big") for part in (signature[:width], signature[width:]))
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(_HASHES[algorithm]))
