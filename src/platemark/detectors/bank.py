"""The bank of labelled examples: its sentences (data/examples/*.yaml), and their vectors, which ship beside them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from platemark.core.base import Part
from platemark.core.errors import Misconfigured
from platemark.detectors.book import Code, Name
from platemark.detectors.sentences import Embed, Vector
from platemark.yamlfile import read_text, read_yaml

EXAMPLES = Path(__file__).parent / "data" / "examples"
VECTORS = EXAMPLES / "vectors.npz"
SAFE = "safe"
Sentence = Annotated[str, Field(min_length=4, max_length=160)]


class Sheet(Part):
    """One file of examples: violating ones by reason code, safe ones by topic."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    licence: str
    language: str
    violating: dict[Code, tuple[Sentence, ...]] = {}
    safe: dict[Name, tuple[Sentence, ...]] = {}


@dataclass(frozen=True, slots=True)
class Bank:
    """All examples in order. `codes[i]` is the reason code of sentence i, or `SAFE`; `version` names the content."""

    sentences: tuple[str, ...]
    codes: tuple[str, ...]
    version: str
    digest: str


@cache
def read_bank(folder: Path = EXAMPLES) -> Bank:
    """Read every sheet, once a process. Blocks. Raises Misconfigured naming file, line and field."""
    pairs: list[tuple[str, str]] = []
    digest = hashlib.sha256()
    versions: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        text = read_text(path, setting="examples")
        sheet = read_yaml(text, Sheet, where=str(path))
        pairs += [(sentence, code) for code, some in sheet.violating.items() for sentence in some]
        pairs += [(sentence, SAFE) for some in sheet.safe.values() for sentence in some]
        versions.append(sheet.version)
        digest.update(text.encode())
    hashed = digest.hexdigest()
    return Bank(
        tuple(sentence for sentence, _ in pairs),
        tuple(code for _, code in pairs),
        f"{max(versions)}+{hashed[:12]}",
        hashed,
    )


def vectors_of(bank: Bank, embed: Embed) -> NDArray[np.int8]:
    """The examples' vectors, each scaled to use all of a byte: only its direction counts. Blocks for seconds."""
    return pack([embed(sentence) for sentence in bank.sentences])


def pack(vectors: Sequence[Vector]) -> NDArray[np.int8]:
    """Rows of -127 to 127 that point where the vectors do."""
    rows = np.stack(vectors)
    return np.rint(rows * (127 / np.abs(rows).max(axis=1, keepdims=True))).astype(np.int8)


def write_vectors(bank: Bank, packed: NDArray[np.int8], model: str, path: Path = VECTORS) -> None:
    """Keep vectors with the digests of the bank and the model (`sha256`) that they were made from."""
    np.savez(path, packed=packed, bank=np.array(bank.digest), model=np.array(model))


def read_vectors(bank: Bank, model: str, path: Path = VECTORS) -> NDArray[np.float32]:
    """Unit vectors of the bank, one a row. Blocks. Raises Misconfigured where they belong to another bank or model."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            packed, made_of = kept["packed"], (str(kept["bank"]), str(kept["model"]))
    except (OSError, ValueError, KeyError) as error:
        raise Misconfigured(f"{path} cannot be read ({type(error).__name__}). Install Platemark again.") from error
    if made_of != (bank.digest, model) or len(packed) != len(bank.sentences):
        raise Misconfigured(f"{path} was made from other examples or another model. Run scripts/examples.")
    rows = packed.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
