import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import c2pa
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from pictures import BOUNDS, encoded, house, noise, pixels
from platemark.core.errors import Misconfigured, SealFailed
from platemark.core.inspection import Finding
from platemark.core.model import OutputFormat
from platemark.core.ports import Claim
from platemark.imaging.decode import inspect_bytes, normalise
from platemark.provenance.certificates import Identity, development_identity
from platemark.provenance.claims import claim_manifest
from platemark.provenance.credential import NO_LIST, Credential
from platemark.provenance.manifest import SETTINGS, read_store
from platemark.provenance.signing import open_provenance
from platemark.provenance.sources import IPTC
from platemark.provenance.trust import TrustList
from platemark.settings import Settings

pytestmark = pytest.mark.anyio

FORMATS: list[OutputFormat] = ["png", "jpeg", "webp"]
CLAIM = Claim(
    image="img_1",
    title="img_1",
    digital_source_type=f"{IPTC}trainedAlgorithmicMedia",
    software="Platemark",
    model="local/pocket",
    when="2026-11-22T15:00:00.123456+00:00",
)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return development_identity(tmp_path_factory.mktemp("own"), datetime.now(UTC))


@pytest.fixture
def credential(identity: Identity) -> Credential:
    return Credential(identity)


async def made(folder: Path, now: datetime | None = None) -> Identity:
    return await anyio.to_thread.run_sync(development_identity, folder, now or datetime.now(UTC))


async def configured(**values: object) -> Settings:
    return await anyio.to_thread.run_sync(Settings.model_validate, values)


async def c2pa_of(credential: Credential, data: bytes, format: str) -> Finding:
    found, metadata = await credential.read(data, f"image/{format}")
    assert (found.kind, metadata.kind) == ("c2pa", "metadata")
    return found


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
async def test_sealed_pictures_read_back_as_ours_valid_and_ai_made(
    credential: Credential, format: OutputFormat, mode: str
) -> None:
    normal = normalise(encoded(noise(128).convert(mode)), format, **BOUNDS)
    sealed = await credential.seal(normal.data, normal.media_type, CLAIM)
    assert np.array_equal(pixels(sealed), pixels(normal.data))
    assert len(sealed) - len(normal.data) < 10_000
    assert inspect_bytes(sealed, **BOUNDS).media_type == normal.media_type
    found, metadata = await credential.read(sealed, normal.media_type)
    assert (found.status, found.direction, found.weight) == ("valid_untrusted", "ai", "conclusive")
    assert found.detail == {
        "credential_state": "valid",
        "signer": "Platemark development",
        "signed_at": None,
        "digital_source_type": CLAIM.digital_source_type,
        "ingredient_source_types": [],
        "codes": ["signingCredential.untrusted"],
        "ingredient_failures": [],
        "identity": None,
        "identity_codes": [],
        "trust_list": None,
        "trust_list_reason": NO_LIST,
        "own": True,
    }
    assert metadata.detail["fields"] == {
        "xmp:DigitalSourceType": CLAIM.digital_source_type,
        "xmp:CreatorTool": "Platemark",
    }


async def test_the_claim_names_system_time_image_and_model(credential: Credential) -> None:
    store = read_store(await credential.seal(encoded(house()), "image/png", CLAIM), "image/png", None)
    assert store is not None
    active = store["manifests"][store["active_manifest"]]
    (action,) = active["assertions"][0]["data"]["actions"]
    assert (active["claim_version"], active["title"]) == (2, "img_1")
    assert active["claim_generator_info"][0]["name"] == "Platemark"
    assert (action["action"], action["when"]) == ("c2pa.created", CLAIM.when)
    assert action["parameters"] == {"platemark.image": "img_1", "platemark.model": "local/pocket"}
    assert "thumbnail" not in json.dumps(store)


@pytest.mark.parametrize("source_type", ["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"])
async def test_the_source_type_is_the_claim_s(credential: Credential, source_type: str) -> None:
    claim = replace(CLAIM, digital_source_type=IPTC + source_type, model=None)
    found = await c2pa_of(credential, await credential.seal(encoded(house()), "image/png", claim), "png")
    assert found.detail["digital_source_type"] == IPTC + source_type


@pytest.mark.parametrize("format", FORMATS)
async def test_a_changed_byte_of_the_picture_is_tampering_without_direction(
    credential: Credential, format: OutputFormat
) -> None:
    normal = normalise(encoded(noise(128)), format, **BOUNDS)
    sealed = bytearray(await credential.seal(normal.data, normal.media_type, CLAIM))
    at = bytes(sealed).rindex(normal.data[-60:-40])
    sealed[at] ^= 1
    found = await c2pa_of(credential, bytes(sealed), format)
    assert (found.status, found.direction, found.weight) == ("invalid", "none", "none")
    assert found.detail["credential_state"] == "invalid"
    assert "assertion.dataHash.mismatch" in found.detail["codes"]
    assert found.detail["own"] is False


@pytest.fixture(scope="module")
async def sealed_house(identity: Identity) -> bytes:
    return await Credential(identity).seal(encoded(house(32)), "image/png", CLAIM)


