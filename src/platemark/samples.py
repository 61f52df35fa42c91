"""One noun of every kind and the like, for the contract suites and for tests."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from platemark.core.attempt import Attempt, Output
from platemark.core.base import Noun
from platemark.core.delivery import Delivery
from platemark.core.detector_report import REAL, DetectorReport, ReportGroup, Thresholds
from platemark.core.event import Event, EventType
from platemark.core.generation import Generation, Hop, IdempotencyKey, Input, Parameters, PromptText, Warning
from platemark.core.hashlist import HashEntry, HashImport, HashList
from platemark.core.hold import Hold
from platemark.core.ids import Prefix, uuid7_hex
from platemark.core.image import Blob, Fingerprint, Image, Publication
from platemark.core.inspection import Confidence, Finding, Inspection
from platemark.core.moderation import Signal, Verdict
from platemark.core.money import Cost, Usage
from platemark.core.policy import Policy
from platemark.core.project import ApiKey, Person, Project
from platemark.core.rates import wilson
from platemark.core.registry import RegistryEntry
from platemark.core.rendition import Rendition
from platemark.core.review import Decision, Reveal, Review, ReviewerChoice, ReviewNote
from platemark.core.takedown import Takedown, TakedownImage
from platemark.core.upload import Upload, UploadPiece
from platemark.core.watermark import NUMBER_BITS, WatermarkNumber

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
_ticks = count(int(NOW.timestamp() * 1000))


def fresh_id(prefix: Prefix) -> str:
    """An id that sorts after those before it, and that nobody else has."""
    return f"{prefix}_{uuid7_hex(next(_ticks), secrets.randbits(74))}"


def sample_generation(project: str, **changes: Any) -> tuple[PromptText, Generation]:
    """A queued generation and its text. `changes` are fields of the generation."""
    text = PromptText(
        id=fresh_id("txt"),
        project=project,
        salt="5a" * 16,
        body={"prompt": "a red house, 红房子", "negative_prompt": None},
        created_at=NOW,
    )
    generation = Generation(
        id=fresh_id("gen"),
        project=project,
        key="key_1",
        status="queued",
        operation="text_to_image",
        lane="interactive",
        requested_model="draft",
        model="local/pocket",
        parameters=Parameters(width=256, height=256, steps=12, cfg_scale=7.0, seed=2**32 - 1, n=1),
        text=text.id,
        text_sha256="ab" * 32,
        tags={"campaign": "spring"},
        warnings=(Warning(code="enlarged", message="Drawn at 256 pixels."),),
        dropped=("scheduler",),
        created_at=NOW,
        start_by=NOW + timedelta(hours=24),
    )
    return text, Generation.model_validate({**dict(generation), **changes})


def sample_route() -> tuple[Hop, ...]:
    """A route that has left its first model, and whose last one was never asked."""
    parameters = Parameters(width=256, height=256, steps=12, cfg_scale=7.0, seed=2**32 - 1, n=1)
    dropped = Warning(code="field_dropped", message="scheduler was dropped.", field="scheduler")
    estimate = Cost(status="estimated", micro_usd=65_000, basis="price list")
    return (
        Hop(
            model="stability/core",
            state="left",
            code="provider_unavailable",
            reason="stability cannot work at the moment.",
            left_at=NOW,
            parameters=parameters,
            dropped=("scheduler",),
            warnings=(dropped,),
            estimate=estimate,
        ),
        Hop(model="local/pocket", state="chosen", revision="sha256:00", parameters=parameters),
        Hop(model="local/large", state="skipped", code="unknown_model", reason="It is not configured."),
    )


def sample_nouns(project: str) -> list[Noun]:
    """One noun of every kind that can be added, each with values in its optional fields."""
    started_from = (Input(role="image", image="img_1"), Input(role="control", index=1, image="img_2"))
    text, generation = sample_generation(
        project, user_sha256="cd" * 32, error={"code": "x"}, retry_at=NOW, inputs=started_from, route=sample_route()
    )
    where: dict[str, Any] = {"project": project, "generation": generation.id}
    digest = hashlib.sha256(project.encode()).hexdigest()
    attempt = Attempt(
        id=fresh_id("att"),
        **where,
        number=1,
        provider="local",
        model="local/pocket",
        state="prepared",
        created_at=NOW,
        response={"a": [1]},
    )
    image = Image(
        id=fresh_id("img"),
        **where,
        index=0,
        origin="generated",
        created_at=NOW,
        seed=7,
        width=256,
        height=256,
        media_type="image/png",
        sha256=digest,
        original_sha256=digest,
        parents=("img_1",),
        moderation_state="not_evaluated",
        credential_state="valid",
    )
    signal = Signal(detector="lexicon", version="1", category="violence", score=0.5, evidence={"rule": "x"})
    verdict = Verdict(
        id=fresh_id("vdt"),
        **where,
        image=image.id,
        stage="after_response",
        decision="review",
        blocked_by_app_policy=True,
        signals=(signal,),
        rule_ids=("r1", "r2"),
        policy_version="1",
        input_sha256=digest,
        created_at=NOW,
    )
    inspection = Inspection(
        id=fresh_id("ins"),
        project=project,
        image=image.id,
        verdict="generated_by_us",
        tier="conclusive",
        confidence=Confidence(p_ai=1.0),
        evidence=(Finding(kind="registry", status="match", detail={"distance": 0}),),
        input_sha256=digest,
        media_type="image/png",
        width=256,
        height=256,
        versions={"pdq": "1"},
        timings_ms={"registry": 0.25},
        created_at=NOW,
    )
    publication = Publication(
        id=fresh_id("pub"),
        project=project,
        image=image.id,
        state="draft",
        created_at=NOW,
        changed_at=NOW,
        disclosure="label",
        label_text="Made with AI",
        wanted=({"width": 640},),
        targets=("site",),
        error={"code": "seal_failed"},
        next_at=NOW,
    )
    nouns: tuple[Noun, ...] = (
        Project(id=project, name="Prøve", created_at=NOW),
        Person(id=fresh_id("per"), name="Ada", password_hash=digest, roles={project: "admin"}, created_at=NOW),
        ApiKey(
            id=fresh_id("key"),
            project=project,
            name="app",
            secret_sha256=secrets.token_hex(32),
            hint="pm_…ab12",
            scopes=("images:read", "images:write"),
            created_at=NOW,
            expires_at=NOW + timedelta(days=1),
        ),
        # References before what they refer to: the order is the store's business.
        IdempotencyKey(id=secrets.token_hex(32), **where, body_sha256=digest, created_at=NOW),
        generation,
        text,
        Usage(
            id=fresh_id("use"),
            **where,
            attempt=attempt.id,
            cost_status="settled",
            micro_usd=0,
            basis="device price 0",
            created_at=NOW,
        ),
        Output(
            id=f"{attempt.id}/0",
            **where,
            attempt=attempt.id,
            index=0,
            sha256=digest,
            media_type="image/png",
            seed=7,
            flags={"nsfw": False},
        ),
        attempt,
        publication,
        image,
        Blob(id=f"{project}/{digest}", project=project, sha256=digest, size=2**33, media_type="a", created_at=NOW),
        Fingerprint(id=image.id, project=project, sha256=digest, pdq="0f" * 32, quality=100),
        RegistryEntry(
            id=fresh_id("reg"),
            project=project,
            image=image.id,
            origin=image.origin,
            sha256=digest,
            pdq="0f" * 32,
            quality=100,
            core="3c" * 32,
        ),
        WatermarkNumber(
            id=fresh_id("wmk"),
            project=project,
            image=image.id,
            number=secrets.randbits(NUMBER_BITS),
            version="1",
            key="0123abcd",
            created_at=NOW,
        ),
        verdict,
        inspection,
        Policy(
            id=fresh_id("pol"),
            project=project,
            state="draft",
            content="version: mine\n",
            author="key_1",
            approver="key_2",
            note="for the elections",
            created_at=NOW,
            changed_at=NOW,
        ),
    )
    return [
        *nouns,
        *_released(project, image.id, publication.id, digest),
        *_reviewed(project, image, verdict.id),
        *_kept(project, image.id, text.id),
        *_known(),
        sample_report(project),
    ]


def _released(project: str, image: str, publication: str, digest: str) -> list[Noun]:
    """A file of a release, and its way to a target."""
    where: dict[str, Any] = {"project": project, "image": image, "publication": publication, "created_at": NOW}
    return [
        Delivery(
            id=fresh_id("dlv"),
            **where,
            target="site",
            action="deliver",
            state="delivered",
            attempts=2,
            receipt={"id": 7},
            changed_at=NOW,
        ),
        Rendition(
            id=fresh_id("rnd"),
            **where,
            name="full",
            sha256=digest,
            size=9,
            media_type="image/png",
            width=3,
            height=2,
            watermark="off",
            credential_state="valid",
            credential_signer="Ours",
        ),
    ]


def _reviewed(project: str, image: Image, verdict: str) -> list[Noun]:
    """A case with everything that people leave at it."""
    review = Review(
        id=fresh_id("rev"),
        project=project,
        generation=image.generation,
        image=image.id,
        verdict=verdict,
        state="pending",
        reason_code="violence",
        place="199 2026",
        barred=("per_1",),
        created_at=NOW,
        due_at=NOW + timedelta(hours=24),
        expires_at=NOW + timedelta(hours=72),
    )
    decision = Decision(
        id=fresh_id("dec"),
        project=project,
        review=review.id,
        by="per_1",
        key="key_1",
        action="approve",
        reason_code="NO_VIOLATION",
        note="nte_1",
        decided_at=NOW,
        effective_at=NOW + timedelta(seconds=60),
    )
    said: dict[str, Any] = {"project": project, "review": review.id, "by": "per_1"}
    return [
        review,
        decision,
        ReviewNote(id=fresh_id("nte"), **said, salt="5a" * 16, body="a", created_at=NOW),
        Reveal(id=fresh_id("rvl"), **said, image=image.id, reason_code="GORE", severe=True, at=NOW),
        ReviewerChoice(id=f"{project}/per_1", project=project, by="per_1", opted_out=("GORE",), changed_at=NOW),
    ]


def _kept(project: str, image: str, text: str) -> list[Noun]:
    """A hold, a notice with its picture, and an upload."""
    notice = Takedown(
        id=fresh_id("tdn"),
        project=project,
        kind="intimate_image",
        state="received",
        statement=text,
        statement_sha256="ab" * 32,
        created_by="key_1",
        created_at=NOW,
        due_at=NOW + timedelta(hours=48),
        warn_at=NOW + timedelta(hours=36),
    )
    return [
        TakedownImage(id=fresh_id("tdi"), project=project, takedown=notice.id, image=image, how="near", distance=12),
        notice,
        Hold(
            id=fresh_id("hld"),
            project=project,
            image=image,
            reason_code="litigation",
            created_by="per_1",
            created_at=NOW,
            until=NOW + timedelta(days=90),
        ),
        Upload(
            id=fresh_id("upl"),
            project=project,
            key="key_1",
            state="receiving",
            sha256="cd" * 32,
            size=9,
            received=4,
            pieces=(UploadPiece(key="ef" * 32, size=4),),
            text=text,
            tags={"campaign": "spring"},
            created_at=NOW,
            expires_at=NOW + timedelta(days=1),
        ),
    ]


def sample_report(project: str, **changes: Any) -> DetectorReport:
    """A report of now on one model and real uploads. `changes` are its fields."""
    made = sample_group("local/pocket", 60, 24, between=6, scores=(6, 6, 4, 4, 4, 4, 4, 4, 6, 18))
    real = sample_group(REAL, 40, 1, between=1, scores=(20, 10, 4, 2, 1, 1, 0, 0, 1, 1), not_evaluated=2)
    report = DetectorReport(
        id=fresh_id("rpt"),
        project=project,
        by="detector evaluate --own",
        detector="ai_image",
        kind="learned",
        version="1+0123456789ab",
        head="line",
        head_sha256="ab" * 32,
        calibration="cal-01234567",
        most=200,
        groups=(made, real),
        thresholds=Thresholds(t_lo=0.61, t_hi=0.92),
        recommended=Thresholds(t_lo=0.45, t_hi=0.95),
        notes=("2 pictures were too small.",),
        created_at=NOW,
    )
    return report.model_copy(update=changes)


def sample_group(name: str, pictures: int, above: int, **fields: Any) -> ReportGroup:
    """Pictures of a model, or real uploads, of which `above` were called AI-made."""
    low, high = wilson(above, pictures)
    rest: dict[str, Any] = {"between": 0, "not_evaluated": 0, "scores": (0,) * 10, **fields}
    return ReportGroup(
        group=name,
        real=name == REAL,
        pictures=pictures,
        above=above,
        rate=round(above / pictures, 3) if pictures else None,
        low=round(low, 3),
        high=round(high, 3),
        **rest,
    )


def _known() -> list[Noun]:
    """A list of known pictures, a file that was read into it, and a hash."""
    known = HashList(
        id=fresh_id("hls"),
        name="takedowns",
        source="our notices",
        purpose="takedown",
        action="block",
        reason_code="KNOWN_HASH_MATCH",
        kinds=("pdq", "sha256"),
        state="active",
        version=2,
        entries=1,
        created_by="per_1",
        created_at=NOW,
        changed_at=NOW,
    )
    batch = HashImport(
        id=fresh_id("him"),
        list=known.id,
        state="confirmed",
        sha256="ab" * 32,
        replaces=False,
        signed="sha256",
        rows=1,
        added=1,
        proposed_by="per_1",
        confirmed_by="per_2",
        created_at=NOW,
        decided_at=NOW,
    )
    entry = HashEntry(
        id=fresh_id("hen"), list=known.id, batch=batch.id, kind="pdq", hash="0f" * 32, status="active", added_at=NOW
    )
    return [known, batch, entry]


def sample_event(project: str, type: EventType, generation: str | None = None, **data: Any) -> Event:
    """An event of now."""
    return Event(id=fresh_id("evt"), project=project, type=type, generation=generation, at=NOW, data=data)


def sample_blob(size: int) -> tuple[str, bytes]:
    """A key of a new project and its bytes."""
    data = secrets.token_bytes(size)
    return f"{fresh_id('prj')}/{hashlib.sha256(data).hexdigest()}", data
