"""`/v1/retention`: how long what is kept, what is due, and deleting it now."""

from dataclasses import fields

from fastapi import APIRouter
from starlette.responses import Response

from platemark.core.keeping import DueResource, PurgeResource, RetentionResource
from platemark.flows.keeping import purge as flow
from platemark.web import answers
from platemark.web.auth import Moderator

router = APIRouter(tags=["retention"])


@router.get(
    "/v1/retention",
    operation_id="get_retention",
    summary="See what is due",
    responses={200: {"model": RetentionResource}},
)
async def get(call: Moderator) -> Response:
    """What the next purge of the project deletes, and what stays although its time is over. Nothing is deleted."""
    spans = call.platform.limits.retention
    seconds = {each.name: getattr(spans, each.name) for each in fields(spans)}
    found = await flow.due(call.platform, call.principal)
    due = tuple(DueResource(what=each.what, id=each.id, since=each.since, kept=each.kept) for each in found)
    shown = {name: None if span is None else span.total_seconds() for name, span in seconds.items()}
    return answers.json(RetentionResource(seconds=shown, due=due))


@router.post(
    "/v1/retention/purge",
    operation_id="purge",
    summary="Delete what is due",
    responses={200: {"model": PurgeResource}},
)
async def purge(call: Moderator) -> Response:
    """One bounded batch of each class, as the sweeper does; ask again while `more` is true."""
    done = await flow.purge_project(call.platform, call.principal)
    return answers.json(
        PurgeResource(gone={str(name): count for name, count in done.gone.items()}, kept=done.kept, more=done.more)
    )
