"""The readiness report: complete for every vendor, and true to what its adapter does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import pytest

from platemark.providers.catalogue import Declared, check
from platemark.providers.hosted import VENDORS
from platemark.providers.http import Call
from platemark.providers.outcomes import Row
from platemark.providers.readiness import PROMPT, report, row_in_words, smallest_order
from platemark.providers.stability import MODELS, Stability
from platemark.providers.vendor import About, Vendor


@pytest.mark.parametrize("name", sorted(VENDORS))
def test_every_vendor_can_be_reported(name: str) -> None:
    make, public = VENDORS[name]
    vendor = make()
    found = report(vendor, base_url=public)
    assert [each.id for each in found.models] == sorted(vendor.models)
    assert [one.route for one in found.models] == [vendor.models[one.id].route for one in found.models]
    assert all(one.operations for one in found.models)
    assert len(found.safety) >= sum(row.outcome in ("prompt_blocked", "output_blocked") for row in vendor.table)
    assert found.authentication.place is not None or not vendor.needs_key
    told = found.model_dump_json()
    # What the report is made with does not stand in it.
    assert "probe" not in told
    assert PROMPT not in told


@pytest.mark.parametrize("name", sorted(VENDORS))
def test_the_smallest_request_is_one_that_the_model_takes(name: str) -> None:
    for model in VENDORS[name][0]().models.values():
        order = smallest_order(model)
        drawn_from_text = "text_to_image" in model.capabilities.operations and not model.min_controls
        assert (order is not None) == drawn_from_text, model.model
        if order is not None:
            check(order, model)


def test_the_smallest_request_is_small_and_has_few_steps() -> None:
    order = smallest_order(MODELS["stability/sdxl-1.0"])
    assert order is not None
    least = min(width * height for width, height in MODELS["stability/sdxl-1.0"].sizes)
    assert order.parameters.width * order.parameters.height == least
    assert order.parameters.steps == 10


@dataclass(frozen=True)
class Keyed(Stability):
    """The vendor with another place for its key."""

    put: Callable[[Call, str], Call] = lambda call, key: call
    about: About = About(scopes="one project", not_verified=("everything",))  # noqa: RUF009

    def authorise(self, call: Call, key: str) -> Call:
        return self.put(call, key)


def bare(call: Call, key: str) -> Call:
    return replace(call, headers={"Authorization": key})


def in_body(call: Call, key: str) -> Call:
    if call.json is None:
        raise TypeError("only JSON")
    return replace(call, json={**call.json, "key": key})


def in_query(call: Call, key: str) -> Call:
    return replace(call, query={"api_key": key})


def basic(call: Call, key: str) -> Call:
    return replace(call, headers={"authorization": f"Basic {key.encode().hex()}"})


def in_path(call: Call, key: str) -> Call:
    return replace(call, path=f"/{key}{call.path}")


@pytest.mark.parametrize(
    ("put", "place"),
    [
        (bare, ("header", "Authorization", None)),
        (in_body, ("body", "key", None)),
        (in_query, ("query", "api_key", None)),
        (basic, ("header", "authorization", "Basic")),
        (in_path, ("path", None, None)),
    ],
)
def test_where_a_key_goes_is_found(put: Callable[[Call, str], Call], place: tuple[str, ...]) -> None:
    found = report(Keyed(put=put)).authentication
    assert (found.place, found.name, found.scheme) == place
    assert found.scopes == "one project"


def test_a_key_that_is_nowhere_is_not_made_up() -> None:
    found = report(Keyed())
    assert (found.authentication.needed, found.authentication.place) == (True, None)
    assert "everything" in found.not_verified
    assert "what keys can be limited to" not in found.not_verified


def test_refusals_are_those_of_the_table_and_of_blank_pictures() -> None:
    blank = {id: replace(model, blank_means_blocked=True) for id, model in MODELS.items()}
    shown = [(one.outcome, one.shows) for one in report(Stability(models=blank)).safety]
    assert ("prompt_blocked", "HTTP 403, `name` has `content_moderation`") in shown
    assert shown[-1] == ("output_blocked", "a black or single-coloured picture")
    assert {one.error for one in report(Stability()).safety} == {"blocked_by_provider"}
    silent = report(Stability(table=()))
    assert silent.safety == ()
    assert any("how a block shows" in text for text in silent.not_verified)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row("ok"), "every answer"),
        (Row("ok", (400, 422), body={"": "nsfw"}), "HTTP 400 or 422, the body has `nsfw`"),
        (Row("ok", header={"finish": "X"}, body={"a.b": "c"}), "header `finish` has `X`, `a.b` has `c`"),
    ],
)
def test_rows_are_said_in_words(row: Row, words: str) -> None:
    assert row_in_words(row) == words


def test_what_has_no_price_is_named_unless_it_is_free() -> None:
    unpriced = {id: replace(model, price=None) for id, model in MODELS.items()}
    assert any(text.startswith("the price of ") for text in report(Stability(models=unpriced)).not_verified)
    free = report(Stability(models=unpriced, free_repeat=True))
    assert not any(text.startswith("the price of ") for text in free.not_verified)
    assert (free.repeats.free, free.repeats.on_unknown) == (True, "retry")


def test_a_vendor_without_models_or_words_has_a_report() -> None:
    found = report(cast(Vendor, replace(Stability(models=dict[str, Declared]()), about=cast(About, None))))
    assert (found.models, found.request, found.response.delivers) == ((), None, None)
    assert found.response.cancels is None
