"""Promise P3, field by field: honoured, refused by name, or dropped aloud. A new field must find its place here."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platemark.core.capability import CHECKS, FREE, check
from platemark.core.errors import InvalidRequest, Unsupported
from platemark.core.generation import Parameters
from platemark.core.model import Capabilities, Model, Operation
from platemark.core.request import GenerationRequest
from platemark.simulate.scripted import Scripted

MODELS = Scripted().models
ABLE, PLAIN = MODELS["scripted/studio"], MODELS["scripted/plain"]
SOURCE = (96, 64)
# A value that says something for every field that reaches the model, and what the request needs besides.
SAID: dict[str, tuple[Any, dict[str, Any]]] = {
    "negative_prompt": ("blurry", {}),
    "width": (128, {}),
    "height": (128, {}),
    "steps": (7, {}),
    "cfg_scale": (3.5, {}),
    "seed": (5, {}),
    "n": (2, {}),
    "operation": ("upscale", {"image": "x"}),
    "image": ("x", {"operation": "image_to_image"}),
    "mask": ("x", {"operation": "inpaint", "image": "x"}),
    "strength": (0.5, {"operation": "image_to_image", "image": "x"}),
    "variation": (0.2, {}),
    "mask_grow": (4, {"operation": "inpaint", "image": "x", "mask": "x"}),
    "mask_feather": (4, {"operation": "inpaint", "image": "x", "mask": "x"}),
    "left": (8, {"operation": "outpaint", "image": "x"}),
    "right": (8, {"operation": "outpaint", "image": "x"}),
    "up": (8, {"operation": "outpaint", "image": "x"}),
    "down": (8, {"operation": "outpaint", "image": "x"}),
    "controls": (({"type": "canny", "image": "x", "strength": 0.5, "start": 0.1, "end": 0.9},), {}),
    "loras": (({"id": "ink", "scale": 0.5},), {}),
    "scheduler": ("euler_a", {}),
    "clip_skip": (2, {}),
    "guidance_rescale": (0.7, {}),
    "vae": ("sharp", {}),
    "reproducible": (True, {}),
}
# These go into the Order or the Generation, not into the parameters.
ELSEWHERE = {"negative_prompt", "seed", "operation", "image", "mask"}
# A control without its picture, which is an input of the generation.
AS_PARAMETERS: dict[str, Any] = {
    "controls": [{"type": "canny", "strength": 0.5, "start": 0.1, "end": 0.9, "preprocess": True}],
    "loras": [{"id": "ink", "scale": 0.5}],
}
# What a model must lack for a field to be dropped. Fields that are not here are never dropped.
TEXT_ONLY = {"operations": frozenset({"text_to_image"})}
LACKING: dict[str, dict[str, Any]] = {
    "negative_prompt": {"negative_prompt": False},
    "seed": {"seed": False},
    "strength": TEXT_ONLY,
    "mask": TEXT_ONLY,
    "variation": {"variation": False},
    "mask_grow": {"mask_edges": False},
    "mask_feather": {"mask_edges": False},
    "controls": {"controls": ()},
    "loras": {"loras": ()},
    "scheduler": {"schedulers": ()},
    "clip_skip": {"clip_skip": False},
    "guidance_rescale": {"guidance_rescale": False},
    "vae": {"vaes": ()},
    "reproducible": {"reproducible": False},
}


def asked(name: str, **more: Any) -> GenerationRequest:
    value, needs = SAID[name]
    return GenerationRequest.model_validate({"prompt": "a house", **needs, name: value, **more})


def least() -> Model:
    """A model that honours as little as a model can."""
    can = Capabilities(
        operations=frozenset(),
        min_size=16,
        max_size=16,
        default_width=16,
        default_height=16,
        max_steps=0,
        max_cfg_scale=0.0,
        max_count=0,
        negative_prompt=False,
        seed=False,
    )
    return Model(id="least/least", provider="least", capabilities=can)


def test_p3_every_field_of_the_request_is_checked_or_says_nothing_to_a_model() -> None:
    checked = {name for name, _ in CHECKS}
    assert checked | FREE == GenerationRequest.model_fields.keys()
    assert not checked & FREE
    assert checked == SAID.keys()


@pytest.mark.parametrize("name", sorted(SAID))
def test_p3_what_a_model_can_do_is_done(name: str) -> None:
    request = asked(name)
    checked = check(request, ABLE, MODELS.values())
    assert (checked.dropped, checked.warnings, checked.kept) == ((), (), request)
    if name not in ELSEWHERE:
        said = checked.parameters(1, SOURCE if request.image else None).said
        assert said[name] == AS_PARAMETERS.get(name, SAID[name][0])


@pytest.mark.parametrize("name", sorted(SAID))
def test_p3_what_a_model_cannot_do_is_refused_by_name_with_the_models_that_can(name: str) -> None:
    with pytest.raises(Unsupported) as caught:
        check(asked(name), least(), [least(), ABLE])
    found = {error.pointer: error for error in caught.value.errors}
    assert f"/{name}" in found
    message = found[f"/{name}"].message
    assert "least/least" in message
    assert "scripted/studio" in message


@pytest.mark.parametrize("name", sorted(LACKING))
def test_p3_what_is_dropped_is_said_and_gone(name: str) -> None:
    model = ABLE.model_copy(update={"capabilities": ABLE.capabilities.model_copy(update=LACKING[name])})
    misplaced = {"operation": "text_to_image", "image": None} if LACKING[name] is TEXT_ONLY else {}
    request = asked(name, on_unsupported="drop", **misplaced)
    checked = check(request, model, [model])
    assert checked.dropped == (name,)
    assert [(warning.code, warning.field) for warning in checked.warnings] == [("field_dropped", name)]
    assert getattr(checked.kept, name) == GenerationRequest.model_fields[name].default
    assert name in ELSEWHERE or name not in checked.parameters(1, SOURCE if request.image else None).said


@pytest.mark.parametrize("name", sorted(SAID.keys() - LACKING.keys()))
def test_p3_what_the_picture_hangs_on_is_never_dropped(name: str) -> None:
    with pytest.raises(Unsupported) as caught:
        check(asked(name, on_unsupported="drop"), least(), [ABLE])
    assert f"/{name}" in {error.pointer for error in caught.value.errors}


def test_every_parameter_comes_from_a_field_of_the_request() -> None:
    assert Parameters.model_fields.keys() <= GenerationRequest.model_fields.keys()


@pytest.mark.parametrize(
    ("operation", "missing"),
    [
        ("image_to_image", {"/image"}),
        ("inpaint", {"/image", "/mask"}),
        ("outpaint", {"/image", "/operation"}),
        ("upscale", {"/image"}),
    ],
)
def test_what_an_operation_needs_is_asked_for_at_once(operation: str, missing: set[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(GenerationRequest.model_validate({"prompt": "x", "operation": operation}), ABLE, [ABLE])
    assert {error.pointer for error in caught.value.errors} == missing
    assert {error.code for error in caught.value.errors} == {"missing"}
    assert not isinstance(caught.value, Unsupported)


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"controls": [{"type": "depth", "image": "x"}]}, "/controls", "no control of type depth"),
        ({"controls": [{"type": "canny", "image": "x"}] * 3}, "/controls", "at most 2 controls"),
        ({"controls": [{"type": "canny", "image": "x", "start": 0.5, "end": 0.5}]}, "/controls", "before its end"),
        (
            {"controls": [{"type": "canny", "image": "x"}], "operation": "upscale", "image": "x"},
            "/controls",
            "no controls for upscale",
        ),
        ({"loras": [{"id": "gold"}]}, "/loras", "no LoRA gold; it has ink, paper"),
        ({"loras": [{"id": "ink"}, {"id": "ink"}]}, "/loras", "ink stands twice"),
        ({"loras": [{"id": "ink"}, {"id": "paper"}, {"id": "ink"}]}, "/loras", "at most 2 LoRAs"),
        ({"vae": "blunt"}, "/vae", "no autoencoder 'blunt'; it has sharp"),
        ({"mask_grow": 3}, "/mask_grow", "no mask_grow for text_to_image"),
        ({"left": 3}, "/left", "no left for text_to_image"),
        ({"width": 100}, "/width", "in multiples of 8"),
    ],
)
def test_limits_are_named(fields: dict[str, Any], pointer: str, words: str) -> None:
    with pytest.raises(Unsupported) as caught:
        check(GenerationRequest.model_validate({"prompt": "x", **fields}), ABLE, [ABLE])
    (error,) = caught.value.errors
    assert error.pointer == pointer
    assert words in error.message


def test_a_provider_with_ids_of_its_own_takes_any_lora() -> None:
    model = ABLE.model_copy(update={"capabilities": ABLE.capabilities.model_copy(update={"any_lora": True})})
    request = GenerationRequest.model_validate({"prompt": "x", "loras": [{"id": "anybody/anything"}]})
    assert check(request, model, [model]).parameters(1).loras[0].id == "anybody/anything"


def size_of(operation: str, source: tuple[int, int] = SOURCE, **fields: Any) -> tuple[int, int]:
    needs = {"image": "x"} | ({"mask": "x"} if operation == "inpaint" else {})
    request = GenerationRequest.model_validate({"prompt": "x", "operation": operation, **needs, **fields})
    made = check(request, ABLE, [ABLE]).parameters(1, source)
    return made.width, made.height


@pytest.mark.parametrize(
    ("operation", "fields", "size"),
    [
        ("image_to_image", {}, (96, 64)),
        ("image_to_image", {"width": 48}, (48, 32)),
        ("image_to_image", {"height": 33}, (50, 33)),
        ("image_to_image", {"width": 31, "height": 77}, (31, 77)),
        ("inpaint", {}, (96, 64)),
        ("inpaint", {"width": 96, "height": 64}, (96, 64)),
        ("outpaint", {"left": 64, "right": 64}, (224, 64)),
        ("outpaint", {"up": 3, "width": 96, "height": 67}, (96, 67)),
        ("upscale", {}, (192, 128)),
        ("upscale", {"width": 288}, (288, 192)),
    ],
)
def test_the_size_follows_from_the_source(operation: str, fields: dict[str, Any], size: tuple[int, int]) -> None:
    assert size_of(operation, **fields) == size


@pytest.mark.parametrize(
    ("operation", "fields", "pointers"),
    [
        ("inpaint", {"width": 64}, ["/width"]),
        ("outpaint", {"left": 8, "width": 96, "height": 65}, ["/width", "/height"]),
        ("upscale", {"width": 95, "height": 64}, ["/width"]),
    ],
)
def test_a_size_that_contradicts_the_source_is_said(
    operation: str, fields: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(InvalidRequest, match="the source has 96 × 64 pixels") as caught:
        size_of(operation, **fields)
    assert [error.pointer for error in caught.value.errors] == pointers


def test_a_source_that_leads_out_of_the_limits_of_the_model_is_said() -> None:
    with pytest.raises(Unsupported, match="4096 × 32") as caught:
        size_of("upscale", (2_048, 16))
    (error,) = caught.value.errors
    assert error.pointer == "/image"
    assert "8 to 2048 pixels, not 4096" in error.message
    assert "2048 × 16" in error.message


def accepted(request: GenerationRequest, source: tuple[int, int] | None) -> Parameters | None:
    try:
        return check(request, ABLE, [ABLE]).parameters(1, source)
    except InvalidRequest:
        return None


@given(
    operation=st.sampled_from(get_args(Operation)),
    source=st.tuples(st.integers(8, 700), st.integers(8, 700)),
    sides=st.tuples(*[st.none() | st.integers(0, 90)] * 4),
    size=st.tuples(*[st.none() | st.integers(2, 256).map(lambda n: n * 8)] * 2),
)
def test_p3_a_size_that_was_asked_for_is_the_result_or_an_error(
    operation: str,
    source: tuple[int, int],
    sides: tuple[int | None, ...],
    size: tuple[int | None, int | None],
) -> None:
    fields: dict[str, Any] = {"prompt": "x", "operation": operation, "width": size[0], "height": size[1]}
    if operation != "text_to_image":
        fields["image"] = "x"
    if operation == "inpaint":
        fields["mask"] = "x"
    if operation == "outpaint":
        fields |= dict(zip(("left", "right", "up", "down"), sides, strict=True))
    made = accepted(GenerationRequest.model_validate(fields), None if operation == "text_to_image" else source)
    if made is None:
        return
    assert size[0] in (None, made.width)
    assert size[1] in (None, made.height)
    assert 8 <= min(made.width, made.height) <= max(made.width, made.height) <= 2_048
    if operation == "outpaint":
        left, right, up, down = (side or 0 for side in sides)
        assert (made.width, made.height) == (source[0] + left + right, source[1] + up + down)
        assert (made.left, made.right, made.up, made.down) == (left, right, up, down)
