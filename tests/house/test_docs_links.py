"""Links lead somewhere, and every file or name of the code that the documents mention exists."""

import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from checkout import ROOT, project_files

FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
FILE_NAME = re.compile(r"`((?:src|tests|scripts|bench|docs|examples|\.ci)/[\w./-]*\w)`")
DATE = re.compile(r"\b20\d\d-[01]\d-[0-3]\d\b")
# Not the files that are named after the project, such as platemark.toml.
DOTTED = re.compile(r"`(platemark(?!\.(?:db|example|toml)\b)(?:\.[A-Za-z_]\w*)+)(?:\(\))?`")


def documents() -> list[Path]:
    return [file for file in project_files() if file.suffix == ".md" and "tests" not in file.parts]


def anchors(text: str) -> set[str]:
    """The fragments that a page's headings can be reached by."""
    found: list[str] = []
    for heading in HEADING.findall(FENCE.sub("", text)):
        words = re.sub(r"[^\w\s-]", "", heading.lower()).strip()
        slug = re.sub(r"\s+", "-", words)
        again = sum(one == slug or one.startswith(f"{slug}_") for one in found)
        found.append(f"{slug}_{again}" if again else slug)
    return set(found)


def broken_link(document: Path, target: str) -> str | None:
    """What is wrong with a link, or None. Links to other sites are not followed."""
    path, _, fragment = target.partition("#")
    if re.match(r"[a-z]+:", target):
        return None
    file = (document.parent / path).resolve() if path else document
    docs = ROOT / "docs"
    if docs in document.parents and docs not in file.parents:
        return f"{target} leads out of docs/, so the built site has no such page; name the file as `code` instead"
    if not file.exists():
        return f"{target} does not exist"
    if fragment and file.suffix == ".md" and fragment not in anchors(file.read_text(encoding="utf-8")):
        return f"{target}: no such heading"
    return None


def resolves(name: str) -> bool:
    """True when a dotted name can be imported, as a module or as something in one."""
    module, _, rest = name.rpartition(".")
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    try:
        return hasattr(importlib.import_module(module), rest)
    except ModuleNotFoundError:
        return bool(module) and _is_attribute_of_class(module, rest)


def _is_attribute_of_class(path: str, attribute: str) -> bool:
    module, _, name = path.rpartition(".")
    try:
        return hasattr(getattr(importlib.import_module(module), name, None), attribute)
    except ModuleNotFoundError:
        return False


def test_links_lead_somewhere() -> None:
    found = {
        str(document.relative_to(ROOT)): [
            why
            for target in LINK.findall(CODE.sub("", FENCE.sub("", document.read_text(encoding="utf-8"))))
            if (why := broken_link(document, target))
        ]
        for document in documents()
    }
    assert {document: problems for document, problems in found.items() if problems} == {}


def test_files_that_are_mentioned_exist() -> None:
    mentioned = {
        (str(document.relative_to(ROOT)), name)
        for document in documents()
        for name in FILE_NAME.findall(document.read_text(encoding="utf-8"))
    }
    assert sorted((document, name) for document, name in mentioned if not (ROOT / name).exists()) == []


def test_names_that_are_mentioned_exist() -> None:
    mentioned = {
        (str(document.relative_to(ROOT)), name)
        for document in documents()
        for name in DOTTED.findall(document.read_text(encoding="utf-8"))
    }
    assert sorted((document, name) for document, name in mentioned if not resolves(name)) == []


def test_decisions_are_short_and_dated() -> None:
    folder = ROOT / "docs" / "decisions"
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("[0-9]*.md")}
    assert [name for name, text in texts.items() if len(text.splitlines()) > 30 or not DATE.search(text)] == []


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("platemark.core", True),
        ("platemark.core.errors.NotFound", True),
        ("platemark.core.errors.NotFound.code", True),
        ("platemark.core.errors.NoSuch", False),
        ("platemark.no.such", False),
    ],
)
def test_names_are_looked_up(name: str, there: bool) -> None:
    assert resolves(name) is there


def test_anchors_are_those_of_the_built_site() -> None:
    assert anchors("# One line\n## `code` & more\n```\n# no heading\n```\n## One line\n") == {
        "one-line",
        "code-more",
        "one-line_1",
    }


def test_a_link_out_of_the_documents_is_refused() -> None:
    assert broken_link(ROOT / "docs" / "index.md", "../README.md")
    assert broken_link(ROOT / "README.md", "LICENSE") is None
    assert broken_link(ROOT / "README.md", "no-such-file.md")
