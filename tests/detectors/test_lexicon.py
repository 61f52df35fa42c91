import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lexicons import LEXICON, decision, rules, signals

from platemark.core.moderation import LATTICE, REASON_CODES
from platemark.core.request import MAX_PROMPT
from platemark.detectors.book import BUILT_IN, Book
from platemark.yamlfile import read_yaml_file

BOOK = read_yaml_file(BUILT_IN, Book, setting="lexicon")
ANY_TEXT = st.text() | st.lists(st.sampled_from(" ".join(sum(BOOK.lists.values(), ())).split())).map(" ".join)


def example(phrase: str) -> str:
    """The phrase with its placeholders filled in."""
    return re.sub("#age|#", "12", phrase)


@pytest.mark.parametrize("rule", [terms.id for terms in BOOK.terms])
def test_every_phrase_of_every_rule_fires_it(rule: str) -> None:
    terms = next(terms for terms in BOOK.terms if terms.id == rule)
    silent = [phrase for phrase in terms.words if terms.id not in rules(f"a picture: {phrase}, at noon")]
    assert silent == []


@pytest.mark.parametrize("rule", [terms.id for terms in BOOK.terms])
def test_no_phrase_fires_inside_a_longer_word_or_in_a_negative_prompt(rule: str) -> None:
    terms = next(terms for terms in BOOK.terms if terms.id == rule)
    assert [phrase for phrase in terms.words if rule in rules(f"qz{phrase}qz")] == []
    assert [phrase for phrase in terms.words if rule in rules("a house", phrase)] == []


@pytest.mark.parametrize("rule", [together.id for together in BOOK.together])
def test_phrases_beside_each_other_fire_and_alone_do_not(rule: str) -> None:
    together = next(together for together in BOOK.together if together.id == rule)
    for member in together.all:
        others = [other for other in together.all if other is not member]
        text = [example(BOOK.lists[other.list][0]) for other in others if not other.avoided]
        negative = [example(BOOK.lists[other.list][0]) for other in others if other.avoided]
        assert rule not in rules(" and ".join(text) or "a house", negative[0] if negative else None)
        for phrase in BOOK.lists[member.list]:
            if member.avoided:
                assert rule in rules(" and ".join(text), f"blurry, {example(phrase)}, noise"), phrase
            else:
                assert rule in rules(", ".join([*text, example(phrase)]), negative[0] if negative else None), phrase


@pytest.mark.parametrize("rule", [terms.id for terms in BOOK.terms if terms.eased_by])
def test_a_context_eases_a_rule_to_label(rule: str) -> None:
    terms = next(terms for terms in BOOK.terms if terms.id == rule)
    for context in BOOK.lists[terms.eased_by or ""]:
        found = [s for s in signals(f"{context}: {terms.words[0]}") if s.evidence["rule"] == rule]
        assert [(signal.score, signal.evidence["eased"]) for signal in found] == [(0.3, True)], context


def test_allowed_phrases_are_all_quiet() -> None:
    assert [phrase for phrase in BOOK.allow if decision(example(phrase)) not in ("allow", "label")] == []
    assert signals("crab nebula")[0].category == "none"


WORD, CODE = "pornographic", "SEXUAL_EXPLICIT"
DISGUISES: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "zero width": "\u200b".join,
    "soft hyphen": "\u00ad".join,
    "full width": lambda word: "".join(chr(ord(char) + 0xFEE0) for char in word),
    "mathematical": lambda word: "".join(chr(ord(char) - ord("a") + 0x1D41A) for char in word),
    "circled": lambda word: "".join(chr(ord(char) - ord("a") + 0x24D0) for char in word),
    "negative squared": lambda word: "".join(chr(ord(char) - ord("a") + 0x1F170) for char in word),
    "homoglyphs": lambda word: word.translate(str.maketrans("opa", "\u043e\u0440\u0430")),
    "accents": "\u0308".join,
    "struck through": "\u0336".join,
    "spaced": " ".join,
    "dotted": ".".join,
    "dashed": "-".join,
    "leet": lambda word: word.translate(str.maketrans("oai", "0@1")),
    "signs": lambda word: word.replace("i", "!").replace("a", "4"),
    "stretched": lambda word: word.replace("o", "oooo"),
    "stretched end": lambda word: word + "ccc",
    "spaced leet": lambda word: " ".join(word.replace("o", "0")),
    "spaced full width": lambda word: " ".join(chr(ord(char) + 0xFEE0) for char in word),
    "plural": lambda word: word + "s",
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_disguises_do_not_help(disguise: str) -> None:
    written = DISGUISES[disguise](WORD)
    signal = next(s for s in signals(f"a very {written} scene") if s.evidence["rule"] == "sexual-explicit")
    assert (signal.category, signal.score) == (CODE, 1.0)
    assert (signal.evidence["start"], signal.evidence["end"]) == (7, 7 + len(written))
    assert signal.evidence.get("disguised", False) == (disguise not in ("capitals", "plural"))


