"""C2PA manifest stores: what we make of those that we read."""

import io
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

import c2pa

from platemark.core.base import JsonObject
from platemark.core.inspection import CredentialState, Finding
from platemark.provenance.sources import direction_of

# A thumbnail would add a hundred kilobytes or more; fetching would let a file choose where we connect to. So would
# looking into identities (CAWG): a `did:web` in a file is asked for on its host, whatever `verify` says. And what is
# wrong with an identity would make the state `Invalid`, although the credential holds.
SETTINGS: JsonObject = {
    "core": {"decode_identity_assertions": False},
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {
        "verify_after_sign": False,
        "remote_manifest_fetch": False,
        "ocsp_fetch": False,
        "verify_trust": True,
    },
}
_STATES: dict[str, tuple[str, CredentialState]] = {
    "Trusted": ("trusted", "trusted"),
    "Valid": ("valid_untrusted", "valid"),
    "WellFormed": ("invalid", "well_formed"),
    "Invalid": ("invalid", "invalid"),
}
_WEIGHTS = {"trusted": "strong", "valid_untrusted": "weak"}
# About who signed, not about whether something was changed: the state says it already.
_TRUST_CODES = frozenset({"signingCredential.untrusted", "cawg.x509.credential.untrusted"})
_MAX_CODES = 50
_IDENTITY = "cawg.identity"
_IDENTITY_SURE = frozenset({"cawg.x509.credential.trusted", "cawg.ica.credential_valid"})
_RESULTS = ("success", "informational", "failure")


def read_store(data: bytes, media_type: str, anchors: str | None, *, identities: bool = False) -> JsonObject | None:
    """The manifest store of a file with its validation, None when there is none. Raises C2paError, ValueError.

    `anchors`: PEM of whom to trust. `identities`: look into CAWG identities, too, without asking anybody for them;
    what is wrong with one is in `state_of`, then.
    """
    reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), context=_context(anchors, identities, os.getpid()))
    if reader is None:
        return None
    with reader:
        return json.loads(reader.json())


@lru_cache(maxsize=16)
def _context(anchors: str | None, identities: bool, process: int) -> c2pa.Context:
    """Kept for all threads: nothing changes it, and c2pa shares its own in the same way. A fork needs another one.

    Reading the public lists into one takes half a millisecond. Those that are dropped are freed by their last reader.
    """
    settings = SETTINGS | ({"trust": {"trust_anchors": anchors}} if anchors else {})
    if identities:
        settings |= {"core": {"decode_identity_assertions": True, "allowed_network_hosts": []}}
    return c2pa.Context.from_json(json.dumps(settings))


def state_of(store: JsonObject) -> str:
    """`Trusted`, `Valid` or `Invalid`: the validator's word for the active manifest."""
    return str(store.get("validation_state", "Invalid"))


def signature_of(store: JsonObject) -> JsonObject:
    """Issuer, common_name, cert_serial_number (decimal) and alg of the active manifest's signature; may be empty."""
    return _object(_active(store).get("signature_info"))


def names_identity(store: JsonObject) -> bool:
    """Whether the active manifest says who stands behind it (CAWG)."""
    return any(str(label).startswith(_IDENTITY) for label, _ in _assertions(_active(store)))


def identity_of(store: JsonObject) -> JsonObject:
    """`identity`: names, None unless everything about every identity is in order; `identity_codes`: what is not.

    For a store that was read with `identities`.
    """
    results = _object(_object(store.get("validation_results")).get("activeManifest"))
    found = {kind: [c for c in _codes(results.get(kind)) if c.startswith("cawg.")] for kind in _RESULTS}
    wrong = _unique([*found["failure"], *found["informational"]])
    sure = not wrong and not _IDENTITY_SURE.isdisjoint(found["success"])
    return {"identity": (_names(_active(store)) or None) if sure else None, "identity_codes": wrong}


def _names(manifest: JsonObject) -> str:
    """Who is named by identity assertions: the certificate's holder, or whom others have checked."""
    named = list[Any]()
    for data in (data for label, data in _assertions(manifest) if label.startswith(_IDENTITY)):
        signature = _object(data.get("signature_info"))
        named.append(signature.get("common_name") or signature.get("issuer"))
        named += [_object(one).get("name") for one in _list(data.get("verifiedIdentities"))]
    return ", ".join(_unique(str(name)[:200] for name in named if name))[:1000]


