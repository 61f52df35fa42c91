"""SDK, command line and examples against a real server."""

import json
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import TypedDict

import pytest

from checkout import ROOT
from platemark.cli import main
from platemark.client import AsyncClient, Client, Progress
from platemark.core.errors import BlockedByAppPolicy, Gone, NotFound, Unauthenticated, Unsupported
from serving import ADMIN_KEY, Served, serve

pytestmark = [pytest.mark.torch, pytest.mark.timeout(240)]
PROMPT = "a red house in a green meadow at sunset"


class Size(TypedDict):
    width: int
    height: int


SMALL: Size = {"width": 128, "height": 128}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serve(tmp_path_factory.mktemp("cli") / "data") as served:
        yield served


@pytest.fixture(autouse=True)
def _environment(server: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLATEMARK_URL", server.url)
    monkeypatch.setenv("PLATEMARK_API_KEY", ADMIN_KEY)
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_the_sdk_draws_saves_and_tells_the_story(tmp_path: Path) -> None:
    told: list[Progress] = []
    with Client() as client:
        made = client.generate(PROMPT, seed=7, on_progress=told.append, tags={"run": "sdk"}, **SMALL)
        path = made.images[0].save(tmp_path)
        record = made.images[0].record
        assert [one.id for one in client.generations.list(tags={"run": "sdk"})] == [made.id]
        assert made.record.images[0].image.id == made.images[0].id
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (record.image.seed, record.chain.verified) == (7, True)
    assert [now.status for now in told][-1] == "succeeded"
    assert max(now.done for now in told) == told[-1].total


def test_p2_the_same_key_is_the_same_generation() -> None:
    with Client() as client:
        first, again = (client.generate(PROMPT, idempotency_key="order-1", **SMALL) for _ in range(2))
    assert first.id == again.id


def test_a_proxy_is_not_asked_for_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with Client() as client:
        assert client.models()


def test_errors_are_those_of_the_server() -> None:
    with Client() as client:
        with pytest.raises(Unsupported) as caught:
            client.generate(PROMPT, width=10_000)
        assert caught.value.errors[0].pointer == "/width"
        assert caught.value.request_id
        with pytest.raises(NotFound):
            client.generations.get("gen_" + "0" * 32)
    with Client(api_key="pm_" + "0" * 64) as stranger, pytest.raises(Unauthenticated):
        stranger.models()


def test_deleted_bytes_are_gone_and_the_record_stays() -> None:
    with Client() as client:
        image = client.generate(PROMPT, **SMALL).images[0].delete()
        with pytest.raises(Gone):
            image.read()
        assert image.record.image.stored is False


async def test_events_stream_until_the_end() -> None:
    async with AsyncClient() as client:
        started = await client.generate(PROMPT, wait=False, n=2, **SMALL)
        types = [event.type async for event in client.generations.events(started.id)]
        finished = await started.wait()
    assert types[0] == "generation.accepted"
    assert types[-1] == "generation.succeeded"
    assert len(finished.images) == 2


def test_an_upload_is_kept_and_recognised(tmp_path: Path) -> None:
    with Client() as client:
        made = client.generate(PROMPT, **SMALL).images[0]
        uploaded = client.images.upload(made.save(tmp_path))
        assert uploaded.inspection is not None
        assert uploaded.inspection.verdict == "generated_by_us"
        assert uploaded.record.request is None


def test_generate_writes_files_and_record_tells_about_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = said(capsys, "generate", PROMPT, "--width", "128", "--height", "128", "-n", "2", "--out", "houses/house.png")
    assert out.splitlines() == ["houses/house-0.png", "houses/house-1.png"]
    assert (tmp_path / "houses" / "house-1.png").is_file()
    made = json.loads(said(capsys, "generate", PROMPT, "--width", "128", "--height", "128", "--json"))
    (image,) = made["files"]
    assert Path(made["files"][image]).name == f"{image}.png"
    record = json.loads(said(capsys, "record", image, "--json"))
    assert record["image"]["id"] == image
    assert "audit chain" in said(capsys, "record", made["id"])


def test_a_refused_prompt_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Client() as client, pytest.raises(BlockedByAppPolicy) as caught:
        client.generate("naked children")
    assert main(["generate", "naked children"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"platemark: error: {caught.value.detail[:20]}")
    assert "generation gen_" in told.err


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert "local/pocket" in said(capsys, "models", "list")
    assert json.loads(said(capsys, "providers", "--json"))[0]["state"] == "ok"
    assert "local" in said(capsys, "providers", "list")
    assert "default" in said(capsys, "projects", "list")


def test_keys_are_made_used_replaced_and_taken_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = json.loads(said(capsys, "keys", "create", "website", "--days", "3", "--json"))
    successor = json.loads(said(capsys, "keys", "rotate", made["id"], "--hours", "0", "--json"))
    listed = said(capsys, "keys", "list", "--json")
    assert made["secret"] not in listed
    assert {made["id"], successor["id"]} <= {key["id"] for key in json.loads(listed)}
    said(capsys, "keys", "revoke", successor["id"])
    for secret in (made["secret"], successor["secret"]):
        monkeypatch.setenv("PLATEMARK_API_KEY", secret)
        assert main(["models", "list"]) == 1
    told = capsys.readouterr().err
    assert "revoked" in told
    assert made["secret"] not in told


def test_a_new_project_has_its_own_key(capsys: pytest.CaptureFixture[str]) -> None:
    project = said(capsys, "projects", "create", "marketplace", "--profile", "pass_through").strip()
    assert said(capsys, "projects", "profile", project, "standard").split() == [project, "standard"]
    secret = said(capsys, "keys", "create", "app", "--project", project, "--scope", "images:read").strip()
    with Client(api_key=secret) as client:
        assert len(client.images.list()) == 0


# A command that opens a store by itself: nobody else waits for its loop.
@pytest.mark.blocking
def test_p8_the_chain_is_exported_and_verified(
    server: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, "audit", "export", "--out", "one.jsonl")
    assert main(["audit", "export", "--out", "one.jsonl"]) == 1
    with Client() as client:
        client.generate(PROMPT, **SMALL)
        default = next(project.id for project in client.projects.list() if project.name == "default")
    said(capsys, "audit", "export", "--out", "two.jsonl")
    assert "verified, head" in said(capsys, "audit", "verify", "two.jsonl", "--extends", "one.jsonl")
    assert json.loads(said(capsys, "audit", "verify", "--json"))["verified"] is True
    monkeypatch.delenv("PLATEMARK_API_KEY")
    data = ("--offline", "--data", str(server.data), "--project", default)
    said(capsys, "audit", "export", "--out", "three.jsonl", *data)
    bodies = [(tmp_path / name).read_text().splitlines()[1:] for name in ("two.jsonl", "three.jsonl")]
    assert bodies[0] == bodies[1][: len(bodies[0]) - 1] + bodies[0][-1:]


# A command that opens a store by itself: nobody else waits for its loop.
@pytest.mark.blocking
def test_verify_reads_credentials_and_knows_our_own(
    server: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said(capsys, "generate", PROMPT, "--width", "128", "--height", "128", "--out", "house.png")
    alone = json.loads(said(capsys, "verify", "house.png", "--json"))
    assert alone["verdict"] == "ai_claimed"
    assert next(one for one in alone["evidence"] if one["kind"] == "registry")["status"] == "not_evaluated"
    ours = json.loads(said(capsys, "verify", "house.png", "--json", "--data", str(server.data)))
    assert (ours["verdict"], ours["tier"]) == ("generated_by_us", "conclusive")
    (tmp_path / "broken.png").write_bytes((tmp_path / "house.png").read_bytes()[:100])
    assert main(["verify", str(tmp_path), "--json"]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [("error" in line, line["verdict"]) for line in lines] == [(True, None), (False, "ai_claimed")]


def test_doctor_finds_everything_in_order(server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    findings = json.loads(said(capsys, "doctor", "--json", "--data", str(server.data)))
    states = {finding["part"]: finding["state"] for finding in findings}
    assert "failed" not in states.values()
    assert {"versions", "data directory", "free disk", "database", "image store", "model pocket"} <= states.keys()
    assert states["networks"] in ("ok", "note")


def test_the_example_in_shell_runs(tmp_path: Path) -> None:
    script = str(ROOT / "examples" / "generate.sh")
    done = subprocess.run(["sh", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "succeeded"
    assert (tmp_path / "star.png").read_bytes()[:4] == b"\x89PNG"
