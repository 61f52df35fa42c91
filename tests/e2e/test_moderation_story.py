"""One picture from a refused request to its deletion, with everybody who had a say in it, over HTTP as it happens."""

import json
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal

from platemark.cli import main
from platemark.simulate.aimlapi import FakeAimlapi
from platemark.simulate.contract import KEY
from platemark.simulate.server import serve as simulate
from serving import ADMIN_KEY, serve

pytestmark = [pytest.mark.timeout(240), pytest.mark.blocking]
BALLOTS = "ballots being carried out of a hall at night, evidence photo"
# The project's own rules: each of the later two stages has one, for an audience of its own.
RULES = """
version: "show-1"
rules:
  - id: no-drawn-prints
    stages: [after_response]
    audiences: [print]
    when: operation == "text_to_image"
    reason_code: PROVIDER_OUTPUT_DEGRADED
    decision: block
    severity: 1
    owner: picture-desk
    note: What we print was photographed.
    tests:
      - fires: {stage: after_response, operation: text_to_image}
      - stays: {stage: after_response, operation: inpaint}
  - id: no-drawn-goods
    stages: [before_publish]
    audiences: [marketplace]
    when: operation == "text_to_image"
    reason_code: IP_TRADEMARK
    decision: block
    severity: 1
    owner: picture-desk
    note: Goods are shown as they are.
    tests:
      - fires: {stage: before_publish, operation: text_to_image}
      - stays: {stage: before_publish, operation: inpaint}
"""


@dataclass
class Newsroom:
    """A project on a server, with keys by the name of who holds them; `app` is the application's."""

    url: str
    drawing: FakeAimlapi
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    people: dict[str, str] = field(default_factory=dict[str, str])

    def call(self, who: str, method: str, path: str, expect: int = 200, **body: Any) -> Any:
        """What the server answers to somebody."""
        headers = {"Authorization": f"Bearer {self.secrets[who]}"}
        with httpx2.Client(base_url=self.url, headers=headers, timeout=90) as http:
            answer = http.request(method, path, **({"json": body} if method == "POST" else {}))
        assert answer.status_code == expect, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.content

    def staff(self) -> None:
        """A project with its application and four people: two reviewers, two administrators."""
        self.secrets["root"] = ADMIN_KEY
        project = self.call("root", "POST", "/v1/projects", 201, name="newsroom")["id"]
        self.secrets["app"] = self.call("root", "POST", "/v1/keys", 201, name="app", project=project)["secret"]
        for name, role in {"Ada": "reviewer", "Ben": "reviewer", "Cleo": "admin", "Dora": "admin"}.items():
            made = self.call("root", "POST", "/v1/people", 201, name=name, role=role, project=project)
            key = self.call("root", "POST", "/v1/keys", 201, name=f"{name}'s", person=made["id"], project=project)
            self.people[name], self.secrets[name] = made["id"], key["secret"]

    def case(self, **wanted: Any) -> dict[str, Any]:
        """The one open case of this kind, as a reviewer finds it."""
        (found,) = [
            case
            for case in self.call("Ada", "GET", "/v1/reviews")["data"]
            if all(case[name] == value for name, value in wanted.items())
        ]
        return found

    def rule(self, who: str, action: str, code: str, *, expect: int = 200, note: str | None = None, **wanted: Any) -> Any:
        """Claim a case and decide it."""
        id = self.case(**wanted)["id"]
        claimed = self.call(who, "POST", f"/v1/reviews/{id}/claim", expect)
        if expect != 200:
            return claimed
        said = {"action": action, "reason_code": code, "version": claimed["version"]} | ({"note": note} if note else {})
        return self.call(who, "POST", f"/v1/reviews/{id}/decide", **said)

    def finished(self, generation: str) -> dict[str, Any]:
        """The generation once nothing more happens to it by itself."""
        while (found := self.call("app", "GET", f"/v1/generations/{generation}"))["status"] in ("queued", "running"):
            pass
        return found


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Generator[Newsroom]:
    drawing = FakeAimlapi()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(simulate(drawing)) as hand,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("VENDORS_KEY", KEY)
        hosted = {"aimlapi": {"keys": ["env:VENDORS_KEY"], "base_url": hand}}
        with serve(
            tmp_path_factory.mktemp("story") / "data",
            providers='["aimlapi"]',
            hosted=json.dumps(hosted),
            allowed_hosts='["127.0.0.1"]',
            default_model="aimlapi/sd3.5-large",
            aliases="{}",
            review_undo="PT0S",
            review_sample="0",
        ) as server:
            found = Newsroom(server.url, drawing)
            found.staff()
            yield found


