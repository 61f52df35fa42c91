import shlex
import ssl
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import anyio
import pytest
from authorities import KEYS, Chain, chain, listening, time_stamping
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from prometheus_client import REGISTRY

from pictures import encoded, house
from platemark.core.errors import Misconfigured, SealFailed
from platemark.core.ports import Claim
from platemark.provenance.certificates import Identity, operator_identity
from platemark.provenance.credential import Credential
from platemark.provenance.signers import Sign, Timestamp, bare_signature, by_command, by_https
from platemark.provenance.signing import open_provenance
from platemark.provenance.sources import IPTC
from platemark.provenance.trust import TrustList
from platemark.settings import Settings

pytestmark = pytest.mark.anyio

PICTURE = encoded(house(32))
CLAIM = Claim("img_1", "img_1", f"{IPTC}trainedAlgorithmicMedia", "Platemark", None, "2026-11-22T15:00:00+00:00")
# Signs with the key that its first argument names, as an operator's own program would.
PROGRAM = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

key = serialization.load_pem_private_key(Path(sys.argv[1]).read_bytes(), None)
data = sys.stdin.buffer.read()
if isinstance(key, ed25519.Ed25519PrivateKey):
    signature = key.sign(data)
elif isinstance(key, rsa.RSAPrivateKey):
    signature = key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
else:
    digest = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}[key.key_size]
    signature = key.sign(data, ec.ECDSA(digest()))
