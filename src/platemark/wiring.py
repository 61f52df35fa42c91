"""The composition root: settings in, a running Platform out."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import anyio
from pydantic import SecretStr

from platemark import telemetry
from platemark.core.disclosure import AiDisclosure, Labelling
from platemark.core.errors import Misconfigured, PlatemarkError, StorageUnavailable
from platemark.core.hours import WorkingHours, week
from platemark.core.limits import REVIEW_SLA, Limits, Retention, ReviewLimits
from platemark.core.ports import Clock, Fetch, ImageDetector, Jobs, Platform, Provider, TextDetector
from platemark.detectors.blankness import Blankness
from platemark.detectors.examples import PromptExamples
from platemark.detectors.hash_lists import HashLists
from platemark.detectors.image_safety import ImageSafety, switched_off
from platemark.detectors.language import Language
from platemark.detectors.lexicon import Lexicon
from platemark.detectors.names import FiguresAndBrands
from platemark.detectors.networks import Networks
from platemark.detectors.onnx import Weights
from platemark.detectors.origin_services.opening import open_services
from platemark.detectors.pool import Pool, open_pool
from platemark.detectors.remembered import Memory, Remembered
from platemark.detectors.sentences import SentenceModel
from platemark.detectors.services import Configured, open_remote
from platemark.engine.models.weights import listed, place
from platemark.flows.hashlists import StoredHashes
from platemark.flows.known import Known
from platemark.flows.projects import first_start
from platemark.flows.resolve import DEFAULT
from platemark.imaging.label import check_font, hindrance
from platemark.jobs.deliveries import post
from platemark.jobs.runtime import DurableJobs, Pace
from platemark.jobs.sweeper import beat, retain, sweep
from platemark.net.fetch import fetch
from platemark.net.secrets import key_file
from platemark.origin import open_classifier
from platemark.policy.builtin import load_policy
from platemark.policy.bundles import YamlBundles
from platemark.provenance.known_marks import KnownMarks
from platemark.provenance.signing import open_provenance
from platemark.provenance.watermark import open_watermark
from platemark.providers.hosted import Hosted, open_hosted
from platemark.providers.http import Deadlines
from platemark.providers.local import open_local
from platemark.providers.remote import Remote
from platemark.settings import HostedProvider, ReviewHours, Settings
from platemark.store.blobs import open_blobs
from platemark.store.database import Database
from platemark.store.targets import open_targets
from platemark.store.upgrade import upgrade
from platemark.system import LocalNotices, OpenBudget, SystemClock, SystemIds
from platemark.trust import public_lists

log = telemetry.logger(__name__)
Change = Callable[[Platform], Platform]
ADMIN_KEY_FILE = "admin.key"
_URL_KEY_FILE = "url.key"


def _as_it_is(platform: Platform) -> Platform:
    return platform


@asynccontextmanager
async def open_platform(settings: Settings, *, change: Change = _as_it_is) -> AsyncGenerator[Platform]:
    """Open everything that the role needs, close it in reverse. `change` may wrap or replace ports before work starts.

    Raises Misconfigured, DatabaseUnavailable, StorageUnavailable with what the operator has to do.
    """
    jobs = _jobs(settings)
    async with _open(settings, jobs, change) as (platform, database), AsyncExitStack() as stack:
        await jobs.start(platform)
        stack.push_async_callback(jobs.stop)
        if jobs.works:
            dead = settings.worker_dead_seconds
            beating = beat(jobs, database, platform, dead, partial(_share_contracts, platform.providers))
            sweeping = sweep(jobs, database, platform, settings.sweep_seconds, dead)
            posting = post(platform, settings.sweep_seconds)
            await stack.enter_async_context(
                _background(beating, sweeping, posting, retain(database, platform), _warm(platform))
            )
        yield platform


@asynccontextmanager
async def open_parts(settings: Settings, *, change: Change = _as_it_is) -> AsyncGenerator[Platform]:
    """The platform without its durable runtime: everything is there, and nothing runs by itself."""
    async with _open(settings, _jobs(settings), change) as (platform, _):
        yield platform


@asynccontextmanager
async def _open(settings: Settings, jobs: Jobs, change: Change) -> AsyncGenerator[tuple[Platform, Database]]:
    """The platform, and the database itself for the workers' own table, which no port speaks of."""
    await anyio.to_thread.run_sync(_make_data_directory, settings.data)
    await upgrade(database_url(settings))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(database_url(settings)))
        platform = change(await _platform(settings, stack, database, jobs))
        key_file = settings.data / ADMIN_KEY_FILE
        first = await first_start(platform, admin_key=_secret(settings.admin_key), key_file=key_file)
        if first is not None and first.key_file is not None:
            log.info("first_start", project=first.project, admin_key_in=str(first.key_file))
        yield platform, database


