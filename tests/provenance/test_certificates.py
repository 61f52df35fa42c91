import multiprocessing
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from authorities import KEYS, chain
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from platemark.core.errors import Misconfigured
from platemark.provenance.certificates import (
    DEVELOPMENT_NAME,
    RENEW_BEFORE,
    development_identity,
    ends_of,
    former_identities,
    operator_identity,
    present_identity,
    read_anchors,
)
from platemark.provenance.issuing import LIFETIME

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


def test_a_certificate_before_its_time_says_so(tmp_path: Path) -> None:
    development_identity(tmp_path, NOW)
    with pytest.raises(Misconfigured, match="remove it to have a new one made"):
        development_identity(tmp_path, NOW - timedelta(days=3))


def test_a_development_certificate_is_renewed_before_it_ends(tmp_path: Path) -> None:
    first = development_identity(tmp_path, NOW)
    assert first.ends == NOW + LIFETIME
    assert development_identity(tmp_path, first.ends - RENEW_BEFORE - timedelta(seconds=1)) == first
    assert former_identities(tmp_path) == ()
    moment = first.ends - RENEW_BEFORE + timedelta(seconds=1)
    second = development_identity(tmp_path, moment)
    assert (second.serial != first.serial, second.ends) == (True, moment + LIFETIME)
    assert development_identity(tmp_path, moment) == second
    assert former_identities(tmp_path) == (first.chain,)
    assert ends_of(first.chain) == (first.serial, first.issuer)


def test_a_renewed_certificate_that_was_removed_is_made_again(tmp_path: Path) -> None:
    moments = [NOW, NOW + timedelta(days=3600), NOW + timedelta(days=7200)]
    first, second, third = (development_identity(tmp_path, moment) for moment in moments)
    assert len({first.serial, second.serial, third.serial}) == 3
    shutil.rmtree(tmp_path / "certificate")
    assert development_identity(tmp_path, moments[-1]) == third
    shutil.rmtree(tmp_path / "certificate-3")
    assert development_identity(tmp_path, moments[-1]) not in (second, third)
    assert former_identities(tmp_path) == (second.chain,)


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert present_identity(tmp_path / "data", NOW) is None
    assert list(tmp_path.iterdir()) == []
    made = development_identity(tmp_path, NOW)
    assert present_identity(tmp_path, made.ends - timedelta(days=1)) == made
    assert former_identities(tmp_path) == ()
    with pytest.raises(Misconfigured, match="Renew it"):
        present_identity(tmp_path, made.ends + timedelta(days=1))


PURPOSES = x509.oid.ExtendedKeyUsageOID


@pytest.mark.parametrize(
    "purpose", [None, PURPOSES.SERVER_AUTH, PURPOSES.ANY_EXTENDED_KEY_USAGE, PURPOSES.TIME_STAMPING]
)
def test_a_certificate_for_something_else_is_refused(tmp_path: Path, purpose: x509.ObjectIdentifier | None) -> None:
    made = chain(KEYS["es256"](), purpose=purpose, now=NOW)
    (tmp_path / "chain.pem").write_text(made.pem)
    with pytest.raises(Misconfigured, match="email protection, document signing"):
        operator_identity(tmp_path / "chain.pem", None, NOW)


@pytest.mark.parametrize("purpose", ["1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1"])
def test_a_certificate_for_signing_is_taken(tmp_path: Path, purpose: str) -> None:
    made = chain(KEYS["es256"](), purpose=x509.ObjectIdentifier(purpose), now=NOW)
    (tmp_path / "chain.pem").write_text(made.pem)
    assert operator_identity(tmp_path / "chain.pem", None, NOW).name == "Test signer"


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ((0,), "Append those of its issuers"),
        ((0, 2), "did not issue"),
        ((0, 2, 1), "Put the chain in order"),
        ((1, 0), "C2PA wants a certificate"),
    ],
)
def test_a_chain_out_of_order_is_refused(tmp_path: Path, order: tuple[int, ...], told: str) -> None:
    made = chain(KEYS["es256"](), now=NOW)
    pems = [made.certificates[place].public_bytes(serialization.Encoding.PEM) for place in order]
    (tmp_path / "chain.pem").write_bytes(b"".join(pems))
    with pytest.raises(Misconfigured, match=told):
        operator_identity(tmp_path / "chain.pem", None, NOW)


def test_a_chain_may_leave_its_root_out(tmp_path: Path) -> None:
    made = chain(KEYS["es256"](), now=NOW)
    pems = [each.public_bytes(serialization.Encoding.PEM) for each in made.certificates[:2]]
    (tmp_path / "chain.pem").write_bytes(b"".join(pems))
    assert operator_identity(tmp_path / "chain.pem", None, NOW).issuer == pems[1].decode()


@pytest.mark.parametrize("content", [None, b"", b"no PKCS#12"])
def test_a_pkcs12_file_that_cannot_be_opened_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "signer.pfx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"signer\.pfx cannot be"):
        operator_identity(file, None, NOW)


def test_a_pkcs12_file_without_a_key_is_told(tmp_path: Path) -> None:
    made = chain(KEYS["es256"](), now=NOW)
    packed = pkcs12.serialize_key_and_certificates(
        None, None, None, list(made.certificates), serialization.NoEncryption()
    )
    (tmp_path / "signer.p12").write_bytes(packed)
    with pytest.raises(Misconfigured, match="holds no key"):
        operator_identity(tmp_path / "signer.p12", None, NOW)


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
