"""Who signs: a development chain made on first use, or the operator's own."""

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from platemark.core.errors import Misconfigured
from platemark.net.secrets import resolve_secret

DEVELOPMENT_NAME = "Platemark development"
_FOLDER, _CHAIN, _KEY = "certificate", "chain.pem", "key.pem"
# Without a time-stamping authority a signature ends with its certificate, so this one outlives a development machine.
_LIFETIME = timedelta(days=3650)
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True, slots=True)
class Identity:
    """A signer: PEM chain from leaf upwards, its key, and how C2PA calls the key's algorithm."""

    name: str
    serial: int
    algorithm: str
    chain: str
    issuer: str
    key: str = field(repr=False)
    development: bool = False


def development_identity(data: Path, now: datetime) -> Identity:
    """The chain of this data directory, made when there is none; safe when several processes start at once.

    Anybody can make such a certificate: files signed with it read as *valid*, never as *trusted*.
    Raises Misconfigured when it cannot be read, written or used any more.
    """
    folder = data / _FOLDER
    try:
        if not folder.exists():
            _create(folder, now)
        chain, key = (folder / _CHAIN).read_text(), (folder / _KEY).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The signing certificate in {folder} cannot be read or made ({error}).") from error
    return _identity(chain, key, now, f"{folder} (remove it to have a new one made)", development=True)


def operator_identity(certificate: Path, key_reference: str, now: datetime) -> Identity:
    """The operator's chain (PEM, leaf first) and key (a secret reference). Blocks. Raises Misconfigured."""
    try:
        chain = certificate.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"signing_certificate: {certificate} cannot be read. Check path and rights.") from error
    key = resolve_secret(key_reference, setting="signing_key")
    return _identity(chain, key, now, "signing_certificate and signing_key", development=False)


def read_anchors(file: Path) -> str:
    """The PEM text of trusted roots. Raises Misconfigured when there is no certificate in it."""
    try:
        pem = file.read_text()
        x509.load_pem_x509_certificates(pem.encode())
    except (OSError, ValueError) as error:
        raise Misconfigured(f"trust_anchors: {file} is not a PEM file of certificates. Check it.") from error
    return pem


def _identity(chain: str, key: str, now: datetime, where: str, *, development: bool) -> Identity:
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Misconfigured(f"{where}: not a PEM chain with its unencrypted PEM key.") from error
    leaf = certificates[0]
    if private.public_key() != leaf.public_key():
        raise Misconfigured(f"{where}: the key does not belong to the first certificate of the chain.")
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise Misconfigured(f"{where}: the certificate is valid until {leaf.not_valid_after_utc:%Y-%m-%d} only.")
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Identity(
        name=str(names[0].value) if names else leaf.subject.rfc4514_string(),
        serial=leaf.serial_number,
        algorithm=_algorithm(private, where),
        chain=chain,
        issuer=certificates[-1].public_bytes(serialization.Encoding.PEM).decode(),
        key=key,
        development=development,
    )


def _algorithm(key: PrivateKeyTypes, where: str) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise Misconfigured(f"{where}: C2PA signs with P-256, P-384, P-521, Ed25519 or RSA keys, not with this one.")


def _create(folder: Path, now: datetime) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".certificate-", dir=folder.parent))
    chain, key = _issue(now)
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


def _issue(now: datetime) -> tuple[bytes, bytes]:
    """A chain of leaf and root, and the leaf's key. The root's key is forgotten: it signs nothing else, ever."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, name = _name(f"{DEVELOPMENT_NAME} root"), _name(DEVELOPMENT_NAME)
    root = (
        _certificate(root_name, root_key.public_key(), root_name, root_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    )
    leaf = (
        _certificate(name, key.public_key(), root_name, root_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        # What C2PA asks of a signer: a purpose, and not any purpose.
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    )
    pems = [part.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) for part in (leaf, root)]
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return b"".join(pems), secret


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks of readers may be behind ours.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _name(common: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Platemark")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*granted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in granted for usage in _USAGES})