async def _platform(settings: Settings, stack: AsyncExitStack, database: Database, jobs: Jobs) -> Platform:
    clock = SystemClock()
    pool = await stack.enter_async_context(open_pool(settings.moderation_workers))
    remote_texts, remote_images = await _remote_detectors(settings, stack, clock)
    return Platform(
        clock=clock,
        ids=SystemIds(clock),
        store=database,
        registry=Known(database, limits(settings)),
        blobs=open_blobs(settings.blobs or str(settings.data / "blobs"), _revealed(settings)),
        fetch=_fetch(settings),
        jobs=jobs,
        notices=LocalNotices(),
        budget=OpenBudget(),
        providers=await _providers(settings, stack, clock),
        aliases=aliases(settings),
        text_detectors=_with_memory(
            (*await anyio.to_thread.run_sync(open_text_detectors, settings), *remote_texts), clock
        ),
        image_detectors=(
            *await anyio.to_thread.run_sync(_image_detectors, settings, pool),
            _hash_lists(settings, database, clock),
            *remote_images,
        ),
        policy=await anyio.to_thread.run_sync(load_policy, settings.policy),
        bundles=YamlBundles(),
        provenance=await open_provenance(settings, await anyio.to_thread.run_sync(public_lists, settings)),
        limits=limits(settings),
        url_secret=await anyio.to_thread.run_sync(key_file, settings.data / _URL_KEY_FILE),
        watermark=await open_watermark(settings),
        origin_detectors=(
            KnownMarks(**limits(settings).picture),
            await anyio.to_thread.run_sync(open_classifier, settings, pool),
            *await stack.enter_async_context(
                open_services(
                    settings.origin_detectors, clock=clock, fraction=SystemIds(clock).fraction, limits=limits(settings)
                )
            ),
        ),
        targets=await anyio.to_thread.run_sync(open_targets, settings),
    )


def open_text_detectors(settings: Settings) -> tuple[TextDetector, ...]:
    """What reads prompts. Blocks. Raises Misconfigured naming file, line and field of what it cannot read."""
    lexicon = Lexicon.load(settings.lexicon)
    return lexicon, FiguresAndBrands.load(), PromptExamples.load(sentence_model(settings)), Language()


def _with_memory(detectors: tuple[TextDetector, ...], clock: Clock) -> tuple[TextDetector, ...]:
    """Scores are kept by content and version; the same prompt is measured once."""
    memory = Memory(os.urandom(32), clock.monotonic)
    return tuple(Remembered(detector, memory) for detector in detectors)


def sentence_model(settings: Settings) -> SentenceModel:
    """Where the weights of the sentence model lie, or will."""
    network, tokenizer = (
        moderation_weights(f"moderation/{name}", settings.cache) for name in ("minilm", "minilm-tokenizer")
    )
    return SentenceModel(network, tokenizer)


def _image_detectors(settings: Settings, pool: Pool) -> tuple[ImageDetector, ...]:
    """What looks at pixels; the classifiers also tell whether there is a picture at all."""
    bounds = limits(settings).picture
    if not settings.image_classifiers:
        return Blankness(**bounds), switched_off()
    return (ImageSafety.in_pool(pool, image_networks(settings.cache), **bounds),)


def _hash_lists(settings: Settings, database: Database, clock: Clock) -> HashLists:
    stored, seconds = StoredHashes(database), settings.hash_list_seconds
    return HashLists(stored, clock.monotonic, seconds=seconds, **limits(settings).picture)


