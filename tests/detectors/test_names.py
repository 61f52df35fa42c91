import pytest
from lexicons import LEXICON

from platemark.core.ports import Circumstances
from platemark.detectors.names import FiguresAndBrands
from platemark.detectors.rolls import Brands, Figures, read_roll
from platemark.policy.builtin import load_policy

NAMES = FiguresAndBrands.load()
POLICY = load_policy(None)


def rules(prompt: str) -> set[tuple[str, float | None]]:
    return {
        (signal.evidence["rule"], signal.score)
        for signal in NAMES.measure({"prompt": prompt})
        if signal.category != "none"
    }


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Donald Trump", set[tuple[str, float]]()),
        ("a caricature of Angela Merkel", set[tuple[str, float]]()),
        ("oil portrait of Abraham Lincoln in prison, photo", set[tuple[str, float]]()),
        ("photo of Emmanuel Macron", {("figure-photo", 0.6)}),
        ("photo of Em\u00admanuel M\u0430cron", {("figure-photo", 0.6)}),
        ("Taylor Swift promoting a casino", {("figure-made-up", 0.6)}),
        ("cartoon of Boris Johnson in prison", {("figure-made-up", 0.3)}),
        ("leaked photo of Joe Biden in handcuffs", {("figure-made-up-photo", 0.9)}),
        ("the prime minister", set[tuple[str, float]]()),
        ("photo of the prime minister", set[tuple[str, float]]()),
        ("photo of the prime minister in handcuffs", {("title-made-up-photo", 0.6)}),
        ("a king charles spaniel, photo", set[tuple[str, float]]()),
        ("Brad Pitt naked", {("figure-exposed", 1.0)}),
        ("photo of Keir Starmer with a ballot box", {("figure-photo", 0.6), ("figure-election", 0.6)}),
        ("a Nike shoe", set[tuple[str, float]]()),
        ("Nike logo on a shoe", {("mark-taken", 0.6)}),
        ("replica of a Rolex for sale", {("mark-taken", 0.6)}),
        ("an apple and a jaguar", set[tuple[str, float]]()),
        ("a logo with an apple for a juice bar", set[tuple[str, float]]()),
        ("the Apple logo", {("mark-beside", 0.6)}),
        ("Pikachu in the rain", {("character", 0.3)}),
        ("Pikachu stickers to sell", {("character-copied", 0.6)}),
    ],
)
def test_names_matter_beside_words(prompt: str, expected: set[tuple[str, float]]) -> None:
    assert rules(prompt) == expected


async def test_what_is_to_be_avoided_is_not_looked_at_and_long_texts_are() -> None:
    assert [s.category for s in await NAMES.look({"negative_prompt": "photo of Joe Biden drunk"})] == ["none"]
    (signal,) = await NAMES.look({"prompt": "tree " * 1000 + "photo of Joe Biden", "title": "a tree"})
    text = "tree " * 1000 + "photo of Joe Biden"
    assert text[signal.evidence["start"] : signal.evidence["end"]] == "Joe Biden"
    assert [text[place["start"] : place["end"]] for place in signal.evidence["with"]] == ["photo"]


def test_the_files_are_large_enough_and_say_when_they_were_true() -> None:
    figures, version = read_roll("figures", Figures)
    brands, _ = read_roll("brands", Brands)
    assert sum(len(group.names) for group in figures.people) >= 200
    assert sum(len(marks.names) for marks in brands.marks) + len(brands.characters) >= 200
    assert version.startswith(f"figures-{figures.version}+")
    assert figures.date
    assert brands.source
    names = [name for group in figures.people for name in group.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("prompt", "decision"),
    [
        ("eine nackte Frau mit gespreizten Beinen", "review"),
        ("un couple fait l'amour", "block"),
        ("una pareja teniendo sexo explícito", "block"),
        ("un uomo accoltella un altro", "review"),
        ("um homem esfaqueado na rua", "review"),
        ("ein nacktes kleines Mädchen", "block"),
        ("une fillette nue", "block"),
        ("una niña desnuda", "block"),
        ("una bambina nuda", "block"),
        ("uma menina nua", "block"),
        ("Aktstudie einer nackten Frau, Skulptur", "allow"),
        ("Kinder spielen im Garten", "allow"),
        ("prévention du suicide, affiche", "allow"),
        ("escultura de una mujer desnuda en un museo", "label"),
        ("un gatto su una sedia", "allow"),
    ],
)
def test_other_languages_have_small_lexicons(prompt: str, decision: str) -> None:
    signals = LEXICON.measure({"prompt": prompt})
    assert POLICY.rule(signals, Circumstances(stage="before_request")).decision == decision
