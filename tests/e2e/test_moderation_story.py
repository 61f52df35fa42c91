"""Each point of moderation stops something, and one request has its story: review, appeal, publication, deletion."""

import json
import time
from collections.abc import Generator
from dataclasses import dataclass, field
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
            answer = http.request(method, path, json=body if method == "POST" else None)
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

    def rule(
        self, who: str, action: str, code: str, *, expect: int = 200, note: str | None = None, **wanted: Any
    ) -> Any:
        """Claim a case and decide it."""
        id = self.case(**wanted)["id"]
        claimed = self.call(who, "POST", f"/v1/reviews/{id}/claim", expect)
        if expect != 200:
            return claimed
        said: dict[str, Any] = {"action": action, "reason_code": code, "version": claimed["version"], "note": note}
        return self.call(who, "POST", f"/v1/reviews/{id}/decide", **said)

    def finished(self, generation: str) -> dict[str, Any]:
        """The generation once nothing more happens to it by itself."""
        while (found := self.call("app", "GET", f"/v1/generations/{generation}"))["status"] in ("queued", "running"):
            time.sleep(0.05)
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


def record(newsroom: Newsroom, id: str) -> dict[str, Any]:
    noun = "images" if id.startswith("img_") else "generations"
    return newsroom.call("app", "GET", f"/v1/{noun}/{id}/record")


@pytest.fixture(scope="module")
def rules(newsroom: Newsroom) -> str:
    """The project's own policy in force: who wrote it is not who puts it in force."""
    policy = newsroom.call("Cleo", "POST", "/v1/policies", 201, content=RULES)["id"]
    newsroom.call("Cleo", "POST", f"/v1/policies/{policy}/activate", 403)
    newsroom.call("Dora", "POST", f"/v1/policies/{policy}/activate")
    return policy


def test_a_text_is_refused_before_it_is_sent(newsroom: Newsroom) -> None:
    sent = newsroom.drawing.board.submissions()
    refused = newsroom.call("app", "POST", "/v1/generate", 403, prompt="isis propaganda poster")
    assert (refused["code"], refused["reason_code"]) == ("blocked_by_app_policy", "EXTREMISM")
    assert newsroom.drawing.board.submissions() == sent
    found = record(newsroom, refused["generation"])
    assert stages(found) == [("before_request", "block", "EXTREMISM")]
    assert (found["usage"]["cost"]["status"], found["usage"]["cost"]["micro_usd"]) == ("settled", 0)


def test_a_provider_refuses_what_it_is_sent(newsroom: Newsroom) -> None:
    newsroom.drawing.board.next("prompt_blocked")
    refused = newsroom.call("app", "POST", "/v1/generate", 403, prompt="a quiet street")
    assert (refused["code"], refused["reason_code"]) == ("blocked_by_provider", "PROVIDER_UNSPECIFIED")
    found = record(newsroom, refused["generation"])
    assert stages(found)[1:] == [("after_response", "block", "PROVIDER_UNSPECIFIED")]
    assert found["moderation"][1]["blocked_by_provider"]
    newsroom.call("app", "POST", f"/v1/generations/{refused['generation']}/appeal", 409)


@pytest.mark.usefixtures("rules")
def test_a_rule_of_the_project_blocks_what_came_back(newsroom: Newsroom) -> None:
    made = newsroom.call("app", "POST", "/v1/generate", prompt="a quiet street", audience="print")
    (image,) = made["images"]
    assert (image["moderation"]["state"], image["url"]) == ("blocked", None)
    newsroom.call("app", "GET", f"/v1/images/{image['id']}/content", 403)
    (ruled,) = [each for each in record(newsroom, image["id"])["moderation"] if each["stage"] == "after_response"]
    assert (ruled["decision"], ruled["rule_ids"][0]) == ("block", "no-drawn-prints")


@pytest.mark.usefixtures("rules")
def test_a_refused_publication_can_be_appealed(newsroom: Newsroom) -> None:
    (image,) = newsroom.call("app", "POST", "/v1/generate", prompt="a quiet lane")["images"]
    newsroom.call("app", "POST", f"/v1/images/{image['id']}/appeal", 409)
    refused = newsroom.call("app", "POST", f"/v1/images/{image['id']}/publish", 403, audience="marketplace")
    assert f"POST /v1/images/{image['id']}/appeal" in refused["detail"]
    newsroom.call("app", "POST", f"/v1/images/{image['id']}/appeal", 201)
    newsroom.rule("Ada", "overturn", "CONTEXT_ALLOWED", note="A mug.", image=image["id"], kind="appeal")
    # It undoes what a machine had blocked, so one person is not enough.
    assert record(newsroom, image["id"])["publications"][-1]["state"] == "rejected"
    newsroom.rule("Ben", "overturn", "CONTEXT_ALLOWED", note="A mug.", image=image["id"], kind="second")
    assert record(newsroom, image["id"])["publications"][-1]["state"] == "published"


