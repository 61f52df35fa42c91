"""Weights in prompts: what the field writes is read, and nothing that anybody can type is an error."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from platemark.engine.conditioning.prompt_syntax import HEAVIEST, STEP, Piece, parse

typed = st.text(alphabet=st.sampled_from([*"()[]\\:.0123456789 -+ab"]), max_size=120) | st.text(max_size=60)


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("a red house", [("a red house", 1.0)]),
        ("a (red) house", [("a ", 1.0), ("red", STEP), (" house", 1.0)]),
        ("a [red] house", [("a ", 1.0), ("red", 1 / STEP), (" house", 1.0)]),
        ("(red:1.5) house", [("red", 1.5), (" house", 1.0)]),
        ("(red: .5 )", [("red", 0.5)]),
        ("(red:2)(blue:2)", [("red", 2.0), ("blue", 2.0)]),
        ("((red))", [("red", STEP * STEP)]),
        ("((red:1.5) house:2)", [("red", 3.0), (" house", 2.0)]),
        ("([red])", [("red", STEP * (1 / STEP))]),
        (r"\(red\) \[x\]", [("(red) [x]", 1.0)]),
        (r"(a \(red\) house:1.2)", [("a (red) house", 1.2)]),
        (r"back\slash", [(r"back\slash", 1.0)]),
        ("(red", [("(red", 1.0)]),
        ("red) house]", [("red) house]", 1.0)]),
        ("((red)", [("(", 1.0), ("red", STEP)]),
        ("(a [b) c]", [("a [b", STEP), (" c]", 1.0)]),
        ("(red:much)", [("red:much", STEP)]),
        ("(red:-1)", [("red", 0.0)]),
        ("(red:9999)", [("red", HEAVIEST)]),
        ("()[](:2)", []),
        ("", []),
    ],
)
def test_weights_are_read_as_the_field_writes_them(prompt: str, pieces: list[tuple[str, float]]):
    read = parse(prompt)
    assert [piece.text for piece in read] == [text for text, _ in pieces]
    assert [piece.weight for piece in read] == pytest.approx([weight for _, weight in pieces])


@given(typed)
@example("(" * 5000 + "a" + ")" * 5000)
@example("(" * 5000 + "(a:0)" + ")" * 5000)
@example("[" * 5000 + "a" + "]" * 5000)
def test_nothing_that_is_typed_is_an_error(prompt: str):
    for piece in parse(prompt):
        assert piece.text
        assert math.isfinite(piece.weight)
        assert 0 <= piece.weight <= HEAVIEST


@given(typed)
def test_text_without_brackets_is_left_as_it_is(prompt: str):
    plain = prompt.translate(str.maketrans("", "", "()[]"))
    assert parse(plain) == ((Piece(plain),) if plain else ())


@given(typed)
def test_escaped_text_comes_back_whole_and_without_weights(prompt: str):
    text = prompt.replace("\\", "")
    escaped = text.translate(str.maketrans({bracket: f"\\{bracket}" for bracket in "()[]"}))
    assert parse(escaped) == ((Piece(text),) if text else ())


@given(typed)
def test_no_letter_is_lost(prompt: str):
    kept = "".join(piece.text for piece in parse(prompt))
    assert [letter for letter in kept if letter in "ab"] == [letter for letter in prompt if letter in "ab"]
