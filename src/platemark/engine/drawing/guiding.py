"""Guides of ControlNets: made from the pictures that were sent, unless these are guides."""

from collections.abc import Iterator, Sequence

from PIL import Image

from platemark.core.generation import ControlUse, Warning
from platemark.imaging.guides import PREPROCESSORS, has_content


def guide_of(use: ControlUse, picture: Image.Image) -> Image.Image:
    """The guide of a picture at the size that is drawn: lines are then as thick as those of the training."""
    make = PREPROCESSORS.get(use.type) if use.preprocess else None
    return picture if make is None else make(picture)


def guide_warnings(uses: Sequence[ControlUse], guides: Sequence[Image.Image]) -> list[Warning]:
    """What became of the pictures of `uses`, as far as it may surprise."""
    return [warning for use, guide in zip(uses, guides, strict=True) for warning in _warnings(use, guide)]


def _warnings(use: ControlUse, guide: Image.Image) -> Iterator[Warning]:
    if use.preprocess and use.type not in PREPROCESSORS:
        yield Warning(
            code="not_preprocessed",
            field="controls",
            message=f"Nothing here makes a guide of the type {use.type} from a picture, so the one that was sent was "
            f"used as the guide. Say so with preprocess false; guides are made for {', '.join(PREPROCESSORS)}.",
        )
    if not has_content(guide):
        yield Warning(
            code="empty_guide",
            field="controls",
            message=f"Nothing of the picture for the control {use.type} is left in its guide, so it guides nothing. "
            "Send a picture with clearer outlines, or the guide itself with preprocess false.",
        )
