"""`platemark providers`: who makes the images, whether they can now, and what is to be known of each."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platemark.cli.connect import Data, Json, Url
from platemark.cli.faults import FAILED

if TYPE_CHECKING:
    from platemark.core.readiness import ReadinessResource, Trial
    from platemark.core.resource import ProviderResource
    from platemark.providers.trial import Tried
    from platemark.settings import Settings

app = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=False,
    help="Providers: who makes the images, and what is to be known of each. Without a command they are listed.",
)


@app.callback()
def providers(context: typer.Context, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Providers: who makes the images, and what is to be known of each. Without a command they are listed."""
    if context.invoked_subcommand is None:
        listing(json, url, data)
    elif json or url or data:
        from platemark.core.errors import InvalidRequest

        raise InvalidRequest(f"Options go behind the command: platemark providers {context.invoked_subcommand} --json.")


@app.command("list")
def listing(json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the configured providers, each asked whether it can work now."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.providers()
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [(one.id, _state(one), one.concurrency, one.health and one.health.last_error, one.models) for one in found]
    columns = ["PROVIDER", "STATE", "AT ONCE", "LAST ERROR", "MODELS"]
    output.table(columns, rows, empty="no provider is configured")


def _state(one: "ProviderResource") -> str:
    if one.code or one.health is None or one.health.circuit == "closed":
        return one.code or one.state
    until = f" until {one.health.probe_at:%H:%M:%S} UTC" if one.health.probe_at else ""
    return f"not asked{until} after {one.health.failures} failures" if one.health.circuit == "open" else "being tried"


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="The provider, such as stability; it need not be configured.")],
    live: Annotated[
        bool, typer.Option("--live", help="Send the smallest real request too; needs a key and --max-cost.")
    ] = False,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Most that the real request may cost, in USD; e.g. 0.10.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model of the real request; the cheapest with a known price when absent.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Folder for the raw answer (response.json) and the picture.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="Reference to a key, such as env:STABILITY_KEY; else those of the settings."),
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Another address than that of the settings.")] = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Report what a provider declares: models, answers, refusals, limits, keys, prices, and what nobody has verified.

    Needs no server, no key and no network, unless --live is given. Exit code 1 when the real request gave no picture.
    """
    from platemark.cli import output

    settings = _configured(name, key, base_url, data)
    report, tried = _report(name, settings), None
    if live:
        tried = _tried(name, settings, max_cost, model, save)
        report = report.model_copy(update={"trial": tried})
    if json:
        output.document(report.model_dump(mode="json"))
    else:
        _show(report)
    if tried and tried.outcome != "ok":
        raise typer.Exit(FAILED)


def _report(name: str, settings: "Settings") -> "ReadinessResource":
    from platemark.core.errors import NotFound
    from platemark.providers.hosted import VENDORS, as_configured
    from platemark.providers.readiness import report
    from platemark.wiring import hosted_of

    if name == "local":
        raise NotFound("local is the engine of this machine, not a vendor. Use `platemark models check`.")
    hosted = hosted_of(name, settings)
    if (hosted.kind or name) not in VENDORS:
        known = ", ".join(sorted({*VENDORS, *settings.hosted} - {name}))
        raise NotFound(f"There is no provider {name}. There are: {known}.")
    vendor, base_url = as_configured(name, hosted)
    return report(vendor, base_url=base_url)


def _configured(name: str, keys: list[str] | None, base_url: str | None, data: Path | None) -> "Settings":
    """The settings, with what was given on the command line in place of what they say of this provider."""
    from platemark.cli.serve import settings
    from platemark.settings import HostedProvider

    found: Settings = settings(data=data)
    said = found.hosted.get(name, HostedProvider())
    given = {"keys": tuple(keys or said.keys), "base_url": base_url or said.base_url}
    return found.model_copy(update={"hosted": {**found.hosted, name: said.model_copy(update=given)}})


def _tried(name: str, settings: "Settings", max_cost: float | None, model: str | None, save: Path | None) -> "Trial":
    import asyncio

    from platemark.core.errors import InvalidRequest
    from platemark.providers.trial import attempt, choose
    from platemark.wiring import open_provider

    if max_cost is None:
        raise InvalidRequest("A real request costs money. Say the most that it may cost: --max-cost 0.10.")

    async def run() -> "Tried":
        async with open_provider(name, settings) as provider:
            return await attempt(provider, choose(provider, round(max_cost * 1_000_000), model))

    tried = asyncio.run(run())
    return tried.trial.model_copy(update={"saved": _saved(tried, save) if save else ()})


def _saved(tried: "Tried", folder: Path) -> tuple[str, ...]:
    """Write the raw answer and the picture, named by the model; what was saved before is replaced."""
    from platemark.client import files
    from platemark.core.image import EXTENSIONS
    from platemark.providers.trial import response_bytes

    stem = tried.trial.model.replace("/", "-")
    contents = {f"{stem}.response.json": response_bytes(tried)}
    if tried.picture:
        contents[f"{stem}.{EXTENSIONS[tried.picture.media_type]}"] = tried.picture.data
    return tuple(str(files.save(folder / name, data, overwrite=True)) for name, data in contents.items())


def _show(report: "ReadinessResource") -> None:
    from platemark.cli import output, readiness

    output.table(["FACT", report.id.upper()], readiness.facts(report), empty="")
    rows = [(one.outcome.replace("_", " "), one.shows, one.error) for one in report.safety]
    output.table(["REFUSAL", "HOW IT SHOWS", "ERROR"], rows, empty="no refusal of this vendor is known")
    output.table(readiness.MODEL_COLUMNS, readiness.models(report), empty="no model is declared")
    output.table(["NOT VERIFIED"], [(text,) for text in report.not_verified], empty="everything declared has a source")
    if report.trial:
        output.table(["REAL REQUEST", "WHAT CAME"], readiness.trial(report.trial), empty="")
