"""The verifier that docs/explanation/audit-chain.md prints accepts what we export, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from fences import blocks

from platemark.core.audit import GENESIS, AuditLine, next_line

Export = list[dict[str, Any]]


@pytest.fixture(scope="module")
def verify() -> Callable[[str], str]:
    (block,) = (one for one in blocks("python") if one.document.name == "audit-chain.md")
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(block.body, str(block), "exec"), names)
    return cast("Callable[[str], str]", names["verify"])


def export(count: int) -> Export:
    last: AuditLine | None = None
    lines: list[AuditLine] = []
    for number in range(count):
        last = next_line("prj_1", last, {"z": 'ä\u2028 "quoted"', "a": [number, 1.5, None, True]})
        lines.append(last)
    head = last.hash if last else GENESIS
    return [
        {"object": "platemark.audit", "version": 1, "project": "prj_1"},
        *(line.model_dump(mode="json") for line in lines),
        {"object": "platemark.audit.end", "lines": count, "head": head},
    ]


def written(folder: Path, lines: Export) -> str:
    file = folder / "audit.jsonl"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_shown_verifier_accepts_an_export(verify: Callable[[str], str], tmp_path: Path, count: int) -> None:
    lines = export(count)
    assert verify(written(tmp_path, lines)) == lines[-1]["head"]


SPOILED: dict[str, Callable[[Export], object]] = {
    "changed": lambda lines: lines[2]["body"].update(a=0),
    "removed": lambda lines: lines.pop(2),
    "cut off": lambda lines: lines.pop(-2),
    "reordered": lambda lines: lines.insert(2, lines.pop(3)),
    "of another project": lambda lines: lines[3].update(project="prj_2"),
    "another head": lambda lines: lines[-1].update(head=GENESIS),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_the_shown_verifier_refuses_what_was_changed(
    verify: Callable[[str], str], tmp_path: Path, spoil: Callable[[Export], object]
) -> None:
    lines = export(5)
    spoil(lines)
    with pytest.raises(SystemExit):
        verify(written(tmp_path, lines))
