"""P1, P2: a process that is killed at any boundary loses nothing and buys nothing twice."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

VICTIM = Path(__file__).with_name("victim.py")
# Each is a moment between two durable facts of the main path, in order.
BOUNDARIES = [
    "generation.accepted",  # written down, not submitted
    "submitting",
    "submitted",
    "generation.started",
    "attempt.opened",
    "attempt.sent",
    "update",  # in the middle of the provider's answer
    "put:1",  # the provider's bytes are stored
    "attempt.ended",  # its outputs are written
    "seal",
    "put:2",  # the sealed file is stored, no row names it
    "generation.succeeded",  # concluded, the workflow is not marked done
]

# Before and after the money was spent: those of every run; the others are for scripts/test --all.
ALWAYS = {"update", "put:2"}


def run(plan: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, str(VICTIM), json.dumps(plan)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    facts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(done.stderr[-4000:])
    return done.returncode, facts


def accepted_ids(data: Path, facts: list[dict[str, Any]], base: dict[str, Any]) -> list[str]:
    """Ids that were told to the client; after a kill inside `accept` the client asks again with the same key."""
    ids = [fact["accepted"] for fact in facts if "accepted" in fact]
    if ids:
        return ids
    _, again = run({**base, "accept": 1})
    return [fact["accepted"] for fact in again if "accepted" in fact]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    plan: dict[str, Any] = {"data": str(tmp_path / "data")}
    if request.param == "postgres":
        plan["database_url"] = request.getfixturevalue("postgres_url")
    return plan


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "boundary", [pytest.param(each, marks=() if each in ALWAYS else pytest.mark.slow) for each in BOUNDARIES]
)
def test_p1_p2_killed_at_a_boundary(base: dict[str, Any], boundary: str) -> None:
    code, facts = run({**base, "accept": 1, "die": boundary, "linger": 30})
    assert code == -signal.SIGKILL, f"the fuse at {boundary} never burned"
    (id,) = accepted_ids(Path(base["data"]), facts, base)
    code, facts = run({**base, "finish": [id]})
    assert code == 0
    (found,) = [fact for fact in facts if fact.get("id") == id]
    assert found["status"] == "succeeded", found
    assert found["stored"] == [True]
    assert found["publications"] == 1
    (record,) = found["records"]
    assert record["inspection"]["verdict"] == "generated_by_us"
    assert record["image"]["moderation_state"] in {"allowed", "labelled"}
    assert record["credential"]["state"] == "valid"
    assert record["chain"]["verified"] is True
    assert found["attempts"].count("succeeded") == 1
    calls = Counter(Path(base["data"], "ledger").read_text().split())
    bought = calls["call"]
    interrupted = boundary in {"update", "put:1"}
    assert bought == (2 if interrupted and found["attempts"].count("unknown") else 1), (boundary, found["attempts"])


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "boundary",
    [
        pytest.param(each, marks=() if each == "attempt.sent" else pytest.mark.slow)
        for each in BOUNDARIES
        if each not in {"submitting", "submitted", "seal"}
    ],
)
def test_p1_p2_killed_in_pass_through(tmp_path: Path, boundary: str) -> None:
    base: dict[str, Any] = {"data": str(tmp_path / "data"), "profile": "pass_through"}
    code, facts = run({**base, "accept": 1, "die": boundary, "linger": 30})
    assert code == -signal.SIGKILL, f"the fuse at {boundary} never burned"
    (id,) = accepted_ids(tmp_path, facts, base)
    code, facts = run({**base, "finish": [id]})
    assert code == 0
    (found,) = [fact for fact in facts if fact.get("id") == id]
    assert (found["status"], found["stored"], found["publications"]) == ("succeeded", [True], 1), found
    (record,) = found["records"]
    assert record["image"]["moderation_state"] == "not_evaluated"
    assert record["image"]["sha256"] == record["image"]["original_sha256"]
    assert (record["credential"]["state"], record["chain"]["verified"]) == ("off", True)
    assert found["attempts"].count("succeeded") == 1
    interrupted = boundary in {"update", "put:1"}
    calls = Path(base["data"], "ledger").read_text().splitlines()
    assert len(calls) == (2 if interrupted and found["attempts"].count("unknown") else 1)


@pytest.mark.timeout(240)
# Its bytes are stored and no row names them; written down, not submitted; in the middle of the provider's answer.
@pytest.mark.parametrize(
    "boundary",
    [*(pytest.param(each, marks=pytest.mark.slow) for each in ("put:1", "generation.accepted")), "update"],
)
def test_p1_p2_killed_with_a_source_it_goes_on_from_the_same_one(tmp_path: Path, boundary: str) -> None:
    base: dict[str, Any] = {"data": str(tmp_path / "data"), "sourced": True}
    code, facts = run({**base, "accept": 1, "die": boundary, "linger": 30})
    assert code == -signal.SIGKILL
    seen = Path(base["data"], "sources")
    before = seen.read_text() if seen.exists() else None
    (id,) = accepted_ids(tmp_path, facts, base)
    _, facts = run({**base, "finish": [id]})
    (found,) = [fact for fact in facts if fact.get("id") == id]
    assert found["status"] == "succeeded", found
    assert len(found["inputs"]) == 1
    assert found["parents"] == [found["inputs"]]
    assert seen.read_text() == (before or seen.read_text())
    (record,) = found["records"]
    assert (record["image"]["width"], record["image"]["height"]) == (128, 96)
    assert record["chain"]["verified"] is True


@pytest.mark.timeout(240)
# The first model's failure is written down with the change to the second, and no job knows; the second job is about to
# be submitted; it is submitted, and its step not marked done; the second model is in the middle of its answer.
@pytest.mark.parametrize(
    "boundary",
    [
        "submitting:2",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("generation.rerouted", "submitted:2", "update:1")),
    ],
)
def test_p2_killed_between_two_models_of_a_route_each_is_asked_once(tmp_path: Path, boundary: str) -> None:
    base: dict[str, Any] = {"data": str(tmp_path / "data"), "routed": True, "tickets": True, "free_repeat": False}
    code, facts = run({**base, "accept": 1, "die": boundary, "linger": 30})
    assert code == -signal.SIGKILL, f"the fuse at {boundary} never burned"
    (id,) = accepted_ids(tmp_path, facts, base)
    _, facts = run({**base, "finish": [id]})
    (found,) = [fact for fact in facts if fact.get("id") == id]
    assert found["status"] == "succeeded", found
    assert (found["asked"], found["attempts"]) == (["down/plain", "scripted/plain"], ["failed", "succeeded"])
    assert [hop["state"] for hop in found["records"][0]["request"]["route"]] == ["left", "chosen"]
    assert found["runs"] == 1
    calls = [line.split() for line in Path(base["data"], "ledger").read_text().splitlines()]
    assert [call[0] for call in calls] == ["call", "call", *(["resume"] if boundary == "update:1" else [])]
    # The second model is asked by a job of its own, which waits on the queue of its own provider.
    assert [call[2] for call in calls][:2] == [f"{id}.0", f"{id}.1"]


@pytest.mark.timeout(240)
def test_p2_an_interrupted_call_is_resumed_by_its_ticket(tmp_path: Path) -> None:
    base: dict[str, Any] = {"data": str(tmp_path / "data"), "tickets": True, "free_repeat": False}
    code, facts = run({**base, "accept": 1, "die": "update:2", "linger": 30})
    assert code == -signal.SIGKILL
    (id,) = accepted_ids(tmp_path, facts, base)
    _, facts = run({**base, "finish": [id]})
    assert facts[-1]["status"] == "succeeded"
    lines = Path(base["data"], "ledger").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["call", "resume"]
    assert facts[-1]["attempts"] == ["succeeded"]


@pytest.mark.timeout(240)
def test_p2_an_unknown_outcome_that_may_have_cost_money_is_not_repeated(tmp_path: Path) -> None:
    base: dict[str, Any] = {"data": str(tmp_path / "data"), "free_repeat": False}
    code, facts = run({**base, "accept": 1, "die": "update:1", "linger": 30})
    assert code == -signal.SIGKILL
    (id,) = accepted_ids(tmp_path, facts, base)
    _, facts = run({**base, "finish": [id]})
    assert (facts[-1]["status"], facts[-1]["code"]) == ("failed", "outcome_unknown")
    assert facts[-1]["attempts"] == ["unknown"]
    assert len(Path(base["data"], "ledger").read_text().splitlines()) == 1


@pytest.mark.timeout(240)
def test_p2_a_dead_workers_job_is_adopted_by_another(base: dict[str, Any]) -> None:
    code, facts = run({**base, "accept": 1, "die": "update", "linger": 30, "executor_id": "first"})
    assert code == -signal.SIGKILL
    (id,) = accepted_ids(Path(base["data"]), facts, base)
    _, facts = run({**base, "finish": [id], "executor_id": "second", "worker_dead_seconds": 6})
    assert facts[-1]["status"] == "succeeded"
    assert facts[-1]["attempts"] == ["unknown", "succeeded"]


@pytest.mark.timeout(240)
def test_p2_work_of_an_older_release_is_taken_up(tmp_path: Path) -> None:
    base: dict[str, Any] = {"data": str(tmp_path / "data")}
    code, facts = run({**base, "accept": 1, "die": "update", "linger": 30, "contract": "0", "executor_id": "old"})
    assert code == -signal.SIGKILL
    (id,) = accepted_ids(tmp_path, facts, base)
    _, facts = run({**base, "finish": [id], "executor_id": "new", "worker_dead_seconds": 6})
    assert facts[-1]["status"] == "succeeded"
    assert facts[-1]["runs"] == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_p2_restarts_never_exhaust_a_generation(tmp_path: Path) -> None:
    base = {"data": str(tmp_path / "data")}
    code, facts = run({**base, "accept": 1, "die": "update", "linger": 30})
    (id,) = accepted_ids(tmp_path, facts, base)
    for _ in range(12):
        code, _ = run({**base, "die": "update", "linger": 30})
        assert code == -signal.SIGKILL
    _, facts = run({**base, "finish": [id]})
    assert facts[-1]["status"] == "succeeded"
    assert facts[-1]["attempts"] == [*["unknown"] * 13, "succeeded"]
