"""The device and the models on it: number formats, limits, what `fast` changes, a model in float32 for a while."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import sd, sd3

from platemark.engine.memory import device
from platemark.engine.memory.loaded import Loaded
from platemark.engine.models.folder import POCKET, read_folder

pytestmark = [
    pytest.mark.torch,
    pytest.mark.timeout(300),
    # The child runs with warnings off; here the tiny schedulers are called outdated, and torch's own code too.
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]


def test_number_formats_are_tried_before_they_are_used() -> None:
    assert device.is_sound("cpu", torch.float32)
    assert device.is_sound("cpu", torch.bfloat16)
    # Nothing convolves in it.
    assert not device.is_sound("cpu", torch.float8_e4m3fn)


def test_models_get_what_is_asked_for_or_a_share_of_the_machine() -> None:
    assert device.limits("cpu", 12345) == (12345, None)
    share, beside = device.limits("cpu", None)
    assert 0 < share < device.machine_bytes()
    assert beside is None


def test_fast_changes_nothing_on_a_processor() -> None:
    assert not device.prepare("cpu", "fast")
    assert not device.prepare("cuda", "exact")


@pytest.mark.parametrize(("make", "part", "kind"), [(sd, "unet", "Basic"), (sd3, "transformer", "Joint")])
def test_the_blocks_that_repeat_are_the_ones_to_be_compiled(make: Any, part: str, kind: str) -> None:
    pipeline = make()
    device.hasten(pipeline)
    compiled = [
        type(module).__name__
        for module in getattr(pipeline, part).modules()
        if getattr(module, "_compiled_call_impl", None) is not None
    ]
    assert compiled
    assert all(name.startswith(kind) for name in compiled)
    decoder = pipeline.vae.decoder.conv_in.weight
    assert decoder.is_contiguous(memory_format=torch.channels_last)


def test_a_model_is_float32_for_a_while_and_then_the_very_tensors_that_it_was() -> None:
    pipeline = sd().to(torch.bfloat16)
    loaded = Loaded(read_folder(POCKET), pipeline, torch.bfloat16)
    weights = dict(pipeline.unet.named_parameters())
    before = {name: (weight.data_ptr(), weight.clone()) for name, weight in weights.items()}
    size = loaded.bytes
    with suppress(KeyError), loaded.in_float32():
        assert {weight.dtype for weight in weights.values()} == {torch.float32}
        assert (loaded.dtype, pipeline.unet.dtype, pipeline.vae.dtype) == (torch.float32,) * 3
        assert loaded.bytes > 1.9 * size
        raise KeyError
    assert loaded.dtype == torch.bfloat16
    assert loaded.bytes == size
    for name, (place, value) in before.items():
        assert weights[name].data_ptr() == place
        assert torch.equal(weights[name], value)


@pytest.mark.parametrize(("text", "limited"), [("1000\n", True), ("max\n", False)])
def test_the_memory_of_a_container_is_its_limit(tmp_path: Path, text: str, limited: bool) -> None:
    file = tmp_path / "memory.max"
    file.write_text(text)
    found = device.machine_bytes((file, tmp_path / "absent"))
    assert (found == 1000) is limited
