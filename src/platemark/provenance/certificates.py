"""Who signs: a development chain made on first use, or the operator's own."""

import os
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from platemark import telemetry
from platemark.core.errors import Misconfigured
from platemark.net.secrets import resolve_secret
from platemark.provenance.issuing import DEVELOPMENT_NAME as DEVELOPMENT_NAME
from platemark.provenance.issuing import issue

log = telemetry.logger(__name__)
# A new one in time: whoever reads our files then has both for a while.
RENEW_BEFORE = timedelta(days=90)
_FOLDER, _CHAIN, _KEY = "certificate", "chain.pem", "key.pem"
_FOLDERS = re.compile(r"certificate(?:-\d{1,6})?")
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
# C2PA: what a signer's certificate may be for. The last one is C2PA's own claim signing.
_PURPOSES = {
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),
    x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1"),
}
_PURPOSE_NAMES = "email protection, document signing or C2PA claim signing"


@dataclass(frozen=True, slots=True)
class Identity:
    """A signer: PEM chain from leaf upwards, its key, and how C2PA calls the key's algorithm.

    `issuer`: the last certificate of the chain. `ends`: when the leaf does. `key` is empty where it lies elsewhere.
    """

    name: str
    serial: int
    algorithm: str
    chain: str
    issuer: str
    ends: datetime
    key: str = field(repr=False)
    development: bool = False


def development_identity(data: Path, now: datetime) -> Identity:
    """The chain of this data directory, made when there is none; safe when several processes start at once.

    Near its end a new one is made beside it, and the old one stays for reading (`former_identities`).
    Anybody can make such a certificate: files signed with it read as *valid*, never as *trusted*.
    Raises Misconfigured when it cannot be read, written or used any more.
    """
    folders = _folders(data)
    try:
        if not folders or _ends(folders[-1]) - now < RENEW_BEFORE:
            folders.append(_create(data, _number(folders[-1]) + 1 if folders else 1, now))
    except OSError as error:
        raise Misconfigured(f"The signing certificate in {data} cannot be read or made ({error}).") from error
    return _development(folders[-1], now)


def present_identity(data: Path, now: datetime) -> Identity | None:
    """The development chain as it lies there; None before the first start. Writes nothing. Raises Misconfigured."""
    folders = _folders(data)
    return _development(folders[-1], now) if folders else None


def former_identities(data: Path) -> tuple[str, ...]:
    """PEM chains of development certificates that were in use before the present one."""
    chains = list[str]()
    for folder in _folders(data)[:-1]:
        try:
            chains.append((folder / _CHAIN).read_text())
        except (OSError, UnicodeDecodeError):
            log.warning("certificate.unreadable", folder=str(folder))
    return tuple(chains)


def operator_identity(
    certificate: Path, key_reference: str | None, now: datetime, *, password_reference: str | None = None
) -> Identity:
    """The operator's chain and key. Blocks. Raises Misconfigured.

    A PEM chain (leaf first) with a secret reference to its key, or none where the key lies elsewhere; or a PKCS#12 file
    (`.p12`, `.pfx`) with both, and a reference to its password.
    """
    if certificate.suffix.lower() in (".p12", ".pfx"):
        chain, key = _unpack(certificate, password_reference)
        return _identity(chain, key, now, "signing_certificate", development=False)
    try:
        chain = certificate.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"signing_certificate: {certificate} cannot be read. Check path and rights.") from error
    if key_reference is None:
        return _identity(chain, None, now, "signing_certificate", development=False)
    key = resolve_secret(key_reference, setting="signing_key")
    return _identity(chain, key, now, "signing_certificate and signing_key", development=False)


def read_anchors(file: Path, setting: str = "trust_anchors") -> str:
    """The PEM text of certificates. Raises Misconfigured when there is none in it."""
    try:
        pem = file.read_text()
        x509.load_pem_x509_certificates(pem.encode())
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{setting}: {file} is not a PEM file of certificates. Check it.") from error
    return pem


def ends_of(chain: str) -> tuple[int, str]:
    """The serial number of a PEM chain's leaf and the PEM of its last certificate."""
    certificates = x509.load_pem_x509_certificates(chain.encode())
    return certificates[0].serial_number, _pem(certificates[-1])


def _folders(data: Path) -> list[Path]:
    """Those of development certificates, the present one last."""
    return sorted((each for each in data.glob(f"{_FOLDER}*") if _FOLDERS.fullmatch(each.name)), key=_number)


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix(_FOLDER).removeprefix("-") or 1)


