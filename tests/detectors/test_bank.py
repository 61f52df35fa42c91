import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sentence_weights import MODEL, Scripted, needs_model

from platemark.core.errors import Misconfigured
from platemark.core.moderation import REASON_CODES
from platemark.detectors.bank import SAFE, Bank, pack, read_bank, read_vectors, vectors_of, write_vectors
from platemark.detectors.book import BUILT_IN, Book
from platemark.detectors.fold import fold
from platemark.detectors.phrases import Phrases
from platemark.yamlfile import read_yaml_file

BANK = read_bank()
BOOK = read_yaml_file(BUILT_IN, Book, setting="lexicon")


def test_there_are_many_of_both_and_of_every_code() -> None:
    counts = Counter(BANK.codes)
    assert counts.pop(SAFE) >= 900
    assert counts.total() >= 500
    assert min(counts.values()) >= 35
    assert set(counts) <= set(REASON_CODES)


def test_there_is_no_example_of_what_must_not_be_described() -> None:
    assert not {"MINOR_SAFETY", "NCII"} & set(BANK.codes)
    index = Phrases()
    index.add("minor", BOOK.lists["minor"])
    index.add("sexual", BOOK.lists["sexual"])
    index.add("exposed", BOOK.lists["exposed"])
    index.add("allow", BOOK.allow, close=True)
    for sentence in BANK.sentences:
        hits = index.find(fold(sentence))
        allowed = [(hit.start, hit.end) for hit in hits if hit.group == "allow"]
        groups = {hit.group for hit in hits if not any(a <= hit.start and hit.end <= b for a, b in allowed)}
        assert not ("minor" in groups and groups & {"sexual", "exposed"}), sentence


def test_no_sentence_stands_there_twice_or_is_long() -> None:
    plain = [re.sub(r"\W+", " ", fold(sentence).text).strip() for sentence in BANK.sentences]
    assert [sentence for sentence, count in Counter(plain).items() if count > 1] == []
    assert max(map(len, BANK.sentences)) <= 160


def test_the_vectors_belong_to_the_bank_and_none_is_nearly_another() -> None:
    rows = read_vectors(BANK, MODEL.network.sha256)
    alike = rows @ rows.T
    np.fill_diagonal(alike, 0)
    at = np.argwhere(np.triu(alike) >= 0.98)
    assert [(BANK.sentences[a], BANK.sentences[b]) for a, b in at] == []


@needs_model
def test_the_model_still_gives_the_vectors_that_ship() -> None:
    rows = read_vectors(BANK, MODEL.network.sha256)
    for at in range(0, len(BANK.sentences), 97):
        assert float(rows[at] @ MODEL(BANK.sentences[at])) > 0.995


def test_vectors_of_another_bank_or_model_are_refused(tmp_path: Path) -> None:
    bank = Bank(("a cat", "a dog"), (SAFE, SAFE), "1", "a" * 64)
    path = tmp_path / "vectors.npz"
    write_vectors(bank, vectors_of(bank, Scripted(("cat", "dog"))), "m", path)
    assert read_vectors(bank, "m", path).shape == (2, 384)
    for other, model in ((bank, "n"), (BANK, "m")):
        with pytest.raises(Misconfigured, match="other examples or another model"):
            read_vectors(other, model, path)
    path.write_bytes(b"damaged")
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_vectors(bank, "m", path)


def test_packing_keeps_the_direction() -> None:
    random = np.random.default_rng(1).normal(size=(20, 384)).astype(np.float32)
    unit = random / np.linalg.norm(random, axis=1, keepdims=True)
    packed = pack(list(unit)).astype(np.float32)
    near = (packed * unit).sum(axis=1) / np.linalg.norm(packed, axis=1)
    assert near.min() > 0.999
