"""The public page of a published picture, and the lookup by a copy: what anybody may know, and nothing else."""

import html
import re
from typing import Any

import pytest
from webparts import Site, claiming, client_of, counted

from pictures import encoded, noise
from platemark.core.image import Image

SECRET = "a secret house for somebody"


async def published(site: Site, **body: Any) -> dict[str, Any]:
    made = await site.generate(SECRET, user="somebody", tags={"campaign": "spring"})
    image = made["images"][0]["id"]
    answer = await site.client.post(f"/v1/images/{image}/publish", json={"audience": "newsroom", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_anybody_may_know_what_was_published(site: Site) -> None:
    made = await published(site, alt_text="A <red> house")
    async with site.as_(None) as nobody:
        answer = await nobody.get(made["verify_url"])
        same = await nobody.get(f"/verify/{made['image']}")
    said = answer.json()
    assert (answer.status_code, said["id"], said["origin"]) == (200, made["id"], "generated")
    assert said["digital_source_type"].endswith("/trainedAlgorithmicMedia")
    assert (said["ai_disclosure"], said["label_text"], said["credential_state"], said["watermark"]) == (
        "label",
        "AI-generated image",
        "valid",
        "off",
    )
    assert said["files"][0]["sha256"] == made["renditions"][0]["sha256"]
    assert same.json() == said
    for private in (SECRET, "somebody", "spring", site.project, "scripted"):
        assert private not in answer.text


async def test_the_page_is_for_people_and_runs_nothing(site: Site) -> None:
    made = await published(site, alt_text='A <red> "house"')
    async with site.as_(None, Accept="text/html") as nobody:
        page = await nobody.get(made["verify_url"])
        picture = await nobody.get(f"/v1/publications/{made['id']}/content", headers={"Accept": "image/*"})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "<script" not in page.text
    assert "A &lt;red&gt; &quot;house&quot;" in page.text
    assert "AI-generated image" in page.text
    assert made["renditions"][0]["sha256"] in page.text
    assert SECRET not in page.text
    assert "$" not in page.text
    for one in made["renditions"]:
        place = f"/v1/publications/{made['id']}/content?rendition={one['name']}"
        assert f'<a href="{place}">Open {one["name"]}</a>' in page.text
    assert "prefers-color-scheme: dark" in page.text
    assert picture.status_code == 200


async def test_p6_what_is_not_published_is_not_told(site: Site) -> None:
    made = await site.generate(SECRET)
    image = made["images"][0]["id"]
    released = await published(site)
    await site.client.post(f"/v1/publications/{released['id']}/withdraw")
    unused = (await site.client.get(f"/v1/images/{image}")).json()["publication"]["id"]
    async with site.as_(None) as nobody:
        for id in (image, unused, released["id"], released["image"], f"pub_{'0' * 32}", "gen_x", made["id"]):
            answer = await nobody.get(f"/verify/{id}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), id


async def test_the_published_file_is_found_by_itself(site: Site) -> None:
    made = await published(site, renditions=[{"width": 32}])
    async with site.as_(None) as nobody:
        for one in made["renditions"]:
            data = (await nobody.get(one["url"])).content
            answer = await nobody.post("/verify", files={"image": ("a.png", data)})
            assert (answer.json()["match"], answer.json()["statement"]["id"]) == ("file", made["id"])
    assert not await kept_of_lookups(site)


async def test_an_unknown_picture_proves_nothing(site: Site) -> None:
    await published(site)
    async with site.as_(None) as nobody:
        answer = await nobody.post("/verify", files={"image": ("a.png", encoded(noise(256, seed=7)))})
    said = answer.json()
    assert (answer.status_code, said["match"], said["statement"]) == (200, None, None)
    assert "proves nothing" in said["message"]
    assert not await kept_of_lookups(site)


async def kept_of_lookups(site: Site) -> list[str]:
    """Anything that an upload to the lookup left behind."""
    images = (await site.client.get("/v1/images")).json()["data"]
    return [image["id"] for image in images if image["origin"] == "uploaded"]


async def test_a_copy_of_what_is_withdrawn_is_not_told(site: Site) -> None:
    made = await published(site)
    async with site.as_(None) as nobody:
        data = (await nobody.get(made["url"])).content
        await site.client.post(f"/v1/publications/{made['id']}/withdraw")
        answer = await nobody.post("/verify", files={"image": ("a.png", data)})
    assert answer.json()["match"] is None


async def test_bad_uploads_are_refused_and_questions_are_counted(site: Site) -> None:
    async with site.as_(None) as nobody:
        statuses = [(await nobody.post("/verify", files={"image": ("a", b"no picture")})).status_code for _ in range(8)]
        other = await nobody.post("/verify", json={"image": "x"})
    assert statuses[:6] == [422] * 6
    assert statuses[6:] == [429, 429]
    assert other.status_code == 429


HOSTILE = '</p>"><script>alert(1)</script><img src=x onerror="alert(2)">${facts}\' & \u003c'


async def test_words_of_a_release_are_text_on_its_page(site: Site) -> None:
    made = await published(site, alt_text=HOSTILE)
    usual = await published(site)
    async with site.as_(None, Accept="text/html") as nobody:
        page, plain = [(await nobody.get(one["verify_url"])).text for one in (made, usual)]
    assert f'alt="{html.escape(HOSTILE)}"' in page
    assert re.findall(r"<(\w+)", page).count("img") == 1
    assert "<script" not in page
    assert not re.search(r"<[^>]*\son\w+=", page.replace(html.escape(HOSTILE), ""))
    assert page.count("</p>") == plain.count("</p>")


async def test_the_page_may_load_nothing_but_the_picture(site: Site) -> None:
    made = await published(site)
    async with site.as_(None, Accept="text/html") as nobody:
        pages = [await nobody.get(made["verify_url"]) for _ in range(2)]
    policies = [page.headers["content-security-policy"] for page in pages]
    nonces = [re.findall(r"'nonce-(\w{20,})'", policy) for policy in policies]
    assert policies[0].replace(nonces[0][0], "") == (
        "default-src 'none'; img-src 'self'; style-src 'nonce-'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert nonces[0] != nonces[1]
    assert f'<style nonce="{nonces[0][0]}">' in pages[0].text
    assert (pages[0].headers["x-content-type-options"], pages[0].headers["cache-control"]) == ("nosniff", "no-store")


async def test_questions_are_counted_by_address_whatever_a_header_says(site: Site) -> None:
    async def ask(address: str, said: str = "") -> int:
        headers = {name: said for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP") if said}
        async with client_of(site.app, None, address=address) as nobody:
            return (await nobody.post("/verify", json={}, headers=headers)).status_code

    assert [await ask("203.0.113.9", f"198.51.100.{number}") for number in range(8)] == [415] * 6 + [429] * 2
    assert await ask("203.0.113.8", "203.0.113.9") == 415
    # Whoever has one address of IPv6 has a whole network of them.
    assert [await ask(f"2001:db8:1:2::{number:x}") for number in range(8)] == [415] * 6 + [429] * 2
    assert await ask("2001:db8:1:3::1") == 415
    assert await ask("::ffff:203.0.113.9") == 429


async def test_a_question_leaves_nothing_behind(site: Site) -> None:
    made = await published(site)
    async with site.as_(None) as nobody:
        data = (await nobody.get(made["url"])).content
        before, bytes_before = await counted(site), dict(site.blobs.kept)
        for sent in (data, encoded(noise(96)), b"no picture"):
            await nobody.post("/verify", files={"image": ("my-holiday.png", sent)})
        await nobody.get(made["verify_url"])
        assert (await counted(site), site.blobs.kept) == (before, bytes_before)


async def test_pixels_of_a_copy_are_bounded_before_it_is_decoded(site: Site) -> None:
    async with site.as_(None) as nobody:
        answer = await nobody.post("/verify", files={"image": ("a.png", claiming(40_000, 40_000))})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("way", ["block", "delete"])
async def test_p6_what_is_closed_after_its_release_gives_nothing(site: Site, way: str) -> None:
    made = await published(site, renditions=[{"width": 32}])
    async with site.as_(None) as nobody:
        copies = [(await nobody.get(one["url"])).content for one in made["renditions"]]
        if way == "delete":
            await site.client.delete(f"/v1/images/{made['image']}")
        else:
            async with site.platform.store.transaction() as tx:
                image = await tx.get(Image, made["image"])
                await tx.change(image, moderation_state="blocked", reason_code="hash_match")
        for id in (made["id"], made["image"]):
            assert (await nobody.get(f"/verify/{id}")).status_code == 404
        for data in copies:
            assert (await nobody.post("/verify", files={"image": ("a.png", data)})).json()["match"] is None
        for client in (nobody, site.client):
            for one in (*made["renditions"], made):
                answer = await client.get(one["url"])
                assert answer.status_code in (403, 404, 410)
                assert answer.content not in copies
                assert answer.headers["content-type"] == "application/problem+json"
