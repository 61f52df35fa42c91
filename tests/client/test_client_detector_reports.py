"""Reports on detectors through the SDK."""

from typing import Any

import httpx2
import pytest
from wires import Script, async_client, client, ok

from platemark.core.detector_report import compared
from platemark.samples import sample_report

FOUND: dict[str, Any] = compared(sample_report("prj_1"), sample_report("prj_1")).model_dump(mode="json")
# A newer server may say more.
FOUND["groups"][0]["newer"] = 1


def test_a_page_and_one_of_them() -> None:
    script = Script([ok({"data": [FOUND], "next_cursor": "c2"}), ok(FOUND)])
    sdk = client(script)

    page = sdk.detector_reports.list(limit=1, cursor="c1")
    found = sdk.detector_reports.get(FOUND["id"])

    assert ([one.id for one in page], page.next_cursor) == ([FOUND["id"]], "c2")
    assert (found.previous, found.changes[0].difference) == (FOUND["previous"], 0.0)
    assert found.groups[0].rate == 0.4
    assert script.asked == ["GET /v1/detectors/reports", f"GET /v1/detectors/reports/{FOUND['id']}"]
    assert dict(httpx2.URL(str(script.seen[0].url)).params) == {"limit": "1", "cursor": "c1"}


@pytest.mark.anyio
async def test_the_async_face_does_the_same() -> None:
    script = Script([ok({"data": [FOUND], "next_cursor": None}), ok(FOUND)])
    async with async_client(script) as sdk:
        (one,) = await sdk.detector_reports.list()
        assert (await sdk.detector_reports.get(one.id)).sha256 == one.sha256
