"""`platemark report`: counts for operators."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from platemark.cli.connect import Data, Json, Url

app = typer.Typer(no_args_is_help=True, help="Reports: counts of what moderation decided.")
_DAY = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@app.command()
def moderation(
    by: Annotated[
        str, typer.Option(help="What to count by: code, provider, model, audience, role, stage, day; parted by commas.")
    ] = "code",
    since: Annotated[datetime | None, typer.Option(formats=_DAY, help="Verdicts from this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_DAY, help="Verdicts before this time (UTC).")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, as the server writes it.")] = False,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Count the project's verdicts by decision in each group. The key needs audit:read or reviews:decide."""
    from platemark.cli import connect, output

    names = [name.strip() for name in by.split(",")]
    first, last = (moment and moment.replace(tzinfo=UTC) for moment in (since, until))
    with connect.client(url, data) as client:
        if csv:
            given = {"by": ",".join(names), "since": first and first.isoformat(), "until": last and last.isoformat()}
            params = {name: value for name, value in given.items() if value} | {"format": "csv"}
            typer.echo(client.request("GET", "/v1/reports/moderation", params=params).text, nl=False)
            return
        found = client.report(names, since=first, until=last)
    if json:
        output.document(found.model_dump(mode="json"))
        return
    columns = [*(name.upper() for name in found.by), "DECISION", "COUNT"]
    rows = [(*(row.group[name] for name in found.by), row.decision, row.count) for row in found.rows]
    output.table(columns, rows, empty="there is no verdict")
