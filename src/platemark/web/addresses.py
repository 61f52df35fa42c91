"""Under which address a client reaches us, and the ids that stand in paths."""

import re
from collections.abc import Callable
from typing import Annotated

from fastapi import Path, Request
from pydantic import AfterValidator

from platemark.core.errors import MalformedBody, NotFound
from platemark.core.ids import Prefix, is_id
from platemark.settings import Settings

_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def base_url(request: Request, settings: Settings) -> str:
    """`scheme://host` without a slash at its end: the configured one, else the one that this request came to."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    host = request.headers.get("host") or _own(request)
    if not _HOST.fullmatch(host):
        raise MalformedBody("The Host header is not a host name. Send the name under which you reach this server.")
    return f"{request.url.scheme}://{host}"


def _own(request: Request) -> str:
    server: tuple[str, int | None] = request.scope.get("server") or ("localhost", None)
    host, port = server
    return host if port is None else f"{host}:{port}"


def _existing(prefix: Prefix, noun: str, *others: Prefix) -> Callable[[str], str]:
    def check(text: str) -> str:
        # What cannot be an id is not looked up at all; that it is malformed helps nobody but a prober.
        if not any(is_id(text, one) for one in (prefix, *others)):
            raise NotFound(f"There is no {noun} with this id.")
        return text

    return check


GenerationId = Annotated[
    str, AfterValidator(_existing("gen", "generation")), Path(examples=["gen_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
ImageId = Annotated[
    str, AfterValidator(_existing("img", "image")), Path(examples=["img_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
InspectionId = Annotated[
    str, AfterValidator(_existing("ins", "inspection")), Path(examples=["ins_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
DetectorReportId = Annotated[
    str, AfterValidator(_existing("rpt", "report")), Path(examples=["rpt_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
KeyId = Annotated[str, AfterValidator(_existing("key", "key")), Path(examples=["key_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])]
PolicyId = Annotated[
    str, AfterValidator(_existing("pol", "policy")), Path(examples=["pol_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
JudgedId = Annotated[
    str,
    AfterValidator(_existing("vdt", "verdict, image or generation", "img", "gen")),
    Path(description="Of a verdict, an image or a generation.", examples=["vdt_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"]),
]
HashListId = Annotated[
    str, AfterValidator(_existing("hls", "hash list")), Path(examples=["hls_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
HashImportId = Annotated[
    str, AfterValidator(_existing("him", "import")), Path(examples=["him_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
PersonId = Annotated[
    str, AfterValidator(_existing("per", "person")), Path(examples=["per_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
PublicationId = Annotated[
    str, AfterValidator(_existing("pub", "publication")), Path(examples=["pub_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
ReviewId = Annotated[
    str, AfterValidator(_existing("rev", "review")), Path(examples=["rev_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
ProjectId = Annotated[
    str, AfterValidator(_existing("prj", "project")), Path(examples=["prj_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
HoldId = Annotated[
    str, AfterValidator(_existing("hld", "hold")), Path(examples=["hld_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
TakedownId = Annotated[
    str, AfterValidator(_existing("tdn", "takedown notice")), Path(examples=["tdn_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
UploadId = Annotated[
    str, AfterValidator(_existing("upl", "upload")), Path(examples=["upl_0190c2a5b7e07d3f8a51c3f2e4b6d8a0"])
]
