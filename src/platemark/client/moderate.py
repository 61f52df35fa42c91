"""What a client asks about texts and pictures without generating, as steps without I/O."""

import base64
from collections.abc import Sequence
from typing import Any

from platemark.client import nouns, pictures
from platemark.client.effects import Steps, do
from platemark.client.pictures import Picture
from platemark.client.wire import Server
from platemark.core.base import JsonObject
from platemark.core.errors import InvalidRequest
from platemark.core.moderations import ModerationResource


def moderate(
    server: Server,
    input: str | Sequence[str],
    image: Picture | None,
    *,
    audience: str | None,
    role: str | None,
    stage: str,
) -> Steps[ModerationResource]:
    """One call; asking twice changes nothing but a line in the audit chain."""
    given: Any = [input] if isinstance(input, str) else list(input)
    if image is not None:
        uri = yield from do(lambda: _named(image))
        texts = [{"type": "text", "text": text} for text in given if text]
        given = [*texts, {"type": "image_url", "image_url": {"url": uri}}]
    wanted = {"input": given, "audience": audience, "role": role, "stage": stage}
    body: JsonObject = {name: value for name, value in wanted.items() if value is not None}
    return (yield from nouns.act(server, ModerationResource, "/v1/moderations", body, repeatable=True))


def _named(picture: Picture) -> str:
    found = pictures.found(picture)
    if not found:
        raise InvalidRequest("The picture is empty. Give a path, bytes, an img_ id or a URL.")
    if isinstance(found, bytes):
        return "data:application/octet-stream;base64," + base64.b64encode(found).decode()
    return found
