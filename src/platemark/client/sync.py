"""`Client`: the blocking face of the SDK. `aio.py` holds its async twin, with the same names."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, Unpack, cast

import httpx2

from platemark.client import generate, moderate, nouns, reports, stream, wire
from platemark.client.admin import Audit, Keys, Projects
from platemark.client.detector_reports import DetectorReports
from platemark.client.drive import NATURE, Blocking, Nature
from platemark.client.effects import Steps
from platemark.client.events import Event
from platemark.client.fields import Fields, Filters, ImageFilters, filters
from platemark.client.generate import Waiting
from platemark.client.hash_lists import HashLists
from platemark.client.inspections import Inspections
from platemark.client.inspections import analyze as analyze_steps
from platemark.client.keeping import Holds, Retention, Takedowns
from platemark.client.nouns import Page, route
from platemark.client.people import People
from platemark.client.pictures import Picture
from platemark.client.policies import Policies
from platemark.client.provenance import Provenance
from platemark.client.publications import Publications
from platemark.client.retry import PATIENT, Retry
from platemark.client.reviews import Reviews
from platemark.client.stream import Listener
from platemark.client.upload import PIECE_BYTES, Watcher, Words
from platemark.client.upload import upload as upload_steps
from platemark.client.variations import request_of
from platemark.client.views import GenerationView, ImageView
from platemark.core.base import JsonObject
from platemark.core.moderation import Stage
from platemark.core.moderations import ModerationResource
from platemark.core.readiness import ReadinessResource
from platemark.core.record import GenerationRecord, Record
from platemark.core.report import ReportResource
from platemark.core.resource import (
    GenerationResource,
    ImageResource,
    InspectionResource,
    ModelResource,
    ProviderResource,
)


class Client:
    """A connection to a Platemark server.

    >>> from platemark import Client
    >>> client = Client("http://127.0.0.1:8460", api_key="pm_…")
    >>> generation = client.generate("a red house in a green meadow at sunset", width=512)
    >>> generation.images[0].save("house.png")

    Without arguments, PLATEMARK_URL and PLATEMARK_API_KEY (or SD_API_KEY) are read. `timeout` bounds the silence of the
    server, in seconds. `retry` says how patient the client is; see `platemark.client.retry` for what is repeated.
    `transport` replaces the network, for tests and proxies. Usable by several threads; close it, or use it in `with`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | httpx2.Timeout = 60.0,
        retry: Retry = PATIENT,
        transport: httpx2.BaseTransport | None = None,
        nature: Nature = NATURE,
    ) -> None:
        server = wire.server(base_url, api_key, timeout, retry)
        self._link = Blocking(httpx2.Client(transport=transport, mounts=wire.DIRECT), server, nature)
        self.generations = Generations(self._link)
        self.images = Images(self._link)
        self.keys = Keys(self._link)
        self.people = People(self._link)
        self.reviews = Reviews(self._link)
        self.hash_lists = HashLists(self._link)
        self.publications = Publications(self._link)
        self.provenance = Provenance(self._link)
        self.inspections = Inspections(self._link)
        self.detector_reports = DetectorReports(self._link)
        self.projects = Projects(self._link)
        self.policies = Policies(self._link)
        self.audit = Audit(self._link)
        self.holds = Holds(self._link)
        self.takedowns = Takedowns(self._link)
        self.retention = Retention(self._link)

    @property
    def base_url(self) -> str:
        """The server's address."""
        return str(self._link.server.base)

    def generate(
        self,
        prompt: str,
        *,
        wait: bool = True,
        timeout: float | None = None,
        on_progress: Listener | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> "Generation":
        """Ask for images, and wait for them.

        >>> generation = client.generate(
        ...     "a red house in a green meadow", width=512, seed=7, on_progress=lambda now: print(now.done, now.total)
        ... )

        Pictures to start from are paths, bytes, open files, pictures of Pillow, images of earlier generations, ids or
        URLs:

        >>> wide = client.generate("a green meadow", operation="outpaint", image="house.png", left=64, right=64)
        >>> night = client.generate(
        ...     "a red house at night", operation="inpaint", image=wide.images[0], mask="mask.png", strength=0.8
        ... )

        Returns when the generation has succeeded, or is `held` until a person has looked at it. Raises the error of a
        generation that failed, was blocked or canceled; NotFinished after `timeout` seconds. With `wait=False` it
        returns at once. Every call carries an Idempotency-Key, so that repeats after a lost answer never buy twice;
        give your own to make it hold over restarts of your program, too.
        """
        key = idempotency_key or secrets.token_hex(16)
        waiting = Waiting(timeout, on_progress) if wait else None
        steps = generate.generate(self._link.server, prompt, fields, key=key, waiting=waiting)
        return Generation(self._link, self._link.run(steps))

    def variations(
        self,
        of: Picture,
        *,
        n: int = 4,
        strength: float = 0.3,
        wait: bool = True,
        timeout: float | None = None,
        on_progress: Listener | None = None,
        idempotency_key: str | None = None,
    ) -> "Generation":
        """Pictures like one that Platemark drew: the same request and seed, its noise moved away by `strength`.

        >>> more = client.variations(generation.images[0], n=4, strength=0.2)

        `of` is an image, a generation of one image, or an `img_` id. The first picture is the one that it started
        from; 0 gives the same again, 1 has nothing to do with it.
        """
        prompt, again = self._link.run(request_of(self._link.server, of, n, strength))
        return self.generate(
            prompt,
            wait=wait,
            timeout=timeout,
            on_progress=on_progress,
            idempotency_key=idempotency_key,
            **cast("Fields", again),
        )

    def upload(
        self,
        image: bytes | Path | str,
        *,
        on_progress: Watcher | None = None,
        piece: int = PIECE_BYTES,
        **words: Unpack[Words],
    ) -> "Image":
        """Bring a picture of your own: in pieces of `piece` bytes, taken up again where the connection broke.

        >>> photo = client.upload("harbour.jpg", caption="Ships at dawn", user="reader-7")

        Where the project has the same bytes already, that image is returned and nothing is sent. Raises what the server
        says of the file: InvalidImage, TooLarge, InvalidRequest.
        """
        steps = upload_steps(self._link.server, image, words, on_progress, piece)
        return Image(self._link, self._link.run(steps))

    def models(self) -> list[ModelResource]:
        """The models that can be asked for, and what each can do."""
        return self._link.run(nouns.listing(self._link.server, ModelResource, "/v1/models"))

    def providers(self) -> list[ProviderResource]:
        """The configured providers and whether each can work now."""
        return self._link.run(nouns.listing(self._link.server, ProviderResource, "/v1/providers"))

    def readiness(self, provider: str) -> ReadinessResource:
        """What a provider declares: models, refusals, limits, keys, prices. Nothing is sent to it."""
        path = route("providers", provider, "readiness")
        return self._link.run(nouns.get(self._link.server, ReadinessResource, path))

    def moderate(
        self,
        input: str | Sequence[str] = (),
        *,
        image: Picture | None = None,
        audience: str | None = None,
        role: str | None = None,
        stage: Stage = "before_request",
    ) -> ModerationResource:
        """What the policy says of texts or of a picture, without generating. Nothing is stored but the decision.

        >>> answer = client.moderate(["a red house", "a lighthouse"], audience="education")
        >>> [result.decision for result in answer.results]
        ['allow', 'allow']

        One result a text; with `image` one for the picture and the texts that belong to it.
        """
        steps = moderate.moderate(self._link.server, input, image, audience=audience, role=role, stage=stage)
        return self._link.run(steps)

    def report(
        self,
        by: Sequence[str] = ("code",),
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> ReportResource:
        """How many verdicts ended in which decision, by code, provider, model, audience, role, stage or day.

        Needs the scope audit:read, or reviews:decide.
        """
        return self._link.run(reports.moderation(self._link.server, by, since, until))

    def analyze(
        self,
        image: Picture,
        *,
        retain: bool = True,
        only: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> InspectionResource:
        """Is it likely AI-made, is it ours, who signed it: evidence, verdict, confidence. The file is never kept.

        >>> found = client.analyze("harbour.jpg")
        >>> print(found.verdict, found.tier, found.confidence["p_ai"])

        A verdict is an input to a decision, not proof. With `retain=False` not even the answer is kept. `only` and
        `without` name kinds of findings, or detectors. Raises InvalidImage, TooLarge, RateLimited.
        """
        steps = analyze_steps(self._link.server, image, retain=retain, only=only, without=without)
        return self._link.run(steps)

    def inspection(self, inspection: str) -> InspectionResource:
        """What was read from an image: evidence, verdict, confidence."""
        return self._link.run(nouns.get(self._link.server, InspectionResource, route("inspections", inspection)))

    def request(
        self, method: str, path: str, *, json: JsonObject | None = None, params: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        """Any call of the API, for what has no method here; `path` is below the base URL. Errors are raised as ever."""
        call = wire.Call(method.upper(), path, params or {}, json=json, repeatable=method.upper() in ("GET", "DELETE"))
        return self._link.run(wire.perform(self._link.server, call))

    def close(self) -> None:
        """Close the connections."""
        self._link.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<platemark.Client {self.base_url}>"


class Generation(GenerationView):
    """One request and its images."""

    def __init__(self, link: Blocking, resource: GenerationResource) -> None:
        self._link = link
        self.resource = resource

    @property
    def images(self) -> tuple["Image", ...]:
        """The images that are there so far."""
        return tuple(Image(self._link, image) for image in self.resource.images)

    @property
    def record(self) -> GenerationRecord:
        """The whole story: request, attempts, moderation, images, cost, audit chain. Read anew each time."""
        return Generations(self._link).record(self.id)

    def wait(
        self, *, timeout: float | None = None, on_progress: Listener | None = None, through_review: bool = False
    ) -> Self:
        """Wait for the end as `Client.generate` does; with `through_review`, also for a reviewing person."""
        waiting = Waiting(timeout, on_progress, through_review)
        self.resource = self._link.run(generate.wait(self._link.server, self.resource, waiting))
        return self

    def refresh(self) -> Self:
        """Read it again."""
        self.resource = Generations(self._link).get(self.id).resource
        return self

    def cancel(self) -> Self:
        """Ask for its end; a running one stops within a step."""
        self.resource = Generations(self._link).cancel(self.id).resource
        return self


class Image(ImageView):
    """One picture."""

    def __init__(self, link: Blocking, resource: ImageResource) -> None:
        self._link = link
        self.resource = resource

    @property
    def record(self) -> Record:
        """The whole story of this picture. Read anew each time."""
        return Images(self._link).record(self.id)

    def read(self) -> bytes:
        """The stored bytes, checked against `sha256`. Raises NotAllowed (held or blocked), Gone."""
        return self._link.run(nouns.read_image(self._link.server, self.resource))

    def original(self) -> bytes:
        """The bytes that a vendor or uploader gave, with any credential in them. Raises NotFound (not kept), Gone."""
        return self._link.run(nouns.read(self._link.server, route("images", self.id, "original")))

    def save(self, path: Path | str = ".", *, overwrite: bool = False) -> Path:
        """Write the file, whole or not at all, and return its path.

        >>> image.save("pictures/")  # pictures/img_….png
        >>> image.save("house")  # house.png

        A missing extension is added. Raises Conflict when the file exists, unless `overwrite`.
        """
        return self._link.run(nouns.save_image(self._link.server, self.resource, path, overwrite=overwrite))

    def delete(self) -> Self:
        """Delete the bytes; the record stays."""
        self.resource = Images(self._link).delete(self.id).resource
        return self


class Generations:
    """Generations of the project."""

    def __init__(self, link: Blocking) -> None:
        self._link = link

    def get(self, generation: str) -> Generation:
        """One generation as it is now. Raises NotFound."""
        return self._read(nouns.get(self._link.server, GenerationResource, route("generations", generation)))

    def list(self, **wanted: Unpack[Filters]) -> Page[Generation]:
        """One page, newest first.

        >>> page = client.generations.list(status="failed", needs_attention=True)
        >>> while page.next_cursor:
        ...     page = client.generations.list(status="failed", needs_attention=True, cursor=page.next_cursor)
        """
        wrap = partial(Generation, self._link)
        return self._link.run(
            nouns.page(self._link.server, GenerationResource, "/v1/generations", filters(wanted), wrap)
        )

    def cancel(self, generation: str) -> Generation:
        """Ask for its end; a running one stops within a step."""
        return self._act(generation, "cancel", repeatable=True)

    def retry(self, generation: str) -> Generation:
        """Start a failed generation again, under the same id."""
        return self._act(generation, "retry")

    def dismiss(self, generation: str) -> Generation:
        """Leave a failed generation as it is; it needs no attention any more."""
        return self._act(generation, "dismiss", repeatable=True)

    def events(self, generation: str, *, after: str | None = None) -> Iterator[Event]:
        """Its events from the first (or from `after`, an event's id) to its end, as they happen.

        A stream that breaks is taken up where it broke.
        """
        return self._link.iterate(stream.events(self._link.server, generation, after))

    def erase_text(self, generation: str) -> Generation:
        """Erase prompt, negative prompt and user for good; the record and its chain stay whole."""
        path = route("generations", generation, "text")
        return self._read(nouns.delete(self._link.server, GenerationResource, path))

    def preview(self, generation: str) -> bytes:
        """The newest step preview of a running generation. Raises NotFound when there is none."""
        return self._link.run(nouns.read(self._link.server, route("generations", generation, "preview")))

    def record(self, generation: str) -> GenerationRecord:
        """The whole story of a generation and its images."""
        return self._link.run(
            nouns.get(self._link.server, GenerationRecord, route("generations", generation, "record"))
        )

    def _act(self, generation: str, verb: str, *, repeatable: bool = False) -> Generation:
        path = route("generations", generation, verb)
        return self._read(nouns.act(self._link.server, GenerationResource, path, repeatable=repeatable))

    def _read(self, steps: Steps[GenerationResource]) -> Generation:
        return Generation(self._link, self._link.run(steps))


class Images:
    """Images of the project, generated and uploaded."""

    def __init__(self, link: Blocking) -> None:
        self._link = link

    def get(self, image: str) -> Image:
        """One image as it is now. Raises NotFound."""
        return self._read(nouns.get(self._link.server, ImageResource, route("images", image)))

    def list(self, **wanted: Unpack[ImageFilters]) -> Page[Image]:
        """One page, newest first."""
        wrap = partial(Image, self._link)
        steps = nouns.page(self._link.server, ImageResource, "/v1/images", filters(wanted), wrap)
        return self._link.run(steps)

    def upload(self, image: bytes | Path, *, filename: str | None = None) -> Image:
        """Store an image of your own: it is checked, inspected and gets a record.

        >>> photo = client.images.upload(Path("photo.jpg"))
        """
        steps = nouns.send_image(self._link.server, ImageResource, "/v1/images", "image", image, filename)
        return self._read(steps)

    def delete(self, image: str) -> Image:
        """Delete the bytes; the record stays."""
        return self._read(nouns.delete(self._link.server, ImageResource, route("images", image)))

    def record(self, image: str) -> Record:
        """The whole story of an image."""
        return self._link.run(nouns.get(self._link.server, Record, route("images", image, "record")))

    def _read(self, steps: Steps[ImageResource]) -> Image:
        return Image(self._link, self._link.run(steps))
