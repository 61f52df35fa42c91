"""Fetching from a real TLS server of this machine, whose name only our resolver knows and only our CA vouches for."""

import asyncio
import gzip
import ipaddress
import ssl
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pictures import encoded, house
from platemark.core.errors import FetchRefused
from platemark.net.fetch import Fetched, fetch

pytestmark = pytest.mark.anyio

NAME = "pictures.test"
PNG = encoded(house(32))
Handler = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def issue(subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey) -> bytes:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=subject == issuer, path_length=None), critical=True)
    )
    if subject != issuer:
        names = [x509.DNSName(subject), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What the server shows, and what trusts it."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = issue("test CA", ca_key, "test CA", ca_key)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    chain.write_bytes(issue(NAME, key, "test CA", ca_key) + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return server, ssl.create_default_context(cadata=ca.decode())


@dataclass
class Server:
    """A server that answers what the handler writes, and remembers request heads."""

    port: int
    trust: ssl.SSLContext
    heads: list[str] = field(default_factory=list[str])
    lookups: list[str] = field(default_factory=list[str])

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        self.lookups.append(host)
        # A rebinding name: the first answer is the server, every later one is somewhere else.
        return ["127.0.0.1"] if self.lookups.count(host) == 1 else ["127.0.0.99"]

    async def get(self, path: str = "/", **options: Any) -> Fetched:
        options = {"max_bytes": 100_000, "seconds": 20.0, "allowed_hosts": (NAME,), **options}
        return await fetch(f"https://{NAME}:{self.port}{path}", resolve=self.resolve, tls=self.trust, **options)


@asynccontextmanager
async def serving(tls: tuple[ssl.SSLContext, ssl.SSLContext], handler: Handler) -> AsyncGenerator[Server]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            server.heads.append(head)
            await handler(head.split()[1], writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls[0])
    server = Server(listener.sockets[0].getsockname()[1], tls[1])
    async with listener:
        yield server


def reply(body: bytes = PNG, status: str = "200 OK", **headers: str) -> Handler:
    headers = {"content_type": "image/png", "connection": "close", "content_length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]

    async def handler(_path: str, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return handler


def redirecting(location: str, status: str = "302 Found") -> Handler:
    return reply(b"", status, location=location)


async def test_a_picture_is_fetched_from_the_pinned_address_with_the_right_names(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serving(tls, reply(content_type="image/png; charset=x", set_cookie="a=b")) as server:
        fetched = await server.get("/a.png?signature=abc")
    assert (fetched.data, fetched.media_type) == (PNG, "image/png")
    assert server.lookups == [NAME]
    head = server.heads[0].lower()
    assert head.startswith("get /a.png?signature=abc http/1.1\r\n")
    assert f"host: {NAME}:{server.port}\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert not any(f"{name}:" in head for name in ("cookie", "authorization", "referer"))
    assert "signature" not in repr(fetched)


async def test_a_server_that_nobody_vouches_for_is_refused(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with serving(tls, reply()) as server:
        with pytest.raises(FetchRefused, match="could not be read"):
            await fetch(
                f"https://{NAME}:{server.port}/",
                resolve=server.resolve,
                allowed_hosts=(NAME,),
                max_bytes=1000,
                seconds=20,
            )


async def test_a_certificate_for_another_name_is_refused(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with serving(tls, reply()) as server:
        with pytest.raises(FetchRefused, match="could not be read"):
            await fetch(
                f"https://other.test:{server.port}/",
                resolve=server.resolve,
                tls=server.trust,
                allowed_hosts=("other.test",),
                max_bytes=1000,
                seconds=20,
            )
    assert server.heads == []


async def test_without_the_operator_s_word_the_same_server_is_refused(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with serving(tls, reply()) as server:
        with pytest.raises(FetchRefused, match="Port"):
            await server.get(allowed_hosts=())
    assert server.heads == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_followed(tls: tuple[ssl.SSLContext, ssl.SSLContext], status: str) -> None:
    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        await (reply() if path == "/b" else redirecting("/b", status))(path, writer)

    async with serving(tls, handler) as server:

        async def resolve(_host: str, _port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        fetched = await fetch(
            f"https://{NAME}:{server.port}/a",
            resolve=resolve,
            tls=server.trust,
            allowed_hosts=(NAME,),
            max_bytes=100_000,
            seconds=20,
        )
    assert fetched.data == PNG
    assert fetched.final_url.endswith("/b")


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://localhost/",
        "//inner.test/",
        "http://pictures.test.evil.example/",
        "file:///etc/passwd",
        "https://user:pass@pictures.test/",
        "https://exa mple/",
        "https://[broken/",
        "",
    ],
)
async def test_redirects_are_checked_like_the_first_url(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], location: str
) -> None:
    async with serving(tls, redirecting(location)) as server:
        with pytest.raises(FetchRefused):
            await server.get()
    assert len(server.heads) == 1


async def test_a_name_that_changes_its_answer_on_a_redirect_leads_nowhere(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with serving(tls, redirecting("/again")) as server:
        with pytest.raises(FetchRefused):
            await server.get()
    assert server.lookups == [NAME, NAME]
    assert len(server.heads) == 1


async def test_endless_redirects_end(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with serving(tls, redirecting("/next")) as server:
        with pytest.raises(FetchRefused, match="more than 5 times"):
            await fetch(
                f"https://{NAME}:{server.port}/",
                resolve=resolve,
                tls=server.trust,
                allowed_hosts=(NAME,),
                max_bytes=1000,
                seconds=20,
            )
    assert len(server.heads) == 6


async def drip(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_head(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"x-a: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silent(_path: str, writer: asyncio.StreamWriter) -> None:
    await writer.wait_closed()


@pytest.mark.parametrize("handler", [drip, drip_head, silent])
async def test_time_is_bounded_however_slowly_bytes_come(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], handler: Handler
) -> None:
    async with serving(tls, handler) as server:
        with pytest.raises(FetchRefused, match=r"did not deliver within 0\.4 seconds|could not be read"):
            await server.get(seconds=0.4)


async def test_a_resolver_that_hangs_is_bounded_too() -> None:
    async def hangs(_host: str, _port: int) -> Sequence[str]:
        await anyio.sleep_forever()
        return []

    with pytest.raises(FetchRefused, match="did not deliver"):
        await fetch("https://a.example/", resolve=hangs, max_bytes=1, seconds=0.05)


async def endless(_path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65_536)
        await writer.drain()


async def test_size_is_bounded_while_it_streams(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with serving(tls, endless) as server:
        with pytest.raises(FetchRefused, match="more than the 100000 bytes"):
            await server.get()


async def test_exactly_the_limit_passes_and_one_more_does_not(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with serving(tls, reply(b"x" * 1000)) as server:
        assert len((await server.get(max_bytes=1000)).data) == 1000
    async with serving(tls, reply(b"x" * 1000)) as server:
        with pytest.raises(FetchRefused, match="more than the 999 bytes"):
            await server.get(max_bytes=999)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_packed_answers_are_bounded_by_what_they_unpack_to(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    async with serving(tls, reply(pack(PNG), content_encoding=encoding)) as server:
        assert (await server.get()).data == PNG
    bomb = pack(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    async with serving(tls, reply(bomb, content_encoding=encoding)) as server:
        with pytest.raises(FetchRefused, match="more than the 100000 bytes"):
            await server.get()


@pytest.mark.parametrize(
    ("handler", "complaint"),
    [
        (reply(b"not gzip", content_encoding="gzip"), "broken"),
        (reply(gzip.compress(PNG)[:-20], content_encoding="gzip"), "cut off"),
        (reply(content_encoding="br"), "packed as 'br'"),
        (reply(content_encoding="gzip, gzip"), "packed as"),
        (reply(content_type="text/html"), "text/html"),
        (reply(status="404 Not Found"), "status 404"),
        (reply(status="206 Partial Content"), "status 206"),
        (reply(status="500 Oops"), "status 500"),
        (reply(PNG[:50], content_length="5000"), "could not be read"),
        (reply(b"", "302 Found"), "without saying where"),
    ],
)
async def test_answers_that_are_no_picture_are_refused(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], handler: Handler, complaint: str
) -> None:
    async with serving(tls, handler) as server:
        with pytest.raises(FetchRefused, match=complaint):
            await server.get()


@pytest.mark.parametrize("media_type", ["application/octet-stream", "binary/octet-stream", ""])
async def test_untyped_answers_are_left_to_the_decode_guard(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], media_type: str
) -> None:
    async with serving(tls, reply(content_type=media_type)) as server:
        assert (await server.get()).media_type == media_type


async def test_plain_http_of_an_allowed_host_and_the_next_address_when_one_is_dead() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reply()("/", writer)
        writer.close()

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.98", "127.0.0.1"]

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        fetched = await fetch(
            f"http://inner:{port}/", resolve=resolve, allowed_hosts=("inner",), max_bytes=100_000, seconds=20
        )
    assert fetched.data == PNG
