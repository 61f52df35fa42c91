"""The stages of a training, in order. Each can be killed and run again; what is finished is not done twice."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from platemark.engine.training import adapters, checker, dataset, decoder, denoiser, pipeline, score, text
from platemark.engine.training.export import DECLARED, export
from platemark.engine.training.libraries import diffusers, torch

_DONE = "done.json"
_SHARES = {"text": 0.04, "denoiser": 0.68, "decoder": 0.08, "adapters": 0.14, "checker": 0.06}


@dataclass(frozen=True, slots=True)
class Course:
    """A whole training in the folder `out`, beginning with the model folder `start`. Times in minutes."""

    start: Path
    out: Path
    minutes: float
    pictures: int = 24_000
    captions: int = 12_000
    batch: int = 64
    processes: int = 2
    singles: int = 300
    pairs: int = 80
    look_pictures: int = 1200
    most_steps: int | None = None

    def share(self, stage: str) -> float:
        """Minutes of one stage. Drawing the pictures and the score take as long as they take."""
        return self.minutes * _SHARES[stage]

    def plan(self) -> denoiser.Plan:
        """The denoiser's part."""
        return denoiser.Plan(
            self.out / "data", self.start, self.out / "text", self.out / "run", self.share("denoiser"),
            batch=self.batch, world=self.processes, most_steps=self.most_steps,
        )  # fmt: skip

    def trained(self) -> Any:
        """The pipeline as it is now."""
        vae = self.out / "vae"
        return pipeline.assemble(self.start, self.out / "text", self.out / "run", vae if vae.exists() else None)


def small(start: Path, out: Path) -> Course:
    """A course that runs through every stage in seconds and learns nothing."""
    return Course(start, out, 0.05, 40, 200, 4, 1, 4, 2, 8, most_steps=2)


def run(course: Course, stage: str | None = None) -> None:
    """All stages that are not finished, or only `stage`, finished or not. Raises ValueError for an unknown one."""
    if stage is not None and stage not in STAGES:
        raise ValueError(f"There is no stage {stage!r}. Stages: {', '.join(STAGES)}.")
    course.out.mkdir(parents=True, exist_ok=True)
    done = finished(course.out)
    for name in [stage] if stage else [name for name in STAGES if name not in done]:
        print(f"stage {name}", flush=True)
        STAGES[name](course)
        done = [*dict.fromkeys([*done, name])]
        (course.out / _DONE).write_text(json.dumps(done))


def finished(out: Path) -> list[str]:
    """Stages that were run to their end."""
    place = out / _DONE
    return json.loads(place.read_text()) if place.exists() else []


def _text(course: Course) -> None:
    text.train(course.start, course.out / "text", course.share("text"), scenes=course.captions)


def _data(course: Course) -> None:
    dataset.make(course.out / "data", course.pictures, course.start / "vae", course.processes)


def _denoiser(course: Course) -> None:
    denoiser.train(course.plan())


def _decoder(course: Course) -> None:
    start, minutes = course.start / "vae", course.share("decoder")
    data, looks = dataset.load(course.out / "data"), _looks(start, max(4, course.look_pictures // 3))
    decoder.refine(start, data, looks, course.out / "vae", minutes, most_steps=course.most_steps)


def _looks(start: Path, count: int) -> decoder.Pictures:
    """`count` pictures of each look."""
    vae: Any = diffusers.AutoencoderTiny.from_pretrained(start, dtype=torch.float32)
    looks = [adapters.look_pictures(vae, name, count)[1:] for name in adapters.LOOKS]
    return np.concatenate([pictures for pictures, _ in looks]), np.concatenate([latents for _, latents in looks])


def _adapters(course: Course) -> None:
    share, steps = course.share("adapters"), course.most_steps
    for look in adapters.LOOKS:
        adapters.train_look(
            course.trained(), look, course.out / "loras", share / 4, pictures=course.look_pictures, most_steps=steps
        )
    data = dataset.load(course.out / "data")
    adapters.train_canny(course.trained(), data, course.out / "controlnets" / "canny", share / 2, most_steps=steps)


def _checker(course: Course) -> None:
    weights = course.out / "checker.safetensors"
    data = dataset.load(course.out / "data")
    right = checker.train(data, weights, course.share("checker"), state=course.out / "checker.pt")
    print(f"checker: right on unseen renders {right}", flush=True)


def _score(course: Course) -> None:
    model, judge = course.trained(), checker.load(course.out / "checker.safetensors")
    steps, guidance, rescale = DECLARED["steps"], DECLARED["cfg_scale"], DECLARED["guidance_rescale"]
    found = score.full(
        judge,
        lambda prompts: pipeline.draw(model, prompts, steps=steps, guidance=guidance, rescale=rescale),
        course.singles,
        course.pairs,
    )
    (course.out / "score.json").write_text(json.dumps(found, indent=1))
    print(json.dumps(found), flush=True)


def _export(course: Course) -> None:
    export(course.trained(), course.out, course.out / "model")


STAGES: dict[str, Callable[[Course], None]] = {
    "text": _text,
    "data": _data,
    "denoiser": _denoiser,
    "decoder": _decoder,
    "adapters": _adapters,
    "checker": _checker,
    "score": _score,
    "export": _export,
}