def stages(record: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(ruled["stage"], ruled["decision"], ruled["reason_code"]) for ruled in record["moderation"]]


def test_a_picture_has_its_story(
    newsroom: Newsroom, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = newsroom.call

    # One who writes the rules is not the one who puts them in force.
    policy = ask("Cleo", "POST", "/v1/policies", 201, content=RULES)["id"]
    ask("Cleo", "POST", f"/v1/policies/{policy}/activate", 403)
    ask("Dora", "POST", f"/v1/policies/{policy}/activate")

    # Stage one: a text is refused, and costs nothing.
    refused = ask("app", "POST", "/v1/generate", 403, prompt="isis propaganda poster")
    assert (refused["code"], refused["reason_code"]) == ("blocked_by_app_policy", "EXTREMISM")
    print(json.dumps(refused, indent=1))
    assert newsroom.drawing.board.submissions() == 0

    # Stage two: the provider refuses, and then a rule of ours.
    newsroom.drawing.board.next("prompt_blocked")
    by_provider = ask("app", "POST", "/v1/generate", 403, prompt="a quiet street")
    print(json.dumps(by_provider, indent=1))
    printed = ask("app", "POST", "/v1/generate", prompt="a quiet street", audience="print")
    print(json.dumps(printed, indent=1))

    # A request waits for a person.
    held = ask("app", "POST", "/v1/generate", 202, prompt=BALLOTS, audience="newsroom", user="desk-7")
    assert held["status"] == "held"
    generation = held["id"]
    print(json.dumps(newsroom.case(generation=generation), indent=1))
    decided = newsroom.rule("Ada", "reject", "ELECTION_INTEGRITY", generation=generation, kind="first")
    print(decided)
    newsroom.rule("Ada", "reject", "ELECTION_INTEGRITY", expect=403, generation=generation, kind="second")
    newsroom.rule("Ben", "reject", "ELECTION_INTEGRITY", generation=generation, kind="second")
    blocked = newsroom.finished(generation)
    print(json.dumps(blocked["moderation"], indent=1), json.dumps(blocked["error"], indent=1))
    ask("app", "POST", f"/v1/generations/{generation}/appeal", 201, statement="It is a drawing for a play.")
    newsroom.rule("Ben", "overturn", "CONTEXT_ALLOWED", expect=403, generation=generation, kind="appeal")
    newsroom.rule("Cleo", "overturn", "CONTEXT_ALLOWED", note="For a play.", generation=generation, kind="appeal")
    newsroom.rule("Dora", "overturn", "CONTEXT_ALLOWED", note="For a play.", generation=generation, kind="second")
    done = newsroom.finished(generation)
    print(json.dumps(done, indent=1))
    (image,) = [each["id"] for each in done["images"]]
    ask("app", "POST", f"/v1/images/{image}/publish", 403, audience="marketplace")
    ask("app", "POST", f"/v1/images/{image}/publish", 403, audience="education")
    waiting = ask("app", "POST", f"/v1/images/{image}/publish", 202, audience="newsroom")
    print(json.dumps(waiting, indent=1))
    print(json.dumps(newsroom.case(image=image), indent=1))
    newsroom.rule("Ben", "approve", "CONTEXT_ALLOWED", note="A play.", image=image)
    newsroom.rule("Ada", "approve", "CONTEXT_ALLOWED", note="A play.", image=image)
    published = ask("app", "GET", f"/v1/publications/{waiting['id']}")
    print(json.dumps(published, indent=1))
    assert httpx2.get(published["url"]).status_code == 200
    ask("app", "DELETE", f"/v1/images/{image}", 200)
    monkeypatch.setenv("PLATEMARK_URL", newsroom.url)
    monkeypatch.setenv("PLATEMARK_API_KEY", newsroom.secrets["Dora"])
    assert main(["audit", "verify"]) == 0
    assert main(["record", image]) == 0
    assert main(["record", image, "--json"]) == 0
    assert main(["record", by_provider["generation"]]) == 0
    assert main(["record", refused["generation"]]) == 0
    assert main(["reviews", "list"]) == 0
    assert main(["reviews", "list", "--all"]) == 0
    assert main(["policy", "list"]) == 0
    assert main(["policy", "explain", image]) == 0
    assert main(["takedowns", "list"]) == 0
    assert main(["hash-lists", "list"]) == 0
    assert main(["report", "moderation"]) == 0
    assert main(["reviews", "agreement"]) == 0
    assert 0
