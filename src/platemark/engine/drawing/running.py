"""One call of a stock pipeline for several pictures, whatever they start from. All operations go through here.

The text-to-image pipelines of diffusers do every operation: what is special about one is the latents to start from and
the step to start at, what the denoiser is shown beside them, and what stays of the source after each step. Hooks on the
model's parts add that for the length of one call, so each class with and without ControlNets can do all of it, and a
picture can leave the batch at any step.
"""

import copy
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from inspect import signature
from typing import Any, cast

import diffusers
import torch
from torch import Tensor

from platemark.core.base import JsonObject
from platemark.core.errors import GenerationCanceled
from platemark.core.generation import ControlUse
from platemark.engine.drawing.latents import encode
from platemark.engine.memory.loaded import Loaded
from platemark.engine.models.schedulers import fresh_scheduler

_library: Any = diffusers
_CONTROLLED = {
    "StableDiffusionPipeline": "StableDiffusionControlNetPipeline",
    "StableDiffusionXLPipeline": "StableDiffusionXLControlNetPipeline",
    "StableDiffusion3Pipeline": "StableDiffusion3ControlNetPipeline",
}


@dataclass(slots=True)
class Row:
    """One picture of a batch. Latents are (1, channels, height, width); `mask` (1, 1, height, width) is 1 where the
    picture is drawn anew. `shown` are further channels that an inpainting model sees; guides are pictures in 0 to 1.
    """

    noise: Tensor
    generator: torch.Generator
    source: Tensor | None = None
    mask: Tensor | None = None
    shown: Tensor | None = None
    guides: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """What all pictures of a batch have in common. Sizes in pixels; `skipped` steps are taken as done already.

    `from_noise`: the source, if there is one, is nothing to start from; it only stays outside the mask.
    """

    width: int
    height: int
    steps: int
    skipped: int
    from_noise: bool
    cfg_scale: float
    rescale: float
    controls: tuple[ControlUse, ...] = ()
    words: JsonObject = field(default_factory=dict[str, Any])


# Rows that go on, steps done and to do, the pipeline, their latents.
Watch = Callable[[Sequence[int], int, int, Any, Tensor], None]


def pipeline_for(loaded: Loaded, scheduler: str | None, controlnet: Any = None, vae: Any = None) -> Any:
    """A pipeline over the weights of `loaded` for one call, with a scheduler of its own. No tensor is copied."""
    own, name = loaded.parts, loaded.folder.family.pipeline
    kind = getattr(_library, name if controlnet is None else _CONTROLLED[name])
    if type(own) is kind:
        pipeline = copy.copy(own)
    else:
        known = {**own.config, **own.components, "controlnet": controlnet, "add_watermarker": False}
        pipeline = kind(**{part: known[part] for part in signature(kind).parameters if part in known})
        pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = fresh_scheduler(own.scheduler, scheduler)
    if vae is not None:
        pipeline.vae = vae
    pipeline.__class__ = _starting_late(kind)
    return pipeline


@cache
def _starting_late(kind: Any) -> Any:
    """The pipeline class whose loop passes over the first `steps_to_skip` steps, and calls `begin` before the next one.

    The loop asks `interrupt` once a step.
    """

    def interrupt(pipeline: Any) -> bool:
        if pipeline.steps_to_skip > 0:
            pipeline.steps_to_skip -= 1
            return True
        if pipeline.begin is not None:
            pipeline.begin()
            pipeline.begin = None
        return False

    return type(kind.__name__, (kind,), {"interrupt": property(interrupt), "steps_to_skip": 0, "begin": None})


def _begin(scheduler: Any, index: int) -> None:
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(index)


def denoiser_of(pipeline: Any) -> Any:
    """The model of a pipeline that draws."""
    return getattr(pipeline, "unet", None) or pipeline.transformer


