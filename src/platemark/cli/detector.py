"""`platemark detector`: train, evaluate and calibrate the origin classifier on pictures of one's own. No server."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platemark.cli.connect import Data, Json

if TYPE_CHECKING:
    from platemark.detectors.ai_image_head import Head
    from platemark.detectors.learning.table import Remake, Table

app = typer.Typer(no_args_is_help=True, help="The origin classifier: train, evaluate and calibrate it.")
Corpus = Annotated[
    Path,
    typer.Option("--corpus", help="Folder with ai/SOURCE and real/SOURCE, or with a manifest.csv."),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="File to write the head to.")]
HeadFile = Annotated[
    Path | None, typer.Option("--head", help="A head from `detector train`; the one in use when absent.")
]
Cache = Annotated[
    Path | None, typer.Option("--features", help="Where measured features are kept. [default: the cache of weights]")
]
Pairs = Annotated[
    bool, typer.Option("--pairs/--no-pairs", help="Also learn from photographs that our own autoencoder drew again.")
]
Tell = Callable[[int, int], None]


@app.command()
def train(
    corpus: Corpus, out: Out, pairs: Pairs = True, features: Cache = None, json: Json = False, data: Data = None
) -> None:
    """Learn a head from labelled pictures, calibrate it by sources held out, and write it.

    `origin_head` in the settings makes a server use it.
    """
    from datetime import UTC, datetime

    from platemark.cli import output
    from platemark.detectors.ai_image_head import read_head, write_head
    from platemark.detectors.learning import making

    with _bars() as step:
        table = _table(corpus, features, data, step, pairs=pairs)
        head = making.train(table, _encoder(data), datetime.now(UTC).date(), step)
    write_head(head, out)
    made = read_head(out.absolute())
    answer = {"head": str(out), "sha256": made.sha256, "trained_on": made.trained_on, "measured": made.measured}
    answer["calibration"] = made.calibration.model_dump(mode="json", exclude={"curve"})
    if json:
        output.document(answer)
        return
    output.note(f"{out} is written. To use it: PLATEMARK_ORIGIN_HEAD={out.absolute()}")
    _show_figures({"ours": made.measured["leaving_one_source_out"]})


@app.command()
def evaluate(
    corpus: Annotated[Path | None, typer.Option("--corpus", help="As of `train`.")] = None,
    head: HeadFile = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Learn anew without the sources that are measured, beside the baseline.")
    ] = False,
    own: Annotated[
        bool, typer.Option("--own", help="On the pictures of this installation: generated ones and real uploads.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, help="With --own: pictures of each model and of uploads.")] = 200,
    pairs: Pairs = True,
    features: Cache = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Say how often the classifier is right: on labelled pictures, or on those of this installation."""
    from platemark.core.errors import InvalidRequest

    if own == (corpus is not None):
        raise InvalidRequest("Say either --corpus FOLDER or --own.")
    if corpus is None:
        _own(data, most, json)
        return
    from platemark.cli import output
    from platemark.detectors.learning import making

    with _bars() as step:
        table = _table(corpus, features, data, step, pairs=pairs and held_out)
        answer = making.compare(table, step) if held_out else making.judge(table, _head(head, data))
    if json:
        output.document(answer)
    else:
        _show(answer)


