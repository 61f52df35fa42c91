"""Credentials of every kind, made here: trusted, unknown, tampered with, elsewhere, too late, incomplete."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import anyio
import c2pa
import pytest
from authorities import KEYS, Chain, chain, listening
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from pictures import encoded, house
from platemark.core.inspection import Finding
from platemark.core.ports import Claim
from platemark.provenance.certificates import Identity, development_identity
from platemark.provenance.credential import NO_LIST, Credential
from platemark.provenance.manifest import SETTINGS, describe, identity_of, names_identity, read_store, state_of
from platemark.provenance.sources import IPTC
from platemark.provenance.trust import TrustList

pytestmark = pytest.mark.anyio
CLAIM = Claim("img_1", "img_1", f"{IPTC}trainedAlgorithmicMedia", "us", None, "2026-11-22T15:00:00+00:00")
Forge = Callable[[c2pa.Builder], None]


@dataclass(frozen=True)
class World:
    """Us, who have signed none of these files, and two authorities."""

    us: Identity
    known: Chain
    other: Chain


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    us = development_identity(tmp_path_factory.mktemp("us"), datetime.now(UTC))
    return World(us, chain(KEYS["es256"]()), chain(KEYS["es256"]()))


def root(of: Chain) -> str:
    return of.certificates[-1].public_bytes(serialization.Encoding.PEM).decode()


def without_root(of: Chain) -> str:
    return of.pem.replace(root(of), "")


def signed(
    by: Chain,
    *,
    source_type: str | None = "digitalCapture",
    forge: Forge | None = None,
    extra: dict[str, Any] | None = None,
) -> bytes:
    created = {"action": "c2pa.created"} | ({"digitalSourceType": IPTC + source_type} if source_type else {})
    manifest = {
        "claim_generator_info": [{"name": "somebody", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    info = c2pa.C2paSignerInfo("es256", without_root(by).encode(), by.key_pem, None)
    out = io.BytesIO()
    with (
        c2pa.Context.from_json(json.dumps(SETTINGS)) as context,
        c2pa.Builder(manifest | (extra or {}), context=context) as builder,
        c2pa.Signer.from_info(info) as signer,
    ):
        if forge:
            forge(builder)
        builder.sign(signer, "image/png", io.BytesIO(encoded(house())), out)
    return out.getvalue()


async def read(world: World, data: bytes, *trust: TrustList) -> Finding:
    return (await Credential(world.us, trust=trust).read(data, "image/png"))[0]


C2PA_FIRST = ("c2pa", "interim", "operator")


async def test_a_camera_on_a_list_is_a_strong_claim_and_the_list_is_told(world: World) -> None:
    data = signed(world.known)
    lists = [TrustList(name, root(world.known), "2026-07-10") for name in ("c2pa", "interim")]
    found = await read(world, data, *lists)
    assert (found.status, found.direction, found.weight) == ("trusted", "camera", "strong")
    assert found.detail["trust_list"] == {"name": "c2pa", "dated": "2026-07-10"}
    assert found.detail["signer"] == "Test signer"
    assert found.detail["own"] is False


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_of_several_lists_the_one_that_names_the_signer_is_told(world: World, place: int) -> None:
    pems = [root(world.known if at == place else world.other) for at in range(3)]
    lists = [TrustList(name, f"remarks\n{pem}", "2026-07-10") for name, pem in zip(C2PA_FIRST, pems, strict=True)]
    found = await read(world, signed(world.known), *lists)
    assert (found.status, found.detail["trust_list"]["name"]) == ("trusted", C2PA_FIRST[place])


async def test_an_unknown_signer_is_a_weak_claim_whatever_he_calls_himself(world: World) -> None:
    found = await read(world, signed(world.known), TrustList("c2pa", root(world.other), "2026-07-10"))
    assert (found.status, found.direction, found.weight) == ("valid_untrusted", "camera", "weak")
    assert found.detail["codes"] == ["signingCredential.untrusted"]
    assert found.detail["trust_list"] == {"name": "c2pa", "dated": "2026-07-10"}


async def test_without_a_list_it_is_said_that_there_is_none(world: World) -> None:
    for data in (signed(world.known), encoded(house()), b"", b"nothing"):
        found = await read(world, data)
        assert found.detail["trust_list"] is None
        assert found.detail["trust_list_reason"] == NO_LIST


async def test_our_own_certificate_is_nobody_s_anchor(world: World) -> None:
    picture = await Credential(world.us).seal(encoded(house()), "image/png", CLAIM)
    found = await read(world, picture, TrustList("c2pa", root(world.known), "2026-07-10"))
    assert (found.status, found.detail["own"]) == ("valid_untrusted", True)


@pytest.mark.parametrize(
    ("source_type", "direction"),
    [
        ("trainedAlgorithmicMedia", "ai"),
        ("compositeWithTrainedAlgorithmicMedia", "ai"),
        ("computationalCapture", "camera"),
        ("digitalArt", "none"),
        ("screenCapture", "none"),
    ],
)
async def test_the_direction_is_the_source_type_s(world: World, source_type: str, direction: str) -> None:
    found = await read(world, signed(world.known, source_type=source_type))
    assert (found.direction, found.detail["digital_source_type"]) == (direction, IPTC + source_type)
    assert found.weight == ("none" if direction == "none" else "weak")


async def test_changed_pixels_are_tampering_and_point_nowhere(world: World) -> None:
    data = bytearray(signed(world.known))
    data[data.rindex(b"IDAT") + 12] ^= 1
    found = await read(world, bytes(data), TrustList("c2pa", root(world.known), "2026-07-10"))
    assert (found.status, found.direction, found.weight) == ("invalid", "none", "none")
    assert "assertion.dataHash.mismatch" in found.detail["codes"]


async def test_a_changed_assertion_is_tampering(world: World) -> None:
    data = signed(world.known).replace(b"digitalCapture", b"humanEdits....")
    found = await read(world, data, TrustList("c2pa", root(world.known), "2026-07-10"))
    assert (found.status, found.direction) == ("invalid", "none")
    assert "assertion.hashedURI.mismatch" in found.detail["codes"]


async def test_a_broken_ingredient_leaves_the_top_valid_and_the_claim_weak(world: World) -> None:
    parent = bytearray(signed(world.other, source_type="trainedAlgorithmicMedia"))
    parent[parent.rindex(b"IDAT") + 12] ^= 1

    def forge(builder: c2pa.Builder) -> None:
        builder.add_ingredient('{"relationship": "parentOf", "instance_id": "p"}', "image/png", io.BytesIO(parent))  # pyright: ignore[reportUnknownMemberType]

    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["p"]}}
    extra = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [opened]}}]}
    data = signed(world.known, forge=forge, extra=extra)
    found = await read(world, data, TrustList("c2pa", root(world.known), "2026-07-10"))
    assert (found.status, found.direction, found.weight) == ("trusted", "ai", "weak")
    assert found.detail["ingredient_failures"] == ["assertion.dataHash.mismatch"]
    assert found.detail["codes"] == []


async def test_a_manifest_that_lies_elsewhere_is_not_fetched(world: World) -> None:
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None: ...

    with listening(Elsewhere) as url:

        def forge(builder: c2pa.Builder) -> None:
            builder.set_no_embed()
            builder.set_remote_url(f"{url}/m.c2pa")

        found = await read(world, signed(world.known, forge=forge))
    assert (found.status, found.detail["credential_state"]) == ("remote_not_fetched", "absent")
    assert asked == []


@pytest.mark.slow
async def test_a_certificate_that_has_ended_is_invalid_and_points_nowhere(world: World) -> None:
    # C2PA refuses to sign with one that has ended, so this one ends while we wait.
    ending = chain(KEYS["es256"](), now=datetime.now(UTC) - timedelta(days=10) + timedelta(seconds=8), days=10)
    data, trust = await anyio.to_thread.run_sync(signed, ending), TrustList("c2pa", root(ending), "2026-07-10")
    assert (await read(world, data, trust)).status == "trusted"
    await anyio.sleep((ending.certificates[0].not_valid_after_utc - datetime.now(UTC)).total_seconds() + 1.1)
    found = await read(world, data, trust)
    assert (found.status, found.direction, found.weight) == ("invalid", "none", "none")
    assert "signingCredential.expired" in found.detail["codes"]


@pytest.mark.parametrize("part", [b"c2cl", b"c2pa.signature", b"c2pa.assertions", b"c2pa.hash.data"])
async def test_a_manifest_without_one_of_its_parts_is_never_valid(world: World, part: bytes) -> None:
    data = signed(world.known)
    assert part in data
    found = await read(world, data.replace(part, b"x" * len(part)), TrustList("c2pa", root(world.known), "2026-07-10"))
    assert found.status in ("invalid", "error")
    assert (found.direction, found.weight) == ("none", "none")


@given(st.data())
async def test_no_change_of_a_manifest_raises_or_makes_it_ours(world: World, data: st.DataObject) -> None:
    whole = signed(world.known)
    at = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(0, 40))
    changed = whole[:at] + data.draw(st.binary(max_size=40)) + whole[at + length :]
    found = await read(world, changed)
    assert found.detail["own"] is False
    assert found.detail["trust_list"] is None


def with_identity(by: Chain, named: Chain) -> bytes:
    """A file whose credential says who stands behind it (CAWG, X.509)."""
    keys = {"alg": "es256", "tsa_url": None}
    settings = SETTINGS | {
        "signer": {"local": {**keys, "sign_cert": without_root(by), "private_key": by.key_pem.decode()}},
        "cawg_x509_signer": {
            "local": {
                **keys,
                "sign_cert": without_root(named),
                "private_key": named.key_pem.decode(),
                "referenced_assertions": ["c2pa.actions.v2"],
            }
        },
    }
    created = {"action": "c2pa.created", "digitalSourceType": f"{IPTC}digitalCapture"}
    manifest = {
        "claim_generator_info": [{"name": "somebody", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    out = io.BytesIO()
    with c2pa.Context.from_json(json.dumps(settings)) as context:
        # The settings name a signer, which this flag of the Python package does not know of.
        context._has_signer = True  # pyright: ignore[reportPrivateUsage]
        with c2pa.Builder(manifest, context=context) as builder:
            builder.sign("image/png", io.BytesIO(encoded(house())), out)
    return out.getvalue()


async def test_an_identity_that_nobody_vouches_for_is_not_shown_and_takes_no_trust_away(world: World) -> None:
    data = await anyio.to_thread.run_sync(with_identity, world.known, world.other)
    found = await read(world, data, TrustList("c2pa", root(world.known), "2026-07-10"))
    assert (found.status, found.weight) == ("trusted", "strong")
    assert found.detail["identity"] is None
    assert found.detail["identity_codes"] == ["cawg.x509.credential.untrusted"]
    assert found.detail["codes"] == []


async def test_a_changed_identity_is_not_shown(world: World) -> None:
    data = await anyio.to_thread.run_sync(with_identity, world.known, world.other)
    changed = data.replace(b"cawg.x509.cose", b"cawg.x509.cosy")
    found = await read(world, changed, TrustList("c2pa", root(world.known), "2026-07-10"))
    assert found.detail["identity"] is None
    assert found.status == "invalid"


def store(*, success: list[str], informational: list[str] = [], failure: list[str] = []) -> dict[str, Any]:  # noqa: B006
    codes = {"success": success, "informational": informational, "failure": failure}
    results = {kind: [{"code": code} for code in each] for kind, each in codes.items()}
    data = {"signature_info": {"common_name": "A. Person"}, "verifiedIdentities": [{"name": "@person"}]}
    active = {"assertions": [{"label": "cawg.identity", "data": data}]}
    return {"active_manifest": "a", "manifests": {"a": active}, "validation_results": {"activeManifest": results}}


GOOD = ["claimSignature.validated", "cawg.identity.well-formed", "cawg.x509.credential.trusted"]


def test_an_identity_is_named_only_when_nothing_is_wrong_with_it() -> None:
    clean = store(success=GOOD)
    assert names_identity(clean)
    assert identity_of(clean) == {"identity": "A. Person, @person", "identity_codes": []}
    # Codes of others than identities do not count.
    assert identity_of(store(success=GOOD, failure=["signingCredential.untrusted"]))["identity"] == "A. Person, @person"


@pytest.mark.parametrize(
    "wrong",
    [
        {"success": []},
        {"success": GOOD[:2]},
        {"success": GOOD, "failure": ["cawg.identity.assertion.mismatch"]},
        {"success": GOOD, "failure": ["cawg.identity.hard_binding_missing"]},
        {"success": GOOD, "informational": ["cawg.ica.untrusted_issuer"]},
    ],
)
def test_an_identity_with_anything_wrong_is_not_named(wrong: dict[str, list[str]]) -> None:
    assert identity_of(store(**wrong))["identity"] is None


@pytest.mark.parametrize("value", [{}, {"manifests": []}, {"validation_results": 1, "active_manifest": {}}])
def test_a_store_of_no_shape_is_described_none_the_less(value: dict[str, Any]) -> None:
    assert describe(value, own=False).status == "invalid"
    assert not names_identity(value)
    assert identity_of(value) == {"identity": None, "identity_codes": []}


def test_identities_are_looked_into_without_asking_anybody() -> None:
    assert SETTINGS["core"] == {"decode_identity_assertions": False}
    assert SETTINGS["verify"]["remote_manifest_fetch"] is False
    assert read_store(encoded(house()), "image/png", None, identities=True) is None


async def test_threads_that_read_at_once_are_told_each_by_its_own_anchors(world: World) -> None:
    signers = {"known": world.known, "other": world.other}
    files = {name: signed(by) for name, by in signers.items()}
    broken = files["known"].replace(b"c2pa.created", b"c2pa.creatad")
    found = dict[tuple[int, str, str | None, bool], str]()

    def ask(turn: int) -> None:
        for name, file in (*files.items(), ("broken", broken)):
            for anchor in ("known", "other", None):
                for identities in (False, True):
                    anchors = root(signers[anchor]) if anchor else None
                    store = read_store(file, "image/png", anchors, identities=identities)
                    found[turn, name, anchor, identities] = state_of(store or {})

    async with anyio.create_task_group() as tasks:
        for turn in range(6):
            tasks.start_soon(anyio.to_thread.run_sync, ask, turn)
    assert len(found) == 6 * 18
    for (_, name, anchor, _), state in found.items():
        assert state == ("Invalid" if name == "broken" else "Trusted" if name == anchor else "Valid")
