"""Publishing over HTTP: released, held, refused, withdrawn, and read by anybody."""

from webparts import Site

from platemark.core.moderation import Signal


class Later:
    """An image detector that has come since the picture was drawn."""

    name, version = "later", "1"

    def __init__(self, category: str) -> None:
        self.category = category

    async def look(self, data: bytes) -> list[Signal]:
        return [Signal(detector=self.name, version=self.version, category=self.category, score=1.0)]


def see(site: Site, category: str) -> None:
    object.__setattr__(site.platform, "image_detectors", (Later(category),))


async def test_a_published_picture_is_read_without_a_key_until_it_is_withdrawn(site: Site) -> None:
    image = (await site.generate())["images"][0]
    answer = await site.client.post(f"/v1/images/{image['id']}/publish", json={"audience": "newsroom"})
    made = answer.json()
    assert (answer.status_code, made["state"], made["audience"]) == (200, "published", "newsroom")
    assert answer.headers["location"].endswith(f"/v1/publications/{made['id']}")
    async with site.as_(None) as anybody:
        read = await anybody.get(made["url"])
        assert (read.status_code, read.headers["content-type"]) == (200, "image/png")
        assert (await anybody.get(made["url"], headers={"If-None-Match": read.headers["etag"]})).status_code == 304
        gone = await site.client.post(f"/v1/publications/{made['id']}/withdraw")
        assert (gone.json()["state"], gone.json()["url"]) == ("withdrawn", None)
        assert (await anybody.get(made["url"])).status_code == 410
    assert (await site.client.get(f"/v1/publications/{made['id']}")).json() == gone.json()
    record = (await site.client.get(f"/v1/images/{image['id']}/record")).json()
    assert [entry["stage"] for entry in record["moderation"]] == ["before_request", "after_response", "before_publish"]
    assert record["publications"][0]["state"] == "withdrawn"
    assert record["chain"]["verified"]


async def test_what_waits_for_a_person_is_202_and_gives_nothing(site: Site) -> None:
    image = (await site.generate())["images"][0]
    see(site, "doubtful")
    answer = await site.client.post(f"/v1/images/{image['id']}/publish", json={})
    assert (answer.status_code, answer.json()["state"], answer.json()["url"]) == (202, "held", None)
    async with site.as_(None) as anybody:
        assert (await anybody.get(f"/v1/publications/{answer.json()['id']}/content")).status_code == 404


async def test_what_is_refused_is_403_with_its_code(site: Site) -> None:
    image = (await site.generate())["images"][0]
    see(site, "weapon")
    answer = await site.client.post(f"/v1/images/{image['id']}/publish", json={"audience": "education"})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["reason_code"]) == (
        403,
        "blocked_by_app_policy",
        "word_weapon",
    )
    assert "pub_" in problem["detail"]


async def test_wrong_bodies_and_unknown_ids(site: Site) -> None:
    image = (await site.generate())["images"][0]["id"]
    wrong = await site.client.post(f"/v1/images/{image}/publish", json={"audience": "", "targets": 1})
    assert wrong.status_code == 422
    assert {error["pointer"] for error in wrong.json()["errors"]} == {"/audience", "/targets"}
    for path in (f"/v1/images/img_{'0' * 32}/publish", f"/v1/publications/pub_{'0' * 32}/withdraw"):
        assert (await site.client.post(path, json={})).status_code == 404
    async with site.as_(await site.new_key(site.project, scopes=("images:read", "images:write"))) as client:
        asserted = await client.post(f"/v1/images/{image}/publish", json={"role": "editor"})
    assert asserted.status_code == 403
