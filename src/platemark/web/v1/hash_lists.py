"""`/v1/hash-lists`: lists of known pictures, the files that are read into them, and what is withdrawn."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from platemark.core.errors import Conflict, MalformedBody, NotFound, TooLarge, UnsupportedMedia
from platemark.core.hashfile import BadRow, Format
from platemark.core.hashlist import HashImport, HashKind, HashList, ListAction, Purpose
from platemark.core.request import Name, StrictModel
from platemark.core.resource import HashImportResource, HashListResource, ListResource, WithdrawnResource
from platemark.flows import hashimports, hashlists
from platemark.flows.hashimports import LARGEST_FILE, Said
from platemark.flows.hashlists import NewList
from platemark.web import answers, bodies, documented
from platemark.web.addresses import HashImportId, HashListId
from platemark.web.auth import Moderator

router = APIRouter(tags=["hash lists"])
_LARGEST_BODY = 8 * 1024 * 1024
_FAULTS = documented.faults(MalformedBody, UnsupportedMedia)
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string"}}
            for kind in ("text/plain", "text/csv", "application/json", "application/x-ndjson")
        },
    }
}


class NewHashList(StrictModel):
    """What a list is: where it comes from, what it is for, and what a match asks for."""

    name: Name
    source: Name
    purpose: Purpose = "other"
    action: ListAction = "block"
    reason_code: Name = "KNOWN_HASH_MATCH"
    kinds: Annotated[tuple[HashKind, ...], Field(strict=False, min_length=1, max_length=3)] = ("pdq", "sha256", "md5")


class Withdrawal(StrictModel):
    """Hashes that are to go."""

    hashes: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...], Field(strict=False, min_length=1, max_length=100_000)
    ]


class FileSaid(BaseModel):
    """What is said of the file; each part is checked before anything is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Format = "auto"
    rows: Annotated[int, Field(ge=0, description="How many rows it has.")] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9A-Fa-f]{64}$", description="Of the file.")] | None = None
    hmac: (
        Annotated[
            str, Field(pattern="^[0-9A-Fa-f]{64}$", description="HMAC-SHA-256 of it with PLATEMARK_HASH_LIST_KEY.")
        ]
        | None
    ) = None
    replace: Annotated[bool, Field(description="The list is to hold this file and nothing else.")] = False


def _list(found: HashList) -> HashListResource:
    return HashListResource.model_validate(found.model_dump())


def _import(found: HashImport, bad: list[BadRow] | None = None) -> HashImportResource:
    problems = [{"line": row.line, "code": row.code} for row in bad or ()]
    return HashImportResource.model_validate({**found.model_dump(), "problems": problems})


@router.get(
    "/v1/hash-lists",
    operation_id="list_hash_lists",
    summary="List hash lists",
    responses={200: {"model": ListResource[HashListResource]}},
)
async def listing(call: Moderator) -> Response:
    """All of the installation, the removed ones too. Needs `projects:manage` besides, as everything here."""
    data = tuple(map(_list, await hashlists.listing(call.platform, call.principal)))
    return answers.listing(ListResource[HashListResource], data)


@router.post(
    "/v1/hash-lists",
    operation_id="create_hash_list",
    summary="Make a hash list",
    status_code=201,
    responses={201: {"model": HashListResource}, **_FAULTS},
    openapi_extra=documented.body(
        "NewHashList", {"name": "intimate images", "source": "StopNCII", "reason_code": "NCII", "kinds": ["pdq"]}
    ),
)
async def create(call: Moderator) -> Response:
    """It matches nothing until a file is imported."""
    wanted = await bodies.read_model(call.request, NewHashList, _LARGEST_BODY)
    made = await hashlists.create(call.platform, call.principal, NewList(**wanted.model_dump()))
    return answers.json(_list(made), 201)


@router.post(
    "/v1/hash-lists/{id}/import",
    operation_id="import_hash_list",
    summary="Read a file into a hash list",
    responses={200: {"model": HashImportResource}, **documented.faults(NotFound, MalformedBody, TooLarge)},
    openapi_extra=_FILE,
)
async def read_in(call: Moderator, id: HashListId, said: Annotated[FileSaid, Query()]) -> Response:
    """Text, CSV or JSON, streamed. It matches at once, or waits as `proposed` for a second person to confirm it.

    A file that was read in before changes nothing. `problems` names the first hundred lines that cannot be read.
    """
    bodies.media_type(call.request)
    key = call.settings.hash_list_key
    done, bad = await hashimports.read_in(
        call.platform,
        call.principal,
        id,
        bodies.stream(call.request, LARGEST_FILE),
        Said(said.format, said.rows, said.sha256, said.hmac, said.replace),
        key=key.get_secret_value().encode() if key else None,
    )
    return answers.json(_import(done, bad))


@router.get(
    "/v1/hash-lists/{id}/imports",
    operation_id="list_hash_list_imports",
    summary="List the files of a hash list",
    responses={200: {"model": ListResource[HashImportResource]}, **documented.faults(NotFound)},
)
async def imports(call: Moderator, id: HashListId) -> Response:
    """Every file that was read into it, oldest first, with who proposed and confirmed it."""
    found = await hashlists.imports(call.platform, call.principal, id)
    data = tuple(_import(one) for one in found)
    return answers.listing(ListResource[HashImportResource], data)


@router.post(
    "/v1/hash-lists/{id}/withdraw",
    operation_id="withdraw_hashes",
    summary="Withdraw hashes",
    responses={200: {"model": WithdrawnResource}, **_FAULTS, **documented.faults(NotFound)},
    openapi_extra=documented.body("Withdrawal", {"hashes": ["d8" * 32]}),
)
async def withdraw(call: Moderator, id: HashListId) -> Response:
    """They match no longer, and are forgotten. One person is enough."""
    wanted = await bodies.read_model(call.request, Withdrawal, _LARGEST_BODY)
    found, count = await hashlists.withdraw(call.platform, call.principal, id, wanted.hashes)
    return answers.json(WithdrawnResource(list=found.id, withdrawn=count, entries=found.entries, version=found.version))


@router.post(
    "/v1/hash-list-imports/{id}/confirm",
    operation_id="confirm_hash_list_import",
    summary="Confirm an import",
    responses={200: {"model": HashImportResource}, **documented.faults(NotFound, Conflict)},
)
async def confirm(call: Moderator, id: HashImportId) -> Response:
    """Its hashes match from now on. Whoever proposed it cannot confirm it, once there are two people."""
    return answers.json(_import(await hashimports.confirm(call.platform, call.principal, id)))


@router.post(
    "/v1/hash-list-imports/{id}/refuse",
    operation_id="refuse_hash_list_import",
    summary="Refuse an import",
    responses={200: {"model": HashImportResource}, **documented.faults(NotFound, Conflict)},
)
async def refuse(call: Moderator, id: HashImportId) -> Response:
    """Its hashes are deleted."""
    return answers.json(_import(await hashimports.refuse(call.platform, call.principal, id)))


@router.delete(
    "/v1/hash-lists/{id}",
    operation_id="remove_hash_list",
    summary="Remove a hash list",
    responses={200: {"model": HashListResource}, **documented.faults(NotFound)},
)
async def remove(call: Moderator, id: HashListId) -> Response:
    """With all its hashes, at once. Twice is once."""
    return answers.json(_list(await hashlists.remove(call.platform, call.principal, id)))
