"""P8: an exported chain is checked offline, and whatever is done to it shows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platemark.cli import main
from platemark.cli.ledger import Checked, Ledger
from platemark.core.audit import GENESIS, AuditLine, next_line
from platemark.core.errors import AuditBroken

Lines = list[dict[str, Any]]


def exported(count: int, project: str = "prj_1", text: str = "x") -> Lines:
    """An export as the server writes it."""
    lines: list[AuditLine] = []
    for number in range(count):
        lines.append(
            next_line(project, lines[-1] if lines else None, {"type": "image.stored", "note": f"{text}{number}"})
        )
    head = lines[-1].hash if lines else GENESIS
    header = {"object": "platemark.audit", "version": 1, "project": project, "exported_at": "2026-01-02T03:04:05Z"}
    end = {"object": "platemark.audit.end", "lines": count, "head": head}
    return [header, *(line.model_dump(mode="json") for line in lines), end]


def written(lines: Lines) -> list[bytes]:
    return [json.dumps(line).encode() + b"\n" for line in lines]


def check(lines: Lines, earlier: Checked | None = None) -> Checked:
    return Ledger(earlier=earlier).check(written(lines))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_p8_a_whole_export_verifies(count: int) -> None:
    lines = exported(count)
    assert check(lines) == Checked("prj_1", "2026-01-02T03:04:05Z", count, lines[-1]["head"])


def body(lines: Lines) -> None:
    lines[3]["body"]["note"] = "another"


def hash_too(lines: Lines) -> None:
    body(lines)
    lines[3]["hash"] = "0" * 64


def rebuilt_middle(lines: Lines) -> None:
    body(lines)
    last = AuditLine.model_validate(lines[2])
    lines[3] = next_line("prj_1", last, lines[3]["body"]).model_dump(mode="json")


def footer_lines(lines: Lines) -> None:
    lines[-1]["lines"] = 4


def other_project(lines: Lines) -> None:
    lines[2]["project"] = "prj_2"


DAMAGES: list[tuple[Callable[[Lines], Any], str]] = [
    (body, "Line 4 of the file: The chain of prj_1 breaks at line 3"),
    (hash_too, "breaks at line 3"),
    (rebuilt_middle, "breaks at line 4"),
    (lambda lines: lines.pop(3), "breaks at line 4"),
    (lambda lines: lines.insert(2, lines[3]), "breaks at line 3"),
    (lambda lines: lines.__setitem__(slice(2, 4), [lines[3], lines[2]]), "breaks at line 3"),
    (lambda lines: lines.pop(), "cut off"),
    (lambda lines: lines.__delitem__(slice(4, None)), "stops after 3 lines"),
    (lambda lines: lines.pop(-2), "lines are missing"),
    (footer_lines, "lines are missing"),
    (lambda lines: lines.append(lines[1]), "after the end"),
    (lambda lines: lines.pop(0), "first line is not the header"),
    (lambda lines: lines[0].update(version=2), "first line is not the header"),
    (lambda lines: lines[0].update(project="prj_2"), "belongs to prj_1"),
    (other_project, "belongs to prj_2"),
    (lambda lines: lines[2].update(extra=1), "Line 3 of the file is not a line"),
    (lambda lines: lines[2].update(prev="not hexadecimal"), "breaks at line 2"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[said for _, said in DAMAGES])
def test_p8_damage_shows_and_says_where(damage: Callable[[Lines], Any], said: str) -> None:
    lines = exported(5)
    damage(lines)
    with pytest.raises(AuditBroken, match=said):
        check(lines)


@pytest.mark.parametrize(
    "file", [b"", b"not json\n", b"[1]\n", b'{"object"', b"\xff\xfe\n", b"[" * 100_000 + b"\n"], ids=range(6)
)
def test_what_is_no_export_is_refused(file: bytes) -> None:
    with pytest.raises(AuditBroken):
        Ledger().check(file.splitlines(keepends=True))


def test_a_line_that_is_cut_in_the_middle_is_named() -> None:
    lines = written(exported(5))
    with pytest.raises(AuditBroken, match="Line 4 of the file is not a JSON object"):
        Ledger().check([*lines[:3], lines[3][:40]])


def test_an_earlier_export_must_be_contained_in_a_later_one() -> None:
    earlier = check(exported(3))
    assert check(exported(5), earlier).lines == 5
    with pytest.raises(AuditBroken, match="written anew"):
        check(exported(5, text="y"), earlier)
    with pytest.raises(AuditBroken, match="lines were removed"):
        check(exported(2), earlier)


def test_audit_verify_needs_neither_server_nor_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b"".join(written(exported(4))))
    assert main(["audit", "verify", str(file)]) == 0
    assert "4 lines of prj_1 verified, head" in capsys.readouterr().out
    assert main(["audit", "verify", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True


def test_audit_verify_says_where_it_breaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = exported(4)
    lines[2]["body"] = {}
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b"".join(written(lines)))
    assert main(["audit", "verify", str(file)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("platemark: error: Line 3 of the file: The chain of prj_1 breaks at line 2")
    assert main(["audit", "verify", str(file), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["reason"].startswith("Line 3 of the file")


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(tmp_path / "gone.jsonl")]) == 1
    assert "gone.jsonl: No such file" in capsys.readouterr().err
