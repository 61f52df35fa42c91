import pytest

from platemark.core.ports import TextDetector
from platemark.detectors.language import Language, language_of

LANGUAGE: TextDetector = Language()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a red house in a green meadow", "en"),
        ("cat, 8k, masterpiece", "en"),
        ("ein rotes Haus auf einer grünen Wiese", "de"),
        ("une maison rouge dans un pré vert avec des fleurs", "fr"),
        ("una casa roja en un prado verde con las flores", "es"),
        ("una casa rossa nel prato e il cielo della sera", "it"),
        ("uma casa vermelha no campo com um rio", "pt"),
    ],
)
async def test_the_likely_language_is_noted(text: str, language: str) -> None:
    (signal,) = await LANGUAGE.look({"prompt": text, "negative_prompt": "красный"})
    assert (signal.category, signal.score) == ("none", 0.0)
    assert signal.evidence == {"field": "prompt", "language": language}
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("красный дом на зелёном лугу", "cyrillic"),
        ("緑の野原の赤い家", "cjk"),
        ("بيت أحمر في حقل", "arabic"),
        ("빨간 집", "hangul"),
    ],
)
async def test_what_nobody_can_read_was_not_evaluated(text: str, script: str) -> None:
    (signal,) = await LANGUAGE.look({"prompt": text})
    assert (signal.evaluated, signal.score, signal.category) == (False, None, "not_evaluated")
    assert signal.evidence["script"] == script
    assert signal.evidence["reason"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42!",
        "the letter Ω and the word мир in a painting",
        "\U0001d41a \U0001d42b\U0001d41e\U0001d41d",
        "\uff41 \uff52\uff45\uff44",
    ],
)
async def test_a_few_letters_and_odd_shapes_are_no_language(text: str) -> None:
    (signal,) = await LANGUAGE.look({"prompt": text})
    assert signal.evaluated
