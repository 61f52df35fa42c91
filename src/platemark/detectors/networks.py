"""What a worker does with one picture: decode it once, look whether it is blank, score its views with two networks.

Nothing here knows thresholds. Prepared as the networks' own packages do it: on 200 benign pictures the scores of
`open_nsfw` were equal; those of the classifier differed by 0.0001 in the median, 0.001 in nine of ten and 0.02 at most,
as its package resizes with another library.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray
from PIL import Image

from platemark.core.errors import ModelUnavailable
from platemark.detectors.onnx import Session, Weights, open_session
from platemark.imaging.blank import Blankness, blankness_of
from platemark.imaging.decode import open_picture
from platemark.imaging.views import fitted, shrunk, squeezed, views_of

_GRAPHIC, _SEXUAL = 0, 1
_NSFW = 1


class Scores(NamedTuple):
    """Raw outputs for one view of a picture, each 0 to 1."""

    view: str
    sexual: float
    graphic: float
    open_nsfw: float


@dataclass(frozen=True, slots=True)
class Networks:
    """The two files of weights."""

    classifier: Weights
    open_nsfw: Weights


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in one picture. `trouble`: why no network looked; then there are no scores."""

    blankness: Blankness
    scores: tuple[Scores, ...] = ()
    trouble: str | None = None


def look_at(data: bytes, networks: Networks, max_bytes: int, max_pixels: int) -> Seen:
    """Decode and measure. Raises as `decode.inspect_bytes`."""
    picture = open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    blankness = blankness_of(picture)
    try:
        return Seen(blankness, score(picture, networks))
    except ModelUnavailable as error:
        return Seen(blankness, trouble=error.detail)


def score(picture: Image.Image, networks: Networks) -> tuple[Scores, ...]:
    """Every view. `picture` is RGB or RGBA. Raises ModelUnavailable."""
    classifier, open_nsfw = open_session(networks.classifier), open_session(networks.open_nsfw)
    return tuple(_scores(name, view, classifier, open_nsfw) for name, view in views_of(shrunk(picture)))


def _scores(name: str, view: Image.Image, classifier: Session, open_nsfw: Session) -> Scores:
    first = _run(classifier, "image", fitted(view))
    second = _run(open_nsfw, "input:0", squeezed(view))
    return Scores(name, float(first[_SEXUAL]), float(first[_GRAPHIC]), float(second[_NSFW]))


def _run(session: Session, name: str, levels: NDArray[Any]) -> NDArray[Any]:
    return session.run(None, {name: levels})[0][0]


def load(networks: Networks) -> None:
    """Load both networks, so that the first picture need not wait. Raises ModelUnavailable."""
    score(Image.new("RGB", (8, 8)), networks)
