"""Prompts into the embeddings that a pipeline takes: weights, texts past the encoder's length, clip skip, cached."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from platemark.core.base import JsonObject
from platemark.core.errors import Unsupported
from platemark.core.generation import Warning
from platemark.engine.conditioning.embeddings import learned_words, vectors_of
from platemark.engine.conditioning.prompt_syntax import parse
from platemark.engine.conditioning.tokens import Chunk, Token, framed, split, tokens_of
from platemark.engine.memory.loaded import Loaded
from platemark.engine.memory.shelf import extras_of, tensor_bytes

# Text is read in 1, 2, 4 or 8 chunks. Each divides the next, so that texts of a batch become equally long by repeating
# them: cross-attention over the same states twice gives what it gives over them once.
_SIZES = (1, 2, 4, 8)
# SD 3 attends to text and picture together, where repeating would count: its text always has the length it was trained
# with, 77 states of CLIP and 256 of T5. Without T5 its place, else empty, takes further chunks.
_T5_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Reading:
    """How many tokens of a text the model read, and how many at its end it did not."""

    read: int
    unread: int


@dataclass(frozen=True, slots=True)
class Words:
    """One text: states (tokens, width) in `chunks` chunks, pooled (width,) where the model has it. In main memory."""

    states: Tensor
    pooled: Tensor | None
    chunks: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts of one batch: states (count, tokens, width) and pooled (count, width), on the model's device."""

    prompt_embeds: Tensor
    pooled_prompt_embeds: Tensor | None
    negative_prompt_embeds: Tensor | None
    negative_pooled_prompt_embeds: Tensor | None
    readings: tuple[Reading, ...]
    negative_readings: tuple[Reading, ...]

    def options(self) -> JsonObject:
        """Arguments for the pipeline, in place of `prompt`, `negative_prompt` and `clip_skip`."""
        names = ("prompt_embeds", "pooled_prompt_embeds", "negative_prompt_embeds", "negative_pooled_prompt_embeds")
        return {name: tensor for name in names if (tensor := getattr(self, name)) is not None}


def encode(
    loaded: Loaded,
    prompts: Sequence[str],
    negatives: Sequence[str | None] | None = None,
    clip_skip: int | None = None,
) -> Encoded:
    """Embeddings of a batch. `negatives` is None without guidance; its entries are as long as `prompts`.

    What one text comes to does not depend on the others. As in diffusers, `clip_skip` is not for negatives, and a
    negative that is None is all zeros for models that ask for it. Raises Unsupported, ModelUnavailable.
    """
    _check_skip(loaded, clip_skip or 0)
    words = [_kept(loaded, text, clip_skip or 0) for text in prompts]
    against = None if negatives is None else [_negative(loaded, text) for text in negatives]
    chunks = max(one.chunks for one in (*words, *(against or ())))
    device = getattr(loaded.parts, loaded.folder.family.denoiser).device
    states, pooled = _together(words, chunks, device)
    negative_states, negative_pooled = (None, None) if against is None else _together(against, chunks, device)
    return Encoded(
        prompt_embeds=states,
        pooled_prompt_embeds=pooled,
        negative_prompt_embeds=negative_states,
        negative_pooled_prompt_embeds=negative_pooled,
        readings=tuple(one.reading for one in words),
        negative_readings=tuple(one.reading for one in against or ()),
    )


def not_read(model: str, field: str, reading: Reading) -> Warning | None:
    """The warning `prompt_truncated`, where the end of a text did not reach the model."""
    if not reading.unread:
        return None
    return Warning(
        code="prompt_truncated",
        field=field,
        message=f"{model} reads {reading.read} tokens of this {field}; the last {reading.unread} were ignored. Say "
        "what matters first, in fewer words.",
    )


def most_clip_skip(loaded: Loaded) -> int:
    """How many layers can be left out and leave one."""
    spare = 1 if _is_plain(loaded) else 2
    return max(0, min(model.config.num_hidden_layers for _, model in _encoders(loaded)) - spare)


