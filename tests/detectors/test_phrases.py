import pytest
from hypothesis import given
from hypothesis import strategies as st

from platemark.detectors.fold import fold
from platemark.detectors.phrases import Cover, Hit, Phrases, digest_of


def index(*phrases: str, close: bool = False) -> Phrases:
    made = Phrases()
    made.add("g", phrases, close=close)
    return made


def found(phrases: Phrases, text: str) -> list[str]:
    folded = fold(text)
    return [folded.text[hit.start : hit.end] for hit in phrases.find(folded)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a Red house", ["red house"]),
        ("red-house, red\nhouse", ["red-house", "red\nhouse"]),
        ("red houses", ["red houses"]),
        ("r3d h0use", ["r3d h0use"]),
        ("r e d house", ["r e d house"]),
        ("rrred houuuse", ["rrred houuuse"]),
        ("redhouse, infrared house, red big house, house red", []),
    ],
)
def test_phrases_are_found_as_whole_words_in_order(text: str, expected: list[str]) -> None:
    assert found(index("red house"), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c.a.s.t.l.e", ["c.a.s.t.l.e"]),
        ("a c a s t l e here", ["c a s t l e"]),
        ("c a s t l e w a l l", ["c a s t l e"]),
        ("c@$tle!", ["c@$tle"]),
        ("c 4 s t l e", ["c 4 s t l e"]),
        ("c, a, s, t, l, e", []),
        ("(c a s t l e)", ["c a s t l e"]),
    ],
)
def test_spelt_out_words_are_put_together(text: str, expected: list[str]) -> None:
    assert found(index("castle"), text) == expected


def test_short_spelt_out_words_are_found_at_the_edges_only() -> None:
    assert found(index("sun"), "s u n") == ["s u n"]
    assert found(index("sun"), "a s u n") == ["s u n"]
    assert found(index("sun"), "a s u n k e n") == []


def test_a_stretched_word_matches_and_a_doubled_letter_alone_does_not() -> None:
    assert found(index("moon"), "moooon mooon mmmoonnn") == ["moooon", "mooon", "mmmoonnn"]
    assert found(index("bob"), "boob") == []


@pytest.mark.parametrize("age", ["12 year old", "twelve-year-old", "1 year old"])
def test_ages_below_eighteen_are_one_word_of_a_phrase(age: str) -> None:
    assert found(index("#age year old"), f"a {age} tree") == [age]


@pytest.mark.parametrize("age", ["18 year old", "120 year old", "eighteen year old"])
def test_other_ages_are_not(age: str) -> None:
    assert found(index("#age year old"), f"a {age} tree") == []


def test_a_number_of_any_size_is_one_too() -> None:
    assert found(index("# year old oak"), "a 400 year old oak, a four year old oak") == [
        "400 year old oak",
        "four year old oak",
    ]


def test_close_phrases_do_not_reach_over_punctuation() -> None:
    close = index("red house", close=True)
    assert found(close, "red house, red-house") == ["red house", "red-house"]
    assert found(close, "red, house. red. House") == []


def test_words_can_be_given_as_digests() -> None:
    phrases = Phrases()
    phrases.add_digests("g", [digest_of("grue")])
    assert found(phrases, "a grue, two grues, a gr\u00fce, gruuue, gruesome") == ["grue", "grues", "grue", "gruuue"]


def test_the_word_as_written_is_no_disguise() -> None:
    assert index("castle").find(fold("castles")) == [Hit("g", 0, 7, plain=True)]
    assert index("castle").find(fold("c4stle")) == [Hit("g", 0, 6, plain=False)]


@given(st.text(alphabet="ab1@. ~#", max_size=60), st.lists(st.text(alphabet="ab", min_size=1), min_size=1))
def test_every_hit_lies_in_the_text(text: str, words: list[str]) -> None:
    folded = fold(text)
    for hit in index(*words).find(folded):
        assert 0 <= hit.start < hit.end <= len(folded.text)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))),
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted),
)
def test_a_cover_holds_what_lies_in_one_span(spans: list[tuple[int, int]], place: list[int]) -> None:
    start, end = place
    assert Cover(spans).holds(start, end) == any(left <= start and end <= right for left, right in spans)
