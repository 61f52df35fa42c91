"""How a service is asked about a picture and what its answer says, written as data; one call each."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from platemark.detectors.asking import Asking, Call, Refused, as_number
from platemark.detectors.origin_services.paths import MISSING, built, found_at, parsed

Body = Literal["multipart", "base64", "data_uri", "url"]
Says = Literal["ai", "real", "unsure"]
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture on its way. `url`: where the service may read it itself, where there is such a place."""

    data: bytes = field(repr=False)
    media_type: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a service says. `score`: probability of AI, 0 to 1; `says`: its verdict in our words.

    `read`: how the number was read, and the answer's own number and verdict.
    """

    score: float
    says: Says | None
    read: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """One service. `place`: the form field of the picture, or its path in the JSON that is sent.

    `score`: paths of the number, the first that is there counts; of 0 to `scale`, for AI, or for its absence where
    `inverted`. `verdict`: the path of a word; `words`: what each means, or which number it stands for where there is no
    score. `must`: what an answer has where it is one.
    """

    path: str
    body: Body
    place: str
    score: tuple[str, ...] = ()
    scale: int = 1
    inverted: bool = False
    verdict: str | None = None
    words: Mapping[str, Says | float] = field(default_factory=dict[str, Says | float])
    fields: Mapping[str, str | float] = field(default_factory=dict[str, str | float])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    must: tuple[str, str] | None = None
    method: str = "POST"
    max_side: int = 4096
    most_bytes: int = 5 * 1024 * 1024

    def check(self) -> None:
        """Raises ValueError with what is wrong."""
        for path in (*self.score, *((self.verdict,) if self.verdict else ()), *((self.must[0],) if self.must else ())):
            parsed(path)
        if self.body != "multipart":
            built(parsed(self.place), "")
        if not self.score and not self.verdict:
            raise ValueError("score, verdict or both have to say where the answer has them")
        if bool(self.verdict) != bool(self.words):
            raise ValueError("verdict and words belong together: where the word stands, and what each word means")
        numbers = {isinstance(said, float) for said in self.words.values()}
        if not self.score and numbers != {True}:
            raise ValueError("without score each of words has to be the number, 0 to 1, that it stands for")
        if self.score and True in numbers:
            raise ValueError("beside score each of words means ai, real or unsure, and is no number")

    async def ask(self, asking: Asking, sent: Sent) -> Opinion:
        """One question, one answer. Raises Refused."""
        return self.opinion(await asking.ask(self.call(sent)))

    def call(self, sent: Sent) -> Call:
        """The question about a picture. Raises Refused where the service would have to read it from a URL."""
        if self.body == "multipart":
            files = {self.place: (f"picture.{_ENDINGS.get(sent.media_type, 'bin')}", sent.data, sent.media_type)}
            return Call(self.path, method=self.method, form=self._texts, files=files, query=self.query)
        asked = dict(self.fields) | built(parsed(self.place), self._written(sent))
        return Call(self.path, method=self.method, json=asked, query=self.query)

    @property
    def _texts(self) -> Mapping[str, str]:
        return {name: said if isinstance(said, str) else json.dumps(said) for name, said in self.fields.items()}

    def _written(self, sent: Sent) -> str:
        if self.body == "url":
            if sent.url is None:
                raise Refused("it reads pictures only from a public URL, and there is none", code="no_public_url")
            return sent.url
        text = base64.b64encode(sent.data).decode("ascii")
        return text if self.body == "base64" else f"data:{sent.media_type};base64,{text}"

    def opinion(self, body: Any) -> Opinion:
        """What an answer says. Raises Refused for what is no answer."""
        if self.must and str(found_at(body, parsed(self.must[0]))).lower() != self.must[1]:
            raise Refused("it says that it failed", code="failed")
        word = self._word(body)
        meaning = self.words.get(word, "unsure") if word is not None else None
        path, raw = self._number(body)
        if raw is None and isinstance(meaning, str | None):
            raise Refused("its answer has no number where one was expected", code="no_score")
        score = self._share(raw) if raw is not None else float(meaning or 0.0)
        read = {"field": path, "value": raw, "scale": self.scale, "inverted": self.inverted}
        return Opinion(score, meaning if isinstance(meaning, str) else None, read | {"verdict": _tame(word)})

    def _word(self, body: Any) -> str | None:
        """The verdict of the answer; empty where it has none although it should."""
        if self.verdict is None:
            return None
        found = found_at(body, parsed(self.verdict))
        return found.lower() if isinstance(found, str) else str(found).lower() if isinstance(found, bool) else ""

    def _number(self, body: Any) -> tuple[str | None, float | None]:
        for path in self.score:
            found = found_at(body, parsed(path))
            if found is not MISSING and found is not None:
                return path, as_number(found)
        return self.verdict, None

    def _share(self, raw: float) -> float:
        share = raw / self.scale
        if not 0 <= share <= 1:
            raise Refused(f"its number lies outside 0 to {self.scale}")
        return 1 - share if self.inverted else share


def _tame(word: str | None) -> str | None:
    """Somebody else's word, for a finding."""
    return None if word is None else "".join(char if char.isalnum() or char in " _-" else "?" for char in word[:40])