@given(place=st.floats(0, 1), value=st.integers(1, 255))
async def test_a_changed_byte_never_reads_as_ours_unless_it_is_the_credential_s_own_padding(
    identity: Identity, sealed_house: bytes, place: float, value: int
) -> None:
    at = round(place * (len(sealed_house) - 1))
    changed = sealed_house[:at] + bytes([sealed_house[at] ^ value]) + sealed_house[at + 1 :]
    found = await c2pa_of(Credential(identity), changed, "png")
    start = sealed_house.index(b"caBX")
    end = sealed_house.index(b"XML:com.adobe.xmp") - 8
    assert found.detail["own"] is False or start < at < end


@pytest.mark.parametrize("format", FORMATS)
async def test_xmp_changed_after_the_seal_is_tampering(credential: Credential, format: OutputFormat) -> None:
    normal = normalise(encoded(house()), format, **BOUNDS)
    sealed = await credential.seal(normal.data, normal.media_type, CLAIM)
    forged = sealed.replace(b"trainedAlgorithmicMedia", b"digitalCapturedPictures", 1)
    assert (await c2pa_of(credential, forged, format)).status == "invalid"


@pytest.mark.parametrize("format", FORMATS)
async def test_re_encoding_removes_the_credential(credential: Credential, format: OutputFormat) -> None:
    sealed = await credential.seal(encoded(house()), "image/png", CLAIM)
    again = normalise(sealed, format, **BOUNDS)
    found = await c2pa_of(credential, again.data, format)
    assert (found.status, found.detail["credential_state"]) == ("none", "absent")


async def test_another_installation_s_seal_is_valid_but_not_ours(credential: Credential, tmp_path: Path) -> None:
    other = Credential(await made(tmp_path))
    found = await c2pa_of(credential, await other.seal(encoded(house()), "image/png", CLAIM), "png")
    assert (found.status, found.direction, found.weight) == ("valid_untrusted", "ai", "weak")
    assert (found.detail["own"], found.detail["signer"]) == (False, "Platemark development")


def _copy(
    original: x509.Certificate, key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """The same certificate in all that can be read, for another key and by another issuer of the same name."""
    builder = x509.CertificateBuilder(original.issuer, original.subject, key, original.serial_number)
    builder = builder.not_valid_before(original.not_valid_before_utc).not_valid_after(original.not_valid_after_utc)
    for extension in original.extensions:
        match extension.value:
            case x509.SubjectKeyIdentifier():
                value: x509.ExtensionType = x509.SubjectKeyIdentifier.from_public_key(key)
            case x509.AuthorityKeyIdentifier():
                value = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
            case _:
                value = extension.value
        builder = builder.add_extension(value, extension.critical)
    return builder.sign(issuer_key, hashes.SHA256())


async def test_the_same_names_and_serial_numbers_do_not_make_a_forgery_ours(identity: Identity) -> None:
    leaf, root = x509.load_pem_x509_certificates(identity.chain.encode())
    key, root_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    copies = _copy(leaf, key.public_key(), root_key), _copy(root, root_key.public_key(), root_key)
    pems = [copy.public_bytes(serialization.Encoding.PEM).decode() for copy in copies]
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    forger = replace(identity, chain="".join(pems), issuer=pems[1], key=secret.decode())
    forged = await Credential(forger).seal(encoded(house()), "image/png", CLAIM)
    found = await c2pa_of(Credential(identity), forged, "png")
    assert found.detail["signer"] == identity.name
    assert (found.status, found.detail["own"], found.weight) == ("valid_untrusted", False, "weak")


async def test_trust_comes_from_the_operator_s_anchors(identity: Identity, credential: Credential) -> None:
    sealed = await credential.seal(encoded(house()), "image/png", CLAIM)
    found = await c2pa_of(Credential(identity, trust=[TrustList("operator", identity.issuer)]), sealed, "png")
    assert (found.status, found.detail["credential_state"]) == ("trusted", "trusted")
    assert found.detail["codes"] == []


async def test_a_trusted_stranger_is_a_strong_claim(identity: Identity, tmp_path: Path) -> None:
    stranger = await made(tmp_path)
    sealed = await Credential(stranger).seal(encoded(house()), "image/png", CLAIM)
    found = await c2pa_of(Credential(identity, trust=[TrustList("operator", stranger.issuer)]), sealed, "png")
    assert (found.status, found.direction, found.weight) == ("trusted", "ai", "strong")
    assert found.detail["own"] is False


@pytest.mark.parametrize("data", [b"", b"garbage", encoded(house())[:200], encoded(house(), "JPEG")])
async def test_what_cannot_be_signed_is_an_error_of_ours(credential: Credential, data: bytes) -> None:
    with pytest.raises(SealFailed, match="could not be signed"):
        await credential.seal(data, "image/png", CLAIM)


async def test_a_media_type_that_is_not_sealed_is_an_error_of_ours(credential: Credential) -> None:
    with pytest.raises(SealFailed):
        await credential.seal(encoded(house(), "GIF"), "image/gif", CLAIM)


async def test_a_claim_that_would_not_validate_is_not_given_out(credential: Credential) -> None:
    with pytest.raises(SealFailed):
        await credential.seal(encoded(house()), "image/png", replace(CLAIM, when="yesterday", digital_source_type=""))


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp", "image/gif", "text/plain"])
@pytest.mark.parametrize("data", [b"", b"garbage", b"\x89PNG\r\n\x1a\n", encoded(house())])
async def test_reading_never_raises(credential: Credential, data: bytes, media_type: str) -> None:
    found, metadata = await credential.read(data, media_type)
    assert found.status in ("none", "error")
    assert found.detail["credential_state"] == "absent"
    assert metadata.status in ("none", "error")


async def test_seals_run_beside_each_other(credential: Credential) -> None:
    sealed: list[bytes] = []

    async def one(side: int) -> None:
        sealed.append(await credential.seal(encoded(house(side)), "image/png", CLAIM))

    async with anyio.create_task_group() as group:
        for side in range(32, 42):
            group.start_soon(one, side)
    assert len(sealed) == 10


async def test_a_manifest_with_an_ingredient_keeps_its_failures_apart(identity: Identity) -> None:
    """An edited AI picture: the active claim says nothing of AI, its parent does."""
    parent = await Credential(identity).seal(encoded(house()), "image/png", CLAIM)
    edit = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["p"]}}
    manifest = claim_manifest(CLAIM, generator="editor", version="1")
    manifest["assertions"] = [{"label": "c2pa.actions.v2", "data": {"actions": [edit]}}]
    at = parent.index(b"IDAT") + 10
    broken = parent[:at] + bytes([parent[at] ^ 1]) + parent[at + 1 :]
    seen: dict[str, Finding] = {}
    for name, ingredient in (("whole", parent), ("broken", broken)):
        sealed = await anyio.to_thread.run_sync(_with_parent, identity, manifest, ingredient)
        seen[name] = await c2pa_of(Credential(identity), sealed, "png")
    assert (seen["whole"].direction, seen["whole"].detail["digital_source_type"]) == ("ai", None)
    assert seen["whole"].detail["ingredient_source_types"] == [CLAIM.digital_source_type]
    assert seen["whole"].detail["ingredient_failures"] == []
    assert seen["broken"].status == "valid_untrusted"
    assert seen["broken"].detail["ingredient_failures"] == ["assertion.dataHash.mismatch"]
    assert seen["broken"].weight == "weak"


