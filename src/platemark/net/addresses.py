"""Which addresses and URLs may be reached on behalf of a stranger."""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import anyio
import httpx2

from platemark.core.errors import FetchRefused

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_URL = 8192
_PORTS = {"https": 443, "http": 80}
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
# WHATWG URL: a host whose last label is a number is an IPv4 address, in whatever notation; only the plain one is taken.
_NUMERIC = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?")
# Global by registry, but reserved for things inside: Azure's own services; addresses that carry others (Teredo, ORCHID,
# benchmarking; 6to4). IPv6 is public only inside 2000::/3, so NAT64, mapped and compatible addresses never are.
_INSIDE = tuple(
    ipaddress.ip_network(net)
    for net in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that passed the rules. `authority` goes into the Host header; `trusted`: the operator allows the host."""

    url: httpx2.URL
    host: str
    port: int
    authority: str
    trusted: bool


def is_public(address: str) -> bool:
    """True for an address that anybody on the internet could reach: never ours, our neighbours' or our cloud's."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if parsed.version == 6 and parsed not in _GLOBAL_UNICAST:
        return False
    inside = any(parsed in network for network in _INSIDE if network.version == parsed.version)
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved and not inside


def check_url(url: str | httpx2.URL, allowed_hosts: Collection[str]) -> Target:
    """Apply every rule that needs no DNS. Raises FetchRefused.

    `allowed_hosts` are names or addresses (without port) that may be private, use plain HTTP and any port.
    """
    parsed = _parse(url)
    host = parsed.raw_host.decode("ascii").lower()
    trusted = host.rstrip(".") in {allowed.lower().rstrip(".") for allowed in allowed_hosts}
    if parsed.scheme != "https" and not (trusted and parsed.scheme == "http"):
        raise FetchRefused("Only https URLs are fetched. Use an https URL, or send the image itself.")
    if parsed.userinfo:
        raise FetchRefused("The URL carries a user name or password. Leave them out.")
    _check_host(host)
    port = parsed.port or _PORTS[parsed.scheme]
    if port != 443 and not trusted:
        raise FetchRefused(f"Port {port} is not fetched from. Use a URL on the standard https port.")
    name = f"[{host}]" if ":" in host else host
    authority = name if port == _PORTS[parsed.scheme] else f"{name}:{port}"
    return Target(parsed.copy_with(fragment=None), host.rstrip("."), port, authority, trusted)


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The system's resolver: addresses in the order of preference. Raises OSError."""
    found = await anyio.getaddrinfo(host, port, type=1)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def pin_addresses(target: Target, resolve: Resolver) -> list[str]:
    """Where to connect, looked up once. Raises FetchRefused when there is no address, or one that is not public."""
    try:
        addresses = [str(ipaddress.ip_address(target.host))]
    except ValueError:
        addresses = await _lookup(target, resolve)
    if not addresses:
        raise FetchRefused(f"{target.host} has no address. Check the URL.")
    if not target.trusted and not all(is_public(address) for address in addresses):
        raise FetchRefused(
            f"{target.host} is not a public address, so it is not fetched from. Send the image itself, or ask the "
            "operator to allow the host (setting allowed_hosts)."
        )
    return addresses


async def _lookup(target: Target, resolve: Resolver) -> list[str]:
    try:
        return list(await resolve(target.host, target.port))
    except (OSError, UnicodeError) as error:
        raise FetchRefused(f"{target.host} cannot be found. Check the URL.") from error


def _parse(url: str | httpx2.URL) -> httpx2.URL:
    text = str(url)
    if len(text) > MAX_URL or _FORBIDDEN.search(text):
        raise FetchRefused(f"The URL is longer than {MAX_URL} characters or contains a space, backslash or control.")
    try:
        return httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchRefused("This is not a URL that can be read. Check it.") from error


def _check_host(host: str) -> None:
    if ":" in host or (_NUMERIC.fullmatch(host) and not host.endswith(".")):
        if not _is_address(host):
            raise FetchRefused("The URL's host looks like an address but is not a plain one. Write it out.")
    elif len(host) > 253 or not _NAME.fullmatch(host) or _NUMERIC.fullmatch(host):
        raise FetchRefused("The URL's host is not a valid name. Check it.")


def _is_address(host: str) -> bool:
    try:
        # A zone ("%eth0") would choose one of our own networks.
        return getattr(ipaddress.ip_address(host), "scope_id", None) is None
    except ValueError:
        return False
