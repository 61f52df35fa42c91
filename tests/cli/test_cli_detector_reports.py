"""`platemark detector evaluate --own` keeps, draws and compares; `reports` and `show` read it from a server."""

import json
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync

from platemark.cli.root import main
from platemark.core.detector_report import REAL, DetectorReport
from platemark.core.project import SYSTEM_PROJECT
from platemark.flows import kept_reports
from platemark.samples import sample_group, sample_report
from serving import ADMIN_KEY, serve
from workbench import Bench, open_bench

pytestmark = [pytest.mark.anyio, pytest.mark.blocking]
Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _blind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEMARK_ORIGIN_CLASSIFIER", "false")
    monkeypatch.setenv("PLATEMARK_IMAGE_CLASSIFIERS", "false")


async def filled(data: Path) -> str:
    """A store with one picture; the id of its project."""
    async with open_bench(data) as bench:
        return (await bench.make()).project


async def kept(data: Path) -> tuple[list[DetectorReport], list[str]]:
    """Reports that are in the store, and what the chains of both owners say of them."""

    async def lines(bench: Bench) -> list[str]:
        async with bench.platform.store.reading() as read:
            chains = [await read.chain(owner) for owner in (bench.caller.project, SYSTEM_PROJECT)]
        return [line.body["data"]["report"] for chain in chains for line in chain if "report" in line.body["data"]]

    async with open_bench(data) as bench, bench.platform.store.reading() as read:
        return await read.all(DetectorReport), await lines(bench)


def text_of(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def evaluate(data: Path, out: Out, *more: str) -> dict[str, Any]:
    assert await run_sync(main, ["detector", "evaluate", "--own", "--data", str(data), "--json", *more]) == 0
    return json.loads(out.readouterr().out)


async def test_every_evaluation_is_kept_with_its_line_in_the_chain(tmp_path: Path, capsys: Out) -> None:
    project = await filled(tmp_path / "data")
    whole = await evaluate(tmp_path / "data", capsys)
    one = await evaluate(tmp_path / "data", capsys, "--project", project)

    reports, lines = await kept(tmp_path / "data")

    assert [report.id for report in reports] == [answer["detectors"][0]["id"] for answer in (whole, one)]
    assert [report.project for report in reports] == [SYSTEM_PROJECT, project]
    assert {report.by for report in reports} == {"detector evaluate --own"}
    assert set(lines) == {report.id for report in reports}
    assert (whole["kept"], whole["detectors"][0]["sha256"]) == (True, reports[0].digest)


async def test_the_chain_of_the_installation_can_be_exported(tmp_path: Path, capsys: Out) -> None:
    await filled(tmp_path / "data")
    answer = await evaluate(tmp_path / "data", capsys)
    out = str(tmp_path / "system.jsonl")
    command = ["audit", "export", "--offline", "--data", str(tmp_path / "data"), "--project", "system", "--out", out]

    assert await run_sync(main, command) == 0, capsys.readouterr().err
    assert await run_sync(main, ["audit", "verify", out]) == 0
    assert answer["detectors"][0]["sha256"] in text_of(out)


async def test_no_keep_leaves_nothing(tmp_path: Path, capsys: Out) -> None:
    await filled(tmp_path / "data")
    answer = await evaluate(tmp_path / "data", capsys, "--no-keep", "--chart", str(tmp_path / "chart.html"))

    assert await kept(tmp_path / "data") == ([], [])
    assert (answer["kept"], answer["detectors"][0]["id"]) == (False, None)
    assert "not kept" in (tmp_path / "chart.html").read_text(encoding="utf-8")
    assert names(tmp_path) == {"data", "chart.html"}


async def test_a_project_that_is_not_there_and_a_chart_that_cannot_be_written_are_said(
    tmp_path: Path, capsys: Out
) -> None:
    await filled(tmp_path / "data")
    command = ["detector", "evaluate", "--own", "--data", str(tmp_path / "data")]
    for more, words in (
        (["--project", "prj_x"], "There is no project 'prj_x'"),
        (["--chart", str(tmp_path)], "cannot be written"),
        (["--chart", str(tmp_path / "nowhere" / "chart.html")], "cannot be written"),
    ):
        assert await run_sync(main, [*command, *more]) != 0
        assert words in capsys.readouterr().err
    assert await kept(tmp_path / "data") == ([], [])


async def test_people_read_what_was_kept_and_how_it_moved(
    tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    data = tmp_path / "data"
    before = (sample_group("local/pocket", 60, 55), sample_group(REAL, 40, 1))
    async with open_bench(data) as bench:
        now = bench.clock.now()
        earlier = sample_report(SYSTEM_PROJECT, groups=before, created_at=now.replace(hour=1))
        latest = sample_report(SYSTEM_PROJECT, created_at=now)
        await kept_reports.keep(bench.platform, [earlier, latest])
    monkeypatch.setenv("PLATEMARK_API_KEY", ADMIN_KEY)

    def read() -> tuple[str, str, Any, Any]:
        with serve(data, role="api", providers="[]") as served:
            where = ["--url", served.url]
            texts: list[str] = []
            for command in (["reports"], ["show", latest.id, "--chart", str(tmp_path / "c.html")]):
                assert main(["detector", *command, *where]) == 0, capsys.readouterr().err
                said = capsys.readouterr()
                texts.append(said.out + said.err)
            documents: list[Any] = []
            for command in (["reports"], ["show", latest.id]):
                assert main(["detector", *command, *where, "--json"]) == 0
                documents.append(json.loads(capsys.readouterr().out))
            assert main(["detector", "show", f"rpt_{'0' * 32}", *where]) != 0
            assert "no report" in capsys.readouterr().err
        return texts[0], texts[1], documents[0], documents[1]

    listed, shown, documents, document = await run_sync(read)

    assert listed.index(latest.id) < listed.index(earlier.id)
    assert "0.03 (0.00 to 0.13)" in listed
    assert "-0.52 (more than chance)" in shown
    assert f"the report before is {earlier.id}" in shown
    assert "recommended: t_lo 0.45, t_hi 0.95" in shown
    assert [one["id"] for one in documents] == [latest.id, earlier.id]
    assert (document["previous"], document["changes"][0]["apart"]) == (earlier.id, True)
    assert latest.id in (tmp_path / "c.html").read_text(encoding="utf-8")