def _with_parent(identity: Identity, manifest: dict[str, object], parent: bytes) -> bytes:
    info = c2pa.C2paSignerInfo(identity.algorithm, identity.chain.encode(), identity.key.encode(), None)
    out = io.BytesIO()
    with (
        c2pa.Context.from_json(json.dumps(SETTINGS)) as context,
        c2pa.Builder(manifest, context=context) as builder,
        c2pa.Signer.from_info(info) as signer,
    ):
        builder.add_ingredient('{"relationship": "parentOf", "instance_id": "p"}', "image/png", io.BytesIO(parent))  # pyright: ignore[reportUnknownMemberType]
        builder.sign(signer, "image/png", io.BytesIO(encoded(house())), out)
    return out.getvalue()


async def test_provenance_opens_with_a_development_certificate(tmp_path: Path) -> None:
    settings = await configured(data=tmp_path)
    one, other = await open_provenance(settings), await open_provenance(settings)
    assert one.signer == "Platemark development"
    sealed = await one.seal(encoded(house()), "image/png", CLAIM)
    assert (await c2pa_of(other, sealed, "png")).detail["own"] is True


async def test_provenance_opens_with_the_operator_s_certificate(tmp_path: Path) -> None:
    await made(tmp_path / "made")
    folder = tmp_path / "made" / "certificate"
    settings = await configured(
        data=tmp_path / "data",
        signing_certificate=folder / "chain.pem",
        signing_key=f"file:{folder / 'key.pem'}",
        trust_anchors=folder / "chain.pem",
    )
    opened = await open_provenance(settings)
    sealed = await opened.seal(encoded(house()), "image/png", CLAIM)
    assert (await c2pa_of(opened, sealed, "png")).status == "trusted"
    assert not await anyio.Path(tmp_path / "data").exists()


@pytest.mark.parametrize("given", [{"signing_key": "env:X"}, {"signing_certificate": Path("chain.pem")}])
async def test_half_a_signer_is_refused(tmp_path: Path, given: dict[str, object]) -> None:
    settings = await configured(data=tmp_path, **given)
    with pytest.raises(Misconfigured, match="set both, or neither"):
        await open_provenance(settings)


def test_a_certificate_that_c2pa_does_not_accept_is_told_at_once(identity: Identity) -> None:
    with pytest.raises(Misconfigured, match="C2PA does not accept"):
        Credential(replace(identity, algorithm="es384")).check()


async def test_an_expired_certificate_s_seal_is_invalid(tmp_path: Path, credential: Credential) -> None:
    past = await made(tmp_path, datetime.now(UTC) - timedelta(days=3700))
    with pytest.raises(SealFailed):
        await Credential(past).seal(encoded(house()), "image/png", CLAIM)
