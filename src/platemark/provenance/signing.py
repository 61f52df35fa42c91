"""The signer that the settings name, and the provenance that signs with it."""

from collections.abc import Sequence
from datetime import UTC, datetime

import anyio.to_thread

from platemark import telemetry
from platemark.core.errors import Misconfigured
from platemark.provenance.certificates import (
    Identity,
    development_identity,
    former_identities,
    operator_identity,
    present_identity,
    read_anchors,
)
from platemark.provenance.claims import Terms
from platemark.provenance.credential import Credential
from platemark.provenance.signers import Sign, Timestamp, by_command, by_https
from platemark.provenance.trust import TrustList
from platemark.settings import Settings
from platemark.telemetry import CERTIFICATE_ENDS

log = telemetry.logger(__name__)


async def open_provenance(settings: Settings, public: Sequence[TrustList] = ()) -> Credential:
    """The operator's certificate where one is set, else a development certificate. Raises Misconfigured.

    `public`: lists of whom to trust when reading, beside the operator's own.
    """
    return await anyio.to_thread.run_sync(_open, settings, datetime.now(UTC), public)


def identity_of(settings: Settings, now: datetime) -> Identity:
    """Who signs: the operator's certificate, else a development one, which is made or renewed. Raises Misconfigured."""
    return _operator(settings, now) or development_identity(settings.data, now)


def present_of(settings: Settings, now: datetime) -> Identity | None:
    """Who signs, without making anything: None before the first start. Raises Misconfigured."""
    return _operator(settings, now) or present_identity(settings.data, now)


def operator_lists(settings: Settings) -> tuple[TrustList, ...]:
    """The operator's own list of whom to trust when reading, where there is one. Raises Misconfigured."""
    file = settings.trust_anchors
    return (TrustList("operator", read_anchors(file)),) if file else ()


def credential_of(settings: Settings, identity: Identity, public: Sequence[TrustList] = ()) -> Credential:
    """The provenance of an identity, with `public` lists of whom to trust beside the operator's.

    Raises Misconfigured where what it needs cannot be read.
    """
    development = former_identities(settings.data) if identity.development else ()
    former = [read_anchors(file, "signing_former") for file in settings.signing_former]
    return Credential(
        identity,
        sign=_signer(settings, identity),
        timestamp=_timestamp(settings),
        terms=Terms(settings.credential_training, settings.credential_model),
        former=(*former, *development),
        trust=(*public, *operator_lists(settings)),
    )


def _open(settings: Settings, now: datetime, public: Sequence[TrustList]) -> Credential:
    identity = identity_of(settings, now)
    credential = credential_of(settings, identity, public)
    credential.check()
    CERTIFICATE_ENDS.set(identity.ends.timestamp())
    if identity.development:
        log.info(
            "certificate.development",
            until=f"{identity.ends:%Y-%m-%d}",
            note="untrusted elsewhere: others see its signatures as valid, never as trusted",
        )
    elif (identity.ends - now).days <= settings.signing_warn_days:
        log.warning("certificate.ends", signer=identity.name, until=f"{identity.ends:%Y-%m-%d}")
    return credential


def _operator(settings: Settings, now: datetime) -> Identity | None:
    _check(settings)
    file, key = settings.signing_certificate, settings.signing_key
    return operator_identity(file, key, now, password_reference=settings.signing_password) if file else None


def _signer(settings: Settings, identity: Identity) -> Sign | None:
    seconds = settings.signing_seconds
    if settings.signing_command:
        return by_command(settings.signing_command, seconds)
    if settings.signing_url:
        return by_https(settings.signing_url, settings.signing_token, identity.algorithm, seconds)
    return None


def _timestamp(settings: Settings) -> Timestamp | None:
    if settings.timestamp_url is None:
        return None
    return Timestamp(settings.timestamp_url, required=settings.timestamp_missing == "fail")


def _check(settings: Settings) -> None:
    """Settings that belong together. Raises Misconfigured."""
    certificate = settings.signing_certificate
    packed = certificate is not None and certificate.suffix.lower() in (".p12", ".pfx")
    keys = [settings.signing_key, settings.signing_command, settings.signing_url, "packed" if packed else None]
    if certificate is not None and sum(key is not None for key in keys) != 1:
        raise Misconfigured(
            "signing_certificate needs one thing that signs: signing_key, signing_command or signing_url; "
            "a PKCS#12 file has its key inside. For signing_certificate and signing_key: set both, or neither."
        )
    if certificate is None and any(key is not None for key in keys):
        raise Misconfigured(
            "What signs belongs to a certificate: signing_certificate and signing_key, signing_command or signing_url. "
            "Without any of them a development certificate is made: set both, or neither."
        )
