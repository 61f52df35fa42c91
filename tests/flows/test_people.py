"""People of a project: added, given roles, disabled; and what their keys may do."""

import anyio
import pytest

from platemark.core.errors import Conflict, InvalidRequest, NotAllowed, NotFound, Unauthenticated
from platemark.core.event import Event
from platemark.core.project import ROLE_SCOPES, ROLES, SCOPES, Person, Principal
from platemark.flows import keys, people
from platemark.flows.foureyes import several
from workbench import Bench


async def in_project(bench: Bench) -> list[Event]:
    async with bench.platform.store.reading() as read:
        return await read.events(bench.caller.project)


async def key_of(bench: Bench, person: str, **fields: object) -> tuple[str, Principal]:
    _, secret = await keys.issue(bench.platform, bench.caller, name="laptop", person=person, **fields)  # type: ignore[arg-type]
    return secret, await keys.authenticate(bench.platform, secret)


def test_every_role_has_scopes_that_there_are() -> None:
    assert set(ROLE_SCOPES) == set(ROLES)
    assert all(scopes <= set(SCOPES) and scopes for scopes in ROLE_SCOPES.values())


async def test_a_person_is_added_and_answers_for_what_their_key_does(bench: Bench) -> None:
    ada = await people.add(bench.platform, bench.caller, "Ada Quill", "reviewer")
    _, principal = await key_of(bench, "ada quill")
    assert principal.actor == ada.id
    assert principal.scopes == ROLE_SCOPES["reviewer"]
    async with bench.platform.store.reading() as read:
        assert await several(read, bench.caller.project)


async def test_names_and_passwords_stay_out_of_events(bench: Bench) -> None:
    ada = await people.add(bench.platform, bench.caller, "Ada Quill", "editor", password="a long secret of hers")
    await people.set_role(bench.platform, bench.caller, ada.id, "auditor")
    await people.disable(bench.platform, bench.caller, ada.id)
    assert ada.password_hash.startswith("$scrypt$ln=14,r=8,p=1$")
    told = [event for event in await in_project(bench) if event.type.startswith("person.")][1:]
    assert [event.type for event in told] == ["person.created", "person.changed", "person.disabled"]
    assert {event.data["person"] for event in told} == {ada.id}
    assert not [word for word in ("Ada", "Quill", "secret") if word in str(told)]


@pytest.mark.parametrize("name", ["admin", "ADMIN"])
async def test_a_name_stands_once_in_a_project(bench: Bench, name: str) -> None:
    with pytest.raises(Conflict):
        await people.add(bench.platform, bench.caller, name, "editor")
    assert len(await people.listing(bench.platform, bench.caller)) == 1


async def test_two_of_one_name_cannot_come_at_the_same_moment(bench: Bench) -> None:
    refused: list[Conflict] = []

    async def add() -> None:
        try:
            await people.add(bench.platform, bench.caller, "Ada", "editor")
        except Conflict as error:
            refused.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(add)
    assert len(refused) == 2
    assert [person.name for person in await people.listing(bench.platform, bench.caller)] == ["admin", "Ada"]


