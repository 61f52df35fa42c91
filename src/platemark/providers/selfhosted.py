"""What servers at an address of the operator's own have in common: nobody is paid, and a proxy may ask for a key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from platemark.core.model import Capabilities
from platemark.providers.catalogue import Declared, Price
from platemark.providers.http import Call, as_base64, with_bearer
from platemark.providers.licences import RAIL_M, RAIL_PP_M

# What the machine and its power cost is not ours to say.
FREE = Price("0", "image", "runs at an address of the operator's own", "2026")
LICENCE_NOTE = "Runs at an address of the operator's own: the licence of the checkpoint applies to what is made."


@dataclass(frozen=True, slots=True)
class Family:
    """Checkpoints that are used alike: the file that stands for them, and the side of the pictures that they draw."""

    name: str
    title: str
    file: str
    side: int
    licence: str


SD15 = Family("sd15", "Stable Diffusion 1.5", "v1-5-pruned-emaonly.safetensors", 512, RAIL_M)
SDXL = Family("sdxl", "Stable Diffusion XL", "sd_xl_base_1.0.safetensors", 1024, RAIL_PP_M)


def checkpoint(vendor: str, family: Family, can: Mapping[str, Any], **more: Any) -> Declared:
    """The family as a model of this vendor. `can`: capabilities beside or in place of what all such servers can."""
    common = {
        "operations": frozenset({"text_to_image", "image_to_image", "inpaint"}),
        **{"min_size": 64, "size_multiple": 8, "default_width": family.side, "default_height": family.side},
        **{"default_steps": 25, "any_lora": True, "max_loras": 8},
        **{"clip_skip": True, "mask_edges": True, "previews": True},
    }
    declared = Declared(
        model=f"{vendor}/{family.name}",
        route=family.file,
        capabilities=Capabilities.model_validate({**common, **can}),
        price=FREE,
        licence=family.licence,
        licence_note=LICENCE_NOTE,
        description=f"A {family.title} checkpoint; name another by route.",
        steps=(1, 150),
        strength=(0.0, 1.0),
        default_strength=0.75,
        ranged_controls=True,
    )
    return replace(declared, **more)


def upscaler(vendor: str, route: str, **more: Any) -> Declared:
    """An upscaler of the server as a model of this vendor."""
    can = Capabilities(
        operations=frozenset({"upscale"}),
        min_size=8,
        max_size=8192,
        size_multiple=1,
        default_width=1024,
        default_height=1024,
        max_steps=0,
        default_steps=0,
        max_cfg_scale=0.0,
        default_cfg_scale=0.0,
        max_count=1,
        negative_prompt=False,
        seed=False,
    )
    declared = Declared(
        model=f"{vendor}/upscaler",
        route=route,
        capabilities=can,
        price=FREE,
        licence_note=LICENCE_NOTE,
        description="Makes a picture larger by an upscaler of the server; reads no prompt.",
        prompt_used=False,
    )
    return replace(declared, **more)


def with_login(call: Call, login: str) -> Call:
    """The call with HTTP Basic; a login is `user:password`."""
    return replace(call, headers={**call.headers, "authorization": f"Basic {as_base64(login.encode())}"})


def authorised(call: Call, key: str) -> Call:
    """The call with HTTP Basic for `user:password`, else with a bearer token."""
    if ":" in key:
        return with_login(call, key)
    return with_bearer(call, key)


def checkpoint_of(model: Declared) -> str:
    """The file of weights: named by the fact `checkpoint`, else by the route."""
    return model.facts.get("checkpoint", model.route)


def is_shared(model: Declared) -> bool:
    """True where the operator says that others draw with this server too: `shared: yes` among the facts."""
    return model.facts.get("shared") == "yes"


def runs(seeds: Sequence[int]) -> list[tuple[int, ...]]:
    """Indices of seeds that count up by one, together: what a server that counts up itself makes in one call."""
    found = list[tuple[int, ...]]()
    for index, seed in enumerate(seeds):
        if found and seed == seeds[found[-1][-1]] + 1:
            found[-1] += (index,)
        else:
            found.append((index,))
    return found