@app.command()
def calibrate(
    corpus: Corpus,
    out: Out,
    head: HeadFile = None,
    features: Cache = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Give a head probabilities and thresholds from labelled pictures that it was not trained on, and write it."""
    from platemark.cli import output
    from platemark.detectors.ai_image_head import read_head, write_head
    from platemark.detectors.learning import making

    with _bars() as step:
        table = _table(corpus, features, data, step, pairs=False)
        write_head(making.recalibrate(table, _head(head, data)), out)
        answer = making.judge(table, read_head(out.absolute()))
    if json:
        output.document(answer)
        return
    output.note(f"{out} is written. To use it: PLATEMARK_ORIGIN_HEAD={out.absolute()}")
    _show(answer)


def _table(
    corpus: Path, features: Path | None, data: Path | None, step: Callable[[str], Tell], *, pairs: bool
) -> "Table":
    from platemark.cli.serve import settings
    from platemark.detectors.learning.corpus import read_corpus
    from platemark.detectors.learning.table import measure
    from platemark.origin import encoder_weights

    found = settings(data=data)
    samples = read_corpus(corpus)
    remake = _remake() if pairs else None
    kept = features or found.cache / "origin-features"
    return measure(samples, encoder_weights(found.cache), kept, step("looking at pictures"), remake)


def _remake() -> "Remake | None":
    from platemark.cli import output
    from platemark.core.errors import ModelUnavailable
    from platemark.engine.roundtrip import open_round_trip

    try:
        return open_round_trip()
    except ModelUnavailable as error:
        output.note(f"no photographs are drawn again: {error.detail}")
        return None


def _head(path: Path | None, data: Path | None) -> "Head":
    from platemark.cli.serve import settings
    from platemark.detectors.ai_image_head import SHIPPED, read_head

    return read_head((path or settings(data=data).origin_head or SHIPPED).absolute())


def _encoder(data: Path | None) -> str:
    from platemark.cli.serve import settings
    from platemark.origin import encoder_weights

    return encoder_weights(settings(data=data).cache).sha256


@contextmanager
def _bars() -> Generator[Callable[[str], Tell]]:
    """A progress bar on standard error for each step that is named."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from platemark.cli import output

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=output.console(stderr=True), transient=True) as progress:

        def step(name: str) -> Tell:
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield step


def _own(data: Path | None, most: int, json: bool) -> None:
    import asyncio

    from platemark.cli import output
    from platemark.cli.offline import configured
    from platemark.flows.detector_report import report
    from platemark.wiring import open_parts

    found = configured(data)

    async def ask(step: Callable[[str], Tell]) -> dict[str, Any]:
        async with open_parts(found) as platform:
            return await report(platform, most=most, tell=step("looking at pictures"))

    with _bars() as step:
        answer = asyncio.run(ask(step))
    if json:
        output.document(answer)
        return
    for detector in answer["detectors"]:
        rows = [
            (row["group"], row["pictures"], row["above"], _interval(row), row["between"], row["not_evaluated"])
            for row in detector["groups"]
        ]
        columns = ["PICTURES OF", "LOOKED AT", "CALLED AI", "RATE (95 %)", "ABSTAINED", "NOT EVALUATED"]
        output.table(columns, rows, empty="there is no picture to look at")
        for note in detector["notes"]:
            output.note(f"{detector['name']}: {note}")


def _interval(row: dict[str, Any]) -> str:
    return "–" if row["rate"] is None else f"{row['rate']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def _show(answer: dict[str, Any]) -> None:
    from platemark.cli import output

    if "leaving_one_source_out" in answer:
        for name in ("leaving_one_source_out", "leaving_groups_out"):
            output.note(name.replace("_", " "))
            _show_figures(answer[name])
    else:
        typer.echo(f"AUC {answer['auc']:.3f}, made worse {answer['auc_worse']:.3f}")
    columns = ["THRESHOLD", "AT", "AI DETECTED", "PHOTOGRAPHS", "SCREENSHOTS"]
    rates = [
        (row["threshold"], row["at"], *(f"{row[name]:.3f}" for name in ("detected", "false_alarms", "screenshots")))
        for row in answer["rates"]
    ]
    output.table(columns, rates, empty="")
    rows = [(row["label"], row["source"], row["pictures"], _interval(row)) for row in answer["sources"]]
    output.table(["LABEL", "SOURCE", "PICTURES", "ABOVE t_hi (95 %)"], rows, empty="")
    bins = [
        (f"{row['from']:.1f}–{row['to']:.1f}", row["pictures"], row.get("said"), row.get("were"))
        for row in answer["reliability"]
    ]
    output.table(["SCORE", "PICTURES", "SAID", "WERE AI"], bins, empty="")


def _show_figures(figures: dict[str, dict[str, float]]) -> None:
    from platemark.cli import output

    names = list(next(iter(figures.values())))
    rows = [(method, *(f"{found[name]:.3f}" for name in names)) for method, found in figures.items()]
    output.table(["METHOD", *(name.upper() for name in names)], rows, empty="")
