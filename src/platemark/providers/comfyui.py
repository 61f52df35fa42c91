"""ComfyUI: graphs of its own nodes for Stable Diffusion 1.5 and XL checkpoints, with ControlNet, LoRA and upscaling.

Lenient where nothing is published: the messages of `/ws` and its binary previews, `status` in the history (older
versions have none), which work `/interrupt` ends (older versions: whatever runs), and queues lost at a restart. Sources
are uploaded to the server's folder for temporary files, and pictures are made there, so that nothing piles up.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Rate
from platemark.providers.comfyui_graphs import MAX_FEATHER, SAMPLERS, Nodes, Sources, build
from platemark.providers.http import Call, Reply, as_list, as_object
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.selfhosted import SD15, SDXL, Family, authorised, checkpoint, is_shared, upscaler
from platemark.providers.vendor import About, Asked, Found, Reading, Socket, is_picture

NAME = "comfyui"
# It draws one after the other; the second waits in its queue, so that it never stands still.
RATE = Rate(calls=100, seconds=1.0, concurrency=2)
TABLE = (
    # Outputs that it does not like are left out, and the rest of the graph runs.
    Row("bad_request", (200,), body={"node_errors": r"\w"}),
    Row("not_found", (400,), body={"error.details": "ckpt_name: .* not in"}),
)
ABOUT = About(
    delivers="PNG bytes from `/view`, once `/history` has them",
    not_verified=("messages and previews of `/ws`", "`status` in the history of older versions"),
)
_SUBFOLDER = "platemark"
# Events of binary messages: a preview, and a preview after a description of itself.
_PREVIEW, _DESCRIBED = 1, 4


_SD15_CONTROLS = {
    "canny": "control_v11p_sd15_canny.pth",
    "depth": "control_v11f1p_sd15_depth.pth",
    "lineart": "control_v11p_sd15_lineart.pth",
    "openpose": "control_v11p_sd15_openpose.pth",
    "scribble": "control_v11p_sd15_scribble.pth",
    "softedge": "control_v11p_sd15_softedge.pth",
}
_SDXL_CONTROLS = {"canny": "diffusers_xl_canny_full.safetensors", "depth": "diffusers_xl_depth_full.safetensors"}


def _checkpoint(family: Family, controls: Mapping[str, str]) -> Declared:
    can = {
        "operations": frozenset({"text_to_image", "image_to_image", "inpaint", "outpaint"}),
        **{"max_size": 4096, "schedulers": tuple(SAMPLERS), "max_count": 8, "guidance_rescale": True},
        **{"controls": tuple(controls), "max_controls": 4},
    }
    return checkpoint(
        *(NAME, family, can),
        cfg=(0.0, 30.0),
        mask_grow=(-512, 512),
        max_mask_feather=MAX_FEATHER,
        preprocesses=("canny",),
        max_wait_seconds=1_200.0,
        facts={f"control:{kind}": file for kind, file in controls.items()},
    )


_ALL = (
    _checkpoint(SD15, _SD15_CONTROLS),
    _checkpoint(SDXL, _SDXL_CONTROLS),
    upscaler(NAME, "RealESRGAN_x4plus.pth", max_wait_seconds=1_200.0),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class ComfyUI:
    """The vendor. `base_url` is the operator's. ComfyUI asks for no key; one is sent for a proxy before it.

    A model's route is the checkpoint (or the upscaler model) as the server lists it; LoRAs are named by their files. Of
    `facts`, `control:KIND` is the ControlNet file for a kind, and `shared: yes` is for servers that others draw
    with too: cancelled work is taken out of the queue only. Guides other than canny are sent ready made.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ()
    free_repeat: bool = True
    replays_keys: bool = False
    needs_key: bool = False
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """HTTP Basic or a bearer token, for a proxy."""
        return authorised(call, key)

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One graph a seed, each with a client id of its own, so that progress can be told apart."""
        return [_asked(order, model, index, seed) for index, seed in enumerate(order.seeds)]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """A ticket, the history of one, or the bytes of a picture."""
        body = as_object(reply.json)
        if not body and reply.body.strip() != b"{}":
            # What came in place of a picture is judged where pictures are.
            return Reading((Found(reply.body),))
        if "prompt_id" in body:
            return Reading(ticket=str(body["prompt_id"]), pending=True)
        entry = next(iter(body.values()), None)
        return Reading(pending=True) if entry is None else _done(as_object(entry))

    def poll(self, ticket: str, model: Declared) -> Call:
        """Its history, which is empty until it is done."""
        return Call("GET", f"/history/{ticket}", repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Sequence[Call]:
        """Out of the queue; and where it is drawn now, interrupted."""
        waiting = Call("POST", "/queue", json={"delete": [ticket]}, repeatable=True)
        running = Call("POST", "/interrupt", json={"prompt_id": ticket}, repeatable=True)
        return (waiting,) if is_shared(model) else (waiting, running)


def _asked(order: Order, model: Declared, index: int, seed: int) -> Asked:
    client = hashlib.sha256(f"{order.idempotency_key}/{index}".encode()).hexdigest()[:32]
    pictures = [data for data in (order.image, order.mask, *order.guides) if data is not None]
    # The same picture twice is sent once.
    uploads = {_name(data): data for data in pictures}
    names = {name: f"{_SUBFOLDER}/{name} [temp]" for name in uploads}
    call = _prompt(order, model, seed, client, names)
    before = tuple(_upload(name, data) for name, data in uploads.items())
    fill = partial(_filled, order, model, seed, client, tuple(uploads)) if uploads else None
    socket = Socket("/ws", hear, {"clientId": client})
    return Asked(call, (index,), (seed,), _chosen(call.json["prompt"]), before=before, fill=fill, socket=socket)


def _name(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}.png"


def _upload(name: str, data: bytes) -> Call:
    form = {"type": "temp", "subfolder": _SUBFOLDER, "overwrite": "true"}
    return Call("POST", "/upload/image", form=form, files={"image": (name, data, "image/png")}, repeatable=True)


def _filled(
    order: Order, model: Declared, seed: int, client: str, uploads: Sequence[str], replies: Sequence[Reply]
) -> Call:
    """The graph with the names that the server gave to what was uploaded."""
    names = {name: _annotated(name, as_object(reply.json)) for name, reply in zip(uploads, replies, strict=True)}
    return _prompt(order, model, seed, client, names)


def _annotated(name: str, said: Mapping[str, Any]) -> str:
    """A file as LoadImage is told it: its folder before it, and which of the three folders it is behind it."""
    subfolder, folder = str(said.get("subfolder") or ""), str(said.get("type") or "input")
    path = "/".join(part for part in (subfolder, str(said.get("name") or name)) if part)
    return path if folder == "input" else f"{path} [{folder}]"


def _prompt(order: Order, model: Declared, seed: int, client: str, names: Mapping[str, str]) -> Call:
    def named(data: bytes | None) -> str:
        return "" if data is None else names[_name(data)]

    sources = Sources(named(order.image), named(order.mask), tuple(named(guide) for guide in order.guides))
    return Call("POST", "/prompt", json={"prompt": build(order, model, seed, sources), "client_id": client})


def _chosen(nodes: Nodes) -> dict[str, Any]:
    """Every node with its plain values, but for texts."""
    return {
        "nodes": [
            {
                "class_type": node["class_type"],
                **{k: v for k, v in node["inputs"].items() if k != "text" and not isinstance(v, list)},
            }
            for node in nodes.values()
        ]
    }


def _done(entry: Mapping[str, Any]) -> Reading:
    status = as_object(entry.get("status"))
    if status.get("status_str") == "error":
        return Reading((_failed(as_list(status.get("messages"))),))
    outputs = as_object(entry.get("outputs")).values()
    images = [as_object(each) for output in outputs for each in as_list(as_object(output).get("images"))]
    if not images:
        return Reading()
    query = {name: str(images[0].get(name) or "") for name in ("filename", "subfolder", "type")}
    return Reading(follow=Call("GET", "/view", query=query, repeatable=True))


def _failed(messages: Sequence[Any]) -> Found:
    """What went wrong, in the words of the message about it."""
    told = {str(as_list(each)[0]): as_object(as_list(each)[-1]) for each in messages if as_list(each)}
    if "execution_interrupted" in told:
        return Found(outcome="unusable", words=("it was interrupted",))
    said = told.get("execution_error", as_object(None))
    named = (said.get("node_type"), said.get("exception_type"), said.get("exception_message"))
    words = ": ".join(" ".join(str(part).split()) for part in named if part)
    outcome: Outcome = "overloaded" if "OutOfMemory" in str(said.get("exception_type")) else "unusable"
    return Found(outcome=outcome, words=(words[:1000] or "its history says error",))


def hear(message: str | bytes) -> Reading | None:
    """Progress from a text message, a preview from a binary one; None for what says neither."""
    if isinstance(message, bytes):
        return _shown(message)
    try:
        told = as_object(json.loads(message))
    except (ValueError, RecursionError):
        return None
    data = as_object(told.get("data"))
    done, total = data.get("value"), data.get("max")
    if told.get("type") != "progress" or not isinstance(done, int | float) or not isinstance(total, int | float):
        return None
    return Reading(progress=done / total) if total > 0 else None


def _shown(message: bytes) -> Reading | None:
    event, size = (int.from_bytes(message[at : at + 4], "big") for at in (0, 4))
    # After the event comes the type of the picture, or the size of a description, and then the picture.
    start = {_PREVIEW: 8, _DESCRIBED: 8 + size}.get(event)
    picture = b"" if start is None else message[start:]
    return Reading(preview=picture) if is_picture(picture) else None
