"""Labelled pictures on disk: a folder with a manifest.csv, or folders `ai` and `real` with a folder for each source."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platemark.core.errors import InvalidRequest
from platemark.imaging.canonical import Picture, flat, quadrant
from platemark.imaging.decode import open_picture

Label = Literal["ai", "real", "real_nonphoto"]
LABELS: tuple[Label, ...] = ("ai", "real", "real_nonphoto")
_LABELLED: dict[str, Label] = {label: label for label in LABELS}
MANIFEST = "manifest.csv"
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_SHEET = "2x2"
_MOST_BYTES, _MOST_PIXELS = 256 * 1024 * 1024, 256_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture. `source`: where it came from; whole sources are held out. `sheet`: it is two by two pictures."""

    path: Path
    label: Label
    source: str
    sheet: bool = False

    @property
    def ai(self) -> bool:
        """Whether it is said to be AI-made."""
        return self.label == "ai"

    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def picture(self, part: int = 0) -> Picture:
        """RGB, upright. Of a sheet, the quarter `part`, 0 to 3. Raises InvalidImage, TooLarge, OSError."""
        data = self.path.read_bytes()
        picture = flat(open_picture(data, max_bytes=_MOST_BYTES, max_pixels=_MOST_PIXELS))
        return quadrant(picture, part) if self.sheet else picture


def read_corpus(folder: Path) -> tuple[Sample, ...]:
    """Every labelled picture. Raises InvalidRequest where nothing can be learned from the folder."""
    manifest = folder / MANIFEST
    samples = tuple(_listed(manifest, folder) if manifest.is_file() else _found(folder))
    check(samples, str(folder))
    return samples


def check(samples: Sequence[Sample], where: str) -> None:
    """Raise InvalidRequest unless there are AI-made and real pictures of two sources each."""
    for ai, word in ((True, "AI-made"), (False, "real")):
        sources = Counter(one.source for one in samples if one.ai is ai)
        if len(sources) < 2:
            raise InvalidRequest(
                f"{where} has {word} pictures of {len(sources)} sources; two are needed, so that one can be held out. "
                "Give it folders ai/SOURCE and real/SOURCE, or a manifest.csv (file, label, source_repo)."
            )


def _listed(manifest: Path, folder: Path) -> Iterator[Sample]:
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        missing = {"file", "label", "source_repo"} - set(rows.fieldnames or ())
        if missing:
            raise InvalidRequest(f"{manifest} has no column {', '.join(sorted(missing))}.")
        for row in rows:
            if (label := _LABELLED.get(row["label"])) is not None:
                sheet = (row.get("note") or "").startswith(_SHEET)
                yield Sample(folder / row["file"], label, row["source_repo"], sheet)


def _found(folder: Path) -> Iterator[Sample]:
    for label in LABELS:
        for path in _pictures(folder / label):
            inside = path.relative_to(folder / label).parts
            # A picture that lies directly in `ai` or `real` is of a source of that name.
            yield Sample(path, label, inside[0] if len(inside) > 1 else label)


def _pictures(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