class Run:
    """One batch on its way through one pipeline."""

    def __init__(self, pipeline: Any, rows: Sequence[Row], settings: Settings) -> None:
        self._pipeline, self._rows, self._settings = pipeline, rows, settings
        self._live = list(range(len(rows)))
        self._generators = [row.generator for row in rows]
        self._denoiser = denoiser_of(pipeline)
        place: JsonObject = {"device": self._denoiser.device, "dtype": self._denoiser.dtype}
        self._noise: Tensor = torch.cat([row.noise for row in rows]).to(**place)
        self._source, self._mask, self._shown = (
            None if None in parts else torch.cat(parts).to(**place)
            for parts in ([getattr(row, name) for row in rows] for name in ("source", "mask", "shown"))
        )

        self._guides = [torch.cat(guides) for guides in zip(*(row.guides for row in rows), strict=True)]
        self._latent_guides: list[Tensor] = []

    def __call__(self, canceled: Callable[[int], bool], watch: Watch) -> dict[int, Tensor]:
        """Pictures (3, height, width) in 0 to 1 on the CPU by row; rows that were canceled on the way are not there.

        Raises GenerationCanceled when none is left.
        """
        settings, pipeline = self._settings, self._pipeline
        first = settings.skipped * pipeline.scheduler.order

        def step(_pipeline: Any, index: int, _timestep: Any, tensors: JsonObject) -> JsonObject:
            latents = self._keep_source(index, tensors["latents"])
            kept = [place for place, row in enumerate(self._live) if not canceled(row)]
            if len(kept) < len(self._live):
                latents = self._leave(kept, latents)
            watch(self._live, index + 1 - first, pipeline.num_timesteps - first, pipeline, latents)
            return {"latents": latents}

        # Some pipelines ask for the latents before they set the timesteps, so these are filled in when the loop begins.
        latents = torch.empty_like(self._noise)

        def prepared(*_arguments: Any, **_options: Any) -> Tensor:
            return latents

        pipeline.prepare_latents = prepared
        pipeline.begin = lambda: latents.copy_(self._start(first))
        self._give_chance()
        pipeline.steps_to_skip = first
        try:
            with self._hooks():
                result = pipeline(
                    num_inference_steps=settings.steps,
                    guidance_scale=settings.cfg_scale,
                    width=settings.width,
                    height=settings.height,
                    generator=self._generators,
                    output_type="pt",
                    callback_on_step_end=step,
                    **settings.words,
                    **self._control_options(),
                )
        finally:
            # Else the two would hold each other, and their latents, until the next collection.
            del pipeline.prepare_latents
        return dict(zip(self._live, result.images.float().cpu(), strict=True))

    def _give_chance(self) -> None:
        """Some pipelines let a scheduler take its noise from where no seed is."""
        step = self._pipeline.scheduler.step
        if "generator" in signature(step).parameters and not hasattr(self._pipeline, "prepare_extra_step_kwargs"):
            self._pipeline.scheduler.step = partial(step, generator=self._generators)

    def _start(self, first: int) -> Tensor:
        """Noise alone, or the source with as much noise as the first step expects."""
        self._latent_guides = self._encode_guides(self._guides)
        scheduler = self._pipeline.scheduler
        _begin(scheduler, first)
        if self._source is None or self._settings.from_noise:
            return self._noise * getattr(scheduler, "init_noise_sigma", 1.0)
        return self._noisy(self._source, scheduler.timesteps[first : first + 1].repeat(len(self._rows)))

    def _noisy(self, source: Tensor, timesteps: Tensor) -> Tensor:
        scheduler, noise = self._pipeline.scheduler, self._of_live(self._noise)
        if hasattr(scheduler, "scale_noise"):
            return scheduler.scale_noise(source, timesteps, noise)
        return scheduler.add_noise(source, noise, timesteps)

    def _keep_source(self, index: int, latents: Tensor) -> Tensor:
        """Outside the mask the source stays, with the noise of the coming step. Inpainting models see to it alone."""
        if self._mask is None or self._source is None or self._shown is not None:
            return latents
        source, mask = self._of_live(self._source), self._of_live(self._mask)
        timesteps = self._pipeline.scheduler.timesteps
        if index + 1 < len(timesteps):
            source = self._noisy(source, timesteps[index + 1 : index + 2])
        return ((1 - mask) * source + mask * latents).to(latents.dtype)

    def _leave(self, kept: list[int], latents: Tensor) -> Tensor:
        """Go on with these places of the present batch. What the scheduler remembers is of the same pictures."""
        if not kept:
            raise GenerationCanceled("Canceled while it was being drawn.")
        before, self._live = len(self._live), [self._live[place] for place in kept]
        self._generators[:] = [self._generators[place] for place in kept]
        scheduler = self._pipeline.scheduler
        scheduler.__dict__.update(_only(dict(scheduler.__dict__), kept, before))
        return latents[kept]

    def _of_live(self, tensor: Tensor) -> Tensor:
        return tensor if len(self._live) == len(self._rows) else tensor[self._live]

    @contextmanager
    def _hooks(self) -> Generator[None]:
        with ExitStack() as hooks:
            hooks.enter_context(self._denoiser.register_forward_pre_hook(self._before_denoiser, with_kwargs=True))
            if self._settings.rescale:
                hooks.enter_context(self._denoiser.register_forward_hook(self._after_denoiser))
            if self._settings.controls:
                net = self._pipeline.controlnet
                hooks.enter_context(net.register_forward_pre_hook(self._before_controlnet, with_kwargs=True))
            yield

    def _before_denoiser(self, _module: Any, given: tuple[Any, ...], named: JsonObject) -> tuple[Any, JsonObject]:
        named = self._only_live(named)
        if self._shown is None:
            return given, named
        shown = self._of_live(self._shown)
        if self._pipeline.do_classifier_free_guidance:
            shown = torch.cat([shown, shown])
        if given:
            return (torch.cat([given[0], shown], 1), *given[1:]), named
        return given, named | {"hidden_states": torch.cat([named["hidden_states"], shown], 1)}

    def _before_controlnet(self, _module: Any, given: tuple[Any, ...], named: JsonObject) -> tuple[Any, JsonObject]:
        guides = self._latent_guides
        if guides:
            named = named | {"controlnet_cond": guides if len(guides) > 1 else guides[0]}
        return given, self._only_live(named)

    def _encode_guides(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Stable Diffusion 3 takes guides as latents. Its pipeline draws them with chance that belongs to no seed."""
        pipeline = self._pipeline
        if not images or not hasattr(pipeline, "transformer"):
            return []
        nets = getattr(pipeline.controlnet, "nets", [pipeline.controlnet])
        unshifted = nets[0].config.force_zeros_for_pooled_projection
        guides = [encode(pipeline.vae, image.to(pipeline.vae.device), shifted=not unshifted) for image in images]
        return [torch.cat([guide] * 2) if pipeline.do_classifier_free_guidance else guide for guide in guides]

    def _only_live(self, named: JsonObject) -> JsonObject:
        """Pipelines keep prompts and guides of the whole batch; those of canceled pictures are left out here."""
        count, places = len(self._rows), self._live
        if len(places) == count:
            return named
        if self._pipeline.do_classifier_free_guidance:
            count, places = 2 * count, [*places, *(count + row for row in places)]
        return {name: _only(value, places, count) for name, value in named.items()}

    def _after_denoiser(self, _module: Any, _given: Any, output: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Guidance with its contrast taken back (arXiv 2305.08891). Both halves are the result, so that the pipeline's
        own guidance changes nothing any more; not all of its classes can do this.
        """
        pipeline, share = self._pipeline, self._settings.rescale
        if not pipeline.do_classifier_free_guidance:
            return output
        without, along = output[0].chunk(2)
        guided = without + pipeline.guidance_scale * (along - without)
        axes = list(range(1, guided.ndim))
        matched = guided * (along.std(axes, keepdim=True) / guided.std(axes, keepdim=True))
        guided = share * matched + (1 - share) * guided
        return (torch.cat([guided, guided]), *output[1:])

    def _control_options(self) -> JsonObject:
        controls, settings = self._settings.controls, self._settings
        if not controls:
            return {}
        images = self._guides
        # Fractions are of the steps that are taken; the pipeline counts those that are skipped as well.
        taken = 1 - settings.skipped / settings.steps
        several = len(controls) > 1
        scales = [control.strength for control in controls]
        options: JsonObject = {
            "controlnet_conditioning_scale": scales if several else scales[0],
            "control_guidance_start": [1 - taken + control.start * taken for control in controls],
            "control_guidance_end": [1 - taken + control.end * taken for control in controls],
        }
        image = images if several else images[0]
        return options | {"control_image" if hasattr(self._pipeline, "transformer") else "image": image}


def _only(value: Any, places: list[int], count: int) -> Any:
    """Of a batch of `count` these places, in lists and dictionaries too; what is no batch is left alone."""
    if isinstance(value, Tensor):
        return value[places] if value.ndim > 1 and value.shape[0] == count else value
    kind: type = type(cast("object", value))
    # No subclasses: the configuration of a scheduler is one of dict.
    if kind is dict:
        return {name: _only(one, places, count) for name, one in value.items()}
    return [_only(one, places, count) for one in value] if kind is list else value
