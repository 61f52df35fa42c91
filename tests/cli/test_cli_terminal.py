"""Pictures in the terminal: the right protocol for each, and nothing where there is none."""

import base64
import io
import re
import zlib
from typing import Literal

import pytest
from PIL import Image
from rich.console import Console

from platemark.cli import terminal
from platemark.cli.progress import Painter, shown
from platemark.client import Progress
from platemark.core.errors import NotFound
from platemark.imaging.small import shrink


def picture(width: int = 4, height: int = 4) -> bytes:
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (0, height // 2, width, height))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def screen(colours: Literal["truecolor", "256"] = "truecolor") -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system=colours, width=80, legacy_windows=False)


def printed(ability: terminal.Ability, data: bytes, rows: int = 4) -> str:
    console = screen()
    console.print(terminal.Picture(data, ability, rows), end="")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM_PROGRAM": "iTerm.app", "TMUX": "/tmp/tmux"}, "blocks"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "dumb"}, None),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, None),
    ],
)
def test_each_terminal_gets_what_it_can_show(environment: dict[str, str], expected: str | None) -> None:
    assert terminal.ability(screen(), environment) == expected


def test_nothing_is_drawn_into_files_or_where_colours_are_few() -> None:
    assert terminal.ability(Console(file=io.StringIO()), {"TERM": "xterm-kitty"}) is None
    assert terminal.ability(screen("256"), {}) is None


def test_two_pixels_share_a_character() -> None:
    lines = printed("blocks", picture()).splitlines()
    assert len(lines) == 2
    assert "38;2;255;0;0" in lines[0]
    assert "38;2;0;0;255" in lines[1]
    assert "48;2;0;0;255" in lines[1]
    assert lines[0].count("▀") == 4


def test_an_odd_last_row_is_its_own_neighbour() -> None:
    assert len(printed("blocks", picture(3, 5), rows=8).splitlines()) == 3


def test_kitty_gets_bare_pixels_in_chunks_and_keeps_its_cursor() -> None:
    sent = printed("kitty", picture(300, 300), rows=4)
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", sent)
    head = dict(entry.split("=") for entry in parts[0][0].split(","))
    assert (head["a"], head["f"], head["o"], head["C"], head["r"]) == ("T", "24", "z", "1", "4")
    pixels = zlib.decompress(base64.b64decode("".join(payload for _, payload in parts)))
    assert len(pixels) == int(head["s"]) * int(head["v"]) * 3
    assert [keys.rpartition("m=")[2] for keys, _ in parts][-1] == "0"
    assert sent.count("\n") == 4


def test_iterm_gets_the_file() -> None:
    sent = printed("iterm", picture())
    assert f":{base64.b64encode(picture()).decode()}\x07" in sent
    assert sent.count("\n") == 4


@pytest.mark.parametrize("ability", ["kitty", "blocks"])
def test_a_broken_preview_is_left_out(ability: terminal.Ability) -> None:
    assert printed(ability, b"no picture") == ""


def test_nobody_watches_a_file() -> None:
    with shown(lambda _: b"") as listener:
        assert listener is None


def test_the_painter_shows_steps_and_previews_and_leaves_nothing() -> None:
    console, asked = screen(), list[str]()

    def fetch(generation: str) -> bytes:
        asked.append(generation)
        if len(asked) == 2:
            raise NotFound("finished meanwhile")
        return picture()

    with Painter(console, fetch) as painter:
        painter.tell(Progress("gen_1", "queued"))
        for done in (3, 6):
            painter.tell(Progress("gen_1", "running", done=done, total=12, preview=True))
        painter.tell(Progress("gen_1", "running", index=1, count=2, done=1, total=2))
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert asked == ["gen_1", "gen_1"]
    for part in ("waiting", "step 3 of 12", "step 6 of 12", "picture 2 of 2", "▀"):
        assert part in written
    assert "\x1b[?25h" in written


def test_what_is_transparent_is_shown_on_white_and_nothing_is_enlarged() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (6, 2), (255, 0, 0, 0)).save(out, "PNG")
    small = shrink(out.getvalue(), 3, 100)
    assert (small.width, small.height, small.data) == (3, 1, b"\xff" * 9)
    assert shrink(out.getvalue(), 100, 100).width == 6
