"""Images, lists, uploads, keys, export: one call each, and files that are whole or not there."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from wires import PIXELS, Script, async_client, client, generation, image, ok, stream

from platemark.client import Damaged, Unreachable
from platemark.client.files import destination, save
from platemark.core.errors import Conflict, InvalidRequest, StorageUnavailable
from platemark.providers.readiness import report
from platemark.providers.stability import Stability


def content(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, content=PIXELS)


KEY_ROW = {
    "id": "key_1",
    "project": "prj_1",
    "person": None,
    "name": "website",
    "hint": "…abcd",
    "scopes": ["images:read"],
    "created_at": "2026-01-02T03:04:05Z",
    "expires_at": None,
    "revoked_at": None,
    "replaced_by": None,
}


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_an_image_is_saved_under_its_id_with_its_extension(tmp_path: Path) -> None:
    script = Script([ok(generation()), content])
    path = client(script).generate("a red house").images[0].save(tmp_path)
    assert path == tmp_path / "img_1.png"
    assert path.read_bytes() == PIXELS
    assert script.asked[1] == "GET /v1/images/img_1/content"
    assert leftovers(tmp_path) == ["img_1.png"]


@pytest.mark.parametrize(
    ("given", "media_type", "expected"),
    [
        ("house", "image/png", "house.png"),
        ("house.PNG", "image/png", "house.PNG"),
        ("house.v2", "image/png", "house.v2.png"),
        ("house.jpeg", "image/jpeg", "house.jpeg"),
        ("house", "image/jpeg", "house.jpg"),
        ("new/", "image/webp", "new/img_1.webp"),
        ("house", "image/invented", "house.bin"),
    ],
)
def test_where_an_image_goes(given: str, media_type: str, expected: str) -> None:
    assert destination(given, "img_1", media_type) == Path(expected)


def test_the_extension_of_another_kind_is_refused(tmp_path: Path) -> None:
    script = Script([ok(generation())])
    with pytest.raises(InvalidRequest, match=r"house\.png"):
        client(script).generate("a red house").images[0].save(tmp_path / "house.jpg")
    assert len(script.seen) == 1


def test_a_file_is_never_replaced_unasked(tmp_path: Path) -> None:
    picture = client(Script([ok(generation()), content])).generate("a red house").images[0]
    target = picture.save(tmp_path / "house.png")
    target.write_bytes(b"mine")
    with pytest.raises(Conflict, match="exists"):
        picture.save(target)
    assert target.read_bytes() == b"mine"
    assert picture.save(target, overwrite=True).read_bytes() == PIXELS
    assert leftovers(tmp_path) == ["house.png"]


def test_of_many_writers_to_one_name_one_wins(tmp_path: Path) -> None:
    target, outcomes = tmp_path / "house.png", list[str]()

    def write(number: int) -> None:
        try:
            save(target, bytes([number]) * 4096, overwrite=False)
            outcomes.append("written")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 7 + ["written"]
    assert len(set(target.read_bytes())) == 1
    assert leftovers(tmp_path) == ["house.png"]


def test_a_disk_that_does_not_take_it_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        save(tmp_path / "file" / "house.png", PIXELS, overwrite=False)
    assert leftovers(tmp_path) == ["file"]


def test_devices_pipes_and_folders_are_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path / "pipe", tmp_path):
        with pytest.raises(Conflict, match="no ordinary file"):
            save(target, PIXELS, overwrite=True)


def test_bytes_that_are_not_those_of_the_record_are_refused(tmp_path: Path) -> None:
    picture = client(Script([ok(generation()), httpx2.Response(200, content=b"others")])).generate("x").images[0]
    with pytest.raises(Damaged, match="SHA-256"):
        picture.save(tmp_path)
    assert leftovers(tmp_path) == []


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    script = Script([ok(generation())])
    with pytest.raises(InvalidRequest, match=r"gone\.png"):
        client(script).generate("a red house", image=tmp_path / "gone.png")
    assert script.seen == []


def test_lists_take_filters_and_give_pages() -> None:
    script = Script([ok({"data": [generation()], "next_cursor": "c2", "has_more": True})])
    page = client(script).generations.list(
        status=["failed", "blocked"],
        needs_attention=True,
        tags={"desk": "news", "run": "7"},
        since=datetime(2026, 1, 2, tzinfo=UTC),
        cursor=None,
    )
    assert [entry.id for entry in page] == ["gen_1"]
    assert (len(page), page.next_cursor) == (1, "c2")
    assert script.seen[0].url.params.multi_items() == [
        ("status", "failed"),
        ("status", "blocked"),
        ("needs_attention", "true"),
        ("tag", "desk:news"),
        ("tag", "run:7"),
        ("since", "2026-01-02T00:00:00+00:00"),
    ]


def test_an_upload_is_a_form_and_is_not_repeated_when_it_may_have_arrived(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(PIXELS)
    script = Script([ok(image(origin="uploaded", seed=None), 201)])
    assert client(script).images.upload(photo).seed is None
    body = script.seen[0].content
    assert b'name="image"; filename="photo.png"' in body
    assert PIXELS in body
    lost = Script([httpx2.ReadError("reset"), ok(image(), 201)])
    with pytest.raises(Unreachable):
        client(lost).images.upload(PIXELS)
    assert len(lost.seen) == 1


@pytest.mark.parametrize(
    ("verb", "asked"),
    [
        ("cancel", "POST /v1/generations/gen_1/cancel"),
        ("retry", "POST /v1/generations/gen_1/retry"),
        ("dismiss", "POST /v1/generations/gen_1/dismiss"),
        ("erase_text", "DELETE /v1/generations/gen_1/text"),
        ("get", "GET /v1/generations/gen_1"),
    ],
)
def test_verbs_of_a_generation(verb: str, asked: str) -> None:
    script = Script([ok(generation("queued"))])
    assert getattr(client(script).generations, verb)("gen_1").status == "queued"
    assert script.asked == [asked]


def test_keys_are_made_replaced_and_taken_away() -> None:
    script = Script([ok({**KEY_ROW, "secret": "pm_new"}, 201)])
    keys = client(script).keys
    assert (
        keys.create("website", scopes=["images:read"], expires_at=datetime(2027, 1, 1, tzinfo=UTC)).secret == "pm_new"
    )
    assert keys.rotate("key_1", overlap=timedelta(minutes=5)).name == "website"
    assert keys.revoke("key_1").hint == "…abcd"
    assert [(request.url.path, request.content) for request in script.seen] == [
        ("/v1/keys", b'{"name":"website","scopes":["images:read"],"expires_at":"2027-01-01T00:00:00+00:00"}'),
        ("/v1/keys/key_1/rotate", b'{"overlap_seconds":300}'),
        ("/v1/keys/key_1/revoke", b""),
    ]


def test_an_export_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "audit.jsonl"
    cut = stream(b"{}\n", httpx2.RemoteProtocolError("cut off"))
    with pytest.raises(Unreachable, match="cut off"):
        client(Script([cut])).audit.export(target)
    assert leftovers(tmp_path) == []
    script = Script([stream(b"{}\n", b"{}\n")])
    assert client(script).audit.export(target).read_bytes() == b"{}\n{}\n"
    with pytest.raises(Conflict):
        client(script).audit.export(target)
    assert len(script.seen) == 1


@pytest.mark.anyio
async def test_the_async_client_does_the_same(tmp_path: Path) -> None:
    script = Script([ok(generation()), content, stream(b"{}\n"), ok({"data": [KEY_ROW]}), ok({"data": []})])
    async with async_client(script) as sdk:
        made = await sdk.generate("a red house", image=PIXELS)
        path = await made.images[0].save(tmp_path)
        assert path.name == "img_1.png"
        export = await sdk.audit.export(tmp_path / "audit.jsonl")
        assert export.name == "audit.jsonl"
        assert [key.id for key in await sdk.keys.list()] == ["key_1"]
        assert len(await sdk.generations.list(limit=3)) == 0
    assert sorted(leftovers(tmp_path)) == ["audit.jsonl", "img_1.png"]


def test_what_a_provider_declares_is_read() -> None:
    declared = report(Stability())
    script = Script([ok(declared.model_dump(mode="json"))])
    assert client(script).readiness("stability") == declared
    assert script.asked == ["GET /v1/providers/stability/readiness"]


def test_a_generation_tells_its_route_and_what_came_of_it() -> None:
    hops = [
        {"model": "a/one", "state": "left", "code": "provider_unavailable", "reason": "a is down.", "left_at": None},
        {"model": "local/pocket", "state": "chosen", "of_a_later_version": 1},
    ]
    made = client(Script([ok(generation(requested_model="final", route=hops))])).generate("a red house", model="final")
    assert (made.requested_model, made.model) == ("final", "local/pocket")
    assert [(hop.model, hop.state, hop.code) for hop in made.route] == [
        ("a/one", "left", "provider_unavailable"),
        ("local/pocket", "chosen", None),
    ]
    assert client(Script([ok(generation())])).generate("a red house").route == ()
