"""`platemark reviews`: cases that wait for a person."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from platemark.core.desk import ReviewResource

# As in core.review, which is not imported to show help.
Action = Literal[
    "approve",
    "approve_with_label",
    "restrict_audience",
    "send_back",
    "reject",
    "escalate",
    "needs_second",
    "uphold",
    "overturn",
]
Letting = Literal["not_now", "unsure", "conflict_of_interest", "distress", "other"]
Desk = Literal["general", "policy", "legal", "child_safety"]
# As many as the server gives at once.
_PAGE = 100
app = typer.Typer(no_args_is_help=True, help="Reviews: look, claim, decide, appeal.")
Case = Annotated[str, typer.Argument(help="Id of the review (rev_…).")]


@app.command("list")
def listing(
    code: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    audience: Annotated[str | None, typer.Option(help="Only this audience.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended, newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """List what waits, the riskiest first and then what is due first."""
    from platemark.cli import connect, output

    wanted: dict[str, Any] = {"reason_code": code, "audience": audience, "order": "newest" if every else "queue"}
    filters = {name: value for name, value in wanted.items() if value}
    with connect.client(url, data) as client:
        found = list(islice(client.reviews.queue(limit=min(limit, _PAGE), **filters), limit))
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [
        (one.id, one.kind, one.state, one.reason_code, one.level, f"{one.due_at:%Y-%m-%d %H:%M}", one.claimed_by)
        for one in found
    ]
    output.table(["REVIEW", "KIND", "STATE", "CODE", "LEVEL", "DUE (UTC)", "HELD BY"], rows, empty="nothing waits")


@app.command()
def show(review: Case, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Print what is known of a review: texts, verdict, rules, history; with --json all of it. No picture."""
    from platemark.cli import case_story, connect, output

    with connect.client(url, data) as client:
        found = client.reviews.get(review).model_dump(mode="json")
    if json:
        output.document(found)
    else:
        output.console().print(case_story.table(found))


@app.command()
def claim(
    review: Annotated[str | None, typer.Argument(help="Id of the review; the next of the queue when absent.")] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Hold a review for ten minutes."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.reviews.claim(review) if review else client.reviews.next()
    if found is None:
        output.note("nothing waits that you may decide")
    else:
        _print(found, json)


@app.command("erase-notes")
def erase_notes(review: Case, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Erase what people wrote at a review, for good."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        done = client.reviews.erase_notes(review)
    if json:
        output.document(done.model_dump(mode="json"))
    else:
        typer.echo(f"erased: {done.erased} of {done.review}")


@app.command()
def release(
    review: Case,
    reason: Annotated[Letting, typer.Option(help="Why.")] = "not_now",
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Give a review back."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        _print(client.reviews.release(review, reason), json)


@app.command()
def decide(
    review: Case,
    action: Annotated[Action, typer.Argument(help="What you decide.")],
    code: Annotated[str, typer.Option(help="Reason code, or NO_VIOLATION or CONTEXT_ALLOWED.")],
    note: Annotated[str | None, typer.Option(help="Why; needed to allow what is severe or was blocked.")] = None,
    desk: Annotated[Desk | None, typer.Option(help="Where to escalate it.")] = None,
    audience: Annotated[str | None, typer.Option(help="For which audience alone it is allowed.")] = None,
    message: Annotated[str | None, typer.Option(help="Name of the text that the user is told.")] = None,
    version: Annotated[int | None, typer.Option(help="The version that you read; the present one when absent.")] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Decide a review that you hold. For a minute it can be undone."""
    from platemark.cli import connect

    given: dict[str, Any] = {"note": note, "desk": desk, "audience": audience, "message": message, "version": version}
    more = {name: value for name, value in given.items() if value is not None}
    with connect.client(url, data) as client:
        _print(client.reviews.decide(review, action, code, **more), json)


@app.command()
def undo(review: Case, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Take your decision back while that is possible."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        _print(client.reviews.undo(review), json)


@app.command()
def appeal(
    of: Annotated[str, typer.Argument(help="A rejection (rev_…), a refused request (gen_…) or an image (img_…).")],
    statement: Annotated[str | None, typer.Option(help="Why it was wrong.")] = None,
    refusal: Annotated[
        str | None,
        typer.Option("--of", help="Which refusal of it: a publication (pub_…) or verdict (vdt_…). [default: newest]"),
    ] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Ask that a refusal be looked at again by somebody else."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        filed = client.reviews.appeal(of, statement, of=refusal)
    if json:
        output.document(filed.model_dump(mode="json"))
    else:
        typer.echo(f"{filed.id}: {filed.state}")


@app.command()
def queues(json: Json = False, url: Url = None, data: Data = None) -> None:
    """Count what waits, with the oldest age."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.reviews.queues()
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [
        (one.reason_code, one.desk, one.level, one.pending, one.claimed, one.late, f"{one.oldest_seconds // 60} min")
        for one in found
    ]
    output.table(["CODE", "DESK", "LEVEL", "WAITING", "HELD", "LATE", "OLDEST"], rows, empty="nothing waits")


@app.command()
def agreement(json: Json = False, url: Url = None, data: Data = None) -> None:
    """How often two people said the same about one case."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.reviews.agreement()
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [(one.reason_code, one.pairs, one.percent, one.kappa) for one in found]
    output.table(["CODE", "PAIRS", "PERCENT", "KAPPA"], rows, empty="there is no pair")


@app.command()
def export(
    out: Annotated[Path | None, typer.Option("--out", help="File; standard output when absent.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="CSV, not JSON lines.")] = False,
    texts: Annotated[bool, typer.Option("--texts", help="With prompts; needs the scope moderation:manage.")] = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Write decisions as labelled examples."""
    from platemark.cli import connect

    params = {"format": "csv" if csv else "jsonl", "texts": str(texts).lower()}
    with connect.client(url, data) as client:
        text = client.request("GET", "/v1/reviews/export", params=params).text
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.expanduser().write_text(text, encoding="utf-8")


def _print(found: "ReviewResource", json: bool) -> None:
    from platemark.cli import output

    if json:
        output.document(found.model_dump(mode="json"))
        return
    made = found.decision
    effect = f", takes effect {made.effective_at:%H:%M:%S} UTC" if made and made.state == "pending" else ""
    typer.echo(f"{found.id}: {found.state} (version {found.version}){effect}")