NEAR_MISSES = """
nude lipstick on a marble table | crab nebula | breast cancer awareness poster | shoot a photo of a bird
killer whale | child drawing a house | shot glass | Sussex countryside | naked mole rat | a baby elephant
a red house in a green meadow at sunset | a heroine in shining armour | therapist's office | an Essex village
a class of children learning algebra | cocktail dress on a mannequin | blood orange slices | blood donation poster
suicide prevention hotline poster | sex education class for teenagers | king charles spaniel, studio photo
oil painting of Barack Obama | a bath bomb on a towel | the bottomless pit, with a kid looking in | Gore-Tex jacket
a 400 year old oak | games of the XXX Olympiad | wine red curtains | a woman breastfeeding her baby | chicken breast
a naked eye view of the stars | a same sex couple with their child | assassin bug on a leaf | dickens novel cover
a cock crowing at dawn | Scunthorpe town hall | basement full of documents | Uranus and its moons | analog clock
girl with a pearl earring | boy playing football | a young student reading | a kid in a baby blue coat
a clean editorial illustration of a city skyline at sunrise, soft lighting, modern vector style
a product photo of a ceramic mug on a wooden desk, soft natural light
""".replace("\n", "|").split("|")


@pytest.mark.parametrize("prompt", [prompt.strip() for prompt in NEAR_MISSES if prompt.strip()])
def test_near_misses_are_allowed(prompt: str) -> None:
    assert decision(prompt, "blurry, distorted, extra limbs, text artifacts, watermark, warped handle") == "allow"
    assert decision(prompt, audience="education") == "allow"


@pytest.mark.parametrize(
    "prompt",
    [
        "a cocktail bar at night",
        "bloody mary cocktail",
        "a glass of beer",
        "Michelangelo's David, nude statue in a museum",
        "anatomical diagram of the penis, medical textbook",
        "the beheading of John the Baptist, oil painting by Caravaggio",
        "a swastika on a buddhist temple",
        "Hitler, documentary about world war two",
    ],
)
def test_what_has_a_good_context_is_labelled_at_most(prompt: str) -> None:
    assert decision(prompt) == "label"
    assert decision(prompt, audience="education") == "review"


@pytest.mark.parametrize(
    ("prompt", "negative", "expected"),
    [
        ("a red house", "nude, blood, gore, nsfw, child", "allow"),
        ("a child drawing a house", "nude, nsfw, sexual", "allow"),
        ("a sexy woman", "child, underage", "label"),
        ("a child on a beach", "(clothes:1.3), hat", "block"),
        ("a child on a beach", "hat\nclothing", "block"),
        ("a child on a beach", "dirty clothes, hat", "allow"),
        ("a red house", "clothes", "allow"),
        ("a sexy woman", "adults, text", "block"),
        ("a sexy woman", "nsfw, adult content", "label"),
        ("a baby elephant", "clothes", "allow"),
    ],
)
def test_a_negative_prompt_names_what_to_avoid(prompt: str, negative: str, expected: str) -> None:
    assert decision(prompt, negative) == expected


def test_words_to_avoid_are_noted() -> None:
    found = signals("a child drawing a house", "nude, blood")
    noted = {(s.category, s.score): s.evidence for s in found}
    assert set(noted) == {("NUDITY_NON_EXPLICIT", 0.0), ("MINOR_SAFETY", 0.0)}
    assert all(evidence["avoided"] for evidence in noted.values())
    assert noted["MINOR_SAFETY", 0.0]["with"] == [{"field": "negative_prompt", "start": 0, "end": 4}]


def test_personal_data_counts_in_every_field() -> None:
    assert decision("a house", "ann@example.org") == "label"
    assert decision("4111 1111 1111 1111") == "review"


def test_evidence_says_where_and_how_often_and_never_what() -> None:
    found = signals("a beer, more beer, \U0001f37a and wine")
    assert [signal.evidence for signal in found] == [
        {"field": "prompt", "start": 2, "end": 6, "rule": "regulated-goods", "count": 3}
    ]
    assert "beer" not in json.dumps([signal.model_dump() for signal in found])


def test_the_version_names_the_content() -> None:
    assert re.fullmatch(r"3\+[0-9a-f]{12}(,(de|es|fr|it|pt)-2\+[0-9a-f]{12}){5}", LEXICON.version)
    assert {signal.version for signal in signals("a house")} == {LEXICON.version}


def test_codes_are_reason_codes() -> None:
    assert {rule.code for rule in (*BOOK.terms, *BOOK.together)} <= set(REASON_CODES)


@pytest.mark.parametrize("length", [20, 2_001])
async def test_look_answers_the_same_inline_and_in_a_thread(length: int) -> None:
    texts = {"prompt": "a beer " + "x" * length}
    assert await LEXICON.look(texts) == LEXICON.measure(texts)


@given(ANY_TEXT, ANY_TEXT | st.none())
def test_any_text_is_measured_and_offsets_point_into_it(prompt: str, negative: str | None) -> None:
    texts = {"prompt": prompt, "negative_prompt": negative or ""}
    found = signals(prompt, negative)
    assert found
    for signal in found:
        for place in (signal.evidence, *signal.evidence.get("with", ())):
            if signal.category != "none":
                assert 0 <= place["start"] < place["end"] <= len(texts[place["field"]])


@given(ANY_TEXT, ANY_TEXT)
def test_more_text_in_another_field_never_relaxes(prompt: str, caption: str) -> None:
    alone = [s.category for s in LEXICON.measure({"prompt": prompt}) if s.category == "MINOR_SAFETY"]
    both = [s.category for s in LEXICON.measure({"prompt": prompt, "caption": caption})]
    assert set(alone) <= set(both)


@pytest.mark.parametrize(
    "unit",
    ["a ", "n.", "1 ", "@$", "a@", "a.@", "A1", "0", "+1 ", "DE89 ", "12 year old ", "nude lipstick ", "\ufdfa", "6e "],
)
def test_the_longest_adversarial_prompt_is_measured_within_the_test_timeout(unit: str) -> None:
    assert decision((unit * MAX_PROMPT)[:MAX_PROMPT]) in LATTICE
