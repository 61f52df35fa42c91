"""Uploads and bytes: what comes in is checked, what goes out is looked at first."""

import hashlib
from typing import Any

import pytest
from webparts import Site

from platemark.core.errors import StorageFull
from platemark.core.image import Image, Publication
from platemark.simulate.scripted import plain_png

PICTURE = plain_png(64, 48, (200, 30, 30))


async def publish(site: Site, image: str) -> None:
    async with site.platform.store.transaction() as tx:
        (publication,) = await tx.all(Publication, image=image)
        await tx.change(publication, state="published")


@pytest.mark.parametrize("way", ["image", "file", "raw"])
async def test_an_image_is_uploaded_as_a_part_or_as_the_body(site: Site, way: str) -> None:
    sent: dict[str, Any] = {"content": PICTURE, "headers": {"Content-Type": "image/png"}}
    if way != "raw":
        sent = {"files": {way: ("holiday.jpg", PICTURE, "image/jpeg")}}
    answer = await site.client.post("/v1/images", **sent)
    assert answer.status_code == 201, answer.text
    image = answer.json()
    assert (image["origin"], image["media_type"], image["width"], image["height"]) == ("uploaded", "image/png", 64, 48)
    assert answer.headers["location"] == f"http://api.test/v1/images/{image['id']}"
    assert image["sha256"] == hashlib.sha256(PICTURE).hexdigest()
    assert (await site.client.get(f"/v1/images/{image['id']}/content")).content == PICTURE
    assert (await site.client.get(f"/v1/images/{image['id']}/original")).content == PICTURE


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"files": {"image": ("a.png", b"not an image", "image/png")}}, 422),
        ({"files": {"image": ("a.png", PICTURE[:60], "image/png")}}, 422),
        ({"files": {"image": ("a.png", b"", "image/png")}}, 422),
        ({"files": {"picture": ("a.png", PICTURE, "image/png")}}, 422),
        ({"files": [("image", ("a.png", PICTURE)), ("image", ("b.png", PICTURE))]}, 422),
        ({"files": {"image": ("a.png", PICTURE), "note": (None, "x")}}, 422),
        ({"content": b"", "headers": {"Content-Type": "image/png"}}, 422),
        ({"content": PICTURE, "headers": {"Content-Type": "text/plain"}}, 415),
        ({"json": {"image": "x"}}, 415),
        ({"content": PICTURE}, 415),
        ({"content": b"\x00" * 100, "headers": {"Content-Type": "image/png"}}, 422),
    ],
)
async def test_what_is_not_one_image_is_a_problem_and_not_stored(site: Site, sent: dict[str, Any], status: int) -> None:
    answer = await site.client.post("/v1/images", **sent)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (await site.client.get("/v1/images")).json()["data"] == []
    assert site.blobs.kept == {}


