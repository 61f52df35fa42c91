"""The async face has the same names, parameters and defaults as the blocking one."""

import inspect

import pytest

from platemark.client import (
    admin,
    aio,
    detector_reports,
    hash_lists,
    inspections,
    keeping,
    people,
    policies,
    provenance,
    publications,
    reviews,
    sync,
)

PAIRS = [
    (sync.Client, aio.AsyncClient),
    (sync.Generation, aio.AsyncGeneration),
    (sync.Image, aio.AsyncImage),
    (sync.Generations, aio.AsyncGenerations),
    (sync.Images, aio.AsyncImages),
    (admin.Keys, admin.AsyncKeys),
    (people.People, people.AsyncPeople),
    (reviews.Reviews, reviews.AsyncReviews),
    (hash_lists.HashLists, hash_lists.AsyncHashLists),
    (publications.Publications, publications.AsyncPublications),
    (provenance.Provenance, provenance.AsyncProvenance),
    (inspections.Inspections, inspections.AsyncInspections),
    (detector_reports.DetectorReports, detector_reports.AsyncDetectorReports),
    (admin.Projects, admin.AsyncProjects),
    (admin.Audit, admin.AsyncAudit),
    (keeping.Holds, keeping.AsyncHolds),
    (keeping.Takedowns, keeping.AsyncTakedowns),
    (keeping.Retention, keeping.AsyncRetention),
    (policies.Policies, policies.AsyncPolicies),
]
NOT_AWAITED = {"base_url", "images", "events", "queue"}


def shape(member: object) -> list[tuple[str, object, object]] | None:
    if not inspect.isfunction(member):
        return None
    return [(name, entry.kind, entry.default) for name, entry in inspect.signature(member).parameters.items()]


@pytest.mark.parametrize(("blocking", "twin"), PAIRS, ids=lambda kind: kind.__name__)
def test_twins_have_the_same_members(blocking: type, twin: type) -> None:
    ours = {name: shape(member) for name, member in vars(blocking).items() if not name.startswith("_")}
    theirs = {name: shape(member) for name, member in vars(twin).items() if not name.startswith("_")}
    assert ours == theirs
    assert ours


@pytest.mark.parametrize(("blocking", "twin"), PAIRS, ids=lambda kind: kind.__name__)
def test_what_asks_the_server_is_awaited(blocking: type, twin: type) -> None:
    for name, member in vars(twin).items():
        function = member.fget if isinstance(member, property) else member
        if inspect.isfunction(function) and not name.startswith("_"):
            assert inspect.iscoroutinefunction(function) is (name not in NOT_AWAITED), name
            assert not inspect.iscoroutinefunction(getattr(blocking, name))


def test_every_public_member_is_described() -> None:
    bare = [
        f"{kind.__name__}.{name}"
        for pair in PAIRS
        for kind in pair
        for name, member in vars(kind).items()
        if not name.startswith("_") and not inspect.getdoc(member)
    ]
    assert bare == []
