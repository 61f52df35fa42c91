"""Prompts to embeddings: what pipelines make of plain text, and weights, long texts, clip skip and the cache."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from adapting import LAYERS, drawn, load, write

from platemark.core.errors import ModelUnavailable, Unsupported
from platemark.engine.conditioning.prompts import Encoded, encode, most_clip_skip, not_read
from platemark.engine.memory.loaded import Loaded
from platemark.engine.memory.shelf import Shelf, extras_of
from platemark.engine.models.folder import POCKET

pytestmark = [
    pytest.mark.torch,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers"),
]
Get = Callable[..., Loaded]
FAMILIES = ("sd", "sdxl", "sd3", "sd3_t5")
# More than three chunks of 75 of the tokens of the tiny models, which are letters.
LONG = "a house by the sea and a boat " * 11


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Get:
    folder = tmp_path_factory.mktemp("words")
    return partial(load, folder)


def stock(loaded: Loaded, prompt: str, negative: str | None, **options: Any) -> tuple[torch.Tensor | None, ...]:
    """Prompt, negative, pooled and negative pooled as the pipeline makes them."""
    with torch.no_grad():
        pipeline = loaded.parts
        if loaded.folder.family.pipeline == "StableDiffusionPipeline":
            return *pipeline.encode_prompt(prompt, "cpu", 1, True, negative, **options), None, None
        others = () if loaded.folder.family.denoiser == "unet" else (None, None)
        return pipeline.encode_prompt(prompt, *others, device="cpu", negative_prompt=negative, **options)


def ours(found: Encoded) -> tuple[torch.Tensor | None, ...]:
    return (
        found.prompt_embeds,
        found.negative_prompt_embeds,
        found.pooled_prompt_embeds,
        found.negative_pooled_prompt_embeds,
    )


def same(left: tuple[torch.Tensor | None, ...], right: tuple[torch.Tensor | None, ...]) -> bool:
    return len(left) == len(right) and all(
        torch.equal(one, other) if one is not None and other is not None else one is other
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("negative", ["blurry, grey", "", None])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_plain_prompt_is_what_the_pipeline_makes_of_it_bit_for_bit(get: Get, name: str, negative: str | None):
    loaded = get(name)
    assert same(ours(encode(loaded, ["A red house, 3d"], [negative])), stock(loaded, "A red house, 3d", negative))


@pytest.mark.parametrize("name", ["sdxl", "sd3"])
def test_clip_skip_is_that_of_the_pipeline(get: Get, name: str):
    loaded = get(name)
    found = encode(loaded, ["a red house"], ["blurry"], clip_skip=1)
    assert same(ours(found), stock(loaded, "a red house", "blurry", clip_skip=1))
    assert not torch.equal(found.prompt_embeds, encode(loaded, ["a red house"]).prompt_embeds)


def test_clip_skip_of_the_first_models_is_the_normed_layer_before(get: Get):
    loaded = get("sd")
    encoder, words = loaded.parts.text_encoder, loaded.parts.tokenizer
    ids = words("a red house", padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        states = encoder(ids, output_hidden_states=True).hidden_states
        expected: torch.Tensor = encoder.final_layer_norm(states[-2])
        assert torch.equal(encode(loaded, ["a red house"], clip_skip=1).prompt_embeds, expected)


@pytest.mark.parametrize(("name", "most"), [("sd", LAYERS - 1), ("sdxl", LAYERS - 2), ("sd3", LAYERS - 2)])
def test_leaving_out_more_layers_than_there_are_says_how_many_can_be(get: Get, name: str, most: int):
    loaded = get(name)
    assert most_clip_skip(loaded) == most
    assert encode(loaded, ["a"], clip_skip=most).prompt_embeds.isfinite().all()
    with pytest.raises(Unsupported, match=f"clip_skip of 0 to {most}"):
        encode(loaded, ["a"], clip_skip=most + 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_weight_scales_the_states_of_its_tokens_and_keeps_the_mean_magnitude(get: Get, name: str):
    loaded = get(name)
    plain = encode(loaded, ["red car"]).prompt_embeds[0, :77]
    heavy = encode(loaded, ["(red:2.0) car"]).prompt_embeds[0, :77]
    ratio = (heavy / plain).nanmean(dim=-1)
    assert torch.allclose(ratio[1:4], 2 * ratio[5:8], rtol=1e-4)
    assert torch.allclose(ratio[5:8], ratio[0].expand(3), rtol=1e-4)
    assert plain.abs().mean().item() == pytest.approx(heavy.abs().mean().item(), rel=0.02)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_weight_of_one_changes_nothing(get: Get, name: str):
    loaded = get(name)
    assert same(ours(encode(loaded, ["a (red:1.0) house"])), ours(encode(loaded, ["a red house"])))


@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_a_long_prompt_is_read_in_chunks(get: Get, name: str):
    loaded = get(name)
    found = encode(loaded, [LONG], ["blurry"])
    negative = found.negative_prompt_embeds
    assert negative is not None
    assert found.prompt_embeds.shape[1] == negative.shape[1] == 4 * 77
    assert found.readings[0].unread == 0
    assert not torch.equal(found.prompt_embeds, encode(loaded, [LONG + "at night"]).prompt_embeds)
    short = encode(loaded, ["blurry"]).prompt_embeds[0]
    assert torch.equal(negative[0], short.repeat(4, 1))


def test_words_are_not_cut_at_the_end_of_a_chunk(get: Get):
    loaded = get("sd")
    whole = encode(loaded, ["abcde " * 14 + "uvwxyz"]).prompt_embeds[0]
    fourteen = encode(loaded, ["abcde " * 14]).prompt_embeds[0]
    assert torch.allclose(whole[:77], fourteen, atol=1e-5)
    assert torch.allclose(whole[77:], encode(loaded, ["uvwxyz"]).prompt_embeds[0], atol=1e-5)


def test_without_its_third_encoder_sd3_reads_further_chunks_at_the_length_it_knows(get: Get):
    loaded = get("sd3")
    found = encode(loaded, ["a", LONG[:200]])
    assert found.prompt_embeds.shape[1] == 77 + 256
    assert found.readings[1].unread == 0
    assert not found.prompt_embeds[0, 77:].any()
    assert found.prompt_embeds[1, 77:].any()


def test_with_its_third_encoder_sd3_reads_what_that_one_reads(get: Get):
    found = encode(get("sd3_t5"), ["a " * 200])
    assert found.prompt_embeds.shape[1] == 77 + 256
    assert (found.readings[0].read, found.readings[0].unread) == (255, 145)


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3"])
def test_a_long_neighbour_in_the_batch_does_not_change_a_picture(get: Get, name: str):
    loaded = get(name)
    alone = drawn(loaded, **encode(loaded, ["a red house"], ["grey"]).options())
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in (3, 4)]
    both = encode(loaded, ["a red house", LONG], ["grey", "blurry"])
    pair = drawn(loaded, **both.options(), generator=generators)
    assert (pair[0] - alone[0]).abs().max().item() < 1e-4
    assert (pair[1] - alone[0]).abs().max().item() > 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_ten_thousand_words_are_read_as_far_as_the_model_goes_and_it_is_said(get: Get, name: str):
    loaded = get(name)
    reading = encode(loaded, ["tree " * 10_000]).readings[0]
    assert reading.read <= 8 * 75
    assert reading.unread >= 39_000
    warning = not_read("local/tiny", "prompt", reading)
    assert warning is not None
    assert warning.code == "prompt_truncated"
    assert str(reading.unread) in warning.message


def test_nothing_is_said_of_a_text_that_was_read(get: Get):
    assert not_read("local/tiny", "prompt", encode(get("sd"), [LONG]).readings[0]) is None


@pytest.mark.parametrize("prompt", ["", " ", "()", "\\", "(((", "<|endoftext|> a", "é\u200d\U0001f600"])
def test_odd_texts_are_read(get: Get, prompt: str):
    for name in FAMILIES:
        assert encode(get(name), [prompt], [prompt]).prompt_embeds.isfinite().all()


def test_the_same_text_is_read_once(get: Get):
    loaded = get("sdxl")
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    loaded.parts.text_encoder.register_forward_hook(count)
    first, second = (encode(loaded, ["a red house", "a red house"], ["grey", "grey"]) for _ in range(2))
    assert calls == 2
    assert same(ours(first), ours(second))
    encode(loaded, ["a red house"], clip_skip=1)
    assert calls == 3


def test_a_shelf_keeps_what_was_used_last_and_no_more_than_its_bytes():
    shelf = Shelf[str](10)
    for key in ("a", "b", "a", "c"):
        shelf.get(key, lambda key=key: key * 4, len)
    assert (shelf.bytes, len(shelf)) == (8, 2)
    made: list[str] = []
    for key in ("a", "c", "b"):
        shelf.get(key, lambda key=key: made.append(key) or key * 4, len)
    assert made == ["b"]
    shelf.get("large", lambda: "x" * 99, len)
    assert len(shelf) == 1


def test_what_is_kept_of_prompts_is_bounded(get: Get):
    loaded = get("sd")
    words = extras_of(loaded).words
    words._limit = 40_000
    for number in range(20):
        encode(loaded, [f"house {number}"])
    assert 1 < len(words) < 20
    assert words.bytes <= 40_000


class TestLearnedWords:
    """Textual inversion."""

    @pytest.mark.parametrize("vectors", [1, 3])
    def test_a_learned_word_is_what_diffusers_makes_of_it(self, get: Get, tmp_path: Path, vectors: int):
        learned = torch.randn(vectors, 32, generator=torch.Generator().manual_seed(5))
        file = write(tmp_path / "cat.safetensors", {"<cat>": learned})
        loaded, other = get("sd", embeddings={"<cat>": file}), get("sd")
        found = encode(loaded, ["a <cat>, red"])
        other.parts.load_textual_inversion(str(tmp_path), weight_name=file.name, token="<cat>")
        expected = stock(other, "a <cat>, red", None)[0]
        assert expected is not None
        assert torch.allclose(found.prompt_embeds, expected, atol=1e-6)
        assert not torch.equal(found.prompt_embeds, encode(loaded, ["a cat, red"]).prompt_embeds)

    def test_models_with_several_encoders_take_vectors_for_each(self, get: Get, tmp_path: Path):
        state = {"clip_l": torch.randn(2, 32), "clip_g": torch.randn(2, 32)}
        file = write(tmp_path / "cat.safetensors", state)
        for name in ("sdxl", "sd3", "sd3_t5"):
            loaded = get(name, embeddings={"<cat>": file})
            plain, learned = (encode(loaded, [text]).prompt_embeds for text in ("a cat", "a <cat>"))
            assert not torch.equal(plain[:, :77, :32], learned[:, :77, :32])
            assert not torch.equal(plain[:, :77, 32:], learned[:, :77, 32:])

    def test_weights_and_model_stay_as_they_were(self, get: Get, tmp_path: Path):
        file = write(tmp_path / "cat.safetensors", {"emb_params": torch.randn(2, 32)})
        loaded = get("sd", embeddings={"<cat>": file})
        before, size = encode(loaded, ["a"]).prompt_embeds, len(loaded.parts.tokenizer)
        plain, heavy = (encode(loaded, [text]).prompt_embeds for text in ("<cat>", "(<cat>:1.5)"))
        assert not torch.equal(plain, heavy)
        extras_of(loaded).words.clear()
        assert torch.equal(before, encode(loaded, ["a"]).prompt_embeds)
        assert len(loaded.parts.tokenizer) == size

    @pytest.mark.parametrize(
        ("state", "why"),
        [
            ({"<cat>": torch.zeros(2, 768)}, "width 768 where the model has 32"),
            ({"clip_l": torch.zeros(2, 32), "clip_g": torch.zeros(2, 1280)}, "width 1280"),
            ({"one": torch.zeros(2, 32), "two": torch.zeros(2, 32)}, "one, two and none for clip_l"),
            ({"clip_l": torch.zeros(0, 32), "clip_g": torch.zeros(2, 32)}, "made for another base"),
        ],
    )
    def test_vectors_of_another_base_are_refused(
        self, get: Get, tmp_path: Path, state: dict[str, torch.Tensor], why: str
    ):
        file = write(tmp_path / "cat.safetensors", state)
        loaded = get("sd" if "<cat>" in state else "sdxl", embeddings={"<cat>": file})
        before = encode(loaded, ["a cat"]).prompt_embeds
        with pytest.raises(Unsupported, match=why) as refused:
            encode(loaded, ["a <cat>"])
        assert "<cat>" in refused.value.detail
        extras_of(loaded).words.clear()
        assert torch.equal(before, encode(loaded, ["a cat"]).prompt_embeds)

    def test_a_file_is_opened_when_a_prompt_uses_its_word_and_again_when_it_changed(self, get: Get, tmp_path: Path):
        file = tmp_path / "cat.safetensors"
        file.write_bytes(b"not a model")
        loaded = get("sd", embeddings={"<cat>": file})
        encode(loaded, ["a cat"])
        with pytest.raises(ModelUnavailable, match=r"cat\.safetensors"):
            encode(loaded, ["a <cat>"])
        write(file, {"<cat>": torch.ones(1, 32)})
        first = encode(loaded, ["a <cat>"]).prompt_embeds
        write(file, {"<cat>": torch.randn(2, 32)})
        assert not torch.equal(first, encode(loaded, ["a <cat>"]).prompt_embeds)


def test_pocket_reads_chunks_of_its_own_length(get: Get):
    loaded = load(POCKET.parent, POCKET.name)
    length = loaded.parts.text_encoder.config.max_position_embeddings
    plain = encode(loaded, ["a red house at night"], [""])
    assert same(ours(plain), stock(loaded, "a red house at night", ""))
    found = encode(loaded, ["a red house at night and a green tree, " * 5])
    assert found.prompt_embeds.shape[1] in (2 * length, 4 * length)
    assert found.readings[0].unread == 0
