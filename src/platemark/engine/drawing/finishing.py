"""From what the model drew to the picture that is given out: its size, what stays of its source, flags, warnings."""

import io

import torch
from PIL import Image
from torch import Tensor

from platemark.core.generation import Warning
from platemark.core.updates import Order, Picture
from platemark.engine.drawing.enlarge import fit
from platemark.engine.drawing.guiding import guide_warnings
from platemark.engine.drawing.operations import Scene, image_of
from platemark.engine.drawing.sizes import Plan
from platemark.engine.models.folder import Folder
from platemark.engine.models.words import unknown_words
from platemark.imaging.masks import composite

_BLACK = 2 / 255


def faults(picture: Tensor) -> tuple[str, ...]:
    """Reason codes for a picture (3, height, width) that is none. Empty when it is in order."""
    finite = bool(torch.isfinite(picture).all())
    black = float(torch.nan_to_num(picture, nan=0.0, posinf=1.0, neginf=0.0).max()) <= _BLACK
    return (*(() if finite else ("broken_numbers",)), *(("black_picture",) if black else ()))


def finished(
    order: Order, index: int, picture: Tensor, scene: Scene, folder: Folder, warnings: list[Warning]
) -> Picture:
    """Fit the picture to the size that was asked for, put it into its source, and pack it."""
    codes = faults(picture)
    picture = torch.nan_to_num(picture, nan=0.0, posinf=1.0, neginf=0.0)
    if tuple(picture.shape[:0:-1]) != scene.plan.asked:
        picture = fit(picture, scene.plan, folder.declared.upscale or "lanczos")
    image = image_of(picture)
    if scene.mask is not None and scene.source is not None:
        image = composite(scene.source, image, scene.mask)
    return Picture(
        data=_png(image),
        media_type="image/png",
        index=index,
        seed=order.seeds[index],
        warnings=(*warnings, *_broken(order.model, codes)),
        flags={"reason_codes": list(codes)} if codes else {},
    )


def warnings_of(order: Order, scene: Scene, folder: Folder) -> list[Warning]:
    """What can be said of an order before it is drawn."""
    found = (_resized(order, scene.plan), _beyond_vocabulary(order, folder), _unrefined(order, folder))
    return [warning for warning in found if warning] + guide_warnings(order.parameters.controls, scene.guides)


def _resized(order: Order, plan: Plan) -> Warning | None:
    drawn, asked = ("×".join(map(str, size)) for size in (plan.drawn, plan.asked))
    if not plan.scaled or order.operation == "upscale":
        return None
    if plan.covering[0] < plan.drawn[0]:
        return Warning(code="reduced", message=f"drawn at {drawn}, the size of {order.model}, and reduced to {asked}")
    return Warning(
        code="enlarged",
        message=f"drawn at {drawn} and enlarged to {asked}: {order.model} draws no larger, and enlarging adds no "
        "detail",
    )


def _beyond_vocabulary(order: Order, folder: Folder) -> Warning | None:
    unknown = unknown_words(order.prompt, folder.words) if folder.words is not None else 0
    if not unknown:
        return None
    return Warning(
        code="small_model",
        field="prompt",
        message=f"{order.model} is a very small model: {unknown} of this prompt's words mean nothing to it. For any "
        "subject, name a Stable Diffusion folder (diffusers layout, safetensors) in the setting `models`, such as "
        'PLATEMARK_MODELS=\'{"sd": "/models/sd"}\', and ask for local/sd.',
    )


def _unrefined(order: Order, folder: Folder) -> Warning | None:
    if order.operation != "upscale" or folder.declared.upscale is None or not order.parameters.strength:
        return None
    return Warning(
        code="not_refined",
        field="strength",
        message=f"{order.model} was enlarged without drawing over it: it draws too small to add detail to a part of a "
        "picture. Leave strength out, or ask for a larger model.",
    )


def _broken(model: str, codes: tuple[str, ...]) -> list[Warning]:
    if not codes:
        return []
    what = "came out with numbers that are none" if "broken_numbers" in codes else "came out black"
    return [
        Warning(
            code=codes[0],
            message=f"This picture {what}, in float32 as well. Try other settings (a lower cfg_scale, another "
            f"scheduler, no LoRA); if it happens with all of them, the files of {model} may be damaged.",
        )
    ]


def _png(image: Image.Image) -> bytes:
    """Compressed lightly: the picture is encoded again when it is sealed."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
