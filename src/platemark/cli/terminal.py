"""Pictures in the terminal: kitty's and iTerm2's graphics where there are any, else two pixels a character."""

import base64
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Literal

from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import ControlType, Segment
from rich.style import Style

from platemark.core.errors import PlatemarkError

Ability = Literal["kitty", "iterm", "blocks"]
_CHUNK = 4096
_IMAGE_ID = 8460
# A cell is about twice as high as it is wide.
_CELL_PIXELS = (8, 16)


def ability(console: Console, environment: Mapping[str, str] = os.environ) -> Ability | None:
    """How this terminal can show a picture; None when it cannot."""
    if not console.is_terminal or environment.get("TERM") == "dumb" or environment.get("NO_COLOR"):
        return None
    program = environment.get("TERM_PROGRAM", "").lower()
    passes = not (environment.get("TMUX") or environment.get("STY"))
    if passes and ("KITTY_WINDOW_ID" in environment or "kitty" in environment.get("TERM", "") or program == "ghostty"):
        return "kitty"
    if passes and program in ("iterm.app", "wezterm"):
        return "iterm"
    return "blocks" if console.color_system == "truecolor" else None


class Picture:
    """A picture, `rows` lines high and at most twice as wide, for Rich to print. Nothing where it cannot be read."""

    def __init__(self, data: bytes, ability: Ability, rows: int = 16) -> None:
        self._data, self._ability, self._rows = data, ability, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Segments of the picture."""
        columns = min(self._rows * 2, options.max_width)
        try:
            yield from self._blocks(columns) if self._ability == "blocks" else self._graphics(columns)
        except (PlatemarkError, ModuleNotFoundError):
            # A preview is a courtesy: without the parts that decode it, or broken, it is left out.
            return

    def _blocks(self, columns: int) -> Iterator[Segment]:
        from platemark.imaging.small import shrink

        small = shrink(self._data, columns, self._rows * 2)
        line = small.width * 3
        # An odd last row has no lower neighbour; it is its own.
        rows = [small.data[y * line : (y + 1) * line] for y in range(small.height)]
        for upper, lower in zip(rows[::2], rows[1::2] + rows[-1:], strict=False):
            for x in range(0, line, 3):
                yield Segment("▀", Style(color=_colour(upper[x : x + 3]), bgcolor=_colour(lower[x : x + 3])))
            yield Segment.line()

    def _graphics(self, columns: int) -> Iterator[Segment]:
        escape = self._kitty(columns) if self._ability == "kitty" else self._iterm(columns)
        # A control segment has no width: the picture lies over the empty lines that follow.
        yield Segment(escape, None, [(ControlType.HOME,)])
        for _ in range(self._rows):
            yield Segment.line()

    def _kitty(self, columns: int) -> str:
        from platemark.imaging.small import shrink

        wide, high = _CELL_PIXELS
        small = shrink(self._data, columns * wide, self._rows * high)
        payload = base64.b64encode(zlib.compress(small.data)).decode()
        chunks = [payload[start : start + _CHUNK] for start in range(0, len(payload), _CHUNK)]
        # One image with one placement: the next preview takes the place of this one. C=1 leaves the cursor alone.
        head = f"a=T,f=24,o=z,s={small.width},v={small.height},r={self._rows},i={_IMAGE_ID},p=1,q=2,C=1,"
        return "".join(
            f"\x1b_G{head if index == 0 else ''}m={int(index < len(chunks) - 1)};{chunk}\x1b\\"
            for index, chunk in enumerate(chunks)
        )

    def _iterm(self, columns: int) -> str:
        payload = base64.b64encode(self._data).decode()
        about = f"inline=1;size={len(self._data)};width={columns};height={self._rows};preserveAspectRatio=1"
        return f"\x1b7\x1b]1337;File={about}:{payload}\x07\x1b8"


def _colour(pixel: bytes) -> Color:
    return Color.from_rgb(*pixel)
