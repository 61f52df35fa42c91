"""Targets as they are configured: a directory, a webhook and a website, both faked. Buckets: test_bucket_targets.py."""

import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from parcels import PICTURE, PUBLICATION, opened, parcel
from platemark.core.errors import DeliveryFailed, DeliveryUnavailable, Misconfigured
from platemark.net.webhook import key_of, signature
from platemark.net.wordpress import basic
from platemark.settings import TargetSettings
from platemark.simulate.board import COMMON, Switchboard
from platemark.simulate.receiver import SECRET, Receiver
from platemark.simulate.server import serve
from platemark.simulate.wordpress import PASSWORD, USER, FakeWordPress


async def test_a_directory_has_the_files_and_what_is_said_of_them(tmp_path: Path) -> None:
    target = opened(tmp_path, kind="directory", location=str(tmp_path / "out"), public_url="https://cdn.example/p/")
    await target.deliver(parcel())
    receipt = await target.deliver(parcel())
    folder = tmp_path / "out" / PUBLICATION
    assert {path.name for path in folder.iterdir()} == {
        "publication.json",
        f"{PUBLICATION}-full.png",
        f"{PUBLICATION}-w2.webp",
    }
    assert (folder / f"{PUBLICATION}-full.png").read_bytes() == PICTURE
    assert json.loads((folder / "publication.json").read_text())["alt_text"] == "A red house — drawn"
    assert receipt["files"][0]["url"] == f"https://cdn.example/p/{PUBLICATION}/{PUBLICATION}-full.png"
    for _ in range(2):
        assert await target.withdraw(parcel(files=())) == {"removed": True}
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["../../escaped.png", "/escaped.png", "..", "a/../../escaped.png"])
async def test_no_name_leads_out_of_a_directory(tmp_path: Path, name: str) -> None:
    target = opened(tmp_path, kind="directory", location=str(tmp_path / "out"))
    given = parcel()
    about = {**given.document, "files": [{**given.document["files"][0], "filename": name}]}
    for way in (
        lambda: target.deliver(parcel(document=about, files=((name, PICTURE),))),
        lambda: target.withdraw(parcel(document=about, files=())),
        lambda: target.deliver(parcel(publication=name)),
    ):
        with pytest.raises(DeliveryFailed, match="there: this name cannot be kept"):
            await way()
    assert [path.name async for path in anyio.Path(tmp_path).rglob("*") if await path.is_file()] == []


def test_a_signature_is_that_of_the_standard_webhooks() -> None:
    # The example of https://github.com/standard-webhooks/standard-webhooks and of its libraries.
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", setting="secret")
    moment = datetime.fromtimestamp(1_614_265_330, UTC)
    assert signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", moment, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.fixture
async def receiver() -> AsyncGenerator[tuple[Receiver, str]]:
    fake = Receiver()
    async with serve(fake) as url:
        yield fake, url


