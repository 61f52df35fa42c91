"""Cursors: where the next page of a list begins. Texts to clients, which hand them back as they came."""

import base64
import binascii

from platemark.core.errors import FieldError, InvalidRequest

# By id, and by another text and then the id.
_BY_ID, _BY_PLACE = "1:", "2:"


def after_id(id: str) -> str:
    """The cursor of a list that is sorted by id."""
    return _written(_BY_ID + id)


def id_of(cursor: str) -> str:
    """The id that `after_id` was given. Raises InvalidRequest for a cursor that is not of such a list."""
    return _read(cursor, _BY_ID)


def after_place(place: str, id: str) -> str:
    """The cursor of a list that is sorted by another text, and then by id, which has no space."""
    return _written(f"{_BY_PLACE}{id} {place}")


def place_of(cursor: str) -> tuple[str, str]:
    """Place and id that `after_place` was given. Raises InvalidRequest for a cursor that is not of such a list."""
    id, _, place = _read(cursor, _BY_PLACE).partition(" ")
    return place, id


def _written(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, mark: str) -> str:
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        decoded = ""
    text = decoded.removeprefix(mark)
    if not decoded.startswith(mark) or not text.isprintable() or not text:
        message = "This cursor is not one that a list gave. Use next_cursor as it came, or leave it out to start over."
        raise InvalidRequest(
            message, errors=[FieldError(pointer="/query/cursor", code="invalid_cursor", message=message)]
        )
    return text