async def test_a_full_disk_is_503_and_nothing_is_half_written(site: Site) -> None:
    site.blobs.fault = StorageFull("The disk is full.")
    answer = await site.client.post("/v1/images", content=PICTURE, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_full")
    assert int(answer.headers["retry-after"]) >= 1
    site.blobs.fault = None
    assert (await site.client.get("/v1/images")).json()["data"] == []


async def test_what_our_own_engine_drew_is_not_kept_a_second_time(site: Site) -> None:
    made = await site.generate()
    answer = await site.client.get(f"/v1/images/{made['images'][0]['id']}/original")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_bytes_come_locked_down_and_with_their_hash(site: Site) -> None:
    made = await site.generate()
    answer = await site.client.get(f"/v1/images/{made['images'][0]['id']}/content")
    assert answer.headers["etag"] == f'"{made["images"][0]["sha256"]}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"] == f'inline; filename="{made["images"][0]["id"]}.png"'


async def test_who_has_the_bytes_gets_304(site: Site) -> None:
    url = f"/v1/images/{(await site.generate())['images'][0]['id']}/content"
    etag = (await site.client.get(url)).headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = await site.client.get(url, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    assert (await site.client.get(url, headers={"If-None-Match": '"x"'})).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "status", "span"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=5-99999999", 206, slice(5, None)),
        ("bytes=99999999-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("bytes=9-3", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("bytes=0-1,3-4", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
async def test_one_range_is_given(site: Site, wanted: str, status: int, span: slice) -> None:
    url = f"/v1/images/{(await site.generate())['images'][0]['id']}/content"
    whole = (await site.client.get(url)).content
    answer = await site.client.get(url, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (status, whole[span])
    if status != 200:
        assert answer.headers["content-range"].endswith(f"/{len(whole)}")
    fresh = await site.client.get(url, headers={"Range": wanted, "If-Range": '"other"'})
    assert (fresh.status_code, fresh.content) == (200, whole)


async def test_a_url_opens_nothing_before_publication(site: Site) -> None:
    image = (await site.generate())["images"][0]
    async with site.as_(None) as nobody:
        assert (await nobody.get(image["url"])).status_code == 401
        await publish(site, image["id"])
        answer = await nobody.get(image["url"])
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == image["sha256"]
        assert (await nobody.get(f"/v1/images/{image['id']}/content")).status_code == 401
        forged = image["url"].replace("signature=", "signature=0")[:-1]
        assert (await nobody.get(forged)).status_code == 401
        later = image["url"].replace("expires=", "expires=9")
        assert (await nobody.get(later)).status_code == 401
        assert (await nobody.get(image["url"] + "&more=1")).status_code == 422


async def test_a_wrong_key_is_not_saved_by_a_good_url(site: Site) -> None:
    image = (await site.generate())["images"][0]
    await publish(site, image["id"])
    async with site.as_("pm_" + "0" * 64) as wrong:
        assert (await wrong.get(image["url"])).status_code == 401


@pytest.mark.parametrize("state", ["in_review", "blocked"])
async def test_what_is_held_or_blocked_gives_no_bytes(site: Site, state: str) -> None:
    image = (await site.generate())["images"][0]
    async with site.platform.store.transaction() as tx:
        await tx.change(await tx.get(Image, image["id"]), moderation_state=state, reason_code="nudity")
    answer = await site.client.get(f"/v1/images/{image['id']}/content")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    shown = (await site.client.get(f"/v1/images/{image['id']}")).json()
    told = shown["moderation"]
    assert (shown["url"], told["state"], told["reason_code"]) == (None, state, "nudity")
    assert (await site.client.get(f"/v1/generations/{shown['generation']}")).status_code == 200


async def test_a_deleted_image_is_gone_and_its_record_stays(site: Site) -> None:
    image = (await site.generate())["images"][0]
    for _ in range(2):
        answer = await site.client.delete(f"/v1/images/{image['id']}")
        assert answer.status_code == 200
        assert answer.json()["deleted_at"] is not None
    content = await site.client.get(f"/v1/images/{image['id']}/content")
    assert (content.status_code, content.json()["code"]) == (410, "gone")
    record = (await site.client.get(f"/v1/images/{image['id']}/record")).json()
    assert (record["image"]["stored"], record["chain"]["verified"]) == (False, True)
    assert site.blobs.kept == {}


async def test_images_are_listed_and_filtered(site: Site) -> None:
    made = await site.generate(n=2)
    uploaded = (await site.client.post("/v1/images", files={"image": ("a.png", PICTURE)})).json()

    async def ids(**filters: str) -> list[str]:
        return [entry["id"] for entry in (await site.client.get("/v1/images", params=filters)).json()["data"]]

    assert await ids() == [uploaded["id"], *(image["id"] for image in made["images"][::-1])]
    assert await ids(origin="uploaded") == [uploaded["id"]]
    assert await ids(generation=made["id"]) == [image["id"] for image in made["images"][::-1]]
    assert await ids(moderation_state="blocked") == []
    first = (await site.client.get("/v1/images", params={"limit": "2"})).json()
    assert await ids(limit="2", cursor=first["next_cursor"]) == [made["images"][0]["id"]]
