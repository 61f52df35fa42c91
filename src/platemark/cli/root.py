"""The tree of commands, and the way into it."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from platemark.cli import (
    audit,
    delete,
    detector,
    doctor,
    generate,
    hash_lists,
    holds,
    keys,
    models,
    moderate,
    people,
    policy,
    projects,
    provenance,
    providers,
    publish,
    record,
    reinspect,
    report,
    reviews,
    serve,
    simulate,
    takedowns,
    upload,
    verify,
)
from platemark.cli.faults import guarded

app = typer.Typer(
    name="platemark",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Brackets of a text are text, and its paragraphs are filled.
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="One API from prompt to a picture you can publish and stand behind.",
)
app.command()(serve.serve)
app.command()(generate.generate)
app.command()(upload.upload)
app.command()(record.record)
app.command()(publish.publish)
app.command()(publish.withdraw)
app.command()(delete.delete)
app.command()(verify.verify)
app.command()(reinspect.reinspect)
app.command()(moderate.moderate)
app.add_typer(report.app, name="report")
app.add_typer(reviews.app, name="reviews")
app.add_typer(models.app, name="models")
app.add_typer(providers.app, name="providers")
app.add_typer(keys.app, name="keys")
app.add_typer(people.app, name="people")
app.add_typer(hash_lists.app, name="hash-lists")
app.add_typer(projects.app, name="projects")
app.add_typer(policy.app, name="policy")
app.add_typer(detector.app, name="detector")
app.add_typer(holds.app, name="holds")
app.add_typer(takedowns.app, name="takedowns")
app.command()(holds.purge)
app.add_typer(audit.app, name="audit")
app.add_typer(provenance.app, name="provenance")
app.command()(doctor.doctor)
app.command()(simulate.simulate)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(f"platemark {installed('platemark')}")


def _show_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit()


@app.callback()
def _options(
    show: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code. 0 done, 1 failed, 2 wrong usage, 3 not finished, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else list(arguments)

    def run() -> int:
        code = app(given, prog_name="platemark", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0

    return guarded(run)
