"""What is made of the test files of c2pa-rs: states, traps, and whom the public lists trust."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from platemark.core.inspection import Finding
from platemark.provenance.certificates import development_identity
from platemark.provenance.credential import NO_LIST, Credential
from platemark.settings import Settings
from platemark.trust import missing_lists, public_lists

pytestmark = pytest.mark.anyio
TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


class Known(NamedTuple):
    """What the table says of a file; `codes` beside `signingCredential.untrusted`."""

    status: str
    codes: tuple[str, ...] = ()
    ingredients: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    direction: str = "none"
    weight: str = "none"


NONE, UNTRUSTED, REMOTE, ERROR = (Known(s) for s in ("none", "valid_untrusted", "remote_not_fetched", "error"))
# Without any list; `LISTED` says what the public ones change.
FILES = {
    "C.jpg": UNTRUSTED,
    "CA.jpg": UNTRUSTED,
    "CACA.jpg": UNTRUSTED,
    # Valid at the top, broken below.
    "CACAE-uri-CA.jpg": Known("valid_untrusted", ingredients=("assertion.hashedURI.mismatch",)),
    "CIE-sig-CA.jpg": Known("valid_untrusted", ingredients=("claimSignature.mismatch",)),
    "CA_ct.jpg": UNTRUSTED,
    "C_with_CAWG_data.jpg": Known(
        "valid_untrusted", identity=("cawg.x509.credential.untrusted",), direction="camera", weight="weak"
    ),
    "E-sig-CA.jpg": Known("invalid", ("claimSignature.mismatch",)),
    "IMG_0003.jpg": NONE,
    "P1000827.jpg": NONE,
    "XCA.jpg": Known("invalid", ("assertion.dataHash.mismatch",)),
    "boxhash.jpg": UNTRUSTED,
    # Its identity's issuer is a did:web: nobody asks there, and the credential holds none the less.
    "claim_aggregation__adobe_connected_identities.jpg": Known(
        "valid_untrusted", identity=("cawg.ica.did_unavailable",)
    ),
    "claim_aggregation__ica_validation__success.jpg": Known("valid_untrusted", identity=("cawg.ica.untrusted_issuer",)),
    "cloud.jpg": REMOTE,
    "cloudx.jpg": REMOTE,
    "earth_apollo17.jpg": NONE,
    "libpng-test.png": NONE,
    "libpng-test_with_url.png": REMOTE,
    "mars.webp": NONE,
    # A manifest that names no hash algorithm, and one of before C2PA 1.0: not read, so neither whole nor tampered with.
    "no_alg.jpg": ERROR,
    "prerelease.jpg": ERROR,
    "no_manifest.jpg": NONE,
    "ocsp.jpg": Known("valid_untrusted", direction="ai", weight="weak"),
    "sample1.png": NONE,
    "sample1.webp": NONE,
    "test.webp": NONE,
    "test_lossless.webp": NONE,
    "test_xmp.webp": NONE,
    "thumbnail.jpg": NONE,
    "update_manifest.jpg": UNTRUSTED,
}
LISTED = {
    "ocsp.jpg": Known("trusted", direction="ai", weight="strong"),
    "claim_aggregation__adobe_connected_identities.jpg": Known("trusted", identity=("cawg.ica.did_unavailable",)),
}


async def found_in(folder: Path, credential: Credential) -> dict[str, Finding]:
    files = [file async for file in anyio.Path(folder / "c2pa").iterdir()]
    return {file.name: (await credential.read(await file.read_bytes(), TYPES[file.suffix]))[0] for file in files}


def known(finding: Finding) -> Known:
    detail = finding.detail
    codes = tuple(code for code in detail["codes"] if code != "signingCredential.untrusted")
    rest = tuple(detail["ingredient_failures"]), tuple(detail["identity_codes"])
    return Known(finding.status, codes, *rest, finding.direction, finding.weight)


async def test_every_file_has_its_state_and_no_identity(corpus: Path, tmp_path: Path) -> None:
    credential = await anyio.to_thread.run_sync(lambda: Credential(development_identity(tmp_path, datetime.now(UTC))))
    findings = await found_in(corpus, credential)
    assert {name: known(finding) for name, finding in findings.items()} == FILES
    for finding in findings.values():
        detail = finding.detail
        assert (detail["own"], detail["identity"]) == (False, None)
        assert (detail["trust_list"], detail["trust_list_reason"]) == (None, NO_LIST)
        assert (detail["credential_state"] == "absent") == (finding.status in ("none", "remote_not_fetched"))


async def test_the_public_lists_trust_who_is_on_them(corpus: Path, tmp_path: Path) -> None:
    settings = await anyio.to_thread.run_sync(lambda: Settings(data=tmp_path))
    if lacking := await anyio.to_thread.run_sync(missing_lists, settings):
        pytest.skip(f"not on this machine: platemark models pull {' '.join(lacking)}")
    lists = await anyio.to_thread.run_sync(public_lists, settings)
    credential = await anyio.to_thread.run_sync(
        lambda: Credential(development_identity(tmp_path, datetime.now(UTC)), trust=lists)
    )
    findings = await found_in(corpus, credential)
    assert {name: known(finding) for name, finding in findings.items()} == FILES | LISTED
    told = {name: finding.detail["trust_list"] for name, finding in findings.items()}
    interim = {"name": "interim", "dated": "2026-07-10"}
    # Both chain to the frozen list only; where nobody is trusted, the first that was looked into is named.
    assert {name for name, one in told.items() if one == interim} == set(LISTED)
    assert all(one == {"name": "c2pa", "dated": "2026-07-10"} for name, one in told.items() if name not in LISTED)