def _check_skip(loaded: Loaded, clip_skip: int) -> None:
    if clip_skip > (most := most_clip_skip(loaded)):
        raise Unsupported(
            f"The text encoder of {loaded.folder.path.name} is too small to leave out {clip_skip} layers. Send a "
            f"clip_skip of 0 to {most}."
        )


def _is_plain(loaded: Loaded) -> bool:
    """SD 1 and 2 take the last layer's normed states; SDXL and SD 3 take the states of the layer before it."""
    return loaded.folder.family.pipeline in ("StableDiffusionPipeline", "StableDiffusionUpscalePipeline")


def _encoders(loaded: Loaded) -> list[tuple[Any, Any]]:
    """The CLIP encoders with their tokenizers."""
    found = (
        (getattr(loaded.parts, f"tokenizer{end}", None), getattr(loaded.parts, f"text_encoder{end}", None))
        for end in ("", "_2")
    )
    return [(tokenizer, model) for tokenizer, model in found if model is not None]


def _negative(loaded: Loaded, text: str | None) -> Words:
    words = _kept(loaded, text or "", 0)
    zeros = loaded.folder.family.pipeline == "StableDiffusionXLPipeline" and loaded.parts.config.get(
        "force_zeros_for_empty_prompt"
    )
    if text is not None or not zeros or words.pooled is None:
        return words
    return Words(torch.zeros_like(words.states), torch.zeros_like(words.pooled), words.chunks, words.reading)


def _kept(loaded: Loaded, text: str, clip_skip: int) -> Words:
    extras = extras_of(loaded)
    dtype = _encoders(loaded)[0][1].dtype
    key = (text, clip_skip, dtype, extras.words_changed_by, learned_words(loaded, text))
    return extras.words.get(key, lambda: _words(loaded, text, clip_skip), _weigh)


def _weigh(words: Words) -> int:
    return tensor_bytes(words.states) + (0 if words.pooled is None else tensor_bytes(words.pooled))