def _development(folder: Path, now: datetime) -> Identity:
    try:
        chain, key = (folder / _CHAIN).read_text(), (folder / _KEY).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The signing certificate in {folder} cannot be read or made ({error}).") from error
    return _identity(chain, key, now, f"{folder} (remove it to have a new one made)", development=True)


def _ends(folder: Path) -> datetime:
    """When the certificate in a folder ends. What cannot be read is told of by who reads it next."""
    try:
        return x509.load_pem_x509_certificates((folder / _CHAIN).read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError, IndexError) as error:
        raise Misconfigured(f"The signing certificate in {folder} cannot be read or made ({error}).") from error


def _identity(chain: str, key: str | None, now: datetime, where: str, *, development: bool) -> Identity:
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        private = serialization.load_pem_private_key(key.encode(), None) if key is not None else None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Misconfigured(f"{where}: not a PEM chain with its unencrypted PEM key.") from error
    leaf = certificates[0]
    if private is not None and private.public_key() != leaf.public_key():
        raise Misconfigured(f"{where}: the key does not belong to the first certificate of the chain.")
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise Misconfigured(
            f"{where}: the certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} until "
            f"{leaf.not_valid_after_utc:%Y-%m-%d} only. Renew it, or check this machine's clock."
        )
    algorithm = _algorithm(leaf.public_key(), where)
    _check_purpose(leaf, where)
    _check_order(certificates, where)
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Identity(
        name=str(names[0].value) if names else leaf.subject.rfc4514_string(),
        serial=leaf.serial_number,
        algorithm=algorithm,
        chain=chain,
        issuer=_pem(certificates[-1]),
        ends=leaf.not_valid_after_utc,
        key=key or "",
        development=development,
    )


def _algorithm(key: PublicKeyTypes, where: str) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPublicKey):
        return "ps256"
    raise Misconfigured(f"{where}: C2PA signs with P-256, P-384, P-521, Ed25519 or RSA keys, not with this one.")


def _check_purpose(leaf: x509.Certificate, where: str) -> None:
    """Validators refuse what was signed with a certificate that is not meant for it."""
    try:
        purposes = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        signs = leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except (x509.ExtensionNotFound, ValueError):
        purposes, signs = set[x509.ObjectIdentifier](), False
    if not signs or not purposes & _PURPOSES or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
        raise Misconfigured(
            f"{where}: C2PA wants a certificate with the key usage digital signature and an extended key usage of "
            f"{_PURPOSE_NAMES}, not one for any purpose. Ask your authority for such a certificate."
        )


def _check_order(certificates: list[x509.Certificate], where: str) -> None:
    if len(certificates) == 1:
        raise Misconfigured(f"{where}: the chain has the signer's certificate only. Append those of its issuers.")
    for lower, upper in pairwise(certificates):
        try:
            lower.verify_directly_issued_by(upper)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise Misconfigured(
                f"{where}: {upper.subject.rfc4514_string()} did not issue {lower.subject.rfc4514_string()}. "
                f"Put the chain in order: the signer first, then each one's issuer."
            ) from error


def _unpack(file: Path, password_reference: str | None) -> tuple[str, str]:
    """PEM chain and PEM key of a PKCS#12 file; its further certificates come in no order."""
    password = resolve_secret(password_reference, setting="signing_password") if password_reference else None
    try:
        found = pkcs12.load_pkcs12(file.read_bytes(), password.encode() if password else None)
    except OSError as error:
        raise Misconfigured(f"signing_certificate: {file} cannot be read. Check path and rights.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Misconfigured(
            f"signing_certificate: {file} cannot be opened. Check that it is PKCS#12, and signing_password."
        ) from error
    if found.key is None or found.cert is None:
        raise Misconfigured(f"signing_certificate: {file} holds no key with its certificate. Export both together.")
    chain, others = [found.cert.certificate], [each.certificate for each in found.additional_certs]
    while upper := next((each for each in others if each.subject == chain[-1].issuer and each not in chain), None):
        chain.append(upper)
    key = found.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return "".join(_pem(each) for each in chain), key.decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _create(data: Path, number: int, now: datetime) -> Path:
    folder = data / (_FOLDER if number == 1 else f"{_FOLDER}-{number}")
    data.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".certificate-", dir=data))
    chain, key = issue(now)
    try:
        (draft / _CHAIN).write_bytes(chain)
        with os.fdopen(os.open(draft / _KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
        # A folder is renamed as a whole or not at all, and never onto one that has files: the first process wins.
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not folder.exists():
            raise
    return folder
