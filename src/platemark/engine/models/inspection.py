"""All that can be said about a model without loading it: for people who decide whether to serve it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from platemark.core.base import Part
from platemark.core.model import Capabilities
from platemark.engine.models.folder import Folder, capabilities, read_folder
from platemark.engine.models.headers import Header, read_header
from platemark.engine.models.single_file import part_of
from platemark.engine.models.source import Source


class Component(Part):
    """One network: how many numbers it has, the bytes of its files or of its share, and its number formats."""

    name: str
    parameters: int
    bytes: int
    dtypes: tuple[str, ...]


class Adapter(Part):
    """One LoRA, embedding, ControlNet or autoencoder that fits, and the bytes of its files."""

    kind: str
    name: str
    path: Path
    bytes: int


class Inspection(Part):
    """Sizes in pixels. `problems`: adapters that were left out, and why."""

    path: Path
    form: str
    pipeline: str
    native_size: int
    parameters: int
    bytes: int
    components: tuple[Component, ...]
    licence: str | None
    licence_note: str | None
    description: str
    capabilities: Capabilities
    adapters: tuple[Adapter, ...]
    problems: tuple[str, ...]


def inspect_model(place: Path | Source) -> Inspection:
    """Describe a folder or checkpoint. Raises ModelUnavailable as `read_folder` does."""
    source = Source.of(place)
    folder = read_folder(source)
    components = tuple(_components(folder))
    return Inspection(
        path=source.path,
        form="checkpoint" if folder.single_file else "diffusers folder",
        pipeline=folder.family.pipeline,
        native_size=folder.native,
        parameters=sum(one.parameters for one in components),
        bytes=sum(one.bytes for one in components),
        components=components,
        licence=folder.licence.name,
        licence_note=folder.licence.note,
        description=folder.declared.description,
        capabilities=capabilities(folder),
        adapters=tuple(_adapters(folder)),
        problems=folder.problems,
    )


def _components(folder: Folder) -> Iterable[Component]:
    if folder.single_file:
        yield from _shares(read_header(folder.single_file))
    for place in sorted(path for path in folder.path.iterdir() if path.is_dir() and path.name not in _ADAPTERS):
        files = sorted(place.glob("*.safetensors"))
        half = [file for file in files if ".fp16" in file.name]
        chosen = half if folder.variant and half else [file for file in files if file not in half]
        if chosen:
            yield _component(place.name, [read_header(file) for file in chosen])


_ADAPTERS: Mapping[str, str] = {
    "loras": "LoRA",
    "embeddings": "embedding",
    "controlnets": "ControlNet",
    "vaes": "autoencoder",
}


def _component(name: str, headers: Iterable[Header]) -> Component:
    held = list(headers)
    dtypes = Counter(tensor.dtype for header in held for tensor in header.tensors.values())
    return Component(
        name=name,
        parameters=sum(tensor.numbers for header in held for tensor in header.tensors.values()),
        bytes=sum(header.size for header in held),
        dtypes=tuple(dtype for dtype, _ in dtypes.most_common()),
    )


def _shares(header: Header) -> Iterable[Component]:
    """The parts of a checkpoint by the names of its tensors."""
    names: dict[str, list[str]] = {}
    for name in header.tensors:
        names.setdefault(part_of(name), []).append(name)
    for part, own in sorted(names.items()):
        tensors = [header.tensors[name] for name in own]
        yield Component(
            name=part,
            parameters=sum(tensor.numbers for tensor in tensors),
            bytes=sum(tensor.bytes for tensor in tensors),
            dtypes=tuple(dtype for dtype, _ in Counter(tensor.dtype for tensor in tensors).most_common()),
        )


def _adapters(folder: Folder) -> Iterable[Adapter]:
    for attribute, kind in _ADAPTERS.items():
        held: Mapping[str, Path] = getattr(folder, attribute)
        for name, path in sorted(held.items()):
            files = [path] if path.is_file() else list(path.glob("*.safetensors"))
            yield Adapter(kind=kind, name=name, path=path, bytes=sum(file.stat().st_size for file in files))
