"""LoRAs, autoencoders and ControlNets: as diffusers applies them, gone afterwards, refused where they do not fit."""

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import adapting
import pytest
import torch
from adapting import (
    Factors,
    as_diffusers_draws,
    drawn,
    factors,
    kohya_layout,
    lib,
    load,
    peft_layout,
    processor_layout,
    weights,
    write,
)

from platemark.core.errors import ModelUnavailable, Unsupported
from platemark.core.generation import LoraUse
from platemark.engine.conditioning.adapters import controlnets_of, vae_of, with_adapters
from platemark.engine.conditioning.prompts import encode
from platemark.engine.memory.loaded import Loaded
from platemark.engine.memory.shelf import bytes_of, drop_extras, extras_bytes, extras_of

pytestmark = [
    pytest.mark.torch,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers"),
]
Get = Callable[..., Loaded]
DENOISER = {"sd": "unet", "sdxl": "unet", "sd3": "transformer"}


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Get:
    folder = tmp_path_factory.mktemp("adapted")
    return partial(load, folder)


def picture(loaded: Loaded) -> torch.Tensor:
    return drawn(loaded, **encode(loaded, ["a red house"], ["grey"]).options())


def adapted(loaded: Loaded, *uses: tuple[str, float]) -> torch.Tensor:
    with with_adapters(loaded, [LoraUse(id=name, scale=scale) for name, scale in uses]):
        return picture(loaded)


def far(left: torch.Tensor, right: torch.Tensor) -> float:
    return (left - right).abs().max().item()


LAYOUTS: list[tuple[str, tuple[str, ...], Callable[[Factors], dict[str, torch.Tensor]]]] = [
    ("sd", ("unet",), processor_layout),
    ("sd", ("unet", "text_encoder"), peft_layout),
    ("sd", ("unet", "text_encoder"), kohya_layout),
    ("sdxl", ("unet", "text_encoder", "text_encoder_2"), peft_layout),
    ("sdxl", ("unet", "text_encoder_2"), kohya_layout),
    ("sd3", ("transformer", "text_encoder_2"), peft_layout),
]


@pytest.mark.parametrize(("name", "components", "layout"), LAYOUTS)
def test_a_lora_does_what_diffusers_does_with_it_and_leaves_nothing_behind(
    get: Get,
    tmp_path: Path,
    name: str,
    components: tuple[str, ...],
    layout: Callable[[Factors], dict[str, torch.Tensor]],
):
    file = write(tmp_path / "look.safetensors", layout(factors(get(name), *components)))
    loaded = get(name, loras={"look": file})
    before, plain = weights(loaded), picture(loaded)
    ours = adapted(loaded, ("look", 0.7))
    assert far(ours, plain) > 0.01
    assert torch.equal(plain, picture(loaded))
    assert before.keys() == weights(loaded).keys()
    assert all(torch.equal(before[key], weight) for key, weight in weights(loaded).items())
    assert far(ours, as_diffusers_draws(get(name), [(file, 0.7)], picture)) < 1e-4


def test_a_lora_may_change_convolutions(get: Get, tmp_path: Path):
    state: dict[str, torch.Tensor] = {}
    for name, layer in get("sd").parts.unet.named_modules():
        if name.endswith((".conv1", ".conv_shortcut", "downsamplers.0.conv")):
            state[f"unet.{name}.lora_A.weight"] = torch.randn(2, *layer.weight.shape[1:]) * 0.2
            state[f"unet.{name}.lora_B.weight"] = torch.randn(len(layer.weight), 2, 1, 1) * 0.2
    file = write(tmp_path / "look.safetensors", state)
    loaded = get("sd", loras={"look": file})
    ours, plain = adapted(loaded, ("look", 0.7)), picture(loaded)
    assert far(ours, plain) > 0.01
    assert far(ours, as_diffusers_draws(get("sd"), [(file, 0.7)], picture)) < 1e-4