def describe(store: JsonObject, *, own: bool, **also: Any) -> Finding:
    """The finding for a manifest store; `own` when our own key signed it, `also` further fields of its detail.

    A broken ingredient leaves the store valid and is told in `ingredient_failures`: then the claim weighs little.
    """
    status, credential_state = _STATES.get(state_of(store), ("invalid", "invalid"))
    source_types = _source_types([_active(store)])
    ingredient_types = _source_types(m for name, m in _manifests(store) if name != store.get("active_manifest"))
    failures = _ingredient_failures(store)
    direction = direction_of(next(iter(source_types), None))
    if "ai" in map(direction_of, [*source_types, *ingredient_types]):
        direction = "ai"
    weight = "conclusive" if own else _WEIGHTS.get(status, "none") if direction != "none" else "none"
    return finding(
        status,
        credential_state,
        direction=direction if status != "invalid" else "none",
        weight="weak" if failures and weight != "none" else weight,
        signer=signature_of(store).get("common_name") or signature_of(store).get("issuer"),
        # Only a time-stamping authority's word stands here: without one a signature has no time.
        signed_at=signature_of(store).get("time"),
        digital_source_type=next(iter(source_types), None),
        ingredient_source_types=ingredient_types,
        codes=_unique(_failures(_object(store.get("validation_results")).get("activeManifest"))),
        ingredient_failures=failures,
        own=own,
        **also,
    )


def finding(
    status: str, credential_state: CredentialState, *, direction: str = "none", weight: str = "none", **detail: Any
) -> Finding:
    """A finding of kind `c2pa`; every field of `detail` is there in every one."""
    blank: JsonObject = {
        "credential_state": credential_state,
        "signer": None,
        "signed_at": None,
        "digital_source_type": None,
        "ingredient_source_types": [],
        "codes": [],
        "ingredient_failures": [],
        "identity": None,
        "identity_codes": [],
        "trust_list": None,
        "own": False,
    }
    return Finding.model_validate(
        {"kind": "c2pa", "status": status, "direction": direction, "weight": weight, "detail": blank | detail}
    )


def _manifests(store: JsonObject) -> Iterable[tuple[str, JsonObject]]:
    return ((name, _object(manifest)) for name, manifest in _object(store.get("manifests")).items())


def _assertions(manifest: JsonObject) -> Iterable[tuple[str, JsonObject]]:
    entries = (_object(entry) for entry in _list(manifest.get("assertions")))
    return ((str(entry.get("label")), _object(entry.get("data"))) for entry in entries)


def _active(store: JsonObject) -> JsonObject:
    return dict(_manifests(store)).get(str(store.get("active_manifest")), {})


def _source_types(manifests: Iterable[JsonObject]) -> list[str]:
    """Digital source types of all actions, in order."""
    actions = (
        _object(action)
        for manifest in manifests
        for label, data in _assertions(manifest)
        if label.startswith("c2pa.actions")
        for action in _list(data.get("actions"))
    )
    return _unique(str(action["digitalSourceType"])[:200] for action in actions if action.get("digitalSourceType"))


def _ingredient_failures(store: JsonObject) -> list[str]:
    """Failures of ingredients: found now (deltas), and recorded when the ingredient was taken in."""
    found: list[str] = []
    for delta in _list(_object(store.get("validation_results")).get("ingredientDeltas")):
        found += _failures(_object(delta).get("validationDeltas"))
    for ingredient in (_object(entry) for _, m in _manifests(store) for entry in _list(m.get("ingredients"))):
        found += _failures(_object(ingredient.get("validation_results")).get("activeManifest"))
        found += _codes(ingredient.get("validation_status"))
    return _unique(code for code in found if code not in _TRUST_CODES)


def _failures(result: Any) -> list[str]:
    return _codes(_object(result).get("failure"))


def _codes(statuses: Any) -> list[str]:
    return [str(_object(status).get("code"))[:200] for status in _list(statuses)]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))[:_MAX_CODES]


def _object(value: Any) -> JsonObject:
    return cast(JsonObject, value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
