"""`platemark reviews` and `people` against a real server: text, JSON, and what is wrong."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from desk_commands import Commands, desk

from serving import Served

pytestmark = pytest.mark.timeout(240)
NOBODY = "0" * 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with desk(tmp_path_factory.mktemp("desk") / "data", review_undo="PT1H") as served:
        yield served


@pytest.fixture
def run(
    server: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(server, capsys, monkeypatch, tmp_path)


def waiting(run: Commands) -> str:
    """A case that waits, of a new picture."""
    image = run.image("--audience", "desk")
    (case,) = [case for case in run.json("reviews", "list", "--limit", "500") if case["image"] == image]
    assert (case["state"], case["reason_code"], case["audience"]) == ("pending", "IP_TRADEMARK", "desk")
    return case["id"]


def test_reviews_are_listed_and_counted(run: Commands) -> None:
    cases = {waiting(run) for _ in range(3)}
    text, _ = run("reviews", "list", "--limit", "500")
    assert text.split()[:2] == ["REVIEW", "KIND"]
    assert all(case in text for case in cases)
    assert len(run.json("reviews", "list", "--limit", "2")) == 2
    assert cases <= {case["id"] for case in run.json("reviews", "list", "--all", "--limit", "500")}
    assert run("reviews", "list", "--code", "GORE") == ("", "platemark: nothing waits\n")
    run.fails("reviews", "list", "--limit", "0", code=2, said="--limit")
    text, _ = run("reviews", "queues")
    assert "IP_TRADEMARK" in text
    (row,) = [row for row in run.json("reviews", "queues") if row["reason_code"] == "IP_TRADEMARK"]
    assert row["pending"] >= 3
    run.fails("reviews", "queues", "--code", "GORE", code=2, said="--code")


def test_a_review_is_shown_claimed_and_given_back(run: Commands) -> None:
    case = waiting(run)
    text, _ = run("reviews", "show", case)
    assert case in text
    assert run.json("reviews", "show", case)["review"]["id"] == case
    run.fails("reviews", "show", f"rev_{NOBODY}", said=f"There is no review 'rev_{NOBODY}'")
    text, _ = run("reviews", "claim", case)
    assert text == f"{case}: claimed (version 2)\n"
    assert run.json("reviews", "claim", case)["state"] == "claimed"
    assert run.json("reviews", "release", case, "--reason", "unsure")["state"] == "pending"
    run.fails("reviews", "release", case, said="you do not hold it")
    run.fails("reviews", "release", case, "--reason", "bored", code=2, said="--reason")
    assert run.json("reviews", "claim")["state"] == "claimed"


def test_a_review_is_decided_and_the_decision_taken_back(run: Commands) -> None:
    case = waiting(run)
    run.fails("reviews", "decide", case, "approve", "--code", "NO_VIOLATION", said="Claim it first")
    run("reviews", "claim", case)
    run.fails("reviews", "decide", case, "approve", "--code", "FINE", said="/reason_code")
    run.fails("reviews", "decide", case, "adore", "--code", "NO_VIOLATION", code=2, said="adore")
    text, _ = run("reviews", "decide", case, "approve", "--code", "NO_VIOLATION")
    assert text.startswith(f"{case}: decided (version 3), takes effect ")
    text, _ = run("reviews", "undo", case)
    assert text == f"{case}: claimed (version 4)\n"
    again = run.json("reviews", "decide", case, "reject", "--code", "IP_TRADEMARK", "--version", "4")
    assert (again["state"], again["decision"]["action"]) == ("decided", "reject")
    assert run.json("reviews", "undo", case)["state"] == "claimed"
    run.fails("reviews", "undo", case, said="no decision of yours")
    run.fails("reviews", "decide", case, "reject", "--code", "GORE", "--version", "1", said="has version")


def test_figures_and_examples_are_printed(run: Commands) -> None:
    text, _ = run("reviews", "agreement")
    assert text.split()[:4] == ["CODE", "PAIRS", "PERCENT", "KAPPA"]
    assert run.json("reviews", "agreement")[0]["reason_code"] == "all"
    run.fails("reviews", "agreement", "extra", code=2, said="extra")
    assert run("reviews", "export", "--csv")[0].startswith("review,stage,audience,")
    run("reviews", "export", "--out", "decisions.jsonl")
    assert (run.folder / "decisions.jsonl").read_text() == ""
    run.fails("reviews", "export", "--out", "missing/decisions.jsonl", said="No such file")


def test_each_refused_publication_is_appealed_by_name(run: Commands) -> None:
    image = run.image()
    refused: list[str] = []
    for audience in ("nobody", "none"):
        _, err = run("publish", image, "--audience", audience, code=1)
        assert f'hint: platemark reviews appeal {image} --statement "…"' in err
        assert "/v1/" not in err
        (named,) = [word for word in err.split() if word.startswith("pub_")]
        refused.append(named)
    text, _ = run("reviews", "appeal", image, "--of", refused[0], "--statement", "It is for them.")
    assert text.startswith("rev_")
    assert text.endswith(": pending\n")
    assert run.json("reviews", "appeal", image)["reason_code"] == "IP_COPYRIGHT"
    for named in refused:
        run.fails("reviews", "appeal", image, "--of", named, said="appealed already")
    run.fails("reviews", "appeal", image, "--of", f"pub_{NOBODY}", said="names no refusal")
    run.fails("reviews", "appeal", run.image(), said="nothing to appeal")


def test_people_are_added_given_a_role_and_disabled(run: Commands) -> None:
    # Of a project of their own: where two work, other rules hold.
    project = run.json("projects", "create", "archive")["id"]
    text, _ = run("people", "add", "Ada", "--role", "reviewer", "--project", project)
    ada = text.split()[0]
    assert text == f"{ada} (Ada): reviewer\n"
    ben = run.json("people", "add", "Ben", "--role", "editor", "--project", project)
    assert (ben["name"], ben["roles"]) == ("Ben", {project: "editor"})
    run.fails("people", "add", "Cleo", "--role", "queen", code=2, said="queen")
    text, _ = run("people", "list", "--project", project)
    assert [line.split()[1:] for line in text.splitlines()[1:]] == [
        ["Ada", "reviewer", "works"],
        ["Ben", "editor", "works"],
    ]
    assert {one["name"] for one in run.json("people", "list", "--project", project)} == {"Ada", "Ben"}
    run.fails("people", "list", "--project", f"prj_{NOBODY}", said="prj_")
    assert run("people", "role", "Ada", "admin", "--project", project)[0] == f"{ada} (Ada): admin\n"
    assert run.json("people", "role", ada, "none", "--project", project)["roles"] == {}
    run.fails("people", "role", "Zoe", "admin", "--project", project, said="Nobody is called 'Zoe'")
    assert run("people", "disable", ben["id"])[0] == f"{ben['id']} (Ben): disabled\n"
    assert run.json("people", "disable", ben["id"])["disabled_at"]
    run.fails("people", "disable", f"per_{NOBODY}", said=f"There is no person 'per_{NOBODY}'")


def test_a_key_that_may_not_decide_is_told_so(run: Commands) -> None:
    poor = json.loads(run("keys", "create", "poor", "--scope", "images:read", "--json")[0])["secret"]
    run.fails("reviews", "list", said="reviews:decide", key=poor)
    run.fails("reviews", "claim", said="reviews:decide", key=poor)
    run.fails("publish", f"img_{NOBODY}", said="images:write", key=poor)
    run.fails("people", "list", said="keys:manage", key=poor)