@pytest.mark.parametrize("name", ["per_" + "0" * 32, "  "])
async def test_a_name_is_told_from_an_id(bench: Bench, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await people.add(bench.platform, bench.caller, name, "editor")


async def test_a_key_cannot_do_more_than_its_persons_role(bench: Bench) -> None:
    ada = await people.add(bench.platform, bench.caller, "Ada", "auditor")
    with pytest.raises(InvalidRequest) as caught:
        await keys.issue(bench.platform, bench.caller, name="x", person=ada.id, scopes=("audit:read", "images:write"))
    assert [(error.pointer, error.code) for error in caught.value.errors] == [("/scopes/1", "scope_not_in_role")]
    _, principal = await key_of(bench, ada.id, scopes=("audit:read",))
    assert principal.scopes == {"audit:read"}


async def test_an_admins_key_gets_no_more_than_its_maker_has(bench: Bench) -> None:
    await people.add(bench.platform, bench.caller, "Ada", "admin")
    _, secret = await keys.issue(bench.platform, bench.caller, name="small", scopes=("keys:manage", "images:read"))
    maker = await keys.authenticate(bench.platform, secret)
    key, _ = await keys.issue(bench.platform, maker, name="hers", person="Ada")
    assert set(key.scopes) == {"keys:manage", "images:read"}


async def test_a_role_that_changes_changes_what_keys_may_do_at_once(bench: Bench) -> None:
    ada = await people.add(bench.platform, bench.caller, "Ada", "editor")
    secret, before = await key_of(bench, ada.id)
    await people.set_role(bench.platform, bench.caller, ada.id, "auditor")
    after = await keys.authenticate(bench.platform, secret)
    assert (before.scopes, after.scopes) == (ROLE_SCOPES["editor"], {"images:read"})


async def test_a_role_that_is_taken_away_takes_the_keys_with_it(bench: Bench) -> None:
    ada = await people.add(bench.platform, bench.caller, "Ada", "editor")
    secret, _ = await key_of(bench, ada.id)
    await people.set_role(bench.platform, bench.caller, ada.id, None)
    with pytest.raises(Unauthenticated, match="revoked"):
        await keys.authenticate(bench.platform, secret)
    assert ada.id not in {person.id for person in await people.listing(bench.platform, bench.caller)}
    with pytest.raises(NotFound):
        await keys.issue(bench.platform, bench.caller, name="again", person=ada.id)


async def test_disabling_ends_every_key_at_once_and_twice_is_once(bench: Bench) -> None:
    ada = await people.add(bench.platform, bench.caller, "Ada", "reviewer")
    secrets = [(await key_of(bench, ada.id))[0] for _ in range(2)]
    gone = await people.disable(bench.platform, bench.caller, ada.id)
    bench.clock.seconds += 1
    assert await people.disable(bench.platform, bench.caller, ada.id) == gone
    for secret in secrets:
        with pytest.raises(Unauthenticated):
            await keys.authenticate(bench.platform, secret)
    types = [event.type for event in await in_project(bench)]
    assert (types.count("person.disabled"), types.count("key.revoked")) == (1, 2)
    with pytest.raises(Conflict):
        await people.set_role(bench.platform, bench.caller, ada.id, "editor")
    async with bench.platform.store.reading() as read:
        assert not await several(read, bench.caller.project)


async def test_projects_do_not_see_each_others_people(bench: Bench) -> None:
    ada = await people.add(bench.platform, bench.caller, "Ada", "reviewer")
    stranger = await bench.stranger()
    tenant = stranger.model_copy(update={"scopes": frozenset({"keys:manage", "images:read"})})
    assert await people.listing(bench.platform, tenant) == []
    for act in (
        people.person(bench.platform, tenant, ada.id),
        people.disable(bench.platform, tenant, ada.id),
        people.set_role(bench.platform, tenant, ada.id, "editor"),
        keys.issue(bench.platform, tenant, name="x", scopes=("images:read",), person=ada.id),
        keys.issue(bench.platform, tenant, name="x", scopes=("images:read",), person="Ada"),
    ):
        with pytest.raises(NotFound):
            await act
    with pytest.raises(NotAllowed):
        await people.listing(bench.platform, tenant, bench.caller.project)
    # The same name in another project is another person.
    other = await people.add(bench.platform, tenant, "Ada", "editor")
    assert other.id != ada.id


async def test_an_operator_gives_roles_in_several_projects_and_only_one_ends_them_all(bench: Bench) -> None:
    stranger = await bench.stranger()
    ada = await people.add(bench.platform, bench.caller, "Ada", "reviewer")
    both = await people.set_role(bench.platform, bench.caller, ada.id, "editor", project=stranger.project)
    assert both.roles == {bench.caller.project: "reviewer", stranger.project: "editor"}
    tenant = stranger.model_copy(update={"scopes": frozenset({"keys:manage"})})
    assert people.seen(tenant, both) == {stranger.project: "editor"}
    with pytest.raises(NotAllowed):
        await people.disable(bench.platform, tenant, ada.id)
    await people.disable(bench.platform, bench.caller, ada.id)
    async with bench.platform.store.reading() as read:
        assert "person.disabled" in [event.type for event in await read.events(stranger.project)]


async def test_people_need_the_scope(bench: Bench) -> None:
    poor = bench.caller.model_copy(update={"scopes": frozenset({"images:read", "reviews:decide"})})
    with pytest.raises(NotAllowed):
        await people.add(bench.platform, poor, "Ada", "admin")
    with pytest.raises(NotAllowed):
        await people.listing(bench.platform, poor)


async def test_a_key_whose_person_is_gone_opens_nothing(bench: Bench) -> None:
    ada = await people.add(bench.platform, bench.caller, "Ada", "editor")
    secret, _ = await key_of(bench, ada.id)
    async with bench.platform.store.transaction() as tx:
        await tx.remove(await tx.get(Person, ada.id))
    with pytest.raises(Unauthenticated):
        await keys.authenticate(bench.platform, secret)
