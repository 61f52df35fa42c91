"""Every operation on local/pocket, drawn by the example that shows them, through a real server."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from checkout import ROOT
from serving import ADMIN_KEY, serve

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(900)]


def test_there_is_a_sheet_for_each_operation_and_none_is_empty(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "contact_sheets.py"), "--out", str(tmp_path / "sheets")]
    with serve(tmp_path / "data") as served:
        environment = os.environ | {"PLATEMARK_URL": served.url, "PLATEMARK_API_KEY": ADMIN_KEY}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr
    sheets = {path.stem: np.asarray(Image.open(path)) for path in (tmp_path / "sheets").glob("*.png")}
    assert {"text_to_image", "image_to_image", "inpaint", "outpaint", "upscale", "controls", "loras"} <= sheets.keys()
    assert min(float(sheet.std()) for sheet in sheets.values()) > 20
