"""The taxonomies: every category leads to a code of ours, and numbers grow only upwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platemark.core.errors import Misconfigured
from platemark.core.moderation import REASON_CODES
from platemark.detectors.services import KINDS
from platemark.detectors.taxonomy import BLOCK, LABEL, REVIEW, Category, Taxonomy, taxonomies
from platemark.simulate import azure_content_safety, openai_moderation
from platemark.yamlfile import read_yaml


def test_every_vendor_has_one() -> None:
    assert taxonomies().keys() == KINDS.keys()
    for taxonomy in taxonomies().values():
        assert taxonomy.source
        assert taxonomy.date >= "2026-01-01"
        assert {known.code for known in taxonomy.categories.values()} <= set(REASON_CODES)


def test_the_vendors_own_categories_are_all_known() -> None:
    assert taxonomies()["openai_moderation"].categories.keys() == openai_moderation.CATEGORIES.keys()
    assert taxonomies()["azure_content_safety"].categories.keys() == azure_content_safety.CATEGORIES.keys()


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(numbers=st.lists(st.floats(0, 7), min_size=2, max_size=8))
def test_numbers_never_fall_while_the_vendors_rise(kind: str, numbers: list[float]) -> None:
    taxonomy = taxonomies()[kind]
    for category in taxonomy.categories:
        ours = [taxonomy.measure(category, raw)[1] for raw in sorted(numbers)]
        assert ours == sorted(ours)
        assert all(0 <= number <= 1 for number in ours)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_marks_become_the_marks_of_the_policy(kind: str) -> None:
    taxonomy = taxonomies()[kind]
    for name, known in taxonomy.categories.items():
        assert taxonomy.measure(name, known.block)[1] >= BLOCK
        lowest = known.label or known.review or known.block
        assert taxonomy.measure(name, lowest * 0.99)[1] == 0
        if known.label is not None:
            assert taxonomy.measure(name, known.label)[1] >= LABEL
        if known.review is not None:
            assert taxonomy.measure(name, known.review)[1] >= REVIEW


def test_small_numbers_about_children_do_not_block() -> None:
    assert taxonomies()["openai_moderation"].measure("sexual/minors", 0.02) == ("MINOR_SAFETY", 0.0)
    assert taxonomies()["openai_moderation"].measure("sexual/minors", 0.31)[1] >= BLOCK


def test_the_code_may_follow_the_severity() -> None:
    azure = taxonomies()["azure_content_safety"]
    assert [azure.measure("Sexual", raw)[0] for raw in (2, 4, 6)] == [
        "SEXUAL_SUGGESTIVE",
        "SEXUAL_EXPLICIT",
        "SEXUAL_EXPLICIT",
    ]
    assert [azure.measure("Violence", raw)[0] for raw in (2, 4, 6)] == ["VIOLENCE", "VIOLENCE", "GORE"]


def test_what_is_unknown_has_its_share_of_the_scale() -> None:
    assert taxonomies()["azure_content_safety"].measure("Novel", 3) == ("PROVIDER_UNSPECIFIED", 0.5)
    assert taxonomies()["hive"].ignores("no_smoking")
    assert not taxonomies()["hive"].ignores("yes_smoking")


@pytest.mark.parametrize(
    "category", ["{code: NOTHING, block: 1}", "{code: GORE, review: 2, block: 1}", "{code: GORE, label: 0, block: 1}"]
)
def test_mistakes_in_the_file_are_told(category: str) -> None:
    text = f'version: "1"\nsource: x\ndate: x\nscale: x\ntop: 1\ncategories:\n  one: {category}\n'
    with pytest.raises(Misconfigured, match="one"):
        read_yaml(text, Taxonomy, where="test.yaml")
    assert Category(code="GORE", block=1).points(1)
