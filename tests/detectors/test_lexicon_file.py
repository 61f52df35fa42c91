from pathlib import Path

import pytest

from platemark.core.errors import Misconfigured
from platemark.detectors.lexicon import Lexicon
from platemark.detectors.phrases import digest_of


def lexicon(folder: Path, text: str) -> Lexicon:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return Lexicon.load(path)


def categories(lexicon: Lexicon, prompt: str) -> set[tuple[str, float | None]]:
    return {(signal.category, signal.score) for signal in lexicon.measure({"prompt": prompt})}


def test_an_own_file_adds_terms_lists_and_allowed_phrases(tmp_path: Path) -> None:
    own = lexicon(
        tmp_path,
        f"""
version: "7"
lists:
  rivals: [acme, Globex]
  art: [mural]
terms:
  - {{id: brands, code: IP_TRADEMARK, strength: review, words: [initech], digests: [{digest_of("grue")}]}}
together:
  - {{id: rival-photo, code: IP_TRADEMARK, strength: label, all: [{{list: rivals}}, {{list: photoreal}}]}}
allow: [naked lunch]
""",
    )
    assert categories(own, "an Initech mug") == {("IP_TRADEMARK", 0.6)}
    assert categories(own, "a grue") == {("IP_TRADEMARK", 0.6)}
    assert categories(own, "globex") == {("none", 0.0)}
    assert categories(own, "photo of globex") == {("IP_TRADEMARK", 0.3)}
    assert categories(own, "naked lunch") == {("none", 0.0)}
    assert categories(own, "a mural of a nude") == {("NUDITY_NON_EXPLICIT", 0.3)}
    assert categories(own, "a beer") == {("REGULATED_GOODS", 0.3)}
    assert own.version.startswith(Lexicon.load(None).version + ",7+")


def test_no_own_phrase_excuses_where_minors_are_concerned(tmp_path: Path) -> None:
    own = lexicon(tmp_path, 'version: "1"\nallow: [naked child, naked]\n')
    assert categories(own, "a naked child") == {("MINOR_SAFETY", 1.0)}


@pytest.mark.parametrize(
    ("text", "line", "field", "problem"),
    [
        ("", 1, "the whole file", "Input should be"),
        ("version: 1\n", 1, "version", "valid string"),
        ('version: "1"\nalow: []\n', 2, "alow", "Extra inputs"),
        ('version: "1"\nallow:\n  - fine\n  - "!?"\n', 4, "allow[1]", "one to eight words"),
        ('version: "1"\nallow:\n  - on\n', 3, "allow[0]", "valid string"),
        (
            'version: "1"\nterms:\n  - id: x\n    code: FUN\n    strength: block\n',
            4,
            "terms[0].code",
            "not a reason code",
        ),
        ('version: "1"\nterms:\n  - id: x\n    code: HATE\n    strength: hard\n', 5, "terms[0].strength", "'block'"),
        ('version: "1"\nterms:\n  - {id: hate, code: HATE, strength: block}\n', 3, "terms[0].id", "'hate' too"),
        (
            'version: "1"\nterms:\n  - id: x\n    code: HATE\n    strength: block\n    eased_by: fun\n',
            6,
            "terms[0].eased_by",
            "no list called 'fun'",
        ),
        (
            'version: "1"\ntogether:\n  - id: x\n    code: HATE\n    strength: block\n    all:\n'
            "      - {list: art}\n      - {list: fun}\n",
            8,
            "together[0].all[1].list",
            "no list called 'fun'",
        ),
        ('version: "1"\nversion: "2"\n', 2, "", "version is given twice"),
        ('version: "1"\nallow: [a\n', 3, "", "not YAML"),
        ('version: "1"\nallow: !!python/object:os.x []\n', 2, "", "not YAML"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_field(
    tmp_path: Path, text: str, line: int, field: str, problem: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        lexicon(tmp_path, text)
    where = f"{tmp_path / 'own.yaml'}, line {line}" + (f", {field}: " if field else ": ")
    assert caught.value.detail.startswith(where)
    assert problem in caught.value.detail


def test_a_file_that_cannot_be_read_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"^lexicon: .*missing\.yaml cannot be read"):
        Lexicon.load(tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match=r"^lexicon: .*binary\.yaml cannot be read"):
        Lexicon.load(tmp_path / "binary.yaml")
