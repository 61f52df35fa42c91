"""Draws one order with a loaded model: steps, previews, cancelling, warnings, and the finished pictures as PNG."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from platemark.core.base import JsonObject
from platemark.core.errors import GenerationCanceled
from platemark.core.generation import Warning
from platemark.core.updates import Order, Picture, Preview, Progress
from platemark.engine.enlarge import fit
from platemark.engine.folder import Folder
from platemark.engine.pipelines import Loaded
from platemark.engine.previews import MEDIA_TYPE, Previews
from platemark.engine.sizes import Plan, direct, near_native
from platemark.engine.words import unknown_words

# More at once takes more memory and, on a processor, hardly less time.
_BATCH = 4
_BLACK = 2 / 255
_PROGRESS_SECONDS = 0.05
Tell = Callable[[Progress | Preview | Picture], None]


@dataclass(frozen=True, slots=True)
class Drawing:
    """One order on its way."""

    order: Order
    loaded: Loaded
    tell: Tell
    canceled: Callable[[], bool]

    def run(self) -> JsonObject:
        """Draw every picture; return the facts of the run. Raises GenerationCanceled within one step."""
        began = time.monotonic()
        plan, warnings = plan_of(self.order, self.loaded.folder), self._warnings()
        drawing_seconds = 0.0
        for first in range(0, len(self.order.seeds), _BATCH):
            batch_began = time.monotonic()
            pictures = self._batch(first, plan)
            drawing_seconds += time.monotonic() - batch_began
            for index, picture in enumerate(pictures, first):
                self.tell(self._finish(index, picture, plan, warnings))
        return {
            "pipeline": self.loaded.folder.family.pipeline,
            "scheduler": self.order.parameters.scheduler or type(self.loaded.parts.scheduler).__name__,
            "drawn_at": f"{plan.drawn[0]}x{plan.drawn[1]}",
            "drawing_ms": round(drawing_seconds * 1000),
            "finishing_ms": round((time.monotonic() - began - drawing_seconds) * 1000),
        }

    def _batch(self, first: int, plan: Plan) -> Tensor:
        """Pictures (count, 3, height, width) of the next seeds, as floats in 0 to 1; NaN where the model failed."""
        order, asked = self.order, self.order.parameters
        seeds = order.seeds[first : first + _BATCH]
        pipeline = self.loaded.for_request(asked.scheduler)
        options: JsonObject = {}
        if self.loaded.folder.family.guidance_rescale:
            options["guidance_rescale"] = self.loaded.folder.declared.guidance_rescale
        result = pipeline(
            prompt=[order.prompt] * len(seeds),
            negative_prompt=[order.negative_prompt or ""] * len(seeds),
            num_inference_steps=asked.steps,
            guidance_scale=asked.cfg_scale,
            width=plan.drawn[0],
            height=plan.drawn[1],
            # On the CPU everywhere, so that a seed means the same noise on every device.
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            output_type="pt",
            callback_on_step_end=self._on_step(first, Previews(self.loaded)),
            **options,
        )
        return result.images.float().cpu()

    def _on_step(self, first: int, previews: Previews) -> Callable[..., JsonObject]:
        last = float("-inf")

        def step(pipeline: Any, index: int, _timestep: Any, tensors: JsonObject) -> JsonObject:
            if self.canceled():
                raise GenerationCanceled("Canceled while it was being drawn.")
            nonlocal last
            total, now = pipeline.num_timesteps, time.monotonic()
            # Quick steps are told together: every message takes a moment of a core that draws.
            if now - last >= _PROGRESS_SECONDS or index + 1 == total:
                last = now
                self.tell(Progress(done=index + 1, total=total, index=first))
            if self.order.previews and index + 1 < total and previews.due():
                data = previews.make(pipeline, tensors["latents"])
                self.tell(Preview(data=data, media_type=MEDIA_TYPE, step=index + 1, index=first))
            return tensors

        return step

    def _finish(self, index: int, picture: Tensor, plan: Plan, warnings: tuple[Warning, ...]) -> Picture:
        codes: list[str] = []
        if not bool(torch.isfinite(picture).all()):
            picture = torch.nan_to_num(picture, nan=0.0, posinf=1.0, neginf=0.0)
            codes.append("broken_numbers")
        if float(picture.max()) <= _BLACK:
            codes.append("black_picture")
        if plan.resized:
            picture = fit(picture, plan, self.loaded.folder.declared.upscale or "lanczos")
        return Picture(
            data=_png(picture),
            media_type="image/png",
            index=index,
            seed=self.order.seeds[index],
            warnings=warnings,
            flags={"reason_codes": codes} if codes else {},
        )

    def _warnings(self) -> tuple[Warning, ...]:
        folder = self.loaded.folder
        found = (
            _resized(self.order.model, plan_of(self.order, folder)),
            _beyond_vocabulary(self.order, folder),
            self._too_long("prompt", self.order.prompt),
            self._too_long("negative_prompt", self.order.negative_prompt or ""),
        )
        return tuple(warning for warning in found if warning)

    def _too_long(self, field: str, text: str) -> Warning | None:
        """The first encoder's limit: text past it does not reach the model."""
        tokenizer = self.loaded.parts.tokenizer
        excess = len(tokenizer(text, truncation=False).input_ids) - tokenizer.model_max_length
        if excess <= 0:
            return None
        return Warning(
            code="prompt_truncated",
            field=field,
            message=f"{self.order.model} reads {tokenizer.model_max_length} tokens of the {field}; the last {excess} "
            "were ignored. Say what matters first, in fewer words.",
        )


def plan_of(order: Order, folder: Folder) -> Plan:
    """A model that declares an upscale step is drawn near its native size; any other at the size asked for."""
    width, height = order.parameters.width, order.parameters.height
    if folder.declared.upscale is None:
        return direct(width, height)
    return near_native(width, height, native=folder.native, grid=folder.grid)


def _resized(model: str, plan: Plan) -> Warning | None:
    drawn, asked = ("×".join(map(str, size)) for size in (plan.drawn, plan.asked))
    if plan.drawn == plan.asked:
        return None
    if plan.covering[0] < plan.drawn[0]:
        return Warning(code="reduced", message=f"drawn at {drawn}, the size of {model}, and reduced to {asked}")
    return Warning(
        code="enlarged",
        message=f"drawn at {drawn} and enlarged to {asked}: {model} draws no larger, and enlarging adds no detail",
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


def _png(picture: Tensor) -> bytes:
    """Compressed lightly: the picture is encoded again when it is sealed."""
    pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
