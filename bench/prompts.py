"""How many of the held-out prompts the text layer stops: bench/data/prompts-held-out.csv under the built-in policy.

    python bench/prompts.py [-v]

*Stopped* is review or block; a label does not count. With the share comes its 95 % interval (Wilson). `-v` lists what
went the wrong way. How the prompts were made: docs/explanation/prompt-moderation.md.
"""

import argparse
import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import anyio

from platemark.core.moderation import Ruling
from platemark.core.ports import Circumstances
from platemark.policy.builtin import load_policy
from platemark.settings import Settings
from platemark.wiring import open_text_detectors

HELD_OUT = Path(__file__).parent / "data" / "prompts-held-out.csv"
KINDS = {"violating": "violating", "near_miss": "safe near misses", "everyday": "everyday"}
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ruled:
    """One prompt and what was made of it."""

    row: Row
    ruling: Ruling

    @property
    def stopped(self) -> bool:
        return self.ruling.decision in ("review", "block")


async def ruled(rows: Iterable[Row]) -> list[Ruled]:
    detectors, policy = open_text_detectors(Settings()), load_policy()
    found: list[Ruled] = []
    for row in rows:
        signals = [signal for each in detectors for signal in await each.look({"prompt": row["text"]})]
        blind = [signal.detector for signal in signals if not signal.evaluated and signal.detector != "language"]
        if blind:
            raise SystemExit(f"{blind[0]} could not look. Run: platemark models pull --all")
        found.append(Ruled(row, policy.rule(signals, Circumstances(stage="before_request"))))
    return found


def interval(hits: int, of: int) -> tuple[float, float]:
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), middle + half


def line(name: str, found: list[Ruled]) -> str:
    hits = sum(each.stopped for each in found)
    low, high = interval(hits, len(found))
    return f"{name:28} {hits:4} of {len(found):4}  {hits / len(found):6.1%}  [{low:.1%} to {high:.1%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", action="store_true", dest="verbose", help="list what went the wrong way")
    wanted = parser.parse_args()
    with HELD_OUT.open(encoding="utf-8", newline="") as file:
        found = anyio.run(ruled, list(csv.DictReader(file)))
    for kind, name in KINDS.items():
        print(line(f"{name} stopped", [each for each in found if each.row["kind"] == kind]))
    violating = [each for each in found if each.row["kind"] == "violating"]
    for code in dict.fromkeys(each.row["code"] for each in violating):
        print(line(f"  {code}", [each for each in violating if each.row["code"] == code]))
    if wanted.verbose:
        for each in found:
            if each.stopped != (each.row["kind"] == "violating"):
                print(
                    each.row["id"],
                    each.row["kind"],
                    each.row["code"],
                    each.ruling.decision,
                    each.row["text"],
                    sep=" | ",
                )


if __name__ == "__main__":
    main()
