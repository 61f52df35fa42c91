"""Captions of scenes: one of many wordings, with attributes left out at random."""

from platemark.engine.training import vocabulary as say
from platemark.engine.training.scene import HILLS, Rng, Scene, Thing, pick
from platemark.engine.training.things import CANON


def caption(scene: Scene, rng: Rng, *, complete: bool = False) -> str:
    """A caption of the scene. With `complete`, one that names colour, place, background and light and nothing else."""
    bare = not complete and bool(rng.random() < 0.25)
    where = background(scene, rng, complete=complete) if complete or not scene.things or rng.random() < 0.88 else ""
    parts = [*_subject(scene, rng, bare, complete), *([where] if where else [])]
    if complete:
        return " ".join(parts)
    text = _joined(parts, rng)
    extra = _extra(scene, rng)
    if extra:
        text += (", " if "with" not in extra and "and" not in extra else " ") + extra
    return _dressed(text, rng)


def _subject(scene: Scene, rng: Rng, bare: bool, complete: bool) -> list[str]:
    if not scene.things:
        return [word] if (word := pick(rng, say.EMPTY)) else []
    names = [name(thing, rng, bare=bare, complete=complete) for thing in scene.things]
    if scene.pair:
        wordings = say.BESIDE if scene.pair == "beside" else say.STACKED
        return [pick(rng, wordings[:6] if complete and scene.pair == "beside" else wordings).format(*names)]
    thing = scene.things[0]
    off = thing.place != "centre"
    if (off and complete) or (not complete and rng.random() < (0.9 if off else 0.2)):
        wordings = say.PLACES[thing.place]
        return [names[0], pick(rng, wordings[:3] if complete else wordings)]
    return names


def name(thing: Thing, rng: Rng, *, bare: bool = False, complete: bool = False) -> str:
    """A thing with its size and colour and an article."""
    words: list[str] = []
    if rng.random() < {"small": 0.9, "medium": 0.03, "large": 0.6}[thing.size]:
        words.append(pick(rng, say.SIZES[thing.size]))
    if complete or rng.random() < (0.55 if CANON[thing.kind] == thing.colour else 0.98):
        words.append(thing.colour)
    words.append(pick(rng, say.THINGS[thing.kind]))
    text = " ".join(words)
    if bare:
        return text
    return f"{'the' if rng.random() < 0.06 else _article(text)} {text}"


def _article(text: str) -> str:
    return "an" if text[0] in "aeiou" else "a"


def background(scene: Scene, rng: Rng, *, complete: bool = False) -> str:
    """Where it is and in which light; with `complete` never in a single word, and never only one of the two."""
    if scene.plain:
        colour = "gray" if scene.background == "grey" and rng.random() < 0.5 else scene.background
        return pick(rng, say.PLAIN).format(colour).replace("a orange", "an orange")
    light = pick(rng, say.LIGHTS[scene.light])
    short = 0 if complete else 0.1
    if scene.background == HILLS or (scene.light != "day" and scene.things and rng.random() < short / 2):
        return scene.light if rng.random() < short else light
    ground = scene.background if rng.random() < short else pick(rng, say.GROUNDS[scene.background])
    if scene.light == "day":
        return f"{ground} {light}" if rng.random() < 0.06 else ground
    return f"{light} {ground}" if rng.random() < 0.15 else f"{ground} {light}"


def _joined(parts: list[str], rng: Rng) -> str:
    if len(parts) == 3 and rng.random() < 0.3:
        parts = [parts[0], parts[2], parts[1]]
    if len(parts) > 1 and rng.random() < 0.12:
        parts = [f"{parts[-1]},", *parts[:-1]]
    return (", " if rng.random() < 0.18 else " ").join(parts).replace(",,", ",")


def _extra(scene: Scene, rng: Rng) -> str:
    shown = [key for key in ("sun", "moon", "clouds") if getattr(scene, key)]
    return pick(rng, say.EXTRAS[pick(rng, shown)]) if shown and rng.random() < 0.4 else ""


def _dressed(text: str, rng: Rng) -> str:
    """With words around it that change nothing."""
    if rng.random() < 0.1:
        text = pick(rng, say.PREFIXES) + text
    words = text.split(" ")
    if rng.random() < 0.08 and (spots := [index for index, word in enumerate(words) if word in ("a", "an")]):
        words[spots[0] : spots[0] + 1] = ["a", pick(rng, say.FILLERS)]
        text = " ".join(words)
    if rng.random() < 0.08:
        text += f", {pick(rng, say.TAILS)}"
    return f"{text[:1].upper()}{text[1:]}." if rng.random() < 0.1 else text