def image_networks(cache: Path) -> Networks:
    """Where the weights of the image classifiers lie, or will."""
    return Networks(
        moderation_weights("moderation/safety-classifier", cache), moderation_weights("moderation/open-nsfw", cache)
    )


def moderation_weights(name: str, cache: Path) -> Weights:
    """An entry of `weights.toml`, as detectors take it."""
    weight = listed()[name]
    return Weights(weight.name, place(weight, cache), weight.sha256)


@runtime_checkable
class _Warmed(Protocol):
    """What loads something large before it can look."""

    name: str

    async def warm(self) -> None: ...


async def _warm(platform: Platform) -> None:
    """Load what detectors and the registry need, one after the other, beside the start of everything else."""
    for detector in (*platform.text_detectors, *platform.image_detectors, platform.registry):
        if isinstance(detector, _Warmed):
            try:
                await detector.warm()
            except PlatemarkError as error:
                log.warning("detector.cold", detector=detector.name, reason=error.detail)


async def _providers(settings: Settings, stack: AsyncExitStack, clock: Clock) -> Mapping[str, Provider]:
    """The configured providers. A process that does not draw knows the local models but starts no engine."""
    found = dict[str, Provider]()
    for name in settings.providers:
        if name == "local":
            # One that does not draw never loads the engine: it starts with its first drawing.
            draws = settings.role in ("all", "engine")
            found[name] = await stack.enter_async_context(open_local(settings, warm=draws))
        else:
            found[name] = await stack.enter_async_context(_hosted(name, settings, clock))
    return found


async def _remote_detectors(
    settings: Settings, stack: AsyncExitStack, clock: SystemClock
) -> tuple[list[TextDetector], list[ImageDetector]]:
    """Moderation services of others, where any are configured."""
    texts, images = list[TextDetector](), list[ImageDetector]()
    for name, said in settings.remote_detectors.items():
        configured = Configured(said.kind or name, said.keys, said.base_url, said.models, said.timeout_seconds)
        fraction = SystemIds(clock).fraction
        opened = open_remote(name, configured, clock=clock, fraction=fraction, limits=limits(settings))
        remote = await stack.enter_async_context(opened)
        texts += [remote.texts] if said.texts else []
        images += [remote.images] if said.images else []
    return texts, images


def open_provider(name: str, settings: Settings) -> AbstractAsyncContextManager[Remote]:
    """One hosted provider by itself, as it is configured. Raises Misconfigured."""
    return _hosted(name, settings, SystemClock())


def _hosted(name: str, settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Remote]:
    said = settings.hosted.get(name, HostedProvider())
    # A host that the operator named may be private, also for the pictures that lie there.
    host = urlsplit(said.base_url).hostname if said.base_url else None
    return open_hosted(
        name,
        hosted_of(name, settings),
        clock=clock,
        fetch=_fetch(settings, *((host,) if host else ())),
        max_pixels=settings.max_pixels,
    )


def hosted_of(name: str, settings: Settings) -> Hosted:
    """What the settings say of a hosted provider; nothing where they do not name it."""
    said = settings.hosted.get(name, HostedProvider())
    return Hosted(
        keys=said.keys,
        base_url=said.base_url,
        kind=said.kind,
        models=said.models,
        on_unknown=said.on_unknown,
        deadlines=Deadlines(said.connect_seconds, said.read_seconds, said.total_seconds),
        webhook_url=_webhook_url(name, settings, said),
        webhook_secret=said.webhook_secret,
    )


def _webhook_url(name: str, settings: Settings, said: HostedProvider) -> str | None:
    """Where the vendor calls us back. Vendors want TLS; only a simulated one, which has none itself, does not."""
    public = (settings.public_url or "").rstrip("/")
    simulated = said.base_url is not None and said.base_url.startswith("http://")
    if not public.startswith("https://") and not (public and simulated):
        return None
    return f"{public}/v1/providers/{name}/webhook"


