"""Whether EXIF fields are those of one exposure by a camera. Anybody can write them: a weak claim at most."""

import re
from collections.abc import Mapping

_TAKEN = re.compile(r"(?:18|19|20)\d\d:[01]\d:[0-3]\d [0-2]\d:[0-5]\d:[0-6]\d")
# Seconds, focal ratio, ISO: from the fastest shutters and lenses to the longest exposures and smallest holes.
_RANGES = {"exposure_time": (1e-6, 86_400.0), "f_number": (0.5, 512.0), "iso": (1.0, 1e7)}


def is_camera(exif: Mapping[str, str | int]) -> bool:
    """Maker, model, time, exposure, focal ratio and ISO, all of them there and each a value that a camera can have."""
    named = all(str(exif.get(name, "")).strip() for name in ("make", "model"))
    ranges = all(low <= _number(exif.get(name)) <= high for name, (low, high) in _RANGES.items())
    return named and ranges and bool(_TAKEN.fullmatch(str(exif.get("taken_at", "")).strip()))


def _number(value: str | int | None) -> float:
    try:
        number = float(str(value).strip("() ").partition(",")[0])
    except ValueError:
        return -1.0
    # Not a number is not in any range either.
    return number