def test_several_loras_add_up(get: Get, tmp_path: Path):
    one, two = (
        write(tmp_path / f"{seed}.safetensors", peft_layout(factors(get("sd"), part, rank=seed, seed=seed)))
        for seed, part in ((2, "unet"), (5, "text_encoder"))
    )
    three = write(tmp_path / "3.safetensors", kohya_layout(factors(get("sd"), "unet", seed=3)))
    loaded = get("sd", loras={"one": one, "two": two, "three": three})
    ours = adapted(loaded, ("one", 0.5), ("two", -1.0), ("three", 0.3))
    theirs = as_diffusers_draws(get("sd"), [(one, 0.5), (two, -1.0), (three, 0.3)], picture)
    assert far(ours, theirs) < 1e-4
    twice = adapted(loaded, ("one", 0.25), ("one", 0.25))
    assert far(twice, adapted(loaded, ("one", 0.5))) < 1e-5


def test_hot_swap_keeps_each_request_to_its_own_loras(get: Get, tmp_path: Path):
    found = {name: factors(get("sd"), "unet", "text_encoder", seed=seed) for seed, name in enumerate("abc")}
    files = {name: write(tmp_path / f"{name}.safetensors", peft_layout(one)) for name, one in found.items()}
    loaded = get("sd", loras=files)
    first = {name: adapted(loaded, (name, 1.0)) for name in files}
    plain = picture(loaded)
    for name in "cabba":
        assert torch.equal(first[name], adapted(loaded, (name, 1.0)))
        assert torch.equal(plain, picture(loaded))
    assert torch.equal(plain, adapted(loaded, ("a", 0.0)))
    assert torch.equal(plain, adapted(loaded))


def test_the_scale_is_the_one_of_the_training(get: Get, tmp_path: Path):
    found = factors(get("sd"), "unet", rank=4)
    notes = {"unet.r": 4, "unet.lora_alpha": 2, "unet.alpha_pattern": {"to_q": 8}, "unet.target_modules": ["to_k"]}
    loaded = get(
        "sd",
        loras={
            "noted": write(tmp_path / "noted.safetensors", peft_layout(found), notes),
            "bare": write(
                tmp_path / "bare.safetensors",
                peft_layout({key: (down, up * (2 if "to_q" in key else 0.5)) for key, (down, up) in found.items()}),
            ),
        },
    )
    assert far(adapted(loaded, ("noted", 1.0)), adapted(loaded, ("bare", 1.0))) < 1e-5


def test_words_are_read_again_under_a_lora_that_changes_their_encoder(get: Get, tmp_path: Path):
    for_words = write(tmp_path / "w.safetensors", peft_layout(factors(get("sdxl"), "text_encoder_2")))
    for_pictures = write(tmp_path / "p.safetensors", peft_layout(factors(get("sdxl"), "unet")))
    loaded = get("sdxl", loras={"words": for_words, "pictures": for_pictures})
    plain = encode(loaded, ["a house"])
    found: dict[tuple[str, float], torch.Tensor] = {}
    for use in (("words", 1.0), ("words", 0.5), ("pictures", 1.0)):
        with with_adapters(loaded, [LoraUse(id=use[0], scale=use[1])]):
            found[use] = encode(loaded, ["a house"]).prompt_embeds
    assert torch.equal(found["pictures", 1.0], plain.prompt_embeds)
    assert len(extras_of(loaded).words) == 3
    assert not torch.equal(found["words", 1.0], found["words", 0.5])
    assert not torch.equal(found["words", 1.0], plain.prompt_embeds)
    assert torch.equal(encode(loaded, ["a house"]).prompt_embeds, plain.prompt_embeds)


def test_a_request_that_fails_under_a_lora_leaves_nothing_behind(get: Get, tmp_path: Path):
    file = write(tmp_path / "look.safetensors", peft_layout(factors(get("sd"), "unet", "text_encoder")))
    loaded = get("sd", loras={"look": file})
    plain = picture(loaded)
    with pytest.raises(ZeroDivisionError), with_adapters(loaded, [LoraUse(id="look")]):
        raise ZeroDivisionError
    extras_of(loaded).words.clear()
    assert torch.equal(plain, picture(loaded))


