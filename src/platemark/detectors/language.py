"""Detector: texts in a language that the others hardly read. It judges nothing; it says that nobody could look."""

import functools
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from platemark.core.moderation import NOTHING_FOUND, Signal
from platemark.detectors.absent import NOT_EVALUATED
from platemark.detectors.lexicon import NEGATIVE
from platemark.detectors.words import words_of

# As much of a text that its meaning may lie there; a name in its own script is less.
_SHARE = 0.3
_ENOUGH = 2
_SMALL_WORDS = {
    "en": "the of and with in on at a an is his her from by for to",
    "de": "der die das ein eine einer eines einem und mit auf im von einen bei ist fur",
    "fr": "le la les un une des du et avec dans sur qui est au aux pour",
    "es": "el la los las un una y con en del que es al por para sobre",
    "it": "il lo la gli un una e con nel di che della sul dei per",
    "pt": "o a os as um uma e com no na do da em que ao por para",
}
_LANGUAGE_OF = {name: frozenset(words.split()) for name, words in _SMALL_WORDS.items()}


class Language:
    """`not_evaluated` where much of a text is in other than Latin letters; else `none` with the likely language."""

    name = "language"
    version = "1"

    async def look(self, texts: Mapping[str, str], /) -> Sequence[Signal]:
        """One signal a text, the negative prompt left out. A Latin language that it does not know looks English."""
        return [self._of(field, text) for field, text in texts.items() if field != NEGATIVE]

    def _of(self, field: str, text: str) -> Signal:
        scripts = Counter(script for char in text if (script := script_of(char)))
        foreign = scripts.total() - scripts["LATIN"]
        if foreign > _SHARE * scripts.total():
            script = next(name for name, _ in scripts.most_common() if name != "LATIN")
            reason = f"The lexicons and examples do not read this language ({script.capitalize()} letters)."
            return self._signal(None, {"field": field, "script": script.lower(), "reason": reason})
        return self._signal(0.0, {"field": field, "language": language_of(text)})

    def _signal(self, score: float | None, evidence: dict[str, Any]) -> Signal:
        looked = score is not None
        category = NOTHING_FOUND if looked else NOT_EVALUATED
        return Signal(
            detector=self.name,
            version=self.version,
            category=category,
            evaluated=looked,
            score=score,
            evidence=evidence,
        )


@functools.lru_cache(maxsize=4096)
def script_of(char: str) -> str:
    """The first word of a letter's Unicode name, which is its script; empty for what is no letter."""
    normal = unicodedata.normalize("NFKC", char)[:1]
    return unicodedata.name(normal, "").split(" ")[0].split("-")[0] if normal.isalpha() else ""


def language_of(text: str) -> str:
    """The language whose small words stand in `text`; `en` where too few do."""
    words = Counter(words_of(text))
    counts = {name: sum(words[word] for word in small) for name, small in _LANGUAGE_OF.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= _ENOUGH and counts[best] > counts["en"] else "en"
