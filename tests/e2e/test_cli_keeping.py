"""Publishing, hash lists, holds, takedowns and purging from the command line, by two people on a real server."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from desk_commands import Commands, desk

from platemark.client import Client
from serving import ADMIN_KEY, Served

pytestmark = pytest.mark.timeout(240)
NOBODY = "0" * 32
NOTICE = (
    "--claimant",
    "Ada Claimant",
    "--contact",
    "ada@example.org",
    "--statement",
    "It is mine.",
    "--signature",
    "A",
)


@dataclass
class House:
    """A server on which Ada and Ben work, each with a key."""

    server: Served
    ada: str
    ben: str


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    with desk(tmp_path_factory.mktemp("keeping") / "data", review_undo="PT0S", keep_rejected="PT0S") as server:
        with Client(server.url, ADMIN_KEY) as client:
            people = [client.people.create(name, "admin") for name in ("Ada", "Ben")]
            keys = [client.keys.create(one.name, person=one.id).secret or "" for one in people]
        yield House(server, *keys)


@pytest.fixture
def run(house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    monkeypatch.chdir(tmp_path)
    return Commands(house.server, capsys, monkeypatch, tmp_path)


def test_a_picture_is_published_once_a_colleague_has_looked_and_withdrawn(run: Commands, house: House) -> None:
    image = run.image()
    text, _ = run("publish", image, "--audience", "desk", code=3)
    publication, *said = text.splitlines()[0].split()
    assert said == ["held", "for", "desk"]
    (case,) = [case["id"] for case in run.json("reviews", "list", "--limit", "500") if case["image"] == image]
    run("reviews", "claim", case, key=house.ben)
    decided = run.json("reviews", "decide", case, "approve", "--code", "NO_VIOLATION", key=house.ben)
    assert decided["state"] == "approved"
    assert run.json("publish", image, "--audience", "desk")["id"] == publication
    assert run("publish", image, "--audience", "desk")[0].splitlines()[0] == f"{publication} published for desk"
    assert run("withdraw", publication)[0].splitlines()[0] == f"{publication} withdrawn for desk"
    assert run.json("withdraw", publication)["state"] == "withdrawn"
    run.fails("withdraw", f"pub_{NOBODY}", said=f"There is no publication 'pub_{NOBODY}'")
    run.fails("publish", f"img_{NOBODY}", said=f"img_{NOBODY}")


def test_a_hash_list_is_made_filled_and_removed(run: Commands, house: House) -> None:
    text, _ = run("hash-lists", "create", "ours", "--source", "desk")
    known = text.strip()
    other = run.json("hash-lists", "create", "theirs", "--source", "desk", "--purpose", "brand", "--kind", "md5")
    assert (other["purpose"], other["kinds"]) == ("brand", ["md5"])
    run.fails("hash-lists", "create", "ours", "--source", "desk", "--kind", "crc", code=2, said="--kind")
    text, _ = run("hash-lists", "list")
    assert text.split()[:2] == ["LIST", "NAME"]
    assert known in text
    assert {known, other["id"]} <= {one["id"] for one in run.json("hash-lists", "list")}
    run.fails("hash-lists", "list", "all", code=2, said="all")

    Path("hashes.txt").write_text(f"pdq {'a' * 64}\npdq {'b' * 64}\nnonsense\n")
    text, err = run("hash-lists", "import", known, "hashes.txt", key=house.ada)
    first, *counted = text.split(maxsplit=1)
    assert counted == ["proposed: 2 new, 0 known, 0 to go, 1 unread\n"]
    assert "line 3" in err
    Path("more.txt").write_text(f"pdq {'c' * 64}\n")
    second = run.json("hash-lists", "import", known, "more.txt", "--rows", "1", key=house.ada)
    Path("short.txt").write_text(f"pdq {'d' * 64}\n")
    run.fails("hash-lists", "import", known, "short.txt", "--rows", "2", said="row", key=house.ada)
    run.fails("hash-lists", "import", known, "missing.txt", code=2, said="missing.txt")
    run.fails("hash-lists", "confirm", first, said="Another person", key=house.ada)
    assert run("hash-lists", "confirm", first, key=house.ben)[0].startswith(f"{first} confirmed: 2 new")
    assert run.json("hash-lists", "confirm", first, key=house.ben)["state"] == "confirmed"
    assert run("hash-lists", "refuse", second["id"], key=house.ben)[0].startswith(f"{second['id']} refused")
    third = run.json("hash-lists", "import", known, "more.txt", key=house.ada)
    assert run.json("hash-lists", "refuse", third["id"], key=house.ada)["state"] == "refused"
    run.fails("hash-lists", "refuse", first, said="confirmed", key=house.ben)

    Path("gone.txt").write_text("# no longer\n" + "a" * 64 + "\n")
    assert run("hash-lists", "withdraw", known, "gone.txt")[0] == "1 withdrawn, 1 left\n"
    assert run.json("hash-lists", "withdraw", known, "gone.txt")["withdrawn"] == 0
    run.fails("hash-lists", "withdraw", f"hls_{NOBODY}", "gone.txt", said=f"hls_{NOBODY}")
    assert run("hash-lists", "remove", known)[0] == f"{known} is removed\n"
    assert run.json("hash-lists", "remove", other["id"])["state"] == "removed"
    run.fails("hash-lists", "remove", f"hls_{NOBODY}", said=f"hls_{NOBODY}")


def test_a_hold_keeps_a_picture_until_a_colleague_releases_it(run: Commands, house: House) -> None:
    image = run.image()
    hold = run("holds", "place", "litigation", "--days", "30", "--image", image, key=house.ada)[0].strip()
    run.fails("delete", image, said="hold")
    other = run.json("holds", "place", "regulator", "--days", "3", "--user", "reader-7", "--note", "file 12")
    assert (other["state"], other["reason_code"]) == ("active", "regulator")
    run.fails("holds", "place", "litigation", "--days", "3", said="exactly one of image, generation and user")
    run.fails("holds", "place", "litigation", "--days", "0", "--image", image, code=2, said="--days")
    text, _ = run("holds", "list")
    assert text.split()[:2] == ["HOLD", "STATE"]
    assert hold in text
    assert {hold, other["id"]} <= {one["id"] for one in run.json("holds", "list")}
    run.fails("holds", "list", "--state", "active", code=2, said="--state")
    run.fails("holds", "release", hold, said="somebody else", key=house.ada)
    assert run("holds", "release", hold, key=house.ben)[0] == f"{hold} is released\n"
    run.fails("holds", "erase-text", other["id"], said="in force")
    assert run.json("holds", "release", other["id"], key=house.ben)["state"] == "released"
    assert run("holds", "erase-text", other["id"])[0] == f"the note of {other['id']} is erased\n"
    assert run.json("holds", "erase-text", other["id"])["note"] is None
    run.fails("holds", "release", hold, said="has ended already", key=house.ben)
    run("delete", image)


def test_a_notice_is_filed_widened_and_acted_on(run: Commands) -> None:
    image, copy = run.image(), run.image()
    text, _ = run("takedowns", "file", image, "--kind", "copyright", *NOTICE, "--good-faith")
    notice = text.split()[0]
    assert text.split()[1:4] == ["copyright", "received", "due"]
    assert "named" in text
    run.fails("takedowns", "file", image, "--kind", "copyright", *NOTICE, said="good_faith")
    run.fails("takedowns", "file", image, "--kind", "envy", *NOTICE, code=2, said="envy")
    assert copy in run("takedowns", "add", notice, copy)[0]
    third = run.image()
    assert third in {one["image"] for one in run.json("takedowns", "add", notice, third)["images"]}
    run.fails("takedowns", "add", notice, f"img_{NOBODY}", said="/images/0: names no image of this project")
    assert notice in run("takedowns", "list")[0]
    assert notice in {one["id"] for one in run.json("takedowns", "list", "--state", "received")}
    run.fails("takedowns", "list", "--state", "lost", code=2, said="lost")
    assert run("takedowns", "show", notice)[0].startswith(notice)
    assert run.json("takedowns", "show", notice)["kind"] == "copyright"
    run.fails("takedowns", "show", f"tdn_{NOBODY}", said=f"There is no takedown notice 'tdn_{NOBODY}'")
    run.fails("takedowns", "erase-text", notice, said="received")
    assert run("takedowns", "act", notice)[0].split()[2] == "actioned"
    assert run.json("takedowns", "act", notice)["state"] == "actioned"
    run.fails("takedowns", "act", f"tdn_{NOBODY}", said=f"tdn_{NOBODY}")
    run.fails("publish", image, said="blocked")
    assert run("takedowns", "erase-text", notice)[0].startswith(notice)
    assert run.json("takedowns", "erase-text", notice)["id"] == notice


def test_a_notice_is_rejected_with_a_reason(run: Commands) -> None:
    made = [
        run.json("takedowns", "file", run.image(), "--kind", "privacy", *NOTICE, "--good-faith")["id"] for _ in range(2)
    ]
    assert run("takedowns", "reject", made[0], "--reason", "NOT_DEPICTED")[0].split()[2] == "rejected"
    assert run.json("takedowns", "reject", made[1], "--reason", "LICENSED")["reason_code"] == "LICENSED"
    run.fails("takedowns", "act", made[0], said="rejected")
    run.fails("takedowns", "reject", f"tdn_{NOBODY}", "--reason", "LICENSED", said=f"tdn_{NOBODY}")
    run.fails("takedowns", "reject", made[0], code=2, said="--reason")


def test_what_is_over_its_time_is_shown_and_purged(run: Commands) -> None:
    first, second = run.image("--audience", "nobody"), run.image("--audience", "nobody")
    text, _ = run("purge", "--dry-run")
    assert text.split()[:2] == ["CLASS", "ID"]
    assert first in text
    assert {first, second} <= {one["id"] for one in run.json("purge", "--dry-run")["due"]}
    assert "of rejected" in run("purge")[0]
    assert run("purge", "--dry-run") == ("", "platemark: nothing is due\n")
    assert run.json("purge") == {"gone": {}, "kept": 0}
    run.fails("purge", "--now", code=2, said="--now")
