"""What tests of releases share: a picture that nobody objects to, and a directory to deliver to."""

from collections.abc import Sequence
from pathlib import Path

from platemark.core.moderation import Signal
from platemark.core.ports import Target
from platemark.settings import Settings, TargetSettings
from platemark.store.targets import open_targets
from workbench import Bench


class Clear:
    """An image detector that has looked and found nothing."""

    name, version = "image_safety", "test"

    async def look(self, data: bytes) -> Sequence[Signal]:
        return [Signal(detector=self.name, version=self.version, category="none", score=0.0)]


def clear(bench: Bench) -> None:
    """Let everything through."""
    bench.change(text_detectors=bench.platform.text_detectors[:1], image_detectors=(Clear(),))


def targets_of(data: Path) -> dict[str, Target]:
    """The directory `out` beside the data."""
    out = TargetSettings(kind="directory", location=str(data.with_name("out")))
    return open_targets(Settings(data=data, targets={"out": out}))
