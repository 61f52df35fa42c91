"""Policies in force, in shadow and retired; who may switch them; what a project's own can and cannot do."""

from datetime import timedelta
from typing import Any

import pytest

from platemark.core.errors import InvalidRequest, NotAllowed, NotFound
from platemark.core.moderation import Ruling, Signal
from platemark.core.policy import Policy, Reason
from platemark.core.ports import Circumstances
from platemark.core.project import SCOPES, SYSTEM_PROJECT, Person, Principal
from platemark.flows import adopt, policies, replay
from platemark.flows.keys import authenticate, issue
from workbench import Bench

BRANDS = """\
version: "brands-1"
rules:
  - id: brands
    categories: [IP_TRADEMARK]
    at_least: 0.1
    decision: block
    severity: 2
    note: We sell our own goods only.
    tests:
      - fires: {scores: {IP_TRADEMARK: 0.2}}
      - stays: {scores: {IP_TRADEMARK: 0.05}}
"""
LOOSE = """\
version: "installation-1"
rules:
  - id: gore
    categories: [GORE]
    at_least: 0.9
    decision: label
    tests:
      - fires: {scores: {GORE: 0.95}}
      - stays: {scores: {GORE: 0.5}}
"""
MARK = Signal(detector="lexicon", version="1", category="IP_TRADEMARK", score=0.3)


def here(bench: Bench, project: str | None = None) -> Circumstances:
    return Circumstances(stage="before_request", project=project or bench.caller.project)


async def asked(bench: Bench, *signals: Signal) -> Ruling:
    return await policies.rule(bench.platform, signals, here(bench))


async def in_force(bench: Bench, text: str = BRANDS, **where: Any) -> Policy:
    made = await adopt.create(bench.platform, bench.caller, text, **where)
    return await adopt.activate(bench.platform, bench.caller, made.id)


async def second_person(bench: Bench) -> Principal:
    person = Person(
        id=bench.platform.ids.new("per"),
        name="Grace",
        password_hash="x",
        roles={bench.caller.project: "admin"},
        created_at=bench.clock.now(),
    )
    async with bench.platform.store.transaction() as tx:
        await tx.add(person)
    _, secret = await issue(bench.platform, bench.caller, name="grace", scopes=SCOPES, person=person.id)
    return await authenticate(bench.platform, secret)