def _together(words: Sequence[Words], chunks: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
    states = torch.stack([one.states.repeat(chunks // one.chunks, 1) for one in words]).to(device)
    pooled = [one.pooled for one in words if one.pooled is not None]
    return states, torch.stack(pooled).to(device) if pooled else None


def _words(loaded: Loaded, text: str, clip_skip: int) -> Words:
    if loaded.folder.family.denoiser == "transformer":
        return _joint_words(loaded, text, clip_skip)
    states, pooled, chunks, reading = _clip(loaded, text, clip_skip, _SIZES)
    return Words(states, pooled[-1], chunks, reading)


def _joint_words(loaded: Loaded, text: str, clip_skip: int) -> Words:
    """SD 3: states of both CLIPs side by side, as wide as T5's, then those of T5."""
    parts = loaded.parts
    width = parts.transformer.config.joint_attention_dim
    length = _length(*_encoders(loaded)[0])
    sizes = (1,) if parts.text_encoder_3 is not None else tuple(range(1, 2 + _T5_LENGTH // length))
    states, pooled, chunks, reading = _clip(loaded, text, clip_skip, sizes)
    states = torch.nn.functional.pad(states, (0, width - states.shape[-1]))
    if parts.text_encoder_3 is None:
        rest = states.new_zeros(_T5_LENGTH - (chunks - 1) * length, width)
    else:
        rest, reading = _t5(loaded, text)
    whole = torch.cat([one for one in pooled if one is not None])
    return Words(torch.cat([states, rest.to(states.dtype)]), whole, 1, reading)


def _clip(
    loaded: Loaded, text: str, clip_skip: int, sizes: Sequence[int]
) -> tuple[Tensor, list[Tensor | None], int, Reading]:
    """States of all CLIP encoders side by side, the pooled state of each, chunks, and what was read."""
    pieces, encoders = parse(text), _encoders(loaded)
    parts: list[list[list[Token]]] = []
    readings: list[Reading] = []
    for tokenizer, model in encoders:
        tokens = tokens_of(tokenizer, pieces, vectors_of(loaded, text, model))
        chunks, unread = split(tokens, _length(tokenizer, model) - 2, sizes[-1])
        parts.append(chunks)
        readings.append(Reading(len(tokens) - unread, unread))
    needed = max(map(len, parts))
    count = next(size for size in sizes if size >= needed)
    states: list[Tensor] = []
    pooled: list[Tensor | None] = []
    for (tokenizer, model), chunks in zip(encoders, parts, strict=True):
        length = _length(tokenizer, model)
        padded = [*chunks, *[list[Token]()] * (count - len(chunks))]
        state, pool = _states([framed(one, tokenizer, length) for one in padded], model, clip_skip, _is_plain(loaded))
        states.append(state)
        pooled.append(pool)
    # All as the encoder is that the pipeline asks for its number format.
    dtype = encoders[-1 if loaded.folder.family.denoiser == "unet" else 0][1].dtype
    together = torch.cat([state.to(dtype) for state in states], dim=-1)
    return together, pooled, count, max(readings, key=lambda reading: reading.unread)


def _length(tokenizer: Any, model: Any) -> int:
    return min(tokenizer.model_max_length, model.config.max_position_embeddings)


def _states(chunks: Sequence[Chunk], model: Any, clip_skip: int, plain: bool) -> tuple[Tensor, Tensor | None]:
    """States (tokens of all chunks, width), and the pooled state of the first chunk where the encoder projects one."""
    ids = torch.tensor([chunk.ids for chunk in chunks], device=model.device)
    mask = None
    if plain and getattr(model.config, "use_attention_mask", False):
        mask = torch.tensor([chunk.mask for chunk in chunks], device=model.device)
    with torch.no_grad(), _standing_in(model, [chunk.vectors for chunk in chunks]):
        output = model(ids, attention_mask=mask, output_hidden_states=not plain or clip_skip > 0)
        pooled = None if plain or output[0].ndim != 2 else output[0][0].cpu()
        if not plain:
            states = output.hidden_states[-(clip_skip + 2)]
        elif clip_skip:
            norm = getattr(model, "text_model", model).final_layer_norm
            states = norm(output.hidden_states[-(clip_skip + 1)])
        else:
            states = output[0]
        return _weighed(states, chunks).flatten(0, 1).cpu(), pooled


def _t5(loaded: Loaded, text: str) -> tuple[Tensor, Reading]:
    tokenizer, model = loaded.parts.tokenizer_3, loaded.parts.text_encoder_3
    tokens = tokens_of(tokenizer, parse(text), vectors_of(loaded, text, model))
    read, unread = tokens[: _T5_LENGTH - 1], max(0, len(tokens) - _T5_LENGTH + 1)
    chunk = framed(read, tokenizer, _T5_LENGTH, opened=False)
    with torch.no_grad(), _standing_in(model, [chunk.vectors]):
        states = model(torch.tensor([chunk.ids], device=model.device))[0]
        return _weighed(states, [chunk])[0].cpu(), Reading(len(read), unread)


def _weighed(states: Tensor, chunks: Sequence[Chunk]) -> Tensor:
    """States times their weights; then each chunk is scaled so that its mean magnitude is what it was.

    The magnitude, where some programs take the plain mean: that can be near zero, and dividing by it would explode.
    """
    if not any(chunk.weighted for chunk in chunks):
        return states
    weights = torch.tensor([chunk.weights for chunk in chunks], device=states.device).unsqueeze(-1)
    exact = states.float()
    heavy = exact * weights
    before, after = (tensor.abs().mean(dim=(1, 2), keepdim=True) for tensor in (exact, heavy))
    return (heavy * torch.where(after > 0, before / after, 1.0)).to(states.dtype)


@contextmanager
def _standing_in(model: Any, vectors: Sequence[Mapping[int, Tensor]]) -> Generator[None]:
    """The encoder's own embeddings of some positions are replaced by learned vectors; its weights stay as they are."""
    if not any(vectors):
        yield
        return

    def replace(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        output = output.clone()
        for row, found in enumerate(vectors):
            for place, vector in found.items():
                output[row, place] = vector.to(output)
        return output

    hook = model.get_input_embeddings().register_forward_hook(replace)
    try:
        yield
    finally:
        hook.remove()
