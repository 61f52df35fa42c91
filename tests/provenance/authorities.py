"""Certificate authorities of a test: chains for any key that C2PA knows, and a time-stamping authority (RFC 3161)."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
KEYS = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "es512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ps256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


@dataclass(frozen=True)
class Chain:
    """A leaf's key, and the certificates from leaf to root."""

    key: Key
    certificates: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> str:
        return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in self.certificates)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def chain(
    key: Key,
    *,
    purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    now: datetime | None = None,
    days: int = 365,
) -> Chain:
    """Leaf, intermediate and root, the leaf with this one purpose."""
    now = now or datetime.now(UTC)
    root_key, middle_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _issue("Test root", root_key, "Test root", root_key, now, days, None)
    middle = _issue("Test authority", middle_key, "Test root", root_key, now, days, None)
    leaf = _issue("Test signer", key, "Test authority", middle_key, now, days, purpose or "none")
    return Chain(key, (leaf, middle, root))


def _issue(
    name: str,
    key: Key,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
    purpose: x509.ObjectIdentifier | str | None,
) -> x509.Certificate:
    usages = {
        **dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False),
        **dict.fromkeys(("encipher_only", "decipher_only"), False),
        "digital_signature": purpose is not None,
        "key_cert_sign": purpose is None,
        "crl_sign": purpose is None,
    }
    builder = (
        x509.CertificateBuilder(_name(issuer), _name(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=purpose is None, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usages), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if isinstance(purpose, x509.ObjectIdentifier):
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([purpose]), critical=purpose == ExtendedKeyUsageOID.TIME_STAMPING
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


# DER, as far as a time stamp needs it.


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    length = bytes([len(body)]) if len(body) < 128 else b""
    if not length:
        digits = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
        length = bytes([0x80 | len(digits)]) + digits
    return bytes([tag]) + length + body


def _oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    body = bytes([first * 40 + second])
    for part in rest:
        groups = [part & 0x7F]
        while part := part >> 7:
            groups.append(0x80 | part & 0x7F)
        body += bytes(reversed(groups))
    return _der(0x06, body)


def _integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _children(der: bytes) -> list[bytes]:
    """The elements inside of one, each whole."""
    _, start, end = _span(der, 0)
    found, at = list[bytes](), start
    while at < end:
        _, _, stop = _span(der, at)
        found.append(der[at:stop])
        at = stop
    return found


def _span(der: bytes, at: int) -> tuple[int, int, int]:
    size, start = der[at + 1], at + 2
    if size & 0x80:
        digits = size & 0x7F
        size, start = int.from_bytes(der[start : start + digits], "big"), start + digits
    return der[at], start, start + size


_SHA256 = _der(0x30, _oid("2.16.840.1.101.3.4.2.1"))
_TST_INFO = "1.2.840.113549.1.9.16.1.4"


def stamp(request: bytes, authority: Chain, now: datetime) -> bytes:
    """The TimeStampResp to a TimeStampReq (RFC 3161), signed by the authority's P-256 key."""
    _, imprint, *rest = _children(request)
    nonces = [part for part in rest if part[0] == 0x02]
    info = _der(
        0x30,
        _integer(1),
        _oid("1.3.6.1.4.1.99999.1"),
        imprint,
        _integer(7),
        _der(0x18, now.strftime("%Y%m%d%H%M%SZ").encode()),
        *nonces,
    )
    leaf = authority.certificates[0]
    encoded = leaf.public_bytes(serialization.Encoding.DER)
    attributes = (
        _der(0x30, _oid("1.2.840.113549.1.9.3"), _der(0x31, _oid(_TST_INFO))),
        _der(0x30, _oid("1.2.840.113549.1.9.4"), _der(0x31, _der(0x04, hashlib.sha256(info).digest()))),
        _der(
            0x30,
            _oid("1.2.840.113549.1.9.16.2.47"),
            _der(0x31, _der(0x30, _der(0x30, _der(0x30, _der(0x04, hashlib.sha256(encoded).digest()))))),
        ),
    )
    key = authority.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(_der(0x31, *sorted(attributes)), ec.ECDSA(hashes.SHA256()))
    signer = _der(
        0x30,
        _integer(1),
        _der(0x30, leaf.issuer.public_bytes(), _integer(leaf.serial_number)),
        _SHA256,
        _der(0xA0, *sorted(attributes)),
        _der(0x30, _oid("1.2.840.10045.4.3.2")),
        _der(0x04, signature),
    )
    signed = _der(
        0x30,
        _integer(3),
        _der(0x31, _SHA256),
        _der(0x30, _oid(_TST_INFO), _der(0xA0, _der(0x04, info))),
        _der(0xA0, *(each.public_bytes(serialization.Encoding.DER) for each in authority.certificates)),
        _der(0x31, signer),
    )
    token = _der(0x30, _oid("1.2.840.113549.1.7.2"), _der(0xA0, signed))
    return _der(0x30, _der(0x30, _integer(0)), token)


@contextmanager
def listening(answer: type[BaseHTTPRequestHandler]) -> Generator[str]:
    """A server on a free port of this machine; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def time_stamping(now: datetime | None = None) -> Generator[tuple[str, Chain]]:
    """A time-stamping authority: its URL and its chain."""
    authority = chain(KEYS["es256"](), purpose=ExtendedKeyUsageOID.TIME_STAMPING)

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["content-length"]))
            body = stamp(request, authority, now or datetime.now(UTC))
            self.send_response(200)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with listening(Answer) as url:
        yield url, authority
