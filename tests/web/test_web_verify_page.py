"""The public page of a published picture, and the lookup by a copy: what anybody may know, and nothing else."""

from typing import Any

from webparts import Site

from pictures import encoded, noise

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
