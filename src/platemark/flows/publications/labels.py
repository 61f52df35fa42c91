"""Labels in the pixels: whether a release has one, and whether it has room for it."""

from platemark.core.errors import FieldError, InvalidRequest
from platemark.core.image import Image, Publication
from platemark.core.ports import Platform
from platemark.core.rendition import Wanted
from platemark.imaging.label import hindrance
from platemark.imaging.rendition import scaled


def burns(platform: Platform, planned: Publication, asked: bool | None) -> bool:
    """What was asked for, or what is configured for the audience; False where there is no label."""
    usual = planned.audience in platform.limits.labelling.burned_for
    return planned.label_text is not None and (usual if asked is None else asked)


def check_room(platform: Platform, image: Image, planned: Publication) -> None:
    """Before anything is written: a label that nobody can read is none. Raises InvalidRequest naming each file."""
    text, font = planned.label_text, platform.limits.labelling.font
    if not planned.burn_label or text is None:
        return
    widths = [Wanted.model_validate(one).width for one in planned.wanted]
    places = [("/burn_label", None), *((f"/renditions/{n}/width", width) for n, width in enumerate(widths))]
    found = [(where, hindrance(text, *scaled(image.width, image.height, width), font)) for where, width in places]
    errors = [FieldError(pointer=where, code="label_has_no_room", message=why) for where, why in found if why]
    if errors:
        raise InvalidRequest("The label cannot be drawn into every file of this release.", errors=errors)
