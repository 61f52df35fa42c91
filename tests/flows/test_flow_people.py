"""Keys, projects, erasure, the audit export and what time does."""

import hashlib
import json
from datetime import timedelta

import pytest

from platemark.core.audit import AuditLine, canonical, verify
from platemark.core.errors import (
    AuditBroken,
    Conflict,
    IdempotencyKeyReused,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Unauthenticated,
)
from platemark.core.moderation import Verdict
from platemark.core.project import ApiKey, Principal, Project
from platemark.core.review import Review
from platemark.flows import audit, keys, upkeep
from platemark.flows.keeping.erase import erase_text
from platemark.flows.note import open_review
from platemark.flows.record import generation_record, image_record
from workbench import ADMIN_KEY, Bench, open_bench


async def test_a_key_is_shown_once_and_kept_as_a_hash(bench: Bench) -> None:
    key, secret = await keys.issue(bench.platform, bench.caller, name="ci", scopes=("images:read",))
    assert secret.startswith("pm_")
    async with bench.platform.store.reading() as read:
        assert secret not in (await read.get(ApiKey, key.id)).model_dump_json()
    principal = await keys.authenticate(bench.platform, secret)
    assert (principal.project, principal.key, principal.scopes) == (key.project, key.id, {"images:read"})


async def test_a_key_cannot_give_what_it_does_not_have(bench: Bench) -> None:
    _, secret = await keys.issue(bench.platform, bench.caller, name="manager", scopes=("keys:manage", "images:read"))
    manager = await keys.authenticate(bench.platform, secret)
    with pytest.raises(InvalidRequest) as caught:
        await keys.issue(bench.platform, manager, name="more", scopes=("images:read", "audit:read", "nonsense"))
    assert [error.code for error in caught.value.errors] == ["scope_not_held", "unknown_scope"]
    with pytest.raises(NotAllowed):
        await keys.issue(bench.platform, manager, name="away", scopes=("images:read",), project="prj_" + "0" * 32)


async def test_revoked_at_once(bench: Bench) -> None:
    key, secret = await keys.issue(bench.platform, bench.caller, name="ci")
    await keys.revoke(bench.platform, bench.caller, key.id)
    with pytest.raises(Unauthenticated, match="revoked"):
        await keys.authenticate(bench.platform, secret)
    again = await keys.revoke(bench.platform, bench.caller, key.id)
    assert again.revoked_at is not None


async def test_rotated_with_overlap(bench: Bench) -> None:
    key, old = await keys.issue(bench.platform, bench.caller, name="ci")
    successor, new = await keys.rotate(bench.platform, bench.caller, key.id, overlap=timedelta(hours=1))
    assert (await keys.authenticate(bench.platform, old)).key == key.id
    assert (await keys.authenticate(bench.platform, new)).key == successor.id
    bench.clock.pass_(timedelta(hours=2))
    with pytest.raises(Unauthenticated):
        await keys.authenticate(bench.platform, old)
    assert (await keys.authenticate(bench.platform, new)).key == successor.id
    with pytest.raises(Conflict):
        await keys.rotate(bench.platform, bench.caller, key.id, overlap=timedelta(0))


async def test_an_expired_key_is_told_so(bench: Bench) -> None:
    until = bench.clock.now() + timedelta(days=1)
    _, secret = await keys.issue(bench.platform, bench.caller, name="ci", expires_at=until)
    bench.clock.pass_(timedelta(days=2))
    with pytest.raises(Unauthenticated, match="expired"):
        await keys.authenticate(bench.platform, secret)


@pytest.mark.parametrize("secret", ["", "pm_", "pm_" + "0" * 64, ADMIN_KEY.upper(), "🔑"])
async def test_an_unknown_key_is_unknown(bench: Bench, secret: str) -> None:
    with pytest.raises(Unauthenticated):
        await keys.authenticate(bench.platform, secret)


async def test_a_key_of_another_project_cannot_be_touched(bench: Bench) -> None:
    key, _ = await keys.issue(bench.platform, bench.caller, name="ci")
    stranger = await bench.stranger()
    with pytest.raises(NotFound):
        await keys.revoke(bench.platform, stranger, key.id)
    assert key.id not in {found.id for found in await keys.listing(bench.platform, stranger)}


async def test_the_first_start_happens_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("first")
    async with open_bench(data) as bench:
        project = bench.caller.project
    async with open_bench(data) as bench:
        assert bench.caller.project == project
        async with bench.platform.store.reading() as read:
            assert [found.name for found in await read.all(Project)] == ["default"]
            assert len(await read.all(ApiKey)) == 1


