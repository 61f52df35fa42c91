from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platemark.core.errors import FetchRefused
from platemark.net.addresses import Resolver, check_url, is_public, pin_addresses, resolve_host

pytestmark = pytest.mark.anyio

NOT_PUBLIC = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.255", "100.100.100.200", "192.0.0.192"),
    *("192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "192.88.99.1", "168.63.129.16"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808"),
    *("64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    *("100::1", "5f00::1", "fec0::1", "not an address", ""),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111"]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_outside_are_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_no_other_notation_makes_an_inner_ipv4_address_public(address: object) -> None:
    for prefix in ("::ffff:", "::", "64:ff9b::", "64:ff9b:1::"):
        assert not is_public(f"{prefix}{address}")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://example.com/a.png", "Only https"),
        ("ftp://example.com/a.png", "Only https"),
        ("file:///etc/passwd", "Only https"),
        ("gopher://example.com/", "Only https"),
        ("data:image/png;base64,AAAA", "Only https"),
        ("//example.com/a.png", "Only https"),
        ("example.com/a.png", "Only https"),
        ("", "Only https"),
        ("https://user:secret@example.com/", "user name or password"),
        ("https://user@example.com/", "user name or password"),
        ("https://example.com:22/", "Port 22"),
        ("https://example.com:8443/", "Port 8443"),
        ("https://example.com:99999/", "Port 99999"),
        ("https://example.com\\@127.0.0.1/", "backslash"),
        ("https://exam ple.com/", "space"),
        ("https://example.com/\r\nHost: x", "control"),
        ("https://example.com/\0", "control"),
        ("https:///a.png", "not a valid name"),
        ("https://", "not a valid name"),
        ("https://-bad.example/", "not a valid name"),
        ("https://exa%6dple.com/", "not a valid name"),
        ("https://[::1", "cannot be|not a URL"),
        ("https://[fe80::1%25eth0]/", "looks like an address"),
        ("https://2130706433/", "looks like an address"),
        ("https://0x7f000001/", "looks like an address"),
        ("https://0x7f.0x0.0x0.0x1/", "looks like an address"),
        ("https://0177.0.0.1/", "not a URL"),
        ("https://127.1/", "looks like an address"),
        ("https://127.0.1/", "looks like an address"),
        ("https://1.2.3.256/", "not a URL"),
        ("https://127.0.0.1./", "not a valid name"),
        ("https://①②⑦.⓪.⓪.①/", "not a URL"),
        ("https://example.com/" + "a" * 9000, "longer than 8192"),
    ],
)
def test_bad_urls_are_refused_before_anything_is_looked_up(url: str, complaint: str) -> None:
    with pytest.raises(FetchRefused, match=complaint) as caught:
        check_url(url, ())
    assert "secret" not in caught.value.detail


def test_international_names_are_looked_up_in_their_ascii_form() -> None:
    target = check_url("https://BÜCHER.example/a.png#part", ())
    assert (target.host, target.authority, target.port) == ("xn--bcher-kva.example", "xn--bcher-kva.example", 443)
    assert str(target.url) == "https://xn--bcher-kva.example/a.png"


def test_ideographic_dots_do_not_hide_a_host() -> None:
    assert check_url("https://evil。example/", ()).host == "evil.example"


@pytest.mark.parametrize("url", ["http://studio.local/a", "http://Studio.Local.:9000/a", "https://studio.local:8443/a"])
def test_allowed_hosts_may_use_plain_http_and_any_port(url: str) -> None:
    assert check_url(url, ("STUDIO.local",)).trusted


@pytest.mark.parametrize(
    "url", ["http://x.studio.local/", "http://studio.local.evil.example/", "http://evilstudio.local/"]
)
def test_only_exactly_the_allowed_host_is_allowed(url: str) -> None:
    with pytest.raises(FetchRefused):
        check_url(url, ("studio.local",))


def answering(*addresses: str) -> Resolver:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_names_that_lead_inside_are_refused(address: str) -> None:
    with pytest.raises(FetchRefused, match="not a public address"):
        await pin_addresses(check_url("https://innocent.example/", ()), answering(address))


async def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(FetchRefused, match="not a public address"):
        await pin_addresses(check_url("https://mixed.example/", ()), answering("8.8.8.8", "127.0.0.1"))


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://[::1]/", "https://[::ffff:7f00:1]/", "https://10.1.2.3/"]
)
async def test_literal_addresses_are_checked_without_a_lookup(url: str) -> None:
    with pytest.raises(FetchRefused, match="not a public address"):
        await pin_addresses(check_url(url, ()), resolve_host)


async def test_localhost_is_refused_by_the_system_s_own_resolver() -> None:
    with pytest.raises(FetchRefused, match="not a public address"):
        await pin_addresses(check_url("https://localhost/", ()), resolve_host)


async def test_public_and_allowed_hosts_are_pinned_to_what_was_looked_up() -> None:
    assert await pin_addresses(check_url("https://a.example/", ()), answering(*PUBLIC)) == PUBLIC
    assert await pin_addresses(check_url("http://inner:80/", ("inner",)), answering("10.0.0.9")) == ["10.0.0.9"]


async def test_names_without_an_address_are_refused() -> None:
    async def fails(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(FetchRefused, match=r"a\.example has no address"):
        await pin_addresses(check_url("https://a.example/", ()), answering())
    with pytest.raises(FetchRefused, match=r"a\.example cannot be found"):
        await pin_addresses(check_url("https://a.example/", ()), fails)
