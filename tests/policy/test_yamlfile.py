from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from platemark.core.errors import Misconfigured
from platemark.yamlfile import MAX_BYTES, read_yaml, read_yaml_file


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    score: float = 0.0


class Sheet(BaseModel):
    model_config = ConfigDict(extra="forbid")
    entries: tuple[Entry, ...]


def complaint(text: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        read_yaml(text, Sheet, where="own.yaml")
    return caught.value.detail


def test_a_good_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("entries:\n  - {name: a, score: 0.5}\n  - name: b\n")
    sheet = read_yaml_file(file, Sheet, setting="policy")
    assert [(entry.name, entry.score) for entry in sheet.entries] == [("a", 0.5), ("b", 0.0)]


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("entries:\n  - name: a\n  - name: b\n    score: high\n", 4, "entries[1].score"),
        ("entries:\n  - name: 7\n", 2, "entries[0].name"),
        ("entries:\n  - name: no\n", 2, "entries[0].name"),
        ("entries:\n  - name: a\n    size: 1\n", 3, "entries[0].size"),
        ("entries:\n  - name: a\n\n\n  - score: 1\n", 5, "entries[1].name"),
        ("entries: a\n", 1, "entries"),
        ("# nothing\n\nother: 1\n", 1, "entries"),
        ("- a\n", 1, "the whole file"),
        ("", 1, "the whole file"),
    ],
)
def test_a_bad_file_is_told_with_line_and_field(text: str, line: int, field: str) -> None:
    assert complaint(text).startswith(f"own.yaml, line {line}, {field}: ")


def test_what_is_not_yaml_is_told_with_its_line() -> None:
    assert complaint("entries:\n  - name: [a\n").startswith("own.yaml, line 3: this is not YAML")
    assert "this is not YAML" in complaint("entries: !!python/object:os.system []")


def test_a_name_given_twice_is_told() -> None:
    assert complaint("entries:\n  - name: a\n    name: b\n") == "own.yaml, line 3: name is given twice. Keep one."


@pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: 1}\nc: *x"])
def test_references_are_not_followed(text: str) -> None:
    assert "line" in complaint(text)


@pytest.mark.parametrize("text", ["2026-01-01: a", "? [a, b]\n: c", "entries: [" + "[" * 5000])
def test_odd_content_is_told(text: str) -> None:
    assert complaint(text).startswith("own.yaml")


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    for content in (b"\xff\xfe\0", b"#" * (MAX_BYTES + 1)):
        file.write_bytes(content)
        with pytest.raises(Misconfigured, match=r"^policy: "):
            read_yaml_file(file, Sheet, setting="policy")
    with pytest.raises(Misconfigured, match=r"^policy: .*missing\.yaml cannot be read"):
        read_yaml_file(tmp_path / "missing.yaml", Sheet, setting="policy")


@given(st.text(alphabet="entriesam: -[]{}\n&*!|>'\"#?0.1", max_size=80))
def test_no_text_ends_in_anything_but_our_error(text: str) -> None:
    with suppress(Misconfigured):
        assert isinstance(read_yaml(text, Sheet, where="own.yaml"), Sheet)
