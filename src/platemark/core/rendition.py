"""Renditions: the files of a release, each with its own mark and credential."""

from typing import Annotated, Literal

from pydantic import Field

from platemark.core.base import Noun, Timestamp
from platemark.core.image import EXTENSIONS
from platemark.core.model import OutputFormat
from platemark.core.request import StrictModel

FULL = "full"
MAX_RENDITIONS = 8
WatermarkState = Literal["on", "off", "not_carried"]


class Wanted(StrictModel):
    """A further size or format of a release. Never larger than the picture itself."""

    width: Annotated[int | None, Field(ge=16, le=16_384, description="In pixels; the picture's own when absent.")] = (
        None
    )
    format: OutputFormat | None = None


class Rendition(Noun):
    """One file of a publication. `name` is `full`, or says what was asked for: `w640`, `webp`, `w640.webp`.

    `watermark` says whether its pixels carry our mark: `off` where none is configured, `not_carried` where the picture
    is too small or too flat. `deleted_at`: its bytes went with its image.
    """

    project: str
    image: str
    publication: str
    name: str
    sha256: str
    size: int
    media_type: str
    width: int
    height: int
    watermark: WatermarkState
    credential_state: str
    credential_signer: str | None = None
    created_at: Timestamp
    deleted_at: Timestamp | None = None

    @property
    def filename(self) -> str:
        """A name for the file that says nothing about its content."""
        return f"{self.publication}-{self.name.replace('.', '-')}.{EXTENSIONS[self.media_type]}"


def name_of(wanted: Wanted | None) -> str:
    """The name of what was asked for; `full` for the picture itself."""
    if wanted is None or (wanted.width is None and wanted.format is None):
        return FULL
    width = f"w{wanted.width}" if wanted.width is not None else ""
    return ".".join(part for part in (width, wanted.format) if part)
