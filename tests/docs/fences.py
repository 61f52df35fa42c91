"""The fenced blocks of the project's documents."""

import re
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT, project_files

_BLOCK = re.compile(
    r"^(?P<mark><!-- run -->\n\n?)?^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^ *```", re.DOTALL | re.MULTILINE
)
RUN = "<!-- run -->"


@dataclass(frozen=True, slots=True)
class Block:
    """One block. `runs`: its document marks it with `<!-- run -->`, so it is executed against a real server."""

    document: Path
    line: int
    language: str
    body: str
    runs: bool

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def documents() -> list[Path]:
    """Every page for readers: of docs/, and those in the root and in examples/."""
    places = {ROOT, ROOT / "examples"}
    return [
        file
        for file in project_files()
        if file.suffix == ".md" and (file.parent in places or (ROOT / "docs") in file.parents)
    ]


def blocks(*languages: str) -> list[Block]:
    """Blocks of these languages, in the order of the documents."""
    return [block for document in documents() for block in _in(document) if block.language in languages]


def runnable() -> list[Block]:
    """Blocks that are marked to be run. They find a server and a key in PLATEMARK_URL and PLATEMARK_API_KEY."""
    return [block for block in blocks("python", "sh") if block.runs]


def _in(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(
            document,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            re.sub(rf"^{found['indent']}", "", found["body"], flags=re.MULTILINE),
            found["mark"] is not None,
        )
        for found in _BLOCK.finditer(text)
    ]
