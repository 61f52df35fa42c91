"""`platemark policy`: rules as data. Files are looked over without a server; the rest asks one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from pydantic import BaseModel

    from platemark.core.policy import Difference, Explanation, Reason
    from platemark.core.resource import PolicyResource

app = typer.Typer(no_args_is_help=True, help="Policies: look over, try, compare, put in force, explain.")
PolicyId = Annotated[str, typer.Argument(metavar="ID", help="Id of the policy (pol_…).")]
File = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A policy file; the built-in one when absent.")]
Replay = Annotated[int, typer.Option(min=1, max=10_000, help="On so many of the project's last verdicts.")]


@app.command()
def lint(file: File = None, json: Json = False) -> None:
    """Look a file over, without a server: slips, dead rules, rules that would relax, failed tests."""
    from platemark.cli import output, policy_file

    name, found = policy_file.problems(file)
    if json:
        output.document([one.model_dump() for one in found])
    for one in () if json else found:
        typer.echo(f"{name}:{one.line}: {one.level}: {one.field}: {one.message}. [{one.code}]")
    if any(one.level == "error" for one in found):
        raise typer.Exit(1)
    if not json:
        output.note(f"{name}: nothing is wrong")


@app.command("test")
def try_out(file: File = None, json: Json = False) -> None:
    """Run the tests that stand beside the rules of a file, without a server."""
    from platemark.cli import output, policy_file

    ended = policy_file.trials(file)
    failed = [one for one in ended if not one["passed"]]
    if json:
        output.document(ended)
    for one in () if json else failed:
        typer.echo(f"{one['rule']}: test {one['test'] + 1} says {one['expects']}, and it did not. {one['error'] or ''}")
    if not json:
        output.note(f"{len(ended) - len(failed)} of {len(ended)} tests passed")
    if failed:
        raise typer.Exit(1)


@app.command()
def simulate(
    file: File = None,
    score: Annotated[list[str] | None, typer.Option(help="CODE=SCORE, as a detector would give it; repeat it.")] = None,
    flag: Annotated[list[str] | None, typer.Option(help="What the provider says, in its words; repeat it.")] = None,
    not_evaluated: Annotated[list[str] | None, typer.Option(help="A detector that cannot look; repeat it.")] = None,
    text: Annotated[str | None, typer.Option(help="A prompt, measured by the lexicon.")] = None,
    given: Annotated[Path | None, typer.Option(help="A YAML file with all of it, as under `fires` of a test.")] = None,
    stage: Annotated[str | None, typer.Option(help="before_request, after_response or before_publish.")] = None,
    audience: Annotated[str | None, typer.Option(help="For whom it is meant.")] = None,
    role: Annotated[str | None, typer.Option(help="The role of the caller.")] = None,
    operation: Annotated[str | None, typer.Option(help="text_to_image, inpaint …")] = None,
    model: Annotated[str | None, typer.Option(help="provider/model.")] = None,
    day: Annotated[str | None, typer.Option(help="The day, YYYY-MM-DD; today when absent.")] = None,
    beside: Annotated[bool, typer.Option(help="As a project's own policy, beside the built-in one.")] = False,
    json: Json = False,
) -> None:
    """Ask a file what it would rule, and why, without a server."""
    from platemark.cli import output, policy_file

    fields: dict[str, Any] = {
        "flags": tuple(flag or ()),
        "not_evaluated": tuple(not_evaluated or ()),
        "stage": stage,
        "audience": audience,
        "role": role,
        "operation": operation,
        "model": model,
        "day": policy_file.day_of(day),
    }
    asked = policy_file.situation(given, fields, score or ())
    ruling, why = policy_file.simulate(file, asked, text, beside=beside)
    if json:
        output.document({"ruling": ruling.model_dump(mode="json"), "explanation": why.model_dump(mode="json")})
    else:
        _tell(why)


@app.command("list")
def listing(json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the project's policies; the installation's too for a key that manages projects."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.policies.list()
    if json:
        output.document([one.model_dump(mode="json", exclude={"content"}) for one in found])
        return
    rows = [(one.id, one.project, one.state, one.author, one.approver, one.note) for one in found]
    output.table(["POLICY", "PROJECT", "STATE", "AUTHOR", "APPROVER", "NOTE"], rows, empty="there is no policy")


@app.command()
def show(policy: PolicyId, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Print a policy as it was written."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        found = client.policies.get(policy)
    _print(found, found.content or "", json)


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help="The policy file.")],
    note: Annotated[str | None, typer.Option(help="Why; for those who confirm it.")] = None,
    system: Annotated[bool, typer.Option(help="For the whole installation, not for the project.")] = False,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Keep a file as a draft."""
    from platemark.cli import connect

    text = _text(file)
    with connect.client(url, data) as client:
        made = client.policies.create(text, note=note, project="system" if system else None)
    _print(made, f"{made.id} is a {made.state}", json)


