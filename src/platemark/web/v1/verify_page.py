"""`/verify`: the public page about a published picture, and the lookup by a copy of one. No key, no script."""

import html
from importlib.resources import files
from ipaddress import ip_address, ip_network
from string import Template

import anyio
from fastapi import APIRouter, Request
from starlette.responses import Response

from platemark.core.errors import NotFound, RateLimited
from platemark.core.ids import is_id
from platemark.core.inspection import LIMITS
from platemark.core.ports import Clock, Platform
from platemark.core.resource import LookupResource, StatementResource, VerifiedFile
from platemark.flows.publications.lookup import Found, Statement, lookup, statement
from platemark.web import answers, uploads
from platemark.web.addresses import base_url
from platemark.web.negotiation import wants_page
from platemark.web.ratelimit import RateLimits
from platemark.web.requests import exchange_of

_TEMPLATE = Template(files("platemark.web").joinpath("verify.html").read_text(encoding="utf-8"))
# Beside the API: it has no key, and no scope.
router = APIRouter(include_in_schema=False)
_CSP = (
    "default-src 'none'; img-src 'self'; style-src 'nonce-{nonce}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NO_MATCH = "No published picture of this installation was found for this file. That proves nothing about its origin."
_MATCH = "This file is, or is a copy of, a picture that this installation published."
_WATERMARKS = {"on": "present", "off": "none", "not_carried": "none: the picture cannot carry one"}
_AT_ONCE = 2


class Visitors:
    """How often an address may ask, and how many copies are looked at at once."""

    def __init__(self, clock: Clock) -> None:
        self.pages = RateLimits(clock, per_minute=120, burst=60)
        self.copies = RateLimits(clock, per_minute=6, burst=6)
        self.at_once = anyio.CapacityLimiter(_AT_ONCE)


@router.get("/verify/{id}")
async def get(request: Request, id: str) -> Response:
    """For anybody: who made it, when, what it is marked with. Of a publication (pub_…) or a published image (img_…)."""
    _take(request, _visitors(request).pages)
    if not (is_id(id, "pub") or is_id(id, "img")):
        raise NotFound("There is no published picture with this id.")
    found = await statement(request.app.state.platform, id)
    said = _said(request, found)
    if wants_page(request):
        return _page(request, said)
    return answers.json(said, headers={"Vary": "Accept"})


@router.post("/verify")
async def look_up(request: Request) -> Response:
    """For anybody: whether it was published here. Neither the file nor the question is kept."""
    visitors = _visitors(request)
    _take(request, visitors.copies)
    brought = await uploads.read_image(request, request.app.state.settings)
    async with visitors.at_once:
        found = await lookup(request.app.state.platform, brought.data)
    return answers.json(_answer(request, found))


def _answer(request: Request, found: Found | None) -> LookupResource:
    if found is None:
        return LookupResource(match=None, message=_NO_MATCH, statement=None, limits=LIMITS)
    return LookupResource(match=found.how, message=_MATCH, statement=_said(request, found.statement), limits=LIMITS)


def _visitors(request: Request) -> Visitors:
    return request.app.state.visitors


def _take(request: Request, rates: RateLimits) -> None:
    """Behind a proxy, the address is what the proxy says where the server is told to believe it."""
    allowance, refused = rates.take(_home(request.client.host if request.client else ""))
    if allowance is not None:
        exchange_of(request).headers.update(allowance.headers())
    if refused is not None:
        raise RateLimited(
            "Too many questions from this address. Wait, then ask again.", retry_after=refused.retry_after
        )


def _home(address: str) -> str:
    """Who counts as one: an IPv4 address, but a whole /64 of IPv6, of which one customer has every address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else str(ip_network((int(found), 64), strict=False))


def _said(request: Request, found: Statement) -> StatementResource:
    base = base_url(request, request.app.state.settings)
    publication, here = found.publication, f"{base}/v1/publications/{found.publication.id}/content"
    full = next((one for one in found.renditions if one.name == "full"), None)
    return StatementResource(
        id=publication.id,
        image=found.image.id,
        origin=found.image.origin,
        digital_source_type=found.source_type,
        published_at=publication.published_at or publication.changed_at,
        ai_disclosure=publication.disclosure,
        label_text=publication.label_text,
        burn_label=publication.burn_label,
        alt_text=publication.alt_text,
        credential_state=full.credential_state if full else found.image.credential_state,
        credential_signer=full.credential_signer if full else found.image.credential_signer,
        watermark=full.watermark if full else "off",
        files=tuple(
            VerifiedFile(
                name=one.name,
                url=f"{here}?rendition={one.name}",
                sha256=one.sha256,
                media_type=one.media_type,
                width=one.width,
                height=one.height,
            )
            for one in found.renditions
        ),
        url=here,
        limits=LIMITS,
    )


def _page(request: Request, said: StatementResource) -> Response:
    platform: Platform = request.app.state.platform
    nonce = platform.ids.secret(16)
    full = next((one for one in said.files if one.name == "full"), None)
    body = _TEMPLATE.substitute(
        title="A picture published here",
        nonce=nonce,
        summary=html.escape(said.label_text or "Published without a label"),
        picture=html.escape(f"/v1/publications/{said.id}/content"),
        size=f' width="{full.width}" height="{full.height}"' if full else "",
        alt=html.escape(said.alt_text or "The published picture; nobody described it"),
        caption=f"<figcaption>{html.escape(said.alt_text)}</figcaption>" if said.alt_text else "",
        facts="\n".join(_row(name, html.escape(text)) for name, text in _facts(said).items()),
        files="\n".join(_row(_named(one), _file(said, one)) for one in said.files),
        limits=html.escape(" ".join(said.limits)),
    )
    return answers.page(body, _CSP.format(nonce=nonce))


def _facts(said: StatementResource) -> dict[str, str]:
    made = "Made with AI" if said.origin == "generated" else "Brought to this installation by a person"
    signer = f", signed by {said.credential_signer}" if said.credential_signer else ""
    return {
        "Origin": made,
        "Published": f"{said.published_at:%Y-%m-%d %H:%M} UTC",
        "Digital source type (IPTC)": said.digital_source_type or "not known",
        "Credential (C2PA)": f"{said.credential_state.replace('_', ' ')}{signer}",
        "Watermark": _WATERMARKS[said.watermark],
        "Publication": said.id,
    }


def _named(one: VerifiedFile) -> str:
    kind = one.media_type.removeprefix("image/").upper()
    return html.escape(f"{one.name} · {kind} · {one.width} × {one.height} pixels")


def _file(said: StatementResource, one: VerifiedFile) -> str:
    place = html.escape(f"/v1/publications/{said.id}/content?rendition={one.name}")
    return f'<a href="{place}">Open {html.escape(one.name)}</a><code>SHA-256 {one.sha256}</code>'


def _row(name: str, content: str) -> str:
    return f"<div><dt>{name}</dt><dd>{content}</dd></div>"
