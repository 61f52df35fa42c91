import multiprocessing
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from platemark.core.errors import Misconfigured
from platemark.provenance.certificates import (
    DEVELOPMENT_NAME,
    development_identity,
    operator_identity,
    read_anchors,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_the_development_chain_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    first = development_identity(tmp_path / "data", NOW)
    assert development_identity(tmp_path / "data", NOW + timedelta(days=400)) == first
    assert (first.name, first.algorithm, first.development) == (DEVELOPMENT_NAME, "es256", True)
    assert "PRIVATE" not in repr(first)
    folder = tmp_path / "data" / "certificate"
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["certificate"]


def test_the_leaf_is_what_c2pa_asks_for(tmp_path: Path) -> None:
    leaf, root = x509.load_pem_x509_certificates(development_identity(tmp_path, NOW).chain.encode())
    assert leaf.issuer == root.subject
    leaf.verify_directly_issued_by(root)
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.digital_signature, usage.value.key_cert_sign) == (True, False)


def _make(data: Path) -> str:
    return development_identity(data, NOW).key


def test_processes_that_start_at_once_end_with_one_identity(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        keys = pool.map(_make, [tmp_path / "data"] * 6, chunksize=1)
    assert len(set(keys)) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["certificate"]


def test_other_data_directories_have_other_identities(tmp_path: Path) -> None:
    one, other = development_identity(tmp_path / "a", NOW), development_identity(tmp_path / "b", NOW)
    assert one.serial != other.serial
    assert one.key != other.key


@pytest.mark.parametrize("days", [-3, 3651])
def test_a_certificate_out_of_its_time_says_so(tmp_path: Path, days: int) -> None:
    development_identity(tmp_path, NOW)
    with pytest.raises(Misconfigured, match="remove it to have a new one made"):
        development_identity(tmp_path, NOW + timedelta(days=days))


@pytest.mark.parametrize("file", ["chain.pem", "key.pem"])
@pytest.mark.parametrize("content", [b"", b"no pem", b"\xff\xfe", None])
def test_a_damaged_identity_says_what_to_do(tmp_path: Path, file: str, content: bytes | None) -> None:
    development_identity(tmp_path, NOW)
    path = tmp_path / "certificate" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match="certificate"):
        development_identity(tmp_path, NOW)


def test_a_data_directory_that_is_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(Misconfigured, match="cannot be read or made"):
        development_identity(tmp_path / "data", NOW)


def test_the_operator_s_chain_with_its_key_by_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = development_identity(tmp_path, NOW)
    monkeypatch.setenv("SIGNING_KEY", made.key)
    chain = tmp_path / "certificate" / "chain.pem"
    identity = operator_identity(chain, "env:SIGNING_KEY", NOW)
    assert (identity.key, identity.serial, identity.development) == (made.key.rstrip("\n"), made.serial, False)
    with pytest.raises(Misconfigured, match="cannot be read"):
        operator_identity(tmp_path / "missing.pem", "env:SIGNING_KEY", NOW)
    with pytest.raises(Misconfigured, match="env:NAME"):
        operator_identity(chain, made.key, NOW)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    development_identity(tmp_path / "a", NOW)
    development_identity(tmp_path / "b", NOW)
    chain, key = tmp_path / "a/certificate/chain.pem", tmp_path / "b/certificate/key.pem"
    with pytest.raises(Misconfigured, match="does not belong"):
        operator_identity(chain, f"file:{key}", NOW)


def test_an_encrypted_key_is_refused(tmp_path: Path) -> None:
    development_identity(tmp_path, NOW)
    encrypted = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    (tmp_path / "key").write_bytes(encrypted)
    with pytest.raises(Misconfigured, match="unencrypted"):
        operator_identity(tmp_path / "certificate/chain.pem", f"file:{tmp_path / 'key'}", NOW)


def test_keys_that_c2pa_does_not_know_are_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256K1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "other curve")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "chain").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(Misconfigured, match="C2PA signs with"):
        operator_identity(tmp_path / "chain", f"file:{tmp_path / 'key'}", NOW)


def test_trust_anchors_are_certificates(tmp_path: Path) -> None:
    chain = development_identity(tmp_path, NOW).chain
    (tmp_path / "roots.pem").write_text(chain)
    assert read_anchors(tmp_path / "roots.pem") == chain
    (tmp_path / "roots.pem").write_text("nothing")
    for path in (tmp_path / "roots.pem", tmp_path / "missing.pem"):
        with pytest.raises(Misconfigured, match="trust_anchors"):
            read_anchors(path)
