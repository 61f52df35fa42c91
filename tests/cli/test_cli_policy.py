"""`platemark policy` on files, without a server, and what it prints of a server's answers."""

import json
from pathlib import Path

import pytest

from platemark.cli import main
from platemark.cli.policy import _differ, _tell
from platemark.core.moderation import Signal
from platemark.core.policy import Change, Difference, Explanation, Reason

GOOD = """\
version: "mine"
rules:
  - id: brands
    categories: [IP_TRADEMARK]
    at_least: 0.3
    decision: block
    note: Our own goods only.
    tests:
      - fires: {scores: {IP_TRADEMARK: 0.4}}
      - stays: {scores: {IP_TRADEMARK: 0.2}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "220")
    made = tmp_path / "own.yaml"
    made.write_text(GOOD)
    return made


def test_the_built_in_policy_and_a_good_file_pass(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], [str(file)]):
        assert main(["policy", "lint", *arguments]) == 0
        assert main(["policy", "test", *arguments]) == 0
    assert "2 of 2 tests passed" in capsys.readouterr().err
    assert main(["policy", "test", str(file), "--json"]) == 0
    assert [one["passed"] for one in json.loads(capsys.readouterr().out)] == [True, True]


def test_mistakes_are_told_with_file_and_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD.replace("IP_TRADEMARK: 0.2", "IP_TRADEMARK: 0.5").replace("block", "allow"))
    assert main(["policy", "lint", str(file)]) == 1
    told = capsys.readouterr().out
    assert f"{file}:6: error: rules[0].decision: no rule can allow" in told
    assert f"{file}:10: error: rules[0].tests[1]" in told
    assert main(["policy", "lint", str(file), "--json"]) == 1
    assert {one["code"] for one in json.loads(capsys.readouterr().out)} == {"relaxes", "failed_test"}
    assert main(["policy", "test", str(file)]) == 1
    assert "brands: test 2 says stays" in capsys.readouterr().out


def test_a_situation_is_ruled_on_without_a_server(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["policy", "simulate", str(file), "--score", "IP_TRADEMARK=0.35", "--audience", "newsroom", "--beside"]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "(before_request, for newsroom): block for IP_TRADEMARK" in told
    assert "block   brands: IP_TRADEMARK, severity 1, from 0.3" in told
    assert "Our own goods only." in told
    assert "label   mild" in told
    assert main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ruling"]["decision"] == "block"


def test_a_situation_may_lie_in_a_file_and_a_text_is_measured(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = file.with_name("given.yaml")
    given.write_text("scores: {GORE: 0.9}\nstage: before_publish\nnot_evaluated: [hash_list]\n")
    assert main(["policy", "simulate", "--given", str(given), "--audience", "education", "--json"]) == 0
    ruling = json.loads(capsys.readouterr().out)["ruling"]
    assert (ruling["decision"], ruling["reason_code"]) == ("block", "GORE")
    assert "not-evaluated" in ruling["rule_ids"]
    assert main(["policy", "simulate", "--text", "a glass of whisky and a cigar", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ruling"]["reason_code"] == "REGULATED_GOODS"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to rule on"),
        (["--score", "GORE"], "CODE=SCORE"),
        (["--score", "GORE=7"], "CODE=SCORE"),
        (["--score", "gore=0.5"], "scores"),
        (["--score", "GORE=0.5", "--stage", "sometime"], "stage"),
        (["--score", "GORE=0.5", "--day", "tomorrow"], "YYYY-MM-DD"),
        (["nowhere.yaml", "--score", "GORE=0.5"], "cannot be read"),
    ],
)
def test_wrong_usage_is_told(file: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "simulate", *arguments]) != 0
    assert said in capsys.readouterr().err


def test_an_explanation_in_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    found = Signal(detector="lexicon", version="1", category="GORE", score=0.9)
    reason = Reason(
        rule="own",
        decision="block",
        reason_code="GORE",
        severity=3,
        hard=True,
        when="true",
        error="broken",
        signals=(found,),
    )
    one = Explanation(
        verdict="vdt_1",
        generation=None,
        image=None,
        stage="before_request",
        audience=None,
        role="editor",
        decision="block",
        reason_code="GORE",
        policy_version="pol_1",
        unknown=("pol_2",),
    )
    _tell(one)
    assert "no rule fired" in capsys.readouterr().out
    _tell(one.model_copy(update={"reasons": (reason,)}))
    told = capsys.readouterr().out
    for words in (
        "vdt_1 (before_request, editor): block for GORE",
        "when true, hard",
        "it failed: broken",
        "lexicon 1: GORE 0.9",
        "pol_2 is not kept here",
    ):
        assert words in told


def test_a_difference_as_a_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = Change(
        before="label",
        after="block",
        reason_code="GORE",
        audience=None,
        stage="before_request",
        count=2,
        examples=("vdt_1",),
    )
    same = Difference(a="a", b="b", verdicts=3, same=3, changed=0, stricter=0, looser=0)
    _differ(same, False)
    assert "nothing changes" in capsys.readouterr().err
    _differ(same.model_copy(update={"changed": 2, "stricter": 2, "changes": (change,)}), False)
    told = capsys.readouterr()
    assert "2 of 3 verdicts" in told.err
    assert "label → block" in told.out
