"""`platemark detector`: train, evaluate and calibrate the origin classifier on pictures of one's own.

All of it works without a server; `reports` and `show` ask one for what was kept.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platemark.cli import detector_reports
from platemark.cli.connect import Data, Json
from platemark.cli.detector_reports import Chart, interval, writable, write_page

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
    project: Annotated[
        str | None, typer.Option(help="With --own: only this project (prj_…); the whole installation when absent.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="With --own: keep the report, with a line in the audit chain.")
    ] = True,
    chart: Chart = None,
    pairs: Pairs = True,
    features: Cache = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Say how often the classifier is right: on labelled pictures, or on those of this installation."""
    from platemark.core.errors import InvalidRequest

    if own == (corpus is not None):
        raise InvalidRequest("Say either --corpus FOLDER or --own.")
    chart = writable(chart)
    if corpus is None:
        wanted = detector_reports.Wanted(most, project, keep)
        with _bars() as step:
            found = detector_reports.own(data, wanted, step)
        detector_reports.tell(found, wanted, json, chart)
        return
    from platemark.cli import output
    from platemark.detectors.learning import making

    with _bars() as step:
        table = _table(corpus, features, data, step, pairs=pairs and held_out)
        answer = making.compare(table, step) if held_out else making.judge(table, _head(head, data))
    if chart is not None:
        _draw(chart, answer)
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


app.command("reports")(detector_reports.listing)
app.command("show")(detector_reports.show)


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


def _draw(chart: Path, answer: dict[str, Any]) -> None:
    from datetime import UTC, datetime

    from platemark.charts.corpus import corpus_page

    write_page(chart, corpus_page(answer, datetime.now(UTC)))


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
    rows = [(row["label"], row["source"], row["pictures"], interval(row)) for row in answer["sources"]]
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