def _share_contracts(providers: Mapping[str, Provider], workers: int) -> None:
    """Each worker keeps to its part of what a vendor allows."""
    for provider in providers.values():
        if isinstance(provider, Remote):
            provider.pacer.workers = workers


def _fetch(settings: Settings, *more_hosts: str) -> Fetch:
    async def read(url: str, /) -> bytes:
        fetched = await fetch(
            url,
            allowed_hosts=(*settings.allowed_hosts, *more_hosts),
            max_bytes=settings.max_image_bytes,
            seconds=settings.fetch_seconds,
        )
        return fetched.data

    return read


def aliases(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Each name with the models, or further names, that it stands for in order."""
    said = {DEFAULT: settings.default_model, **settings.aliases}
    return {name: (models,) if isinstance(models, str) else models for name, models in said.items()}


def limits(settings: Settings) -> Limits:
    """The numbers that flows obey."""
    return Limits(
        max_attempts=settings.max_attempts,
        attempts_before_reroute=settings.attempts_before_reroute,
        max_engine_crashes=settings.max_engine_crashes,
        attempt_timeout=settings.attempt_timeout,
        start_within=settings.start_within,
        review_expires_after=settings.review_expires_after,
        reviews=ReviewLimits(
            sla={**REVIEW_SLA, **settings.review_sla},
            hours=_hours(settings.review_hours),
            undo=settings.review_undo,
            sample=settings.review_sample,
            reveals_per_hour=settings.review_reveals_per_hour,
            reveals_per_shift=settings.review_reveals_per_shift,
            pause=settings.review_break,
        ),
        url_lifetime=settings.url_lifetime,
        upload_expires_after=settings.upload_expires_after,
        retention=Retention(
            rejected=settings.keep_rejected,
            drafts=settings.keep_drafts,
            published=settings.keep_published,
            withdrawn=settings.keep_withdrawn,
            responses=settings.keep_responses,
            texts=settings.keep_texts,
            reveals=settings.keep_reveals,
        ),
        max_image_bytes=settings.max_image_bytes,
        max_pixels=settings.max_pixels,
        watermark_decibels=settings.watermark_audiences,
        labelling=_labelling(settings),
    )


def _labelling(settings: Settings) -> Labelling:
    """Raises Misconfigured where what is to be drawn cannot be."""
    texts: dict[AiDisclosure, str] = {**settings.label_texts}
    found = Labelling(texts, frozenset(settings.label_burned_audiences), settings.label_font)
    check_font(found.font)
    for kind in ("label", "deepfake_label") if found.burned_for else ():
        if why := hindrance(found.text_of(kind) or "", 1024, 1024, found.font):
            raise Misconfigured(f"label_texts.{kind}: {why}.")
    return found


def _hours(said: ReviewHours | None) -> WorkingHours | None:
    if said is None:
        return None
    return WorkingHours(ZoneInfo(said.zone), week(said.week), frozenset(said.holidays), frozenset(said.always))


def database_url(settings: Settings) -> str:
    """Where our rows live."""
    return _secret(settings.database_url) or f"sqlite:///{settings.data / 'platemark.db'}"


def _jobs(settings: Settings) -> DurableJobs:
    configured = _secret(settings.database_url)
    url = f"sqlite:///{settings.data / 'jobs.db'}" if configured is None else _psycopg(configured)
    interactive = settings.interactive_poll_seconds or (0.5 if settings.role == "all" else 0.1)
    pace = Pace(interactive, settings.batch_poll_seconds, settings.stop_seconds)
    return DurableJobs(url, settings.role, settings.data / "locks", pace, settings.executor_id)


def _psycopg(url: str) -> str:
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _revealed(settings: Settings) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in settings.blob_options.items()}


def _make_data_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(
            f"The data directory {path} cannot be made: {error.strerror}. Choose another with --data."
        ) from error
    if not os.access(path, os.W_OK):
        raise Misconfigured(
            f"The data directory {path} cannot be written to. Change its owner, or choose another with --data."
        )


@asynccontextmanager
async def _background(*loops: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Run endless loops beside the block. Tasks of their own, so that the block's errors come out as they are."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
