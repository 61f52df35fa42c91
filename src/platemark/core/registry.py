"""What the registry keeps of a file, so that copies of it are known again."""

from platemark.core.base import Noun
from platemark.core.image import Origin


class RegistryEntry(Noun):
    """One file of an image: the stored one, or a published form of it. It goes with the image's bytes.

    `id` is drawn when the row is written, so that ids grow as rows appear. `pdq` and `core` are 64 hexadecimal digits
    (`imaging.fingerprint`, `imaging.parts`), `quality` 0 to 100; None where only the file itself is known again.
    """

    project: str
    image: str
    origin: Origin
    sha256: str
    pdq: str | None = None
    quality: int | None = None
    core: str | None = None
