"""`AsyncClient`: the async twin of `Client`, with the same names. tests/client/test_twins.py compares them."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, Unpack, cast

import httpx2

from platemark.client import generate, moderate, nouns, reports, stream, wire
from platemark.client.admin import AsyncAudit, AsyncKeys, AsyncProjects
from platemark.client.detector_reports import AsyncDetectorReports
from platemark.client.drive import NATURE, Async, Nature
from platemark.client.effects import Steps
from platemark.client.events import Event
from platemark.client.fields import Fields, Filters, ImageFilters, filters
from platemark.client.generate import Waiting
from platemark.client.hash_lists import AsyncHashLists
from platemark.client.inspections import AsyncInspections
from platemark.client.inspections import analyze as analyze_steps
from platemark.client.keeping import AsyncHolds, AsyncRetention, AsyncTakedowns
from platemark.client.nouns import Page, route
from platemark.client.people import AsyncPeople
from platemark.client.pictures import Picture
from platemark.client.policies import AsyncPolicies
from platemark.client.provenance import AsyncProvenance
from platemark.client.publications import AsyncPublications
from platemark.client.retry import PATIENT, Retry
from platemark.client.reviews import AsyncReviews
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


class AsyncClient:
    """A connection to a Platemark server.

    >>> from platemark import AsyncClient
    >>> async with AsyncClient("http://127.0.0.1:8460", api_key="pm_…") as client:
    ...     generation = await client.generate("a red house in a green meadow at sunset", width=512)
    ...     await generation.images[0].save("house.png")

    Arguments as for `Client`. It runs on asyncio and on trio.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | httpx2.Timeout = 60.0,
        retry: Retry = PATIENT,
        transport: httpx2.AsyncBaseTransport | None = None,
        nature: Nature = NATURE,
    ) -> None:
        server = wire.server(base_url, api_key, timeout, retry)
        self._link = Async(httpx2.AsyncClient(transport=transport, mounts=wire.DIRECT), server, nature)
        self.generations = AsyncGenerations(self._link)
        self.images = AsyncImages(self._link)
        self.keys = AsyncKeys(self._link)
        self.people = AsyncPeople(self._link)
        self.reviews = AsyncReviews(self._link)
        self.hash_lists = AsyncHashLists(self._link)
        self.publications = AsyncPublications(self._link)
        self.provenance = AsyncProvenance(self._link)
        self.inspections = AsyncInspections(self._link)
        self.detector_reports = AsyncDetectorReports(self._link)
        self.projects = AsyncProjects(self._link)
        self.policies = AsyncPolicies(self._link)
        self.audit = AsyncAudit(self._link)
        self.holds = AsyncHolds(self._link)
        self.takedowns = AsyncTakedowns(self._link)
        self.retention = AsyncRetention(self._link)

    @property
    def base_url(self) -> str:
        """The server's address."""
        return str(self._link.server.base)

    async def generate(
        self,
        prompt: str,
        *,
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - the name that the twin has; NotFinished says more than a cancel
        on_progress: Listener | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> "AsyncGeneration":
        """Ask for images, and wait for them.

        >>> generation = await client.generate("a red house in a green meadow", width=512, seed=7)

        As `Client.generate`; `on_progress` may be an async function.
        """
        key = idempotency_key or secrets.token_hex(16)
        waiting = Waiting(timeout, on_progress) if wait else None
        steps = generate.generate(self._link.server, prompt, fields, key=key, waiting=waiting)
        return AsyncGeneration(self._link, await self._link.run(steps))

    async def variations(
        self,
        of: Picture,
        *,
        n: int = 4,
        strength: float = 0.3,
        wait: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in generate
        on_progress: Listener | None = None,
        idempotency_key: str | None = None,
    ) -> "AsyncGeneration":
        """Pictures like one that Platemark drew: the same request and seed, its noise moved away by `strength`.

        >>> more = await client.variations(generation.images[0], n=4, strength=0.2)

        `of` is an image, a generation of one image, or an `img_` id. The first picture is the one that it started
        from; 0 gives the same again, 1 has nothing to do with it.
        """
        prompt, again = await self._link.run(request_of(self._link.server, of, n, strength))
        return await self.generate(
            prompt,
            wait=wait,
            timeout=timeout,
            on_progress=on_progress,
            idempotency_key=idempotency_key,
            **cast("Fields", again),
        )

    async def upload(
        self,
        image: bytes | Path | str,
        *,
        on_progress: Watcher | None = None,
        piece: int = PIECE_BYTES,
        **words: Unpack[Words],
    ) -> "AsyncImage":
        """Bring a picture of your own: in pieces of `piece` bytes, taken up again where the connection broke.

        >>> photo = await client.upload("harbour.jpg", caption="Ships at dawn", user="reader-7")

        Where the project has the same bytes already, that image is returned and nothing is sent. Raises what the server
        says of the file: InvalidImage, TooLarge, InvalidRequest.
        """
        steps = upload_steps(self._link.server, image, words, on_progress, piece)
        return AsyncImage(self._link, await self._link.run(steps))

    async def models(self) -> list[ModelResource]:
        """The models that can be asked for, and what each can do."""
        return await self._link.run(nouns.listing(self._link.server, ModelResource, "/v1/models"))

    async def providers(self) -> list[ProviderResource]:
        """The configured providers and whether each can work now."""
        return await self._link.run(nouns.listing(self._link.server, ProviderResource, "/v1/providers"))

    async def readiness(self, provider: str) -> ReadinessResource:
        """What a provider declares: models, refusals, limits, keys, prices. Nothing is sent to it."""
        path = route("providers", provider, "readiness")
        return await self._link.run(nouns.get(self._link.server, ReadinessResource, path))

    async def moderate(
        self,
        input: str | Sequence[str] = (),
        *,
        image: Picture | None = None,
        audience: str | None = None,
        role: str | None = None,
        stage: Stage = "before_request",
    ) -> ModerationResource:
        """What the policy says of texts or of a picture, without generating; see `Client.moderate`."""
        steps = moderate.moderate(self._link.server, input, image, audience=audience, role=role, stage=stage)
        return await self._link.run(steps)

    async def report(
        self,
        by: Sequence[str] = ("code",),
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> ReportResource:
        """How many verdicts ended in which decision, by code, provider, model, audience, role, stage or day.

        Needs the scope audit:read, or reviews:decide.
        """
        return await self._link.run(reports.moderation(self._link.server, by, since, until))

    async def analyze(
        self,
        image: Picture,
        *,
        retain: bool = True,
        only: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> InspectionResource:
        """Is it likely AI-made, is it ours, who signed it: evidence, verdict, confidence; see `Client.analyze`."""
        steps = analyze_steps(self._link.server, image, retain=retain, only=only, without=without)
        return await self._link.run(steps)

    async def inspection(self, inspection: str) -> InspectionResource:
        """What was read from an image: evidence, verdict, confidence."""
        return await self._link.run(nouns.get(self._link.server, InspectionResource, route("inspections", inspection)))

    async def request(
        self, method: str, path: str, *, json: JsonObject | None = None, params: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        """Any call of the API, for what has no method here; `path` is below the base URL. Errors are raised as ever."""
        call = wire.Call(method.upper(), path, params or {}, json=json, repeatable=method.upper() in ("GET", "DELETE"))
        return await self._link.run(wire.perform(self._link.server, call))

    async def close(self) -> None:
        """Close the connections."""
        await self._link.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<platemark.AsyncClient {self.base_url}>"


class AsyncGeneration(GenerationView):
    """One request and its images."""

    def __init__(self, link: Async, resource: GenerationResource) -> None:
        self._link = link
        self.resource = resource

    @property
    def images(self) -> tuple["AsyncImage", ...]:
        """The images that are there so far."""
        return tuple(AsyncImage(self._link, image) for image in self.resource.images)

    @property
    async def record(self) -> GenerationRecord:
        """The whole story: request, attempts, moderation, images, cost, audit chain. Read anew each time.

        >>> record = await generation.record
        """
        return await AsyncGenerations(self._link).record(self.id)

    async def wait(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        on_progress: Listener | None = None,
        through_review: bool = False,
    ) -> Self:
        """Wait for the end as `AsyncClient.generate` does; with `through_review`, also for a reviewing person."""
        waiting = Waiting(timeout, on_progress, through_review)
        self.resource = await self._link.run(generate.wait(self._link.server, self.resource, waiting))
        return self

    async def refresh(self) -> Self:
        """Read it again."""
        self.resource = (await AsyncGenerations(self._link).get(self.id)).resource
        return self

    async def cancel(self) -> Self:
        """Ask for its end; a running one stops within a step."""
        self.resource = (await AsyncGenerations(self._link).cancel(self.id)).resource
        return self


class AsyncImage(ImageView):
    """One picture."""

    def __init__(self, link: Async, resource: ImageResource) -> None:
        self._link = link
        self.resource = resource

    @property
    async def record(self) -> Record:
        """The whole story of this picture. Read anew each time."""
        return await AsyncImages(self._link).record(self.id)

    async def read(self) -> bytes:
        """The stored bytes, checked against `sha256`. Raises NotAllowed (held or blocked), Gone."""
        return await self._link.run(nouns.read_image(self._link.server, self.resource))

    async def original(self) -> bytes:
        """The bytes that a vendor or uploader gave, with any credential in them. Raises NotFound (not kept), Gone."""
        return await self._link.run(nouns.read(self._link.server, route("images", self.id, "original")))

    async def save(self, path: Path | str = ".", *, overwrite: bool = False) -> Path:
        """Write the file, whole or not at all, and return its path.

        >>> await image.save("pictures/")  # pictures/img_….png

        A missing extension is added. Raises Conflict when the file exists, unless `overwrite`.
        """
        return await self._link.run(nouns.save_image(self._link.server, self.resource, path, overwrite=overwrite))

    async def delete(self) -> Self:
        """Delete the bytes; the record stays."""
        self.resource = (await AsyncImages(self._link).delete(self.id)).resource
        return self


class AsyncGenerations:
    """Generations of the project."""

    def __init__(self, link: Async) -> None:
        self._link = link

    async def get(self, generation: str) -> AsyncGeneration:
        """One generation as it is now. Raises NotFound."""
        return await self._read(nouns.get(self._link.server, GenerationResource, route("generations", generation)))

    async def list(self, **wanted: Unpack[Filters]) -> Page[AsyncGeneration]:
        """One page, newest first.

        >>> page = await client.generations.list(status="failed", needs_attention=True)
        """
        wrap = partial(AsyncGeneration, self._link)
        return await self._link.run(
            nouns.page(self._link.server, GenerationResource, "/v1/generations", filters(wanted), wrap)
        )

    async def cancel(self, generation: str) -> AsyncGeneration:
        """Ask for its end; a running one stops within a step."""
        return await self._act(generation, "cancel", repeatable=True)

    async def retry(self, generation: str) -> AsyncGeneration:
        """Start a failed generation again, under the same id."""
        return await self._act(generation, "retry")

    async def dismiss(self, generation: str) -> AsyncGeneration:
        """Leave a failed generation as it is; it needs no attention any more."""
        return await self._act(generation, "dismiss", repeatable=True)

    def events(self, generation: str, *, after: str | None = None) -> AsyncGenerator[Event]:
        """Its events from the first (or from `after`, an event's id) to its end, as they happen.

        A stream that breaks is taken up where it broke.
        """
        return self._link.iterate(stream.events(self._link.server, generation, after))

    async def erase_text(self, generation: str) -> AsyncGeneration:
        """Erase prompt, negative prompt and user for good; the record and its chain stay whole."""
        path = route("generations", generation, "text")
        return await self._read(nouns.delete(self._link.server, GenerationResource, path))

    async def preview(self, generation: str) -> bytes:
        """The newest step preview of a running generation. Raises NotFound when there is none."""
        return await self._link.run(nouns.read(self._link.server, route("generations", generation, "preview")))

    async def record(self, generation: str) -> GenerationRecord:
        """The whole story of a generation and its images."""
        return await self._link.run(
            nouns.get(self._link.server, GenerationRecord, route("generations", generation, "record"))
        )

    async def _act(self, generation: str, verb: str, *, repeatable: bool = False) -> AsyncGeneration:
        path = route("generations", generation, verb)
        return await self._read(nouns.act(self._link.server, GenerationResource, path, repeatable=repeatable))

    async def _read(self, steps: Steps[GenerationResource]) -> AsyncGeneration:
        return AsyncGeneration(self._link, await self._link.run(steps))


class AsyncImages:
    """Images of the project, generated and uploaded."""

    def __init__(self, link: Async) -> None:
        self._link = link

    async def get(self, image: str) -> AsyncImage:
        """One image as it is now. Raises NotFound."""
        return await self._read(nouns.get(self._link.server, ImageResource, route("images", image)))

    async def list(self, **wanted: Unpack[ImageFilters]) -> Page[AsyncImage]:
        """One page, newest first."""
        wrap = partial(AsyncImage, self._link)
        steps = nouns.page(self._link.server, ImageResource, "/v1/images", filters(wanted), wrap)
        return await self._link.run(steps)

    async def upload(self, image: bytes | Path, *, filename: str | None = None) -> AsyncImage:
        """Store an image of your own: it is checked, inspected and gets a record.

        >>> photo = await client.images.upload(Path("photo.jpg"))
        """
        return await self._read(
            nouns.send_image(self._link.server, ImageResource, "/v1/images", "image", image, filename)
        )

    async def delete(self, image: str) -> AsyncImage:
        """Delete the bytes; the record stays."""
        return await self._read(nouns.delete(self._link.server, ImageResource, route("images", image)))

    async def record(self, image: str) -> Record:
        """The whole story of an image."""
        return await self._link.run(nouns.get(self._link.server, Record, route("images", image, "record")))

    async def _read(self, steps: Steps[ImageResource]) -> AsyncImage:
        return AsyncImage(self._link, await self._link.run(steps))
