"""Every command says what is wrong in one line, with its exit code and without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from platemark.cli import main
from platemark.cli.connect import LOCAL_URL, client
from platemark.cli.faults import guarded
from platemark.core.errors import BlockedByAppPolicy, FieldError, Misconfigured, RateLimited, Unsupported

SECRET = "pm_" + "ab" * 32


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("PLATEMARK_URL", "PLATEMARK_API_KEY", "SD_API_KEY", "PLATEMARK_DATA", "PLATEMARK_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def told(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    def run() -> int:
        raise error

    return guarded(run), capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["paint"], "No such command 'paint'"),
        (["generate"], "prompt"),
        (["generate", "a", "--width", "wide"], "--width"),
        (["generate", "a", "--width", "0"], "--width"),
        (["serve", "--role", "cook"], "--role"),
        (["keys", "create"], "name"),
        (["generate", "a house"], "--data"),
        (["models", "list", "--data", "elsewhere"], "elsewhere/admin.key"),
        (["keys", "list", "--url", "ftp://host", "--data", "here"], "ftp://host"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "admin.key").write_text(SECRET)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("platemark: error: ")
    assert said in captured.err.splitlines()[0]
    assert captured.out == ""
    assert SECRET not in captured.err


def test_an_id_of_nothing_is_refused_before_anybody_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "usr_1"]) == 1
    assert "'usr_1' is no id of an image" in capsys.readouterr().err


def test_details_stand_below_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    fields = [FieldError(pointer="/width", code="unsupported", message="is too wide")]
    error = Unsupported("The model cannot.", errors=fields, generation="gen_1", retry_after=3)
    error.request_id = "req_1"
    assert told(error, capsys) == (
        1,
        "platemark: error: The model cannot.\n  /width: is too wide\n  generation gen_1, request req_1\n"
        "  hint: try again in 3 s\n",
    )


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Misconfigured("Set it."), 2, "platemark: error: Set it.\n"),
        (BlockedByAppPolicy("No."), 1, "platemark: error: No.\n"),
        (RateLimited("Two\nlines."), 1, "platemark: error: Two lines.\n"),
        (FileNotFoundError(2, "No such file or directory", "a.png"), 1, "platemark: error: a.png: No such file"),
        (ModuleNotFoundError("no", name="fastapi"), 2, "pip install 'platemark[server,local]'"),
        (ValueError(f"odd {SECRET}"), 1, "unexpected: ValueError: odd pm_…"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_error_has_its_line_and_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got, text = told(error, capsys)
    assert got == code
    assert said in text
    assert "Traceback" not in text
    assert SECRET not in text
    assert bool(text) == bool(said)


def test_a_traceback_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEMARK_DEBUG", "1")

    def run() -> int:
        raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        guarded(run)


def test_a_reader_that_leaves_is_no_fault() -> None:
    shell = f"{sys.executable} -m platemark --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_reader_that_leaves_while_several_files_are_read_is_no_fault_either(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    shell = f"{sys.executable} -m platemark verify --json {tmp_path} | true; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PLATEMARK_ORIGIN_CLASSIFIER": "false"}
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_error_in_a_group_is_told_like_any(capsys: pytest.CaptureFixture[str]) -> None:
    group = ExceptionGroup("two", [ExceptionGroup("one", [Misconfigured("Set it.")])])
    assert told(group, capsys) == (2, "platemark: error: Set it.\n")


def test_a_key_in_a_file_is_for_the_server_on_this_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "admin.key").write_text(SECRET + "\n")
    assert client(None, None).base_url == LOCAL_URL
    with pytest.raises(Misconfigured, match="No API key"):
        client("https://pictures.example", None)
    monkeypatch.setenv("PLATEMARK_URL", "https://pictures.example")
    with pytest.raises(Misconfigured, match="No API key"):
        client(None, None)
    assert client(None, tmp_path / "data").base_url == "https://pictures.example"


def test_help_loads_no_part_of_the_server() -> None:
    code = (
        "import sys; from platemark.cli import main; main(['--help']);"
        "heavy = {'fastapi', 'torch', 'sqlalchemy', 'PIL', 'dbos', 'httpx2', 'pydantic'};"
        "print('LOADED', sorted({n.split('.')[0] for n in sys.modules} & heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_every_command_and_option_is_described() -> None:
    from typer.main import get_command

    from platemark.cli import app

    def bare(command: object, path: str) -> list[str]:
        children: dict[str, object] = getattr(command, "commands", {})
        found = [path] if not getattr(command, "help", None) else []
        found += [f"{path} {one.name}" for one in getattr(command, "params", ()) if not one.help]
        return found + [name for child, one in children.items() for name in bare(one, f"{path} {child}")]

    assert bare(get_command(app), "platemark") == []


@pytest.mark.parametrize(
    ("detail", "said", "hint"),
    [
        ("Change it, or appeal with POST /v1/images/img_1/appeal if you like.", "Change it, or appeal if", "img_1"),
        ("Change it, or appeal.", "Change it, or appeal.", "gen_1"),
    ],
)
def test_an_appeal_is_offered_as_a_command(
    detail: str, said: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = told(BlockedByAppPolicy(detail, generation="gen_1"), capsys)
    assert code == 1
    assert said in text
    assert f"hint: platemark reviews appeal {hint} --statement" in text
    assert "/v1/" not in text
    assert "appeal" not in told(BlockedByAppPolicy("The provider refused.", generation="gen_1"), capsys)[1]
