"""Headers of safetensors files are read without trust: what is not one is said, whatever it is."""

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from weights_files import header_of, write_raw, write_shapes

from platemark.core.errors import ModelUnavailable
from platemark.engine.models.folder import POCKET
from platemark.engine.models.headers import Tensor, printable, read_header

GOOD = header_of({"a": (2, 3), "b": (), "c": (0, 5)})
UNET = POCKET / "unet" / "diffusion_pytorch_model.safetensors"
many = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
library: Any = safetensors


def test_a_header_names_kinds_shapes_and_metadata(tmp_path: Path) -> None:
    header = read_header(write_shapes(tmp_path / "x.safetensors", {"a": (2, 3), "b": ()}, {"by": "me"}))
    assert header.tensors == {"a": Tensor("F16", (2, 3)), "b": Tensor("F16", ())}
    assert (header.tensors["a"].numbers, header.tensors["a"].bytes, header.metadata) == (6, 12, {"by": "me"})
    assert header.size == header.path.stat().st_size
    assert sum(tensor.bytes for tensor in read_header(UNET).tensors.values()) < UNET.stat().st_size


def twin() -> bytes:
    one = json.dumps(GOOD["a"])
    return f'{{"a":{one},"a":{one}}}'.encode()


def changed(**values: object) -> bytes:
    return json.dumps({"a": GOOD["a"] | values}).encode()


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (twin(), "a name occurs twice"),
        (b"[]", "no table"),
        (b"null", "no table"),
        (b'{"__metadata__":[1]}', "metadata is no table"),
        (b'{"a":{}}', "'a' is no tensor"),
        (changed(more=1), "'a' is no tensor"),
        (changed(dtype="Q4"), "unknown number format"),
        (changed(dtype=["F16"]), "unknown number format"),
        (changed(shape=[-2, -3]), "impossible shape"),
        (changed(shape=[2.0, 3.0]), "impossible shape"),
        (changed(shape=[True, 6]), "impossible shape"),
        (changed(shape="23"), "impossible shape"),
        (changed(shape=[1] * 17), "impossible shape"),
        (changed(shape=[2**63, 2**63]), "impossible shape"),
        (changed(shape=[2**62, 2**62]), "does not fit its bytes"),
        (changed(data_offsets=[12, 0]), "does not fit its bytes"),
        (changed(data_offsets=[-12, 0]), "impossible shape"),
        (changed(data_offsets=[0]), "impossible shape"),
        (changed(data_offsets=[2, 14]), "overlap or leave holes"),
        (json.dumps({"a": GOOD["a"], "b": GOOD["a"]}).encode(), "overlap or leave holes"),
        (changed(shape=[2, 3], data_offsets=[0, 10**30]), "impossible shape"),
        (b'{"a":1e999999}', "no tensor"),
        (b'{"a":' + b"9" * 5000 + b"}", "not a readable"),
        (b"\xff\xfe{", "not a readable"),
        (b'{"a":' * 50_000, "not a readable"),
    ],
)
def test_a_header_that_cannot_be_true_is_refused_with_the_reason(tmp_path: Path, header: bytes, words: str) -> None:
    path = write_raw(tmp_path / "x.safetensors", header, 12)
    with pytest.raises(ModelUnavailable, match=words) as caught:
        read_header(path)
    assert str(path) in caught.value.detail


def test_an_absurdly_long_header_is_not_read_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.write((100 * 1024 * 1024).to_bytes(8, "little"))
        file.truncate(8 + 100 * 1024 * 1024)
    with pytest.raises(ModelUnavailable, match="longer than the file or than any model's"):
        read_header(path)


def test_a_file_that_is_longer_than_its_header_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="changed afterwards"):
        read_header(write_raw(tmp_path / "x.safetensors", json.dumps(GOOD).encode(), 15))


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.safetensors"):
        with pytest.raises(ModelUnavailable, match="not a readable"):
            read_header(path)


def test_a_strange_name_stays_on_its_line(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a\n\x1b[2Jb\udcff.safetensors", b"[]")
    with pytest.raises(ModelUnavailable) as caught:
        read_header(path)
    assert caught.value.detail.isprintable()
    caught.value.detail.encode()
    assert printable("café") == "café"


def check(path: Path, data: bytes) -> bool:
    """Whether it is read. Anything but ModelUnavailable ends the test."""
    path.write_bytes(data)
    try:
        read_header(path)
    except ModelUnavailable:
        return False
    return True


@many
@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_in_another_way(tmp_path: Path, data: bytes) -> None:
    check(tmp_path / "x.safetensors", data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["F16", "I8"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.text(max_size=4) | st.just("__metadata__")
numbers = st.lists(st.integers(-1, 6) | st.just(2**64), max_size=3)
entries = st.fixed_dictionaries(
    {"dtype": st.sampled_from(["F16", "I8", "F4", "U64", "?"]), "shape": numbers, "data_offsets": numbers}
)


@many
@given(st.dictionaries(names, entries | anything, max_size=4), st.integers(0, 20))
def test_what_is_read_is_what_the_library_reads_too(tmp_path: Path, header: dict[str, Any], body: int) -> None:
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    data = len(text).to_bytes(8, "little") + text + bytes(body)
    if check(tmp_path / "x.safetensors", data) and "__metadata__" not in header:
        library.deserialize(data)


@many
@given(st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_one_wrong_byte_or_a_cut_never_fails_in_another_way(tmp_path: Path, place: int, value: int, cut: int) -> None:
    text = json.dumps(GOOD).encode()
    data = bytearray(len(text).to_bytes(8, "little") + text + bytes(14))
    assert check(tmp_path / "x.safetensors", bytes(data))
    data[place % len(data)] = value
    check(tmp_path / "x.safetensors", bytes(data))
    assert not check(tmp_path / "x.safetensors", bytes(data)[: cut % len(data)])