def test_a_swap_waits_for_the_drawing_that_runs(get: Get, tmp_path: Path):
    file = write(tmp_path / "look.safetensors", peft_layout(factors(get("sd"), "unet")))
    loaded = get("sd", loras={"look": file})
    plain = picture(loaded)
    inside, done = threading.Event(), threading.Event()

    def swap() -> None:
        with with_adapters(loaded, [LoraUse(id="look")]):
            inside.set()
        done.set()

    thread = threading.Thread(target=swap)
    with with_adapters(loaded, []):
        thread.start()
        assert torch.equal(plain, picture(loaded))
        assert not inside.is_set()
    assert done.wait(60)
    thread.join()
    assert torch.equal(plain, picture(loaded))


def spoiled(found: Factors, how: str) -> dict[str, torch.Tensor]:
    state = peft_layout(found)
    first = next(iter(state))
    match how:
        case "numbers":
            state[first] = torch.full_like(state[first], torch.nan)
        case "half":
            del state[first]
        case "names":
            state = {f"unet.elsewhere.{number}.lora_A.weight": one for number, one in enumerate(state.values())}
        case "ranks":
            state[first] = state[first][:1]
        case "dora":
            state["unet.conv_in.dora_scale"] = torch.ones(4)
        case "kohya":
            state = {"lora_unet_x_lora_down": torch.ones(2)}
        case _:
            state = {"something": torch.ones(2)}
    return state


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("numbers", "broken numbers"),
        ("half", "lacks half"),
        ("names", "nothing for any layer"),
        ("ranks", "made for another base"),
        ("dora", "DoRA"),
        ("kohya", "names are not known"),
        ("other", "nothing for any layer"),
    ],
)
def test_a_lora_that_is_none_is_refused_by_name_and_the_next_request_works(
    get: Get, tmp_path: Path, how: str, why: str
):
    good = factors(get("sd"), "unet", "text_encoder")
    files = {
        "good": write(tmp_path / "good.safetensors", peft_layout(good)),
        "bad": write(tmp_path / "bad.safetensors", spoiled(good, how)),
    }
    loaded = get("sd", loras=files)
    plain, expected = picture(loaded), adapted(loaded, ("good", 1.0))
    with pytest.raises(Unsupported, match=why) as refused:
        adapted(loaded, ("good", 1.0), ("bad", 1.0))
    assert "LoRA bad" in refused.value.detail
    assert torch.equal(plain, picture(loaded))
    assert torch.equal(expected, adapted(loaded, ("good", 1.0)))


@pytest.mark.parametrize(
    ("base", "other", "layout"),
    [
        ("sd", "sdxl", peft_layout),
        ("sdxl", "sd", kohya_layout),
        ("sd", "sd3", peft_layout),
        ("sd3", "sd", kohya_layout),
    ],
)
def test_a_lora_of_another_base_names_itself_and_the_base(
    get: Get, tmp_path: Path, base: str, other: str, layout: Callable[[Factors], dict[str, torch.Tensor]]
):
    found = factors(get(other), DENOISER[other], "text_encoder")
    loaded = get(base, loras={"strange": write(tmp_path / "strange.safetensors", layout(found))})
    plain = picture(loaded)
    with pytest.raises(Unsupported) as refused:
        adapted(loaded, ("strange", 1.0))
    assert "strange" in refused.value.detail
    assert f"{base} ({loaded.folder.family.pipeline})" in refused.value.detail
    assert torch.equal(plain, picture(loaded))


def test_a_lora_that_fits_in_part_says_so(get: Get, tmp_path: Path):
    state = peft_layout(factors(get("sd"), "unet")) | {"unet.elsewhere.lora_A.weight": torch.ones(2, 2)}
    loaded = get("sd", loras={"look": write(tmp_path / "look.safetensors", state)})
    with with_adapters(loaded, [LoraUse(id="look")]) as active:
        assert [warning.code for warning in active.warnings] == ["lora_partly_used"]
        assert "look has 1 tensors" in active.warnings[0].message


def test_an_unknown_lora_names_those_there_are(get: Get, tmp_path: Path):
    loaded = get("sd", loras={"look": tmp_path / "look.safetensors"})
    with pytest.raises(Unsupported, match="There are: look"), with_adapters(loaded, [LoraUse(id="blick")]):
        pass


