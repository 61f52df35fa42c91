"""The licence is what the makers of a model wrote, wherever they wrote it."""

from pathlib import Path

import pytest

from platemark.engine.models.licence import Licence, find_licence


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: apache-2.0\ntags:\n- art\n---\n# Model\n", Licence("apache-2.0")),
        ("---\r\nlicense: 'openrail++'\r\n---\r\n", Licence("openrail++")),
        ("---\nlicense: [mit]\n---\n", Licence("mit")),
        ("---\nlicense:\n- mit\n- other\n---\n", Licence("mit")),
        (
            "---\nlicense: other\nlicense_name: sai-community\nlicense_link: LICENSE.md\n---\n",
            Licence("sai-community", "The terms: LICENSE.md"),
        ),
        ("---\nlicense: mit  # really\n---\n", Licence("mit")),
        ("---\nlicense: m\x1b[2Jit\n---\n", Licence("m[2Jit")),
        ("---\nlicense: &a [*a, *a]\n---\n", Licence("&a [*a, *a")),
        ("---\ntags: []\n---\nlicense: mit\n", Licence()),
        ("license: mit\n", Licence()),
        ("---\nlicense: mit\n", Licence()),
        ("", Licence()),
    ],
)
def test_the_front_matter_of_the_card_is_read(tmp_path: Path, card: str, expected: Licence) -> None:
    (tmp_path / "README.md").write_bytes(card.encode())
    assert find_licence(tmp_path) == expected


def test_a_licence_file_speaks_where_the_card_does_not(tmp_path: Path) -> None:
    assert find_licence(tmp_path) == Licence()
    (tmp_path / "LICENSE.md").write_text("\n\n# CreativeML Open RAIL-M\n\ndated August 22\n")
    assert find_licence(tmp_path) == Licence("CreativeML Open RAIL-M", "The terms are in the model's file LICENSE.md.")
    (tmp_path / "README.md").write_bytes(b"\xff\xfe" * 100_000)
    assert find_licence(tmp_path).name == "CreativeML Open RAIL-M"


def test_what_cannot_be_read_is_no_licence(tmp_path: Path) -> None:
    (tmp_path / "README.md").mkdir()
    (tmp_path / "LICENSE").symlink_to("LICENSE")
    assert find_licence(tmp_path) == Licence()
