"""Draws docs/images/demo.svg, the terminal after a real scripts/demo: python examples/terminal_picture.py [OUT]."""

import base64
import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

from platemark.cli import story
from platemark.cli.demo import PROMPT, started

WIDTH, ROWS, SEED = 112, 18, 4
# Of the SVG that Rich writes: the group that holds the text, and the height of a line in it.
TEXT_GROUP = re.compile(r'(<g class="[\w-]+-matrix">)')
LINE = 24.4
FONT_FILES = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def main(out: Path) -> None:
    console = Console(record=True, width=WIDTH, force_terminal=True, color_system="truecolor", file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder, started(Path(folder) / "data") as client:
        image = client.generate(PROMPT, seed=SEED).images[0]
        record = client.request("GET", f"/v1/images/{image.id}/record").json()
        console.print(Text(f'$ scripts/demo "{PROMPT}"', "bold"), *[""] * ROWS, sep="\n")
        console.print(story.table(record, file=Path("platemark-demo") / f"{image.id}.png"))
        picture = image.read()
    # A page that shows it should fetch nothing: no font, no picture.
    svg = FONT_FILES.sub("", console.export_svg(title="scripts/demo"))
    svg = svg.replace("Fira Code, monospace", "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(TEXT_GROUP.sub(rf"\1{embedded(picture)}", svg, count=1), encoding="utf-8")


def embedded(picture: bytes) -> str:
    """The picture below the first line, as a terminal with graphics shows it."""
    side = (ROWS - 1) * LINE
    small = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").resize((400, 400)).save(small, "JPEG", quality=85)
    data = base64.b64encode(small.getvalue()).decode()
    place = f'x="0" y="{1.5 * LINE:.1f}" width="{side:.1f}" height="{side:.1f}"'
    return f'<image {place} href="data:image/jpeg;base64,{data}"/>'


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/demo.svg"))
