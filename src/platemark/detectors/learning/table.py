"""What is learned from: the encoder's features of every sample as it is and as it gets worse, kept on disk."""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platemark.core.errors import InvalidRequest
from platemark.detectors.encoder import LAST_SIZE, LAYER, SIZE, features
from platemark.detectors.learning.corpus import Sample
from platemark.detectors.onnx import Weights
from platemark.imaging.canonical import Picture, degraded, roughened

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Tell = Callable[[int, int], None]
_NOTHING = np.full(SIZE + LAST_SIZE, np.nan)
# As it is stored, and as tests are made; both are trained on and measured with.
STORED, WORSE = "stored", "worse"
VIEWS = (STORED, WORSE)
# Photographs through an autoencoder and back, then roughened: AI-made pictures whose content is that of real ones.
REMADE = "remade"
Remake = Callable[[Picture], Picture]
_SEEDS = {WORSE: 0, REMADE: 7}


@dataclass(frozen=True, slots=True)
class Table:
    """`values[view]` has a row for each sample: the numbers of the encoder's middle layer, then of its last output.

    `values` of REMADE, where they were made, have rows of nan for all but photographs. `control` has what can be known
    without looking: logarithms of width, height and bytes, bits a pixel, and format.
    """

    samples: tuple[Sample, ...]
    ai: Flags
    sources: NDArray[np.str_]
    values: dict[str, Numbers]
    control: Numbers

    @property
    def real(self) -> Flags:
        """Photographs; screenshots are real too, but counted apart."""
        return np.array([one.label == "real" for one in self.samples])

    @property
    def nonphoto(self) -> Flags:
        """Screenshots and other pictures that no camera made."""
        return np.array([one.label == "real_nonphoto" for one in self.samples])

    def middle(self, view: str) -> Numbers:
        """Samples × 768."""
        return self.values[view][:, :SIZE]

    def last(self, view: str) -> Numbers:
        """Samples × 512: what the research baseline used."""
        return self.values[view][:, SIZE:]


def measure(
    samples: Sequence[Sample], weights: Weights, cache: Path, tell: Tell, remake: Remake | None = None
) -> Table:
    """Features of every sample, from `cache` where they are known. Blocks for some 70 ms a view. `remake` adds REMADE.

    Raises ModelUnavailable, and InvalidRequest naming the first file that cannot be read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    views = (*VIEWS, REMADE) if remake else VIEWS
    rows: dict[str, list[NDArray[Any]]] = {view: [] for view in views}
    control: list[NDArray[Any]] = []
    for number, sample in enumerate(samples):
        found = _one(sample, weights, cache, remake)
        control.append(found["control"])
        for view in views:
            rows[view].append(found.get(view, _NOTHING))
        tell(number + 1, len(samples))
    return Table(
        tuple(samples),
        np.array([one.ai for one in samples]),
        np.array([one.source for one in samples]),
        {view: np.array(found, dtype=np.float64) for view, found in rows.items()},
        np.array(control),
    )


def _one(sample: Sample, weights: Weights, cache: Path, remake: Remake | None) -> dict[str, NDArray[Any]]:
    wanted = (*VIEWS, REMADE) if remake and sample.label == "real" else VIEWS
    try:
        digest = sample.digest()
        made = hashlib.sha256(f"3 {weights.sha256} {LAYER} {digest} {sample.sheet}".encode()).hexdigest()
        place = cache / f"{made}.npz"
        kept = _read(place)
        if missing := [view for view in wanted if view not in kept]:
            kept |= {view: features(_shown(sample, digest, view, remake), weights) for view in missing}
            kept.setdefault("control", np.array(_control(sample)))
            _write(place, kept)
    except OSError as error:
        raise InvalidRequest(f"{sample.path} cannot be read: {error.strerror or error}.") from error
    except InvalidRequest as error:
        raise InvalidRequest(f"{sample.path}: {error.detail}") from error
    return kept


def _shown(sample: Sample, digest: str, view: str, remake: Remake | None) -> Picture:
    """The picture in a view, the same one at every run."""
    chance = random.Random(f"{digest}{_SEEDS.get(view, 0)}")  # noqa: S311 - the same picture at every run
    picture = sample.picture()
    if view == WORSE:
        return degraded(picture, chance)
    return roughened(remake(picture), chance) if remake and view == REMADE else picture


def _control(sample: Sample) -> list[float]:
    data, picture = sample.path.read_bytes(), sample.picture()
    size, pixels = len(data), picture.width * picture.height
    kinds = [float(data.startswith(head)) for head in (b"\x89PNG", b"\xff\xd8", b"RIFF")]
    return [float(np.log(picture.width)), float(np.log(picture.height)), float(np.log(size)), size * 8 / pixels, *kinds]


def _read(place: Path) -> dict[str, NDArray[Any]]:
    if not place.is_file():
        return {}
    with np.load(place, allow_pickle=False) as kept:
        found = {name: kept[name] for name in kept.files}
    whole = all(found[name].shape == (SIZE + LAST_SIZE,) for name in found if name != "control")
    return found if whole else {}


def _write(place: Path, kept: dict[str, NDArray[Any]]) -> None:
    partial = place.with_suffix(".partial.npz")
    with partial.open("wb") as file:
        np.savez(file, **kept)  # pyright: ignore[reportArgumentType] - names are ours, none is `allow_pickle`
    partial.replace(place)
