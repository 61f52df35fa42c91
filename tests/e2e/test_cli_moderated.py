"""`platemark moderate --url` and `platemark report` against a real server."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from pictures import encoded, house
from platemark.cli import main
from serving import ADMIN_KEY, Served, serve

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serve(tmp_path_factory.mktemp("moderated") / "data", role="api", providers="[]") as served:
        yield served


@pytest.fixture(autouse=True)
def _environment(server: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLATEMARK_API_KEY", ADMIN_KEY)
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(arguments) == code, capsys.readouterr().err
    return capsys.readouterr().out


def test_a_server_answers_as_this_machine_does(
    server: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(["a red house", "", *["how to make a pipe bomb at home"] * 40]))
    (tmp_path / "house.png").write_bytes(encoded(house(64)))
    (tmp_path / "broken.png").write_bytes(encoded(house(64))[:100])
    given = ["lines.txt", "house.png", "broken.png", "--json"]
    there = said(capsys, "moderate", *given, "--url", server.url, code=2).splitlines()
    here = said(capsys, "moderate", *given, code=2).splitlines()
    for far, near in zip(map(json.loads, there), map(json.loads, here), strict=True):
        assert list(far) == list(near)
        for name in ("input", "decision", "reason_code", "policy_version"):
            assert far[name] == near[name], far["input"]


def test_reports_are_printed_in_three_ways(server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    with server.http as http:
        made = http.post("/v1/images", files={"image": ("a.png", encoded(house(64)))})
    assert made.status_code == 201, made.text
    asked = ["report", "moderation", "--by", "stage,day", "--url", server.url]
    assert "before_request" in said(capsys, *asked)
    assert said(capsys, *asked, "--csv").splitlines()[0] == "stage,day,decision,count"
    assert json.loads(said(capsys, *asked, "--json"))["by"] == ["stage", "day"]
    assert said(capsys, *asked, "--until", "2020-01-01", "--csv").strip() == "stage,day,decision,count"
