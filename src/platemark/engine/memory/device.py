"""The device of this process: which one, in which number format, how much memory, and what makes it faster."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

# What models may take of the memory that there is, when the setting says nothing. The rest is for drawing with them.
_DEVICE_SHARE = 0.75
_MEMORY_SHARE = 0.5
# How far a product of numbers with 8 bits may be from the exact one; a broken format is off by far more.
_TOLERANCE = 0.05
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def choose() -> tuple[str, torch.dtype]:
    """CUDA, else Apple's GPU, else the processor; and the narrowest number format that computes rightly there."""
    device, wanted = _best()
    return device, wanted if wanted == torch.float32 or is_sound(device, wanted) else torch.float32


def is_sound(device: str, dtype: torch.dtype) -> bool:
    """Whether a product and a convolution in this format come out as they should."""
    numbers = torch.Generator().manual_seed(0)
    exact = torch.randn(1, 8, 16, 16, generator=numbers)
    filters = torch.randn(8, 8, 3, 3, generator=numbers)
    convolve: Any = torch.nn.functional.conv2d
    try:
        found = convolve(exact.to(device, dtype), filters.to(device, dtype), padding=1)
        found = (found.flatten(1) @ found.flatten(1).T / found.numel()).float().cpu()
    except (RuntimeError, NotImplementedError):
        return False
    wanted = convolve(exact, filters, padding=1)
    wanted = wanted.flatten(1) @ wanted.flatten(1).T / wanted.numel()
    return bool(torch.isfinite(found).all()) and torch.allclose(found, wanted, rtol=_TOLERANCE)


def limits(device: str, asked: int | None) -> tuple[int, int | None]:
    """Bytes for models on the device, and in the memory beside it; None where the device computes in that memory."""
    machine = machine_bytes()
    if device != "cuda":
        return asked or int(machine * _MEMORY_SHARE), None
    return asked or int(torch.cuda.mem_get_info()[1] * _DEVICE_SHARE), int(machine * _MEMORY_SHARE)


def machine_bytes(limits: Sequence[Path] = _CGROUPS) -> int:
    """The memory of this machine, or of the container that this process lives in; `limits` are files that say it."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in limits:
        with suppress(OSError, ValueError):
            found.append(int(file.read_text()))
    return min(found)


def prepare(device: str, speed: str) -> bool:
    """Set this process up for `speed`; say whether that changes anything here. `exact` leaves every default.

    On a processor `fast` does nothing: channels_last brought 1.0x there, and compiling 1.18x after five minutes.
    """
    if speed != "fast" or device != "cuda":
        return False
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    return True


def hasten(pipeline: Any) -> None:
    """Channels last for what convolves, and the blocks that repeat compiled, which takes seconds instead of minutes."""
    for name in ("unet", "vae"):
        if (part := getattr(pipeline, name, None)) is not None:
            part.to(memory_format=torch.channels_last)
    if getattr(pipeline, "unet", None) is not None:
        pipeline.unet.compile_repeated_blocks(dynamic=True)
    elif getattr(pipeline, "transformer", None) is not None:
        # Its class names no repeated blocks.
        for block in pipeline.transformer.transformer_blocks:
            block.compile(dynamic=True)


def _best() -> tuple[str, torch.dtype]:
    if torch.cuda.is_available():
        return "cuda", torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if torch.backends.mps.is_available():
        return "mps", torch.float32
    return "cpu", torch.bfloat16 if _cpu_has_bfloat16() else torch.float32


def _cpu_has_bfloat16() -> bool:
    """Without these instructions bfloat16 is emulated, and slower than float32."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)
