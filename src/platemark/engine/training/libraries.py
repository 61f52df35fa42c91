"""The libraries that say little about their types, met here once and then used as they are documented."""

from typing import Any, TypeAlias

import diffusers as _diffusers
import peft as _peft
import safetensors.torch as _safetensors
import torch as _torch
import transformers as _transformers

diffusers: Any = _diffusers
peft: Any = _peft
safetensors: Any = _safetensors
torch: Any = _torch
transformers: Any = _transformers

# A torch.Tensor; docstrings give its sizes.
Tensor: TypeAlias = Any
