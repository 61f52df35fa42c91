"""Writes the vectors of the bank of examples, or measures the text layer; `scripts/examples` calls it."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import yaml

from platemark.core.ports import Circumstances, TextDetector
from platemark.detectors.bank import SAFE, Bank, read_bank, read_vectors, vectors_of, write_vectors
from platemark.detectors.examples import Neighbours, Vectors, score_of
from platemark.detectors.sentences import SentenceModel
from platemark.policy.builtin import load_policy
from platemark.settings import Settings
from platemark.wiring import open_text_detectors, sentence_model

DEV = sorted((Path(__file__).parent.parent / "tests" / "detectors").glob("*_prompts.yaml"))
POLICY = load_policy(None)
# Examples as like as this to the one that is judged are left out with it.
ALIKE = 0.6
STOPPED = ("review", "block")
HARMLESS = (SAFE, "near_misses", "everyday")
Kept = tuple[str, str, bool]


def write(model: SentenceModel) -> None:
    bank = read_bank()
    write_vectors(bank, vectors_of(bank, model), model.network.sha256)
    print(f"{len(bank.sentences)} examples")


def measure(settings: Settings, model: SentenceModel) -> None:
    sets = {path.stem: list(dev(path)) for path in DEV}
    layers = {"lexicon, lists and examples": open_text_detectors(settings)}
    layers |= {one.name: [one] for one in layers["lexicon, lists and examples"]}
    for title, prompts in sets.items():
        for name, detectors in layers.items():
            report(f"{title}, {name}", [(k, p, asyncio.run(stopped(detectors, p))) for k, p in prompts])
    bank = read_bank()
    report("bank, alike ones left out, examples alone", left_out(bank, read_vectors(bank, model.network.sha256)))


def dev(path: Path) -> Iterator[tuple[str, str]]:
    for groups in yaml.safe_load(path.read_text()).values():
        for group, some in groups.items():
            yield from ((group, prompt) for prompt in some)


async def stopped(detectors: Sequence[TextDetector], prompt: str) -> bool:
    signals = [signal for one in detectors for signal in await one.look({"prompt": prompt})]
    return POLICY.rule(signals, Circumstances(stage="before_request")).decision in STOPPED


def left_out(bank: Bank, rows: Vectors) -> list[Kept]:
    """Each example judged by those that are not like it."""
    alike = rows @ rows.T > ALIKE
    np.fill_diagonal(alike, True)
    judged: list[Kept] = []
    for at, (code, sentence) in enumerate(zip(bank.codes, bank.sentences, strict=True)):
        others = np.flatnonzero(~alike[at])
        some = Neighbours(rows[others], [bank.codes[other] for other in others])
        margin = max(margin for _, margin, _, _ in some.margins(rows[at]))
        judged.append((code, sentence, score_of(margin) >= 0.5))
    return judged


def report(title: str, kept: Sequence[Kept]) -> None:
    print(f"\n{title}")
    wanted = [found for group, _, found in kept if group not in HARMLESS]
    print(f"  violating: {sum(wanted)} of {len(wanted)} ({sum(wanted) / len(wanted):.1%})")
    for group in dict.fromkeys(group for group, _, _ in kept):
        some = [(prompt, found) for name, prompt, found in kept if name == group]
        print(f"  {group:26} {sum(found for _, found in some):4} of {len(some):4} to a person or stopped")
        if "-v" in sys.argv:
            for prompt in (prompt for prompt, found in some if found == (group in HARMLESS)):
                print(f"      {prompt}")


if __name__ == "__main__":
    found = Settings()
    if "measure" in sys.argv:
        measure(found, sentence_model(found))
    else:
        write(sentence_model(found))