@app.command()
def shadow(policy: PolicyId, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Have it asked beside what is in force, deciding nothing."""
    _act("shadow", policy, json, url, data)


@app.command()
def activate(policy: PolicyId, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Put it in force in place of what is in force now; also to go back to a retired one."""
    _act("activate", policy, json, url, data)


@app.command()
def retire(policy: PolicyId, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Take it out of force, or give a draft up."""
    _act("retire", policy, json, url, data)


@app.command()
def report(policy: PolicyId, replay: Replay = 1000, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Count what a policy in shadow would have ruled otherwise."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        found = client.policies.shadow_report(policy, replay=replay)
    _differ(found, json)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="in_force, built_in, an id or a file.")],
    b: Annotated[str, typer.Argument(help="The same.")],
    replay: Replay = 1000,
    installation: Annotated[
        bool, typer.Option(help="A file stands for the installation's policy, not for the project's own.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Replay past verdicts under two policies: who would be ruled otherwise."""
    from platemark.cli import connect

    one, other = (_text(Path(name)) if Path(name).is_file() else name for name in (a, b))
    with connect.client(url, data) as client:
        found = client.policies.diff(one, other, replay=replay, installation=installation)
    _differ(found, json)


@app.command()
def explain(
    id: Annotated[str, typer.Argument(metavar="ID", help="A verdict (vdt_…), an image or a generation.")],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Say why: each rule that fired, its threshold and note, and the signals that met it."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        found = client.policies.explain(id)
    if json:
        _documents(found)
        return
    for one in found:
        _tell(one)


def _act(verb: str, policy: str, json: bool, url: str | None, data: Path | None) -> None:
    from platemark.cli import connect

    with connect.client(url, data) as client:
        act = {"shadow": client.policies.shadow, "activate": client.policies.activate, "retire": client.policies.retire}
        found = act[verb](policy)
    _print(found, f"{found.id} is {'in shadow' if found.state == 'shadow' else found.state}", json)


def _text(file: Path) -> str:
    from platemark.core.errors import Misconfigured

    try:
        return file.expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{file} is not text in UTF-8. Save it as such.") from error


def _print(found: "PolicyResource", said: str, json: bool) -> None:
    from platemark.cli import output

    if json:
        output.document(found.model_dump(mode="json"))
    else:
        typer.echo(said)


def _documents(found: "list[Explanation]") -> None:
    from platemark.cli import output

    models: list[BaseModel] = list(found)
    output.document([one.model_dump(mode="json") for one in models])


def _differ(found: "Difference", json: bool) -> None:
    from platemark.cli import output

    if json:
        output.document(found.model_dump(mode="json"))
        return
    output.note(
        f"{found.changed} of {found.verdicts} verdicts would come out otherwise "
        f"({found.stricter} stricter, {found.looser} looser)"
    )
    rows = [
        (one.count, f"{one.before} → {one.after}", one.reason_code, one.audience, one.stage, one.examples)
        for one in found.changes
    ]
    output.table(["COUNT", "CHANGE", "REASON", "AUDIENCE", "STAGE", "EXAMPLES"], rows, empty="nothing changes")


def _tell(one: "Explanation") -> None:
    about = ", ".join(text for text in (one.stage, one.audience and f"for {one.audience}", one.role) if text)
    typer.echo(f"{one.verdict} ({about}): {one.decision}{f' for {one.reason_code}' if one.reason_code else ''}")
    typer.echo(f"  the strictest of what fired, block > review > label > allow, under {one.policy_version}")
    if one.inspection:
        p_ai = f", {one.inspection.p_ai:.2f}" if one.inspection.p_ai is not None else ""
        typer.echo(f"  the picture's inspection said {one.inspection.verdict} ({one.inspection.tier}{p_ai})")
    for reason in one.reasons:
        typer.echo(
            f"  {reason.decision:7} {reason.rule}: {reason.reason_code}, severity {reason.severity}{_asks(reason)}"
        )
        for text in (reason.note, reason.error and f"it failed: {reason.error}"):
            if text:
                typer.echo(f"          {text}")
        for signal in reason.signals:
            typer.echo(f"          {signal.detector} {signal.version}: {signal.category} {signal.score}")
    if not one.reasons:
        typer.echo("  no rule fired")
    for version in one.unknown:
        typer.echo(f"  {version} is not kept here, so its rules cannot be shown")


def _asks(reason: "Reason") -> str:
    threshold = f", from {reason.at_least}" if reason.at_least is not None else ""
    condition = f", when {reason.when}" if reason.when else ""
    return f"{threshold}{condition}{', hard' if reason.hard else ''}"