async def test_a_webhook_is_signed_and_the_same_at_every_try(
    tmp_path: Path, receiver: tuple[Receiver, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, url = receiver
    monkeypatch.setenv("HOOK", SECRET)
    target = opened(tmp_path, kind="webhook", url=f"{url}/hook", secret="env:HOOK")
    for _ in range(2):
        assert (await target.deliver(parcel()))["status"] == 204
    (message,) = fake.messages.values()
    assert (fake.came, message["type"], message["timestamp"]) == (
        2,
        "publication.published",
        "2026-11-22T12:00:00+00:00",
    )
    assert message["data"]["files"][0]["url"] == (
        f"https://api.example/v1/publications/{PUBLICATION}/content?rendition=full"
    )
    assert message["data"]["verify_url"] == f"https://api.example/verify/{PUBLICATION}"
    await target.withdraw(parcel(id="dlv_other", files=()))
    assert fake.messages["dlv_other"]["type"] == "publication.withdrawn"


async def test_a_receiver_with_another_secret_refuses(
    tmp_path: Path, receiver: tuple[Receiver, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "whsec_" + "QUJD" * 12)
    target = opened(tmp_path, kind="webhook", url=f"{receiver[1]}/hook", secret="env:HOOK")
    with pytest.raises(DeliveryFailed) as refused:
        await target.deliver(parcel())
    assert not isinstance(refused.value, DeliveryUnavailable)
    assert "401" in refused.value.detail


@pytest.mark.parametrize("trouble", sorted({*COMMON} - {"slow_drip", "rate_limited_date", "rate_limited_body"}))
async def test_what_goes_wrong_on_the_way_is_told_and_worth_another_try(
    tmp_path: Path, receiver: tuple[Receiver, str], monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    fake, url = receiver
    monkeypatch.setenv("HOOK", SECRET)
    target = opened(tmp_path, kind="webhook", url=f"{url}/hook", secret="env:HOOK", timeout_seconds=0.5)
    fake.board.next(trouble)
    if trouble in ("wrong_type", "truncated"):
        # What a receiver answers is not read; 204 has no middle.
        await target.deliver(parcel())
        return
    with pytest.raises(DeliveryFailed) as failed:
        await target.deliver(parcel())
    assert isinstance(failed.value, DeliveryUnavailable) or trouble == "huge_body"
    assert failed.value.retry_after == (7 if trouble == "rate_limited_seconds" else None)
    assert url not in failed.value.detail


async def test_nobody_there_is_worth_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    target = opened(tmp_path, kind="webhook", url="http://127.0.0.1:9/hook?token=secret", secret="env:HOOK")
    with pytest.raises(DeliveryUnavailable) as failed:
        await target.deliver(parcel())
    assert "token" not in failed.value.detail


def site(fake: FakeWordPress) -> AbstractAsyncContextManager[str]:
    return serve(fake)


async def test_wordpress_has_the_picture_once_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeWordPress()
    monkeypatch.setenv("WP", PASSWORD)
    async with site(fake) as url:
        target = opened(tmp_path, kind="wordpress", url=url, user=USER, secret="env:WP")
        receipts = [await target.deliver(parcel()) for _ in range(2)]
        ((id, media),) = fake.media.items()
        assert receipts == [{"id": id, "url": media["source_url"]}] * 2
        assert fake.files[id] == PICTURE
        assert (media["slug"], media["alt_text"], media["caption"]) == (
            "platemark-" + "0a" * 16,
            "A red house — drawn",
            "AI-generated image",
        )
        assert await target.withdraw(parcel(files=())) == {"removed": True, "id": id}
        assert (await target.withdraw(parcel(files=())))["removed"] is False
        assert not fake.media


async def test_wordpress_that_was_cut_off_after_the_upload_is_not_sent_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeWordPress()
    monkeypatch.setenv("WP", PASSWORD)
    async with site(fake) as url:
        target = opened(tmp_path, kind="wordpress", url=url, user=USER, secret="env:WP")
        fake.board.next("truncated")
        with pytest.raises(DeliveryUnavailable):
            await target.deliver(parcel())
        assert len(fake.media) == 1
        await target.deliver(parcel())
        assert len(fake.media) == 1


async def test_wordpress_with_a_wrong_password_says_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WP", "wrong")
    async with site(FakeWordPress()) as url:
        target = opened(tmp_path, kind="wordpress", url=url, user=USER, secret="env:WP")
        with pytest.raises(DeliveryFailed) as refused:
            await target.deliver(parcel())
    assert not isinstance(refused.value, DeliveryUnavailable)
    assert "Check its user and secret" in refused.value.detail


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"kind": "directory"}, "location"),
        ({"kind": "webhook", "url": "https://x.example"}, "secret"),
        ({"kind": "wordpress", "url": "https://x.example", "secret": "env:A"}, "user"),
    ],
)
def test_a_target_that_is_not_complete_says_what_it_needs(said: dict[str, Any], missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        TargetSettings(**said)


def test_a_secret_that_is_none_and_a_store_that_is_unknown_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "whsec_short")
    with pytest.raises(Misconfigured, match="there"):
        opened(tmp_path, kind="webhook", url="https://x.example", secret="env:HOOK")
    with pytest.raises(Misconfigured, match="there"):
        opened(tmp_path, kind="bucket", location="ftp://x/y")


@dataclass
class Elsewhere:
    """A server that sends whoever asks it to another address, and counts who comes there."""

    board: Switchboard = field(default_factory=Switchboard)
    name: str = "elsewhere"
    troubles: frozenset[str] = frozenset()
    came: int = 0

    @property
    def app(self) -> ASGIApp:
        """One route that leads to the other."""
        methods = ["GET", "POST", "DELETE"]
        return Starlette(
            routes=[
                Route("/other", self._come, methods=methods),
                Route("/{path:path}", self._lead, methods=methods),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error without words."""
        return Response(status_code=status)

    async def _lead(self, _: Request) -> Response:
        return RedirectResponse("/other", 307)

    async def _come(self, _: Request) -> Response:
        self.came += 1
        return Response(status_code=200)


@pytest.mark.parametrize("kind", ["webhook", "wordpress"])
async def test_only_the_configured_address_is_sent_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("WORD", SECRET)
    fake = Elsewhere()
    async with serve(fake) as url:
        target = opened(tmp_path, kind=kind, url=f"{url}/hook", user="somebody", secret="env:WORD")
        for way in (target.deliver, target.withdraw):
            with pytest.raises(DeliveryFailed, match="307"):
                await way(parcel())
    assert fake.came == 0


@pytest.mark.parametrize("kind", ["webhook", "wordpress"])
async def test_no_secret_of_a_target_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("WORD", SECRET)
    target = opened(
        tmp_path, kind=kind, url="http://someone:hidden-word@127.0.0.1:9/x?hidden-word", user=USER, secret="env:WORD"
    )
    with pytest.raises(DeliveryUnavailable) as failed:
        await target.deliver(parcel())
    told = f"{failed.value!r} {failed.value.detail} {failed.value.__cause__!r} {target!r} {caplog.text}"
    packed = basic(USER, SECRET)["authorization"].removeprefix("Basic ")
    for secret in (SECRET, SECRET.removeprefix("whsec_"), packed, "hidden-word"):
        assert secret not in told
