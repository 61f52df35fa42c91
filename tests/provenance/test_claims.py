"""What our credentials say, read back from files that were really signed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from pictures import encoded, house, noise
from platemark.core.base import JsonObject
from platemark.core.ports import Claim, Ingredient
from platemark.imaging.containers import join_blocks, png_chunk, read_blocks
from platemark.provenance.certificates import Identity, development_identity
from platemark.provenance.claims import Terms
from platemark.provenance.credential import Credential
from platemark.provenance.ingredients import carried
from platemark.provenance.manifest import read_store
from platemark.provenance.sources import IPTC

pytestmark = pytest.mark.anyio

AI = f"{IPTC}trainedAlgorithmicMedia"
COMPOSITE = f"{IPTC}compositeWithTrainedAlgorithmicMedia"
MADE = Claim("img_1", "img_1", AI, "Platemark", "local/pocket", "2026-11-22T15:00:00+00:00")
PLAIN = encoded(noise(32))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return development_identity(tmp_path_factory.mktemp("own"), datetime.now(UTC))


@pytest.fixture(scope="module")
async def own(identity: Identity) -> bytes:
    """A picture of ours, as it is stored."""
    return await Credential(identity).seal(encoded(house(32)), "image/png", MADE)


def active(store: JsonObject) -> JsonObject:
    return store["manifests"][store["active_manifest"]]


def assertion(store: JsonObject, label: str) -> Any:
    return next((each["data"] for each in active(store)["assertions"] if each["label"] == label), None)


async def said(identity: Identity, claim: Claim, **more: Any) -> JsonObject:
    """The manifest store of a picture that was sealed with this claim."""
    sealed = await Credential(identity, **more).seal(encoded(house(48)), "image/png", claim)
    store = read_store(sealed, "image/png", None)
    assert store is not None
    assert store["validation_state"] == "Valid"
    return store


def parent(data: bytes | None) -> tuple[Ingredient, ...]:
    return (Ingredient("img_0", "image/png", "parentOf", data),)


async def test_an_edit_opens_its_parent_and_keeps_its_credential(identity: Identity, own: bytes) -> None:
    guide = Ingredient("img_9", "image/png", "inputTo", PLAIN)
    claim = replace(
        MADE, digital_source_type=COMPOSITE, actions=("opened", "edited"), ingredients=(*parent(own), guide)
    )
    store = await said(identity, claim)
    assert len(store["manifests"]) == 2
    first, second = assertion(store, "c2pa.actions.v2")["actions"]
    assert (first["action"], second["action"]) == ("c2pa.opened", "c2pa.edited")
    assert ("digitalSourceType" in first, second["digitalSourceType"]) == (False, COMPOSITE)
    taken = [(each["title"], each["relationship"], "active_manifest" in each) for each in active(store)["ingredients"]]
    assert sorted(taken) == [("img_0", "parentOf", True), ("img_9", "inputTo", False)]
    assert len(first["parameters"]["ingredients"]) == len(second["parameters"]["ingredients"]) == 1


async def test_a_release_names_its_mark_its_label_and_its_source(identity: Identity, own: bytes) -> None:
    claim = replace(
        MADE,
        model=None,
        actions=("opened", "watermarked.bound", "transcoded", "published"),
        ingredients=parent(own),
        soft_binding=("platemark.iss-dct.1", "value"),
        label="AI-generated",
    )
    store = await said(identity, claim)
    actions = assertion(store, "c2pa.actions.v2")["actions"]
    assert [each["action"] for each in actions] == [f"c2pa.{name}" for name in claim.actions]
    assert [each.get("digitalSourceType") for each in actions] == [AI, None, None, None]
    assert actions[-1]["parameters"] == {"platemark.label": "AI-generated"}
    binding = assertion(store, "c2pa.soft-binding")
    assert (binding["alg"], [block["value"] for block in binding["blocks"]]) == ("platemark.iss-dct.1", ["value"])
    assert store["validation_results"]["ingredientDeltas"][0]["validationDeltas"]["failure"] == []


async def test_an_upload_is_opened_and_published_without_a_word_on_its_origin(identity: Identity) -> None:
    claim = replace(
        MADE, model=None, digital_source_type=None, actions=("opened", "published"), ingredients=parent(PLAIN)
    )
    sealed = await Credential(identity).seal(PLAIN, "image/png", claim)
    assert b"DigitalSourceType" not in sealed
    assert b"digitalSourceType" not in sealed
    found, metadata = await Credential(identity).read(sealed, "image/png")
    assert (found.detail["own"], found.direction, metadata.status) == (True, "none", "none")


async def test_a_file_that_is_signed_already_is_signed_anew_with_itself_as_its_parent(
    identity: Identity, own: bytes
) -> None:
    claim = replace(MADE, model=None, actions=("opened", "published"), ingredients=parent(own))
    sealed = await Credential(identity).seal(own, "image/png", claim)
    store = read_store(sealed, "image/png", None)
    assert store is not None
    assert (store["validation_state"], len(store["manifests"])) == ("Valid", 2)
    assert sealed.count(b"caBX") == 1


@pytest.mark.parametrize(
    ("terms", "use", "model"),
    [
        (Terms(), "notAllowed", "local/pocket"),
        (Terms("allowed", names_model=False), "allowed", None),
        (Terms("unsaid"), None, "local/pocket"),
    ],
)
async def test_the_operator_s_terms_stand_in_the_claim(
    identity: Identity, terms: Terms, use: str | None, model: str | None
) -> None:
    store = await said(identity, MADE, terms=terms)
    training = assertion(store, "cawg.training-mining")
    uses = {entry["use"] for entry in training["entries"].values()} if training else {None}
    assert uses == {use}
    parameters = assertion(store, "c2pa.actions.v2")["actions"][0]["parameters"]
    assert parameters.get("platemark.model") == model


def damaged(data: bytes) -> bytes:
    at = data.index(b"IDAT") + 10
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def nonsense(data: bytes) -> bytes:
    """Its manifest store is of the right size and full of nothing."""
    blocks, _ = read_blocks(data, "image/png")
    fill = png_chunk(b"caBX", b"\0\0\0\x20jumbc2pa" + b"\xff" * 100)
    return join_blocks("image/png", (fill if block.name == "caBX" else block.raw for block in blocks))


@pytest.mark.parametrize(("change", "reason"), [(damaged, "broken"), (nonsense, "unreadable")])
async def test_a_credential_that_does_not_hold_is_left_out_and_that_is_said(
    identity: Identity, own: bytes, change: Callable[[bytes], bytes], reason: str
) -> None:
    claim = replace(MADE, actions=("opened", "edited"), ingredients=parent(change(own)))
    store = await said(identity, claim)
    assert [(each["title"], "active_manifest" in each) for each in active(store)["ingredients"]] == [("img_0", False)]
    first, _ = assertion(store, "c2pa.actions.v2")["actions"]
    assert first["parameters"]["platemark.credentials_left_out"] == [f"img_0: {reason}"]
    found, _ = await Credential(identity).read(
        await Credential(identity).seal(encoded(house(48)), "image/png", claim), "image/png"
    )
    assert found.detail["ingredient_failures"] == []


async def test_no_file_of_others_keeps_ours_from_being_sealed(identity: Identity, corpus: Path) -> None:
    types = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
    left_out = dict[str, str]()
    for file in sorted((corpus / "c2pa").iterdir()):
        data = await anyio.Path(file).read_bytes()
        source = Ingredient(file.name, types[file.suffix], "parentOf", data)
        store = await said(identity, replace(MADE, actions=("opened", "edited"), ingredients=(source,)))
        first, _ = assertion(store, "c2pa.actions.v2")["actions"]
        left_out |= dict(each.split(": ") for each in first["parameters"].get("platemark.credentials_left_out", ()))
    assert left_out == {
        "C_with_CAWG_data.jpg": "does not validate with ours",
        "E-sig-CA.jpg": "broken",
        "XCA.jpg": "broken",
        "claim_aggregation__adobe_connected_identities.jpg": "broken",
        "no_alg.jpg": "unreadable",
        "prerelease.jpg": "unreadable",
    }


async def test_a_chain_of_credentials_does_not_outgrow_its_bound(own: bytes) -> None:
    other = Ingredient("img_8", "image/png", "componentOf", own)
    kept, left_out = carried((*parent(own), other), room=5000)
    assert [(each.title, each.data is None) for each in kept] == [("img_0", False), ("img_8", True)]
    assert left_out == ("img_8: too large",)
    assert carried((*parent(own), other)) == ((*parent(own), other), ())


@pytest.mark.parametrize("data", [None, b"", b"jumb but no picture", PLAIN])
async def test_an_ingredient_without_a_credential_is_named(identity: Identity, data: bytes | None) -> None:
    claim = replace(MADE, actions=("opened", "edited"), ingredients=parent(data))
    store = await said(identity, claim)
    (taken,) = active(store)["ingredients"]
    assert (taken["title"], taken["format"], "active_manifest" in taken) == ("img_0", "image/png", False)
    assert "credentials_left_out" not in json.dumps(store)
