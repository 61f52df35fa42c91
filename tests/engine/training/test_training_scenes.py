"""The picture world of the training: renderer, rules of chance and captions."""

import re

import numpy as np
import pytest

from platemark.engine.training.captions import caption
from platemark.engine.training.export import words
from platemark.engine.training.palette import COLOURS
from platemark.engine.training.render import render
from platemark.engine.training.scene import (
    HILLS,
    LIGHTS,
    SETTINGS,
    Light,
    Scene,
    Thing,
    compose,
    held_out,
    sample,
)
from platemark.engine.training.things import CANON, DRAW, KINDS
from platemark.engine.training.vocabulary import THINGS


def drawn(scene: Scene) -> np.ndarray:
    return np.asarray(render(scene)).astype(int)


def scene_of(kind: str, colour: str, background: str = "grey", *, plain: bool = True, light: Light = "day") -> Scene:
    return compose(np.random.default_rng(3), [Thing(kind, colour)], background, plain=plain, light=light)


def test_every_kind_has_a_colour_of_its_own_and_names() -> None:
    assert set(CANON) == set(THINGS) == set(KINDS)
    assert set(CANON.values()) <= set(COLOURS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_seen_in_the_middle_and_shows_its_colour(kind: str) -> None:
    red, blue = drawn(scene_of(kind, "red")), drawn(scene_of(kind, "blue"))
    empty = drawn(compose(np.random.default_rng(3), [], "grey", plain=True))
    assert red.shape == (128, 128, 3)
    seen = np.abs(red - empty).sum(-1) > 30
    assert seen[32:96, 32:96].mean() > 0.15
    # It stays inside of the picture.
    assert not seen[:10].any()
    assert not seen[-10:].any()
    assert (np.abs(red - blue).sum(-1) > 60).mean() > 0.02


def test_no_two_kinds_look_alike() -> None:
    shapes = [np.abs(drawn(scene_of(kind, "red")) - drawn(scene_of("star", "blue"))).clip(0, 60) for kind in DRAW]
    for one, first in enumerate(shapes):
        for second in shapes[one + 1 :]:
            assert np.abs(first - second).mean() > 0.5


@pytest.mark.parametrize("background", [*SETTINGS, HILLS])
def test_light_changes_a_landscape(background: str) -> None:
    day, sunset, night = (drawn(scene_of("house", "red", background, plain=False, light=light)) for light in LIGHTS)
    assert day.mean() > sunset.mean() > night.mean()


def test_a_house_stands_on_the_ground_and_a_balloon_flies() -> None:
    house, balloon = (scene_of(kind, "red", "meadow", plain=False).things[0] for kind in ("house", "balloon"))
    assert house.y + house.radius > 100
    assert balloon.y + balloon.radius < 95


def test_the_same_number_draws_the_same_scene() -> None:
    one, other = (sample(np.random.default_rng(11)) for _ in range(2))
    assert one == other
    assert np.array_equal(drawn(one), drawn(other))


def test_training_never_sees_a_held_out_combination() -> None:
    rng = np.random.default_rng(0)
    assert not any(held_out(t.kind, t.colour, s.label) for s in (sample(rng) for _ in range(300)) for t in s.things)
    assert all(
        held_out(t.kind, t.colour, s.label) for s in (sample(rng, held=True) for _ in range(20)) for t in s.things
    )


def test_a_complete_caption_names_everything() -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        scene = sample(rng, held=True)
        text, thing = caption(scene, rng, complete=True), scene.things[0]
        assert thing.colour in text
        assert any(name in text for name in THINGS[thing.kind])
        if scene.plain:
            assert scene.background.replace("grey", "gr") in text


def test_captions_leave_something_out_at_times() -> None:
    rng = np.random.default_rng(6)
    scene = scene_of("house", "red", "meadow", plain=False, light="sunset")
    texts = {caption(scene, rng) for _ in range(200)}
    assert len(texts) > 100
    assert any("red" in text for text in texts)
    assert any("red" not in text for text in texts)


def test_the_list_of_words_has_every_word_of_the_captions() -> None:
    rng = np.random.default_rng(7)
    known = set(re.findall(r"\w+", re.sub(r"#.*", "", words())))
    said = {word for _ in range(500) for word in re.findall(r"\w+", caption(sample(rng), rng).lower())}
    assert said <= known
