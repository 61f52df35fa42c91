"""The whole product as users meet it: a server process, the pocket model, HTTP."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import requests

from platemark.core.audit import AuditLine, verify
from serving import ADMIN_KEY, Served, serve

pytestmark = [pytest.mark.torch, pytest.mark.timeout(240)]
GUIDE: dict[str, Any] = {
    "prompt": "a clean editorial illustration of a city skyline at sunrise, soft lighting, modern vector style",
    "negative_prompt": "blurry, distorted, extra limbs, text artifacts, watermark",
    "width": 1024,
    "height": 1024,
    "steps": 30,
    "cfg_scale": 7,
    "seed": 12345,
    "model": "stable-diffusion-xl",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serve(tmp_path_factory.mktemp("server") / "data") as served:
        yield served


def test_the_guides_python_call(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SD_API_KEY", ADMIN_KEY)
    headers = {"Authorization": f"Bearer {os.environ['SD_API_KEY']}", "Content-Type": "application/json"}
    response = requests.post(f"{server.url}/v1/generate", headers=headers, json=GUIDE, timeout=60)
    response.raise_for_status()
    body = response.json()
    assert body["status"] == "succeeded"
    assert (body["requested_model"], body["model"]) == ("stable-diffusion-xl", "local/pocket")
    assert {"model_alias", "enlarged"} <= {warning["code"] for warning in body["warnings"]}
    (image,) = body["images"]
    assert (image["width"], image["height"], image["seed"]) == (1024, 1024, 12345)
    content = requests.get(image["url"], headers={"Authorization": headers["Authorization"]}, timeout=60)
    assert hashlib.sha256(content.content).hexdigest() == image["sha256"]
    assert content.headers["content-type"] == "image/png"


def test_the_guides_analyze_call(server: Served, tmp_path: Path) -> None:
    image = server.generate(seed=11)["images"][0]
    with server.http as http:
        (tmp_path / "image.png").write_bytes(http.get(f"/v1/images/{image['id']}/content").content)
    detector_url, headers = f"{server.url}/v1/analyze", {"Authorization": f"Bearer {ADMIN_KEY}"}
    with (tmp_path / "image.png").open("rb") as f:
        response = requests.post(detector_url, headers=headers, files={"image": f}, timeout=60)
    response.raise_for_status()
    result = response.json()
    assert (result["verdict"], result["confidence"]["p_ai"]) == ("generated_by_us", 1.0)
    assert (result["is_proof"], result["schema"]) == (False, "verifier/1")


def test_the_guides_curl_call(server: Served, tmp_path: Path) -> None:
    body = {
        "prompt": "a product photo of a ceramic mug on a wooden desk, soft natural light",
        "negative_prompt": "blurry, warped handle, text, watermark",
        "width": 1024,
        "height": 1024,
        "steps": 30,
        "cfg_scale": 7,
    }
    done = subprocess.run(
        [
            "curl",
            "-sS",
            "-X",
            "POST",
            f"{server.url}/v1/generate",
            "-H",
            f"Authorization: Bearer {ADMIN_KEY}",
            "-H",
            "Content-Type: application/json",
            "-d",
            json.dumps(body),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["status"] == "succeeded"
    assert isinstance(answer["parameters"]["seed"], int)


def test_p10_the_same_seed_is_the_same_picture(server: Served) -> None:
    first, second = (server.generate(seed=7)["images"][0] for _ in range(2))
    with server.http as http:
        one, two = (http.get(f"/v1/images/{image['id']}/record").json()["image"] for image in (first, second))
    assert one["original_sha256"] == two["original_sha256"]


def test_p1_p8_the_record_tells_the_whole_story(server: Served) -> None:
    generation = server.generate(seed=3, user="user-1", tags={"campaign": "spring"})
    with server.http as http:
        record = http.get(f"/v1/images/{generation['images'][0]['id']}/record").json()
    assert record["request"]["prompt"].startswith("a red house")
    assert record["request"]["model_revision"].startswith("sha256:")
    assert [attempt["state"] for attempt in record["attempts"]] == ["succeeded"]
    assert [entry["stage"] for entry in record["moderation"]] == ["before_request", "after_response"]
    assert any(not signal["evaluated"] for entry in record["moderation"] for signal in entry["signals"])
    assert (record["inspection"]["verdict"], record["inspection"]["tier"]) == ("generated_by_us", "conclusive")
    c2pa = next(finding for finding in record["inspection"]["evidence"] if finding["kind"] == "c2pa")
    assert c2pa["own"] is True
    assert record["credential"]["state"] == "valid"
    assert record["chain"]["verified"] is True
    assert record["usage"]["cost"] == {"status": "settled", "micro_usd": 0, "basis": "device price 0, default"}


def test_progress_and_previews_are_streamed_and_the_stream_resumes(server: Served) -> None:
    with server.http as http:
        started = http.post(
            "/v1/generate",
            json={"prompt": "a blue boat on the sea", "n": 4, "steps": 80},
            headers={"Prefer": "respond-async"},
        )
        assert started.status_code == 202
        with http.stream("GET", started.json()["urls"]["events"]) as stream:
            seen = list(events(stream.iter_lines()))
        kinds = [event for _, event in seen]
        assert kinds[0] == "generation.accepted"
        assert kinds[-1] == "generation.succeeded"
        assert "generation.progress" in kinds
        assert "generation.preview" in kinds
        middle = seen[len(seen) // 2][0]
        with http.stream("GET", started.json()["urls"]["events"], headers={"Last-Event-ID": middle}) as stream:
            rest = [id for id, _ in events(stream.iter_lines())]
    assert rest == [id for id, _ in seen if int(id) > int(middle)]


def events(lines: Any) -> Generator[tuple[str, str]]:
    id = kind = ""
    for line in lines:
        if line.startswith("id:"):
            id = line[3:].strip()
        elif line.startswith("event:"):
            kind = line[6:].strip()
        elif not line and kind:
            yield id, kind
            id = kind = ""


def test_canceled_within_a_step(server: Served) -> None:
    with server.http as http:
        started = http.post(
            "/v1/generate", json={"prompt": "a green tree", "steps": 150, "n": 4}, headers={"Prefer": "respond-async"}
        ).json()
        while http.get(started["urls"]["self"]).json()["status"] == "queued":
            time.sleep(0.02)
        http.post(started["urls"]["cancel"]).raise_for_status()
        body = finished(http, started["urls"]["self"])
    assert body["status"] == "canceled"
    assert server.generate(seed=1)["status"] == "succeeded"


def test_the_engine_killed_in_the_middle_is_an_attempt_that_is_repeated(server: Served) -> None:
    with server.http as http:
        started = http.post(
            "/v1/generate", json={"prompt": "a yellow star", "steps": 60, "n": 2}, headers={"Prefer": "respond-async"}
        ).json()
        while http.get(started["urls"]["self"]).json()["status"] == "queued":
            time.sleep(0.02)
        time.sleep(0.3)
        for child in psutil.Process(server.process.pid).children(recursive=True):
            child.send_signal(signal.SIGKILL)
        body = finished(http, started["urls"]["self"])
        record = http.get(started["urls"]["record"]).json()
    assert body["status"] == "succeeded", body
    assert [attempt["state"] for attempt in record["attempts"]][-1] == "succeeded"
    assert "engine_crashed" in {attempt["error"]["code"] for attempt in record["attempts"] if attempt["error"]}


def finished(http: httpx2.Client, url: str) -> dict[str, Any]:
    for _ in range(1200):
        body = http.get(url).json()
        if body["status"] not in {"queued", "running"}:
            return body
        time.sleep(0.1)
    raise AssertionError(f"{url} never ended")


def test_p8_the_chain_is_exported_and_verified_offline(server: Served, tmp_path: Path) -> None:
    with server.http as http:
        lines = http.get("/v1/audit").text.splitlines()
    export = tmp_path / "chain.jsonl"
    export.write_text("\n".join(lines) + "\n")
    head = verify(AuditLine.model_validate_json(line) for line in lines[1:-1])
    assert head is not None
    assert json.loads(lines[-1])["head"] == head.hash
    command = ["python", "-m", "platemark", "audit", "verify", str(export)]
    whole = subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, timeout=60, check=False)
    assert whole.returncode == 0, whole.stderr
    changed = json.loads(lines[3])
    changed["body"]["at"] = "2020-01-01T00:00:00Z"
    export.write_text("\n".join([*lines[:3], json.dumps(changed), *lines[4:]]) + "\n")
    broken = subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, timeout=60, check=False)
    assert broken.returncode == 1
    assert "Traceback" not in broken.stderr


def test_p9_no_secret_in_logs_records_errors_or_metrics(server: Served) -> None:
    canary = "pm_" + "c0ffee" * 10 + "abcd"
    with httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {canary}"}) as http:
        refused = http.post("/v1/generate", json={"prompt": canary})
    assert refused.status_code == 401
    server.generate(prompt="a red house, secret-prompt-canary")
    with server.http as http:
        told = [http.get(path).text for path in ("/metrics", "/v1/keys", "/v1/audit", "/v1/events")]
    for text in (refused.text, server.logged(), *told):
        assert canary not in text
        assert ADMIN_KEY not in text
        assert "secret-prompt-canary" not in text


def test_p2_killed_in_the_middle_and_started_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serve(data) as served, served.http as http:
        started = http.post(
            "/v1/generate",
            json={"prompt": "a pink heart", "steps": 100, "n": 2},
            headers={"Prefer": "respond-async", "Idempotency-Key": "kill"},
        ).json()
        while http.get(started["urls"]["self"]).json()["status"] == "queued":
            time.sleep(0.02)
        served.stop(signal.SIGKILL)
    with serve(data) as served, served.http as http:
        body = finished(http, f"/v1/generations/{started['id']}")
        again = http.post(
            "/v1/generate", json={"prompt": "a pink heart", "steps": 100, "n": 2}, headers={"Idempotency-Key": "kill"}
        )
    assert body["status"] == "succeeded"
    assert again.json()["id"] == started["id"]
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_graceful_stop_ends_streams_politely_and_loses_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serve(data, stop_seconds="1") as served, served.http as http:
        started = http.post(
            "/v1/generate", json={"prompt": "a cat at night", "steps": 150, "n": 4}, headers={"Prefer": "respond-async"}
        ).json()
        drawing, ended = threading.Event(), threading.Event()

        def read() -> None:
            with served.http as other, other.stream("GET", started["urls"]["events"]) as stream:
                for line in stream.iter_lines():
                    if "generation.progress" in line:
                        drawing.set()
            ended.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert drawing.wait(30)
        assert served.stop() == 0
        reader.join(30)
        assert ended.is_set(), "the stream was cut off instead of ended"
        assert "Traceback" not in served.logged()
    with serve(data) as served, served.http as http:
        assert finished(http, f"/v1/generations/{started['id']}")["status"] == "succeeded"


def test_a_taken_port_is_told_in_one_line(server: Served, tmp_path: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "platemark", "serve", "--data", str(tmp_path), "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert port in done.stderr
    assert "Traceback" not in done.stderr
