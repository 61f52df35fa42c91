"""python -m platemark.engine.training --out DIR --minutes N: trains local/pocket, or goes on where it was killed."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from platemark.engine.models.folder import POCKET
from platemark.engine.training.libraries import torch
from platemark.engine.training.stages import STAGES, Course, run, small


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    asked = _parser().parse_args(arguments)
    torch.set_num_threads(asked.threads)
    try:
        run(_course(asked), asked.stage)
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on.", file=sys.stderr)
        return 130
    except (OSError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _course(asked: argparse.Namespace) -> Course:
    if not (asked.start / "unet").is_dir():
        raise ValueError(f"{asked.start} is no diffusers folder with a U-Net. Name one with --start.")
    if not asked.minutes > 0:
        raise ValueError(f"{asked.minutes} minutes are too few. Give a number above 0.")
    if asked.small:
        return small(asked.start, asked.out)
    return replace(Course(asked.start, asked.out, asked.minutes), pictures=asked.pictures, processes=asked.processes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m platemark.engine.training", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of this training; run again to go on")
    parser.add_argument("--minutes", type=float, default=120, help="for all stages together, attempts added up")
    parser.add_argument("--stage", choices=list(STAGES), help="run only this one, again if it was finished")
    parser.add_argument("--start", type=Path, default=POCKET, help="model folder to begin with (default: local/pocket)")
    parser.add_argument("--pictures", type=int, default=24_000, help="pictures to draw")
    parser.add_argument("--processes", type=int, default=2, help="processes with one thread each")
    parser.add_argument("--threads", type=int, default=1, help="threads of the stages that run in one process")
    parser.add_argument("--small", action="store_true", help="every stage in seconds, to see that it runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