async def test_p8_erasing_a_persons_text_does_not_break_the_chain(bench: Bench) -> None:
    generation = await bench.make(prompt="portrait of Xanthippe Quill", user="user-4711")
    (image,) = await bench.images(generation)
    await erase_text(bench.platform, bench.caller, generation.id)
    await erase_text(bench.platform, bench.caller, generation.id)
    record = await image_record(bench.platform, bench.caller, image.id)
    assert record.request is not None
    assert (record.request.prompt, record.request.user) == (None, None)
    assert record.request.text_erased_at is not None
    assert record.chain.verified
    assert "Xanthippe" not in (await generation_record(bench.platform, bench.caller, generation.id)).model_dump_json()


async def test_p8_nothing_that_stays_can_confirm_a_guess(bench: Bench) -> None:
    words = {"prompt": "portrait of Xanthippe Quill"}
    generation = await bench.run(await bench.ask(key="once", **words))
    await erase_text(bench.platform, bench.caller, generation.id)
    async with bench.platform.store.reading() as read:
        verdicts = await read.all(Verdict, generation=generation.id)
    guess = hashlib.sha256(canonical(words)).hexdigest()
    assert guess not in {ruled.input_sha256 for ruled in verdicts}
    with pytest.raises(IdempotencyKeyReused):
        await bench.ask(key="once", **words)


async def test_text_is_not_erased_under_a_running_generation(bench: Bench) -> None:
    with pytest.raises(Conflict, match="queued"):
        await erase_text(bench.platform, bench.caller, (await bench.ask()).id)


async def exported(bench: Bench) -> list[dict[str, object]]:
    return [json.loads(line) async for line in audit.export(bench.platform, bench.caller)]


async def test_p8_the_export_verifies_offline_and_tampering_is_found(bench: Bench) -> None:
    for _ in range(2):
        await bench.make()
    header, *lines, footer = await exported(bench)
    assert header["object"] == "platemark.audit"
    chain = [AuditLine.model_validate(line) for line in lines]
    head = verify(chain)
    assert head is not None
    assert (footer["lines"], footer["head"]) == (len(chain), head.hash)
    changed = chain[3].model_copy(update={"body": {**chain[3].body, "type": "image.deleted"}})
    for broken in (
        [*chain[:3], changed, *chain[4:]],
        chain[:3] + chain[4:],
        [*chain[:3], chain[4], chain[3], *chain[5:]],
    ):
        with pytest.raises(AuditBroken):
            verify(broken)


async def test_the_export_needs_its_scope(bench: Bench) -> None:
    reader = Principal(project=bench.caller.project, key="key_x", scopes=frozenset({"images:read"}))
    with pytest.raises(NotAllowed):
        _ = [line async for line in audit.export(bench.platform, reader)]


async def test_what_was_not_started_in_time_expires(bench: Bench) -> None:
    generation = await bench.ask()
    assert await upkeep.expire(bench.platform) == 0
    bench.clock.pass_(timedelta(hours=25))
    assert await upkeep.expire(bench.platform) == 1
    assert (await bench.again(generation)).status == "expired"


async def test_a_case_that_nobody_decides_expires_and_is_never_approved(bench: Bench) -> None:
    generation = await bench.ask()
    async with bench.platform.store.transaction() as tx:
        (verdict,) = await tx.all(Verdict, generation=generation.id)
        held = generation.model_copy(update={"id": bench.platform.ids.new("gen"), "status": "held"})
        await tx.add(held, verdict.model_copy(update={"id": bench.platform.ids.new("vdt"), "generation": held.id}))
        await open_review(bench.platform, tx, held, verdict.model_copy(update={"generation": held.id}))
    bench.clock.pass_(timedelta(hours=73))
    await upkeep.expire(bench.platform)
    assert (await bench.again(held)).status == "expired"
    async with bench.platform.store.reading() as read:
        assert [review.state for review in await read.all(Review, generation=held.id)] == ["expired"]


async def test_lost_work_is_found_and_revived_once(bench: Bench) -> None:
    generation = await bench.ask()
    assert await upkeep.lost(bench.platform) == []
    bench.clock.pass_(timedelta(seconds=6))
    (lost,) = await upkeep.lost(bench.platform)
    assert lost.id == generation.id
    revived = await upkeep.revive(bench.platform, lost)
    assert revived is not None
    assert revived.runs == 1
    assert await upkeep.revive(bench.platform, lost) is None