sys.stdout.buffer.write(signature)
"""


@dataclass(frozen=True)
class Signing:
    """A chain in files, and whoever signs with it: who holds the key, and who does not."""

    chain: Chain
    folder: Path
    own: Identity
    bare: Identity

    @property
    def command(self) -> str:
        return shlex.join([sys.executable, str(self.folder / "sign.py"), str(self.folder / "key.pem")])


def signing(folder: Path, algorithm: str = "es256", made: Chain | None = None) -> Signing:
    made, now = made or chain(KEYS[algorithm]()), datetime.now(UTC)
    (folder / "chain.pem").write_text(made.pem)
    (folder / "key.pem").write_bytes(made.key_pem)
    (folder / "sign.py").write_text(PROGRAM)
    own = operator_identity(folder / "chain.pem", f"file:{folder / 'key.pem'}", now)
    return Signing(made, folder, own, operator_identity(folder / "chain.pem", None, now))


@pytest.fixture(scope="module", params=list(KEYS))
def any_key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Signing:
    return signing(tmp_path_factory.mktemp("any"), request.param)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Signing:
    return signing(tmp_path_factory.mktemp("ours"))


async def status(credential: Credential, sealed: bytes) -> tuple[str, bool, str | None]:
    found, _ = await credential.read(sealed, "image/png")
    return found.status, found.detail["own"], found.detail["signed_at"]


async def test_every_kind_of_key_signs_by_itself(any_key: Signing) -> None:
    credential = Credential(any_key.own)
    sealed = await credential.seal(PICTURE, "image/png", CLAIM)
    assert await status(credential, sealed) == ("valid_untrusted", True, None)


async def test_every_kind_of_key_signs_through_a_command(any_key: Signing) -> None:
    credential = Credential(any_key.bare, sign=by_command(any_key.command, 30))
    sealed = await credential.seal(PICTURE, "image/png", CLAIM)
    assert any_key.bare.key == ""
    assert await status(credential, sealed) == ("valid_untrusted", True, None)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("raise SystemExit(3)", "CalledProcessError"),
        ("import time; time.sleep(30)", "TimeoutExpired"),
        ("print(end='')", "0 bytes"),
        ("print('x' * 9000)", "9001 bytes"),
        ("print('x' * 63)", "no es256 signature"),
        ("print('x' * 71)", "no es256 signature"),
    ],
)
async def test_a_command_that_gives_no_signature_is_told(ours: Signing, script: str, told: str) -> None:
    command = shlex.join([sys.executable, "-c", script, "a secret"])
    credential = Credential(ours.bare, sign=by_command(command, 0.5 if "sleep" in script else 30))
    with pytest.raises(SealFailed, match=told) as failed:
        await credential.seal(PICTURE, "image/png", CLAIM)
    assert failed.value.retryable
    assert "secret" not in failed.value.detail


async def test_a_command_runs_without_a_shell(ours: Signing, tmp_path: Path) -> None:
    made = [tmp_path / name for name in ("one", "two", "three")]
    command = f"{ours.command} ; touch {made[0]} $(touch {made[1]}) `touch {made[2]}` > $HOME"
    sealed = await Credential(ours.bare, sign=by_command(command, 30)).seal(PICTURE, "image/png", CLAIM)
    assert await status(Credential(ours.bare), sealed) == ("valid_untrusted", True, None)
    assert [path for path in made if path.exists()] == []


async def test_a_command_that_is_not_there_is_told(ours: Signing) -> None:
    credential = Credential(ours.bare, sign=by_command("/no/such/program --now", 5))
    with pytest.raises(SealFailed, match="/no/such/program gave no signature"):
        await credential.seal(PICTURE, "image/png", CLAIM)


def test_another_key_s_signature_is_refused(ours: Signing) -> None:
    other = chain(KEYS["es256"]())
    assert isinstance(other.key, ec.EllipticCurvePrivateKey)
    signature = other.key.sign(b"data", ec.ECDSA(hashes.SHA256()))
    assert len(bare_signature(signature, "es256", other.certificates[0], b"data")) == 64
    for wrong in (ours.chain.certificates[0], other.certificates[1]):
        with pytest.raises(SealFailed, match="by the key of the certificate"):
            bare_signature(signature, "es256", wrong, b"data")
    with pytest.raises(SealFailed):
        bare_signature(signature, "es256", other.certificates[0], b"other data")


def test_a_signature_side_by_side_is_taken_as_it_is() -> None:
    made = chain(KEYS["es384"]())
    assert isinstance(made.key, ec.EllipticCurvePrivateKey)
    raw = bare_signature(made.key.sign(b"data", ec.ECDSA(hashes.SHA384())), "es384", made.certificates[0], b"data")
    assert (len(raw), bare_signature(raw, "es384", made.certificates[0], b"data")) == (96, raw)


@contextmanager
def service(made: Chain, *, code: int = 200, body: bytes | None = None) -> Generator[tuple[str, list[dict[str, str]]]]:
    """A signing service: its address, and the headers of what it was asked."""
    asked = list[dict[str, str]]()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            asked.append({name.lower(): value for name, value in self.headers.items()})
            assert isinstance(made.key, ec.EllipticCurvePrivateKey)
            answer = made.key.sign(data, ec.ECDSA(hashes.SHA256())) if body is None else body
            self.send_response(code)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None: ...

    with listening(Answer) as url:
        yield url, asked


async def test_a_service_signs_with_its_bearer_token(ours: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_TOKEN", "a-token")
    with service(ours.chain) as (url, asked):
        credential = Credential(ours.bare, sign=by_https(url, "env:SIGNING_TOKEN", "es256", 5))
        sealed = await credential.seal(PICTURE, "image/png", CLAIM)
    assert await status(credential, sealed) == ("valid_untrusted", True, None)
    (headers,) = asked
    assert (headers["authorization"], headers["platemark-algorithm"]) == ("Bearer a-token", "es256")
    assert headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("code", "body", "told"),
    [
        (401, b"no", "answered with status 401"),
        (200, b"", "0 bytes"),
        (200, b"x" * 100_000, "too much"),
        (200, b"x" * 64, "no es256 signature"),
        (302, b"", "status 302"),
    ],
)
async def test_a_service_that_gives_no_signature_is_told(ours: Signing, code: int, body: bytes, told: str) -> None:
    with service(ours.chain, code=code, body=body) as (url, _):
        credential = Credential(ours.bare, sign=by_https(url, None, "es256", 5))
        with pytest.raises(SealFailed, match=told):
            await credential.seal(PICTURE, "image/png", CLAIM)


@pytest.mark.parametrize("code", [200, 302, 401, None])
async def test_a_bearer_token_is_neither_logged_nor_told(
    ours: Signing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int | None
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("SIGNING_TOKEN", "hidden-token")
    told = ""
    with service(ours.chain, code=code or 200) as (url, _):
        address = url if code else "https://127.0.0.1:9"
        credential = Credential(ours.bare, sign=by_https(address, "env:SIGNING_TOKEN", "es256", 5))
        try:
            await credential.seal(PICTURE, "image/png", CLAIM)
        except SealFailed as failed:
            told = f"{failed!r} {failed.detail} {failed.__cause__!r} {failed.__context__!r}"
    assert bool(told) == (code != 200)
    assert "hidden-token" not in told + caplog.text


@pytest.mark.parametrize(("token", "told"), [(None, "could not be asked"), ("env:NOT_SET", "signing_token")])
async def test_a_service_that_cannot_be_asked_is_told(ours: Signing, token: str | None, told: str) -> None:
    sign: Sign = by_https("https://127.0.0.1:9", token, "es256", 5)
    with pytest.raises(SealFailed, match=told):
        await Credential(ours.bare, sign=sign).seal(PICTURE, "image/png", CLAIM)


async def test_a_service_with_a_certificate_nobody_vouches_for_is_not_asked(ours: Signing) -> None:
    with service(ours.chain) as (url, asked):
        sign = by_https(url.replace("http://", "https://"), None, "es256", 5, tls=ssl.create_default_context())
        with pytest.raises(SealFailed, match="could not be asked"):
            await Credential(ours.bare, sign=sign).seal(PICTURE, "image/png", CLAIM)
    assert asked == []


async def test_a_time_stamp_is_asked_for_and_read_back(ours: Signing) -> None:
    moment = datetime.now(UTC).replace(microsecond=0)
    with time_stamping(moment) as (url, _):
        for sign in (None, by_command(ours.command, 30)):
            credential = Credential(ours.own, sign=sign, timestamp=Timestamp(url))
            found = await status(credential, await credential.seal(PICTURE, "image/png", CLAIM))
            assert found == ("valid_untrusted", True, moment.isoformat())


async def test_without_its_time_stamp_nothing_is_sealed_unless_the_operator_allows_it(ours: Signing) -> None:
    nobody = "http://127.0.0.1:9/"
    with pytest.raises(SealFailed, match="timestamp_url"):
        await Credential(ours.own, timestamp=Timestamp(nobody)).seal(PICTURE, "image/png", CLAIM)
    lenient = Credential(ours.own, timestamp=Timestamp(nobody, required=False))
    sealed = await lenient.seal(PICTURE, "image/png", CLAIM)
    assert await status(lenient, sealed) == ("valid_untrusted", True, None)


@pytest.fixture(scope="module")
def ending(tmp_path_factory: pytest.TempPathFactory) -> Signing:
    """A certificate that ends in ten seconds."""
    began = datetime.now(UTC) - timedelta(days=10) + timedelta(seconds=10)
    return signing(tmp_path_factory.mktemp("ending"), made=chain(KEYS["es256"](), now=began, days=10))


@pytest.mark.slow
async def test_a_time_stamp_outlives_the_certificate_for_who_trusts_the_authority(ending: Signing) -> None:
    with time_stamping() as (url, authority):
        stamped = await Credential(ending.own, timestamp=Timestamp(url)).seal(PICTURE, "image/png", CLAIM)
    plain = await Credential(ending.own).seal(PICTURE, "image/png", CLAIM)
    await anyio.sleep((ending.own.ends - datetime.now(UTC)).total_seconds() + 1)
    roots = ending.chain.certificates[-1:] + authority.certificates[-1:]
    anchors = [each.public_bytes(serialization.Encoding.PEM).decode() for each in roots]
    seen = [
        (await status(Credential(ending.own, trust=[TrustList("operator", trusted)]), data))[0]
        for trusted in (anchors[0], "".join(anchors))
        for data in (stamped, plain)
    ]
    assert seen == ["invalid", "invalid", "trusted", "invalid"]


async def settings_of(**values: object) -> Settings:
    return await anyio.to_thread.run_sync(lambda: Settings.model_validate(values))


async def test_a_pkcs12_file_opens_with_its_password(
    ours: Signing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf, middle, root = ours.chain.certificates
    key = ours.chain.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    # Its further certificates in the wrong order: there is none in PKCS#12.
    packed = pkcs12.serialize_key_and_certificates(
        b"signer", key, leaf, [root, middle], serialization.BestAvailableEncryption(b"a password")
    )
    file = tmp_path / "signer.p12"
    await anyio.Path(file).write_bytes(packed)
    monkeypatch.setenv("P12_PASSWORD", "a password")
    monkeypatch.setenv("P12_WRONG", "another")
    given = {"data": tmp_path / "data", "signing_certificate": file}
    opened = await open_provenance(await settings_of(**given, signing_password="env:P12_PASSWORD"))
    assert opened.signer == "Test signer"
    assert (await status(opened, await opened.seal(PICTURE, "image/png", CLAIM)))[:2] == ("valid_untrusted", True)
    for more in ({}, {"signing_password": "env:P12_WRONG"}):
        with pytest.raises(Misconfigured, match="signing_password") as failed:
            await open_provenance(await settings_of(**given, **more))
        assert "another" not in failed.value.detail


async def test_settings_name_a_command_that_signs(ours: Signing, tmp_path: Path) -> None:
    settings = await settings_of(
        data=tmp_path, signing_certificate=ours.folder / "chain.pem", signing_command=ours.command, signing_seconds=30
    )
    opened = await open_provenance(settings)
    assert (await status(opened, await opened.seal(PICTURE, "image/png", CLAIM)))[:2] == ("valid_untrusted", True)
    ends = REGISTRY.get_sample_value("platemark_signing_certificate_ends_seconds")
    assert ends == ours.own.ends.timestamp()


@pytest.mark.parametrize(
    "given",
    [
        {"signing_command": "sign"},
        {"signing_url": "https://signer.example"},
        {"signing_certificate": "chain.pem", "signing_command": "sign", "signing_url": "https://signer.example"},
        {"signing_certificate": "chain.pem", "signing_command": "sign", "signing_key": "env:KEY"},
        {"signing_certificate": "signer.p12", "signing_key": "env:KEY"},
    ],
)
async def test_one_thing_signs(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="set both, or neither"):
        await open_provenance(await settings_of(data=tmp_path, **given))


async def test_a_certificate_that_was_signed_with_before_stays_ours(ours: Signing, tmp_path: Path) -> None:
    sealed = await Credential(ours.own).seal(PICTURE, "image/png", CLAIM)
    await anyio.to_thread.run_sync(signing, tmp_path)
    file, key = tmp_path / "chain.pem", f"file:{tmp_path / 'key.pem'}"
    settings = await settings_of(data=tmp_path / "data", signing_certificate=file, signing_key=key)
    assert (await status(await open_provenance(settings), sealed))[1] is False
    settings = settings.model_copy(update={"signing_former": (ours.folder / "chain.pem",)})
    assert (await status(await open_provenance(settings), sealed))[1] is True


def test_a_trial_signature_tells_what_is_wrong(ours: Signing) -> None:
    Credential(ours.own).try_out()
    with pytest.raises(SealFailed, match="no/such"):
        Credential(ours.own, sign=by_command("/no/such/program", 5)).try_out()
    with pytest.raises(Misconfigured, match="does not accept"):
        Credential(replace(ours.own, algorithm="es384")).try_out()
