import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pictures import BOUNDS, encoded, house, noise
from platemark.core.errors import InvalidImage
from platemark.core.model import OutputFormat
from platemark.imaging.decode import normalise
from platemark.imaging.fingerprint import dihedral, distance, look_of, pdq, pdq_of, ways
from platemark.imaging.parts import core_of

HASH = st.binary(min_size=32, max_size=32).map(bytes.hex)


def hash_of(image: Image.Image, format: str = "PNG", **options: int) -> str:
    return pdq(encoded(image, format, **options), **BOUNDS)[0]


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
@pytest.mark.parametrize("picture", [noise(700), house(700)])
def test_recompression_and_scaling_stay_near(picture: Image.Image, format: str) -> None:
    original = hash_of(picture)
    assert len(original) == 64
    assert distance(original, hash_of(picture, format, quality=50)) <= 31
    assert distance(original, hash_of(picture.resize((350, 350)), format, quality=80)) <= 31


def test_other_pictures_are_far() -> None:
    hashes = [hash_of(noise(256, seed)) for seed in range(8)]
    assert all(distance(one, other) > 64 for one in hashes for other in hashes if one is not other)


def test_quality_says_when_a_picture_is_too_flat_to_match() -> None:
    assert pdq(encoded(Image.new("RGB", (256, 256), (90, 90, 90))), **BOUNDS)[1] < 50
    assert pdq(encoded(noise()), **BOUNDS)[1] >= 50


def test_what_is_no_image_has_no_fingerprint() -> None:
    with pytest.raises(InvalidImage):
        pdq(b"no image", **BOUNDS)


@given(HASH, HASH)
def test_distance_is_a_metric(one: str, other: str) -> None:
    assert distance(one, one) == 0
    assert distance(one, other) == distance(other, one)
    assert 0 <= distance(one, other) <= 256


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_the_pixels_of_a_normalised_picture_give_the_hash_of_its_file(mode: str, format: OutputFormat) -> None:
    for source in ("PNG", "JPEG") if mode in ("RGB", "L") else ("PNG",):
        normal = normalise(encoded(house().convert(mode), source), format, **BOUNDS)
        kept = format == "png" or (source == "JPEG" and format == "jpeg" and mode == "RGB")
        assert (normal.pixels is not None) == kept
        if normal.pixels is not None:
            assert pdq_of(normal.pixels) == pdq(normal.data, **BOUNDS)


def test_the_ways_that_a_picture_can_lie_follow_from_its_hash() -> None:
    for seed in range(6):
        turned = dihedral(noise(300, seed))[0]
        known = ways(turned[0])
        assert len(set(known)) == 8
        assert known[0] == turned[0]
        assert all(min(distance(way, other) for other in known) <= 24 for way in turned)


@given(HASH)
def test_turning_back_gives_the_hash_again(hash: str) -> None:
    assert all(hash in ways(way) for way in ways(hash))


def test_looks_are_hash_quality_and_middle_at_once() -> None:
    picture = noise(400)
    assert look_of(picture, parts=True) == (*pdq_of(picture), core_of(picture))
    assert look_of(picture, parts=False)[2] is None
    assert look_of(Image.new("RGB", (64, 64)), parts=True)[2] is None
