"""Where a model lies: what the engine is opened with, and what crosses into its child process."""

from pathlib import Path
from typing import Self

from platemark.core.base import JsonObject, Part


class Source(Part):
    """A diffusers folder or one checkpoint file, and adapters that lie elsewhere than in its folder.

    `config`: a folder of configuration files for a checkpoint. `missing` says why there is nothing at `path`, and what
    to do. `digests`: what files are expected to be, SHA-256 in hexadecimal digits.
    """

    path: Path
    config: Path | None = None
    sha256: str | None = None
    missing: str | None = None
    loras: dict[str, Path] = {}
    embeddings: dict[str, Path] = {}
    controlnets: dict[str, Path] = {}
    vaes: dict[str, Path] = {}

    @classmethod
    def of(cls, place: "Source | Path | str | JsonObject") -> Self:
        """A source from a path, or from what `wire` made."""
        if isinstance(place, cls):
            return place
        if isinstance(place, Path | str):
            return cls(path=Path(place))
        return cls.model_validate(place)

    def wire(self) -> JsonObject:
        """For a frame; `of` reads it."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def is_file(self) -> bool:
        """Whether it is one checkpoint file."""
        return self.path.suffix.lower() == ".safetensors" and not self.path.is_dir()