async def events(bench: Bench, project: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    async with bench.platform.store.reading() as read:
        found = await read.events(project or bench.caller.project)
    return [(event.type, event.data) for event in found if event.type.startswith("policy.")]


async def test_a_projects_policy_tightens_and_the_built_in_one_still_rules(bench: Bench) -> None:
    assert (await asked(bench, MARK)).decision == "label"
    policy = await in_force(bench)
    ruling = await asked(bench, MARK)
    assert (ruling.decision, ruling.reason_code) == ("block", "IP_TRADEMARK")
    assert set(ruling.rule_ids) == {"brands", "mild"}
    assert ruling.policy_version == f"{bench.platform.policy.version}+{policy.id}"
    minor = await asked(bench, Signal(detector="lexicon", version="1", category="MINOR_SAFETY", score=0.5))
    assert minor.decision == "block"
    nothing = await asked(bench, Signal(detector="lexicon", version="1", category="none", score=0.0))
    assert nothing.decision == "allow"


async def test_another_project_is_not_ruled_by_it(bench: Bench) -> None:
    await in_force(bench)
    stranger = await bench.stranger()
    assert (await policies.rule(bench.platform, [MARK], here(bench, project=stranger.project))).decision == "label"
    with pytest.raises(NotFound):
        await adopt.get(bench.platform, stranger, (await adopt.listing(bench.platform, bench.caller))[0].id)


async def test_the_installations_policy_stands_in_for_the_built_in_one_with_its_hard_rules(bench: Bench) -> None:
    await in_force(bench, LOOSE, project=SYSTEM_PROJECT)
    gore = Signal(detector="image_safety", version="1", category="GORE", score=0.95)
    assert (await asked(bench, gore)).decision == "label"
    assert (await asked(bench, gore.model_copy(update={"category": "NCII"}))).decision == "block"
    assert (await asked(bench, gore.model_copy(update={"category": "HATE"}))).decision == "review"
    assert [kind for kind, _ in await events(bench, SYSTEM_PROJECT)] == ["policy.created", "policy.activated"]


async def test_switching_is_one_call_that_retires_the_old_one_and_is_audited_with_both(bench: Bench) -> None:
    first = await in_force(bench)
    second = await in_force(bench, BRANDS.replace("0.1", "0.15"))
    async with bench.platform.store.reading() as read:
        states = {one.id: one.state for one in await read.all(Policy)}
    assert states == {first.id: "retired", second.id: "active"}
    (retired, activated) = (await events(bench))[-2:]
    assert retired[0] == "policy.retired"
    assert (retired[1]["policy"], retired[1]["successor"]) == (first.id, second.id)
    assert activated[0] == "policy.activated"
    assert (activated[1]["policy"], activated[1]["was"]) == (second.id, first.id)
    assert activated[1]["single_operator"] is True
    back = await adopt.activate(bench.platform, bench.caller, first.id)
    assert back.state == "active"


async def test_the_author_does_not_put_it_in_force_once_there_are_two(bench: Bench) -> None:
    grace = await second_person(bench)
    made = await adopt.create(bench.platform, bench.caller, BRANDS)
    with pytest.raises(NotAllowed, match="somebody else"):
        await adopt.activate(bench.platform, bench.caller, made.id)
    active = await adopt.activate(bench.platform, grace, made.id)
    assert (active.author, active.approver) == (bench.caller.actor, grace.actor)
    assert (await events(bench))[-1][1]["single_operator"] is False
    with pytest.raises(NotAllowed):
        await adopt.retire(bench.platform, bench.caller, made.id)
    assert (await adopt.retire(bench.platform, grace, made.id)).state == "retired"
    assert (await asked(bench, MARK)).decision == "label"


async def test_a_key_without_a_person_is_no_second_pair_of_eyes(bench: Bench) -> None:
    await second_person(bench)
    made = await adopt.create(bench.platform, bench.caller, BRANDS)
    _, secret = await issue(bench.platform, bench.caller, name="robot", scopes=SCOPES)
    robot = await authenticate(bench.platform, secret)
    with pytest.raises(NotAllowed, match="belongs to a person"):
        await adopt.activate(bench.platform, robot, made.id)


async def test_what_is_in_shadow_is_asked_and_decides_nothing(bench: Bench) -> None:
    made = await adopt.create(bench.platform, bench.caller, BRANDS)
    other = await adopt.create(bench.platform, bench.caller, BRANDS.replace("0.1", "0.15"))
    await adopt.shadow(bench.platform, bench.caller, other.id)
    await adopt.shadow(bench.platform, bench.caller, made.id)
    assert (await adopt.get(bench.platform, bench.caller, other.id)).state == "draft"
    ruling = await asked(bench, MARK)
    assert ruling.decision == "label"
    assert ruling.shadow == {
        "policy_version": f"{bench.platform.policy.version}+{made.id}",
        "decision": "block",
        "reason_code": "IP_TRADEMARK",
        "rule_ids": ["brands", "mild"],
    }
    await adopt.activate(bench.platform, bench.caller, made.id)
    assert (await asked(bench, MARK)).shadow is None


async def test_equal_content_is_the_same_policy(bench: Bench) -> None:
    first = await adopt.create(bench.platform, bench.caller, BRANDS, note="why")
    again = await adopt.create(bench.platform, bench.caller, "# as before\n" + BRANDS)
    assert first == again
    assert len(await events(bench)) == 1
    stranger = await bench.stranger()
    assert (await adopt.create(bench.platform, stranger, BRANDS)).id != first.id


async def test_a_bundle_with_mistakes_is_not_kept(bench: Bench) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await adopt.create(bench.platform, bench.caller, BRANDS.replace("IP_TRADEMARK", "IP_TRADEMARKS"))
    assert {error.code for error in caught.value.errors} == {"unknown_code"}
    assert "line 4, rules[0].categories[0]" in caught.value.errors[0].message
    assert await adopt.listing(bench.platform, bench.caller) == []


async def test_only_who_may_manages_policies_and_the_installations(bench: Bench) -> None:
    weak = Principal(project=bench.caller.project, key="key_x", scopes=frozenset({"images:write"}))
    with pytest.raises(NotAllowed, match="policies:manage"):
        await adopt.create(bench.platform, weak, BRANDS)
    tenant = weak.model_copy(update={"scopes": frozenset({"policies:manage"})})
    with pytest.raises(NotAllowed, match="projects:manage"):
        await adopt.create(bench.platform, tenant, LOOSE, project=SYSTEM_PROJECT)


async def test_a_switch_elsewhere_is_obeyed_within_two_seconds(bench: Bench) -> None:
    assert (await asked(bench, MARK)).decision == "label"
    made = await adopt.create(bench.platform, bench.caller, BRANDS)
    # As another process would, whose memory this one does not share.
    async with bench.platform.store.transaction() as tx:
        await tx.change(made, state="active")
    assert (await asked(bench, MARK)).decision == "label"
    bench.clock.pass_(timedelta(seconds=policies.HOLDS_SECONDS))
    assert (await asked(bench, MARK)).decision == "block"


class Broken:
    """A policy that cannot answer."""

    version = "pol_broken"

    def rule(self, signals: Any, circumstances: Circumstances) -> Ruling:
        raise RuntimeError("no answer")

    def explain(self, signals: Any, circumstances: Circumstances) -> tuple[Reason, ...]:
        raise RuntimeError("no answer")


async def test_a_policy_that_fails_is_never_taken_for_a_pass(bench: Bench) -> None:
    bench.change(policy=Broken())
    ruling = await asked(bench, Signal(detector="lexicon", version="1", category="none", score=0.0))
    assert (ruling.decision, ruling.reason_code) == ("review", "MODERATION_UNAVAILABLE")


async def test_a_kept_policy_that_cannot_be_opened_holds_everything(bench: Bench) -> None:
    now = bench.clock.now()
    bad = Policy(
        id=bench.platform.ids.new("pol"),
        project=bench.caller.project,
        state="active",
        content="rules: [",
        author="key_1",
        created_at=now,
        changed_at=now,
    )
    async with bench.platform.store.transaction() as tx:
        await tx.add(bad)
    ruling = await asked(bench, Signal(detector="lexicon", version="1", category="none", score=0.0))
    assert (ruling.decision, ruling.reason_code) == ("review", "MODERATION_UNAVAILABLE")
    assert policies.UNUSABLE in ruling.rule_ids


async def test_replay_says_who_would_change_and_where(bench: Bench) -> None:
    for prompt in ("a red house", "a glass of whisky and a cigar"):
        await bench.make(prompt=prompt)
    strict = BRANDS.replace("IP_TRADEMARK", "REGULATED_GOODS")
    found = await replay.diff(bench.platform, bench.caller, replay.IN_FORCE, strict)
    assert found.verdicts == found.same + found.changed
    assert (found.changed, found.stricter, found.looser) == (1, 1, 0)
    (change,) = found.changes
    assert (change.before, change.after, change.reason_code, change.stage) == (
        "label",
        "block",
        "REGULATED_GOODS",
        "before_request",
    )
    back = await replay.diff(bench.platform, bench.caller, strict, replay.BUILT_IN)
    assert (back.changed, back.looser) == (1, 1)
    assert (await replay.diff(bench.platform, bench.caller, replay.IN_FORCE, strict, replay=0)).verdicts == 0
    (told,) = await replay.explain(bench.platform, bench.caller, change.examples[0])
    assert (told.decision, told.reasons[0].rule, told.reasons[0].at_least) == ("label", "mild", 0.25)
    assert [signal.category for signal in told.reasons[0].signals] == ["REGULATED_GOODS"]
    with pytest.raises(InvalidRequest):
        await replay.diff(bench.platform, bench.caller, "nonsense", replay.IN_FORCE)


async def test_the_shadow_report_counts_what_would_have_changed(bench: Bench) -> None:
    made = await adopt.create(bench.platform, bench.caller, BRANDS.replace("IP_TRADEMARK", "REGULATED_GOODS"))
    await adopt.shadow(bench.platform, bench.caller, made.id)
    generation = await bench.make(prompt="a glass of whisky and a cigar")
    found = await replay.shadow_report(bench.platform, bench.caller, made.id)
    assert (found.b, found.changed, found.stricter) == (made.id, 1, 1)
    told = await replay.explain(bench.platform, bench.caller, generation.id)
    assert {one.generation for one in told} == {generation.id}
    stranger = await bench.stranger()
    with pytest.raises(NotFound):
        await replay.explain(bench.platform, stranger, generation.id)