def test_hostile_and_damaged_files_are_not_opened(get: Get, tmp_path: Path):
    whole = write(tmp_path / "whole.safetensors", peft_layout(factors(get("sd"), "unet")))
    cut, pickled, link = tmp_path / "cut.safetensors", tmp_path / "pickled.pt", tmp_path / "link.safetensors"
    cut.write_bytes(whole.read_bytes()[:-10])
    pickled.write_bytes(b"\x80\x04.")
    os.symlink("/etc/hostname", link)
    files = {"whole": whole, "cut": cut, "pickled": pickled, "link": link, "gone": tmp_path / "gone.safetensors"}
    loaded = get("sd", loras=files)
    plain = picture(loaded)
    for name in ("cut", "pickled", "link", "gone"):
        with pytest.raises(ModelUnavailable, match=name), with_adapters(loaded, [LoraUse(id=name)]):
            pass
    assert far(adapted(loaded, ("whole", 1.0)), plain) > 0.01
    assert torch.equal(plain, picture(loaded))


def test_a_file_that_changed_is_read_again_and_memory_is_bounded(get: Get, tmp_path: Path):
    file = write(tmp_path / "look.safetensors", peft_layout(factors(get("sd"), "unet", seed=1)))
    loaded = get("sd", loras={"look": file})
    first = adapted(loaded, ("look", 1.0))
    # The file's tensors, and what they add at this scale.
    one = extras_of(loaded).loras.bytes
    extras_of(loaded).loras._limit = one
    write(file, peft_layout(factors(get("sd"), "unet", rank=3, seed=2)))
    os.utime(file, ns=(1, 1))
    assert far(first, adapted(loaded, ("look", 1.0))) > 0.01
    assert extras_of(loaded).loras.bytes == one
    assert extras_bytes(loaded) > one
    drop_extras(loaded)
    assert extras_bytes(loaded) == 0


def other_vae(loaded: Loaded) -> Any:
    return lib.AutoencoderKL.from_config(loaded.parts.vae.config).eval()


def tiny_vae(channels: int = 4) -> Any:
    return lib.AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8), latent_channels=channels
    )


def through(loaded: Loaded, vae: Any) -> torch.Tensor:
    pipeline = loaded.for_request(None)
    pipeline.vae = vae
    return pipeline(**adapting.options(), **encode(loaded, ["a red house"], ["grey"]).options()).images


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3"])
def test_another_autoencoder_is_for_one_request(get: Get, tmp_path: Path, name: str):
    made = other_vae(get(name))
    made.save_pretrained(tmp_path / "soft")
    alone = write(tmp_path / "alone.safetensors", made.state_dict())
    loaded = get(name, vaes={"soft": tmp_path / "soft", "alone": alone})
    plain = picture(loaded)
    soft = through(loaded, vae_of(loaded, "soft"))
    assert far(soft, plain) > 0.001
    assert torch.equal(soft, through(loaded, vae_of(loaded, "alone")))
    assert torch.equal(plain, picture(loaded))
    assert vae_of(loaded, "soft") is vae_of(loaded, "soft")
    assert extras_of(loaded).modules.bytes == 2 * bytes_of(made)


def test_a_tiny_autoencoder_will_do(get: Get, tmp_path: Path):
    tiny_vae().save_pretrained(tmp_path / "tiny")
    loaded = get("sd", vaes={"tiny": tmp_path / "tiny"})
    assert through(loaded, vae_of(loaded, "tiny")).isfinite().all()


def test_autoencoders_that_do_not_fit_are_refused(get: Get, tmp_path: Path):
    tiny_vae(channels=16).save_pretrained(tmp_path / "wide")
    write(tmp_path / "strange.safetensors", {"encoder.down_blocks.0.weight": torch.ones(2)})
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    names = ("wide", "strange.safetensors", "empty")
    loaded = get("sd", vaes={name: tmp_path / name for name in names})
    with pytest.raises(Unsupported, match="16 latent channels where the model has 4"):
        vae_of(loaded, "wide")
    with pytest.raises(Unsupported, match="strange"):
        vae_of(loaded, "strange.safetensors")
    with pytest.raises(ModelUnavailable, match="empty"):
        vae_of(loaded, "empty")
    with pytest.raises(Unsupported, match="There are: empty, strange"):
        vae_of(loaded, "none")