@pytest.mark.usefixtures("rules")
def test_a_request_has_its_story(
    newsroom: Newsroom, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, code = newsroom.call, "ELECTION_INTEGRITY"

    # Held, rejected by one and by a second person; the first cannot be the second.
    held = ask("app", "POST", "/v1/generate", 202, prompt=BALLOTS, audience="newsroom", user="desk-7")
    generation = held["id"]
    assert held["status"] == "held"
    newsroom.rule("Ada", "reject", code, generation=generation, kind="first")
    assert ask("app", "GET", f"/v1/generations/{generation}")["status"] == "held"
    newsroom.rule("Ada", "reject", code, expect=403, generation=generation, kind="second")
    newsroom.rule("Ben", "reject", code, generation=generation, kind="second")
    blocked = ask("app", "GET", f"/v1/generations/{generation}")
    assert (blocked["status"], blocked["moderation"]["appeal"]["state"]) == ("blocked", "possible")

    # Appealed by the application; overturned by two who have not ruled on it before, and it runs.
    ask("app", "POST", f"/v1/generations/{generation}/appeal", 201, statement="It is a drawing for a play.")
    newsroom.rule("Ben", "overturn", "CONTEXT_ALLOWED", expect=403, generation=generation, kind="appeal")
    newsroom.rule("Cleo", "overturn", "CONTEXT_ALLOWED", note="For a play.", generation=generation, kind="appeal")
    newsroom.rule("Dora", "overturn", "CONTEXT_ALLOWED", note="For a play.", generation=generation, kind="second")
    (image,) = [each["id"] for each in newsroom.finished(generation)["images"]]
    ask("app", "GET", f"/v1/images/{image}/content")

    # Two audiences are refused it, one by our rule and one because a check is missing; the third gets it by a person.
    for audience, why in {"marketplace": "IP_TRADEMARK", "education": "MODERATION_UNAVAILABLE"}.items():
        refused = ask("app", "POST", f"/v1/images/{image}/publish", 403, audience=audience)
        assert refused["reason_code"] == why
    waiting = ask("app", "POST", f"/v1/images/{image}/publish", 202, audience="newsroom")
    address = f"{newsroom.url}/v1/publications/{waiting['id']}/content"
    assert httpx2.get(address).status_code == 404
    for who, kind in {"Ben": "first", "Ada": "second"}.items():
        newsroom.rule(who, "approve", "CONTEXT_ALLOWED", image=image, kind=kind)
    assert httpx2.get(address).status_code == 200

    # Deleted: the bytes go, the story and the chain stay.
    ask("app", "DELETE", f"/v1/images/{image}")
    assert httpx2.get(address).status_code == 410
    monkeypatch.setenv("PLATEMARK_URL", newsroom.url)
    monkeypatch.setenv("PLATEMARK_API_KEY", newsroom.secrets["Dora"])
    assert "verified, head" in said(capsys, "audit", "verify")
    check_story(json.loads(said(capsys, "record", image, "--json")), newsroom.people)
    told = said(capsys, "record", image)
    for part in TOLD:
        assert part in " ".join(told.split()), told
    assert "version" in said(
        capsys, "reviews", "show", newsroom.call("Dora", "GET", "/v1/reviews?order=newest")["data"][0]["id"]
    )
    assert all(id in told for id in newsroom.people.values())


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def check_story(found: dict[str, Any], people: dict[str, str]) -> None:
    """Everything that happened, in order."""
    assert stages(found) == [
        ("before_request", "review", "ELECTION_INTEGRITY"),
        ("after_response", "allow", None),
        ("before_publish", "block", "IP_TRADEMARK"),
        ("before_publish", "block", "MODERATION_UNAVAILABLE"),
        ("before_publish", "review", "ELECTION_INTEGRITY"),
    ]
    assert found["moderation"][0]["review_status"] == "overturned"
    names = {id: name for name, id in people.items()}
    decisions = [(case, made) for case in found["reviews"] for made in case["decisions"]]
    assert [(case["kind"], case["state"], names[made["by"]], made["action"]) for case, made in decisions] == [
        ("first", "rejected", "Ada", "reject"),
        ("second", "rejected", "Ben", "reject"),
        ("appeal", "overturned", "Cleo", "overturn"),
        ("second", "overturned", "Dora", "overturn"),
        ("first", "approved", "Ben", "approve"),
        ("second", "approved", "Ada", "approve"),
    ]
    assert [made["reason_code"] for _, made in decisions] == ["ELECTION_INTEGRITY"] * 2 + ["CONTEXT_ALLOWED"] * 4
    times = [made["decided_at"] for _, made in decisions]
    assert times == sorted(times)
    assert {case["of"] for case in found["reviews"] if case["kind"] != "first"} <= {
        case["id"] for case in found["reviews"]
    }
    assert [(each["audience"], each["state"]) for each in found["publications"]] == [
        ("marketplace", "rejected"),
        ("education", "rejected"),
        ("newsroom", "withdrawn"),
    ]
    assert (found["image"]["stored"], found["image"]["deleted_at"] is not None) == (False, True)
    assert found["chain"]["verified"]


TOLD = (
    "review · before request · for newsroom · ELECTION_INTEGRITY · review: overturned",
    "block · before publish · for marketplace · IP_TRADEMARK",
    "reject · ELECTION_INTEGRITY · needs a second person · per_",
    "overturn · CONTEXT_ALLOWED · needs a second person · per_",
    "appeal overturned · ELECTION_INTEGRITY",
    "rejected · by a second person · ELECTION_INTEGRITY",
    "withdrawn · for newsroom",
    "deleted 20",
    "verified · lines",
)
