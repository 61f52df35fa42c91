"""The tables hold what the nouns say: no column more, none less."""

from datetime import UTC, datetime, timedelta, timezone
from types import NoneType
from typing import get_args

import pytest
from sqlalchemy import create_engine, select

from platemark.core.base import Noun
from platemark.core.generation import Generation
from platemark.samples import sample_generation, sample_nouns
from platemark.store.codec import changed, kind_of, to_noun, to_row
from platemark.store.tables import KINDS, Kind, generation_tags, workers


def all_nouns(root: type[Noun] = Noun) -> set[type[Noun]]:
    return {child for kind in root.__subclasses__() for child in (kind, *all_nouns(kind))}


def test_every_noun_has_a_table_of_its_own() -> None:
    assert set(KINDS) == {noun for noun in all_nouns() if noun.__module__.startswith("platemark.core.")}
    assert len({kind.table for kind in KINDS.values()}) == len(KINDS)


@pytest.mark.parametrize(("noun", "kind"), KINDS.items(), ids=lambda value: getattr(value, "__name__", None))
def test_columns_are_the_fields_of_the_noun(noun: type[Noun], kind: Kind) -> None:
    assert {column.name for column in kind.table.columns} == set(noun.model_fields)
    for name, field in noun.model_fields.items():
        assert kind.table.c[name].nullable == (NoneType in get_args(field.annotation)), name


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.state], ids=lambda kind: kind.name)
def test_moves_cover_every_state_and_lead_to_states(kind: Kind) -> None:
    assert str(kind.state) in kind.table.c
    assert {new for targets in kind.moves.values() for new in targets} <= set(kind.moves)


def test_samples_have_one_noun_of_every_kind_that_can_be_added() -> None:
    kinds = [type(noun) for noun in sample_nouns("prj_1")]
    assert {kind.__name__ for kind in set(KINDS) - set(kinds)} == {"Event"}
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("noun", sample_nouns("prj_1"), ids=lambda noun: type(noun).__name__)
def test_a_row_becomes_the_noun_again(noun: Noun) -> None:
    assert to_noun(type(noun), to_row(noun, kind_of(type(noun)).table)) == noun


def test_a_moment_is_the_same_whatever_zone_it_was_given_in() -> None:
    engine = create_engine("sqlite://")
    workers.create(engine)
    moment = datetime(2026, 3, 1, 0, 30, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    with engine.begin() as connection:
        row = {"executor_id": "a", "boot_id": "b", "role": "all", "heartbeat_at": moment}
        connection.execute(workers.insert(), row)
        stored = connection.execute(select(workers.c.heartbeat_at)).scalar_one()
    engine.dispose()
    assert stored == moment
    assert stored.tzinfo is UTC


@pytest.mark.parametrize("field", ["id", "project", "tags"])
def test_what_a_noun_is_known_by_never_changes(field: str) -> None:
    generation = sample_generation("prj_1")[1]
    with pytest.raises(ValueError, match=f"{field} of a Generation never changes"):
        changed(generation, kind_of(Generation).table, {field: "other"})


def test_a_noun_without_a_table_is_named() -> None:
    with pytest.raises(TypeError, match="Noun has no table"):
        kind_of(Noun)
    assert "generation" in generation_tags.c
