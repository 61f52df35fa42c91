"""A short run of the fuzzing that `bench/fuzz_verify.py` does at length."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "fuzz_verify.py"


@pytest.mark.slow
def test_damaged_files_neither_crash_nor_hang_the_verifier(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH), "--files", "60", "--seed", "7", "--keep", str(tmp_path / "files")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.startswith("60 files, seed 7: 0 crashed, 0 hung\n")
    assert "verify: invalid_image" in done.stdout
    assert "credential invalid" in done.stdout
    assert len(list((tmp_path / "files").iterdir())) == 60
