"""The lexicon's data: what a lexicon file may say, and how the operator's is merged with the built-in one."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from platemark.core.base import Part
from platemark.core.moderation import REASON_CODES
from platemark.detectors.phrases import DIGEST_LENGTH
from platemark.detectors.words import words_of
from platemark.yamlfile import read_text, read_yaml, refusal

BUILT_IN = Path(__file__).parent / "data" / "lexicon-en.yaml"
# Small ones beside it: the gravest subjects only.
LANGUAGES = ("de", "es", "fr", "it", "pt")
SCORES = {"block": 1.0, "review": 0.6, "label": 0.3}
Place = tuple[int | str, ...]
Strength = Literal["block", "review", "label"]


def _phrase(text: str) -> str:
    if not 1 <= len(words_of(text)) <= 8:
        raise PydanticCustomError("phrase", "a phrase has one to eight words of letters or digits")
    return text


def _code(text: str) -> str:
    if text not in REASON_CODES:
        raise PydanticCustomError("code", "not a reason code; those are {codes}", {"codes": ", ".join(REASON_CODES)})
    return text


Phrase = Annotated[str, Field(max_length=100), AfterValidator(_phrase)]
Digest = Annotated[str, Field(pattern=rf"^[0-9a-f]{{{DIGEST_LENGTH}}}$")]
Code = Annotated[str, AfterValidator(_code)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=64)]


class Terms(Part):
    """Phrases that mean one thing. `eased_by` names a list: beside one of its phrases the strength is `label`."""

    id: Name
    code: Code
    strength: Strength
    words: tuple[Phrase, ...] = ()
    digests: tuple[Digest, ...] = ()
    eased_by: Name | None = None


class Member(Part):
    """A list of which one phrase must be there: in the prompt, or as a whole item of the negative prompt."""

    list: Name
    avoided: bool = False


class Together(Part):
    """Phrases that mean something only beside each other: one of each list, anywhere in the text."""

    id: Name
    code: Code
    strength: Strength
    all: Annotated[tuple[Member, ...], Field(min_length=2, max_length=4)]


class Book(Part):
    """A lexicon file. In `allow` stand phrases inside which nothing counts."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    lists: dict[Name, tuple[Phrase, ...]] = {}
    terms: tuple[Terms, ...] = ()
    together: tuple[Together, ...] = ()
    allow: tuple[Phrase, ...] = ()


class Library(Part):
    """The built-in books, English first, and, where there is one, the operator's, which may add and not take away."""

    built_in: tuple[Book, ...]
    own: Book | None
    version: str

    @property
    def terms(self) -> tuple[Terms, ...]:
        """All terms, the built-in ones first."""
        return tuple(terms for book in self.books() for terms in book.terms)

    @property
    def together(self) -> tuple[Together, ...]:
        """All rules on phrases beside each other."""
        return tuple(rule for book in self.books() for rule in book.together)

    @property
    def allow(self) -> tuple[str, ...]:
        """Phrases of the built-in books inside which nothing counts."""
        return tuple(phrase for book in self.built_in for phrase in book.allow)

    def books(self) -> Iterator[Book]:
        """Every book."""
        yield from self.built_in
        if self.own is not None:
            yield self.own

    def lists(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Name and phrases of each list; a name that is in several books comes as often."""
        for book in self.books():
            yield from book.lists.items()


def read_library(path: Path | None) -> Library:
    """The built-in books with the operator's file. Blocks. Raises Misconfigured naming file, line and field."""
    books, version = _built_in()
    if path is None:
        return Library(built_in=books, own=None, version=version)
    own, added = _read(path, books)
    return Library(built_in=books, own=own, version=f"{version},{added}")


@cache
def _built_in() -> tuple[tuple[Book, ...], str]:
    """The books and their version. They are part of the package: they are read once."""
    english, version = _read(BUILT_IN, ())
    books, versions = [english], [version]
    for language in LANGUAGES:
        book, version = _read(BUILT_IN.with_name(f"lexicon-{language}.yaml"), books)
        books.append(book)
        versions.append(f"{language}-{version}")
    return tuple(books), ",".join(versions)


def _read(path: Path, before: Sequence[Book]) -> tuple[Book, str]:
    """A book whose ids are used once and whose lists are all there, and its version with a digest of its content."""
    text = read_text(path, setting="lexicon")
    book = read_yaml(text, Book, where=str(path))
    for place, problem in _problems(book, before):
        raise refusal(text, place, problem, where=str(path))
    return book, f"{book.version}+{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _problems(book: Book, before: Sequence[Book]) -> Iterator[tuple[Place, str]]:
    lists = {name for one in (*before, book) for name in one.lists}
    taken = {rule.id for one in before for rule in (*one.terms, *one.together)}
    for place, id, named in _rules(book):
        if id in taken:
            yield (*place, "id"), f"another rule is called {id!r} too"
        taken.add(id)
        for field, name in named:
            if name not in lists:
                yield (*place, *field), f"there is no list called {name!r}"


def _rules(book: Book) -> Iterator[tuple[Place, str, list[tuple[Place, str]]]]:
    """Each rule's place and id, and the lists that it names."""
    for index, terms in enumerate(book.terms):
        yield ("terms", index), terms.id, [(("eased_by",), terms.eased_by)] if terms.eased_by else []
    for index, rule in enumerate(book.together):
        members = enumerate(rule.all)
        yield ("together", index), rule.id, [(("all", at, "list"), member.list) for at, member in members]