def controlnet(loaded: Loaded, **options: Any) -> Any:
    """With weights in the layers that start at zero, so that it does something."""
    if loaded.folder.family.denoiser == "unet":
        chosen = {"conditioning_embedding_out_channels": (8, 16, 16, 16)} | options
        net = lib.ControlNetModel.from_unet(loaded.parts.unet, **chosen)
    else:
        net = lib.SD3ControlNetModel.from_transformer(
            loaded.parts.transformer,
            num_layers=1,
            num_extra_conditioning_channels=0,
            load_weights_from_transformer=False,
        )
    for name, one in net.named_parameters():
        if "controlnet_" in name or "conv_out" in name or "pos_embed_input" in name:
            torch.nn.init.normal_(one, std=0.2)
    return net


CLASSES = {
    "sd": "StableDiffusionControlNetPipeline",
    "sdxl": "StableDiffusionXLControlNetPipeline",
    "sd3": "StableDiffusion3ControlNetPipeline",
}


def guided(loaded: Loaded, name: str, types: list[str]) -> torch.Tensor:
    net, guide = controlnets_of(loaded, types), torch.ones(1, 3, adapting.SIZE, adapting.SIZE)
    left_out: dict[str, Any] = {"safety_checker": None, "requires_safety_checker": False} if name == "sd" else {}
    parts = {key: part for key, part in loaded.parts.components.items() if key not in left_out}
    pipeline = getattr(lib, CLASSES[name])(**parts, **left_out, controlnet=net)
    pipeline.set_progress_bar_config(disable=True)
    several = len(types) > 1
    image = {"control_image" if name == "sd3" else "image": [guide] * len(types) if several else guide}
    strength = [0.5] * len(types) if several else 0.5
    words = encode(loaded, ["a red house"], ["grey"]).options()
    return pipeline(**adapting.options(), **words, **image, controlnet_conditioning_scale=strength).images


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3"])
def test_controlnets_guide_alone_and_together(get: Get, tmp_path: Path, name: str):
    for kind in ("canny", "scribble"):
        controlnet(get(name)).save_pretrained(tmp_path / kind)
    loaded = get(name, controlnets={kind: tmp_path / kind for kind in ("canny", "scribble")})
    plain = picture(loaded)
    canny, both = guided(loaded, name, ["canny"]), guided(loaded, name, ["canny", "scribble"])
    assert far(canny, plain) > 1e-4
    assert far(both, canny) > 1e-4
    assert torch.equal(plain, picture(loaded))
    assert controlnets_of(loaded, ["canny"]) is controlnets_of(loaded, ["canny", "scribble"]).nets[0]
    assert len(extras_of(loaded).modules) == 2


def test_controlnets_of_another_base_are_refused(get: Get, tmp_path: Path):
    controlnet(get("sdxl")).save_pretrained(tmp_path / "xl")
    controlnet(get("sd3")).save_pretrained(tmp_path / "three")
    controlnet(get("sd"), conditioning_embedding_out_channels=(8, 16)).save_pretrained(tmp_path / "coarse")
    loaded = get("sd", controlnets={kind: tmp_path / kind for kind in ("xl", "three", "coarse")})
    with pytest.raises(Unsupported, match="ControlNet xl was made for another base than sd"):
        controlnets_of(loaded, ["xl"])
    with pytest.raises(Unsupported, match="halves its guide 1 times, the model 3"):
        controlnets_of(loaded, ["coarse"])
    with pytest.raises((ModelUnavailable, Unsupported), match="three"):
        controlnets_of(loaded, ["three"])
    with pytest.raises(Unsupported, match="There are: coarse, three, xl"):
        controlnets_of(loaded, ["depth"])
    assert extras_of(loaded).modules.bytes == 0
