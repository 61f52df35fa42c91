"""One contract for buckets as targets: a real S3 server, Google's API as written down, and Azurite where it is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import obstore
import pytest
from pydantic import SecretStr

from buckets import Bucket, at_google
from google_storage import READER, GoogleStorage, key_file
from parcels import PICTURE, PUBLICATION, opened, parcel
from platemark.core.errors import DeliveryUnavailable, Misconfigured
from platemark.core.ports import Parcel, Target
from platemark.simulate.server import serve
from services import AZURE_ACCOUNT, AZURE_KEY, Azure

# Above what is sent in one piece.
LARGE = b"\x89PNG" + bytes(range(256)) * 24_000


def target_at(tmp_path: Path, location: str, options: Mapping[str, str], **said: Any) -> Target:
    hidden = {name: SecretStr(value) for name, value in options.items()}
    return opened(tmp_path, kind="bucket", location=location, options=hidden, **said)


def file(name: str, extension: str) -> str:
    return f"site/{PUBLICATION}/{PUBLICATION}-{name}.{extension}"


def larger() -> Parcel:
    """The same release, its picture large."""
    given = parcel()
    return parcel(files=((given.files[0][0], LARGE), given.files[1]))


async def told_by(target: Target, what: Parcel) -> str:
    """What both ways say in the end, when neither can be gone."""
    told: list[str] = []
    for way in (target.deliver, target.withdraw):
        with pytest.raises(DeliveryUnavailable) as failed:
            await way(what)
        assert failed.value.__cause__ is None
        assert failed.value.__suppress_context__
        told.append(failed.value.detail)
    assert told[0] == told[1]
    return told[0]


async def test_nothing_secret_is_shown_of_a_target(tmp_path: Path, bucket: Bucket) -> None:
    target = target_at(tmp_path, bucket.location, bucket.options)
    assert not [value for value in bucket.options.values() if value in repr(target)]


async def test_delivering_twice_is_delivering_once(tmp_path: Path, bucket: Bucket) -> None:
    target = target_at(tmp_path, f"{bucket.location}/site", bucket.options, public_url="https://cdn.example/p/")
    first, second = [await target.deliver(parcel()) for _ in range(2)]
    names = {file("full", "png"), file("w2", "webp"), f"site/{PUBLICATION}/publication.json"}
    assert await bucket.keys() == names
    for receipt in (first, second):
        # The key is below the location, as the address is below the public one.
        keys = [one["key"] for one in receipt["files"]]
        assert [f"site/{key}" for key in keys] == [file("full", "png"), file("w2", "webp")]
        assert [one["url"] for one in receipt["files"]] == [f"https://cdn.example/p/{key}" for key in keys]
    for one in second["files"]:
        assert one["etag"] == (await obstore.head_async(bucket.store, f"site/{one['key']}"))["e_tag"]


async def test_files_have_their_bytes_and_types(tmp_path: Path, bucket: Bucket) -> None:
    target = target_at(tmp_path, f"{bucket.location}/site", bucket.options)
    receipt = await target.deliver(parcel())
    found = await obstore.get_async(bucket.store, file("full", "png"))
    assert (await found.bytes_async()).to_bytes() == PICTURE
    assert found.attributes["Content-Type"] == "image/png"
    about = await obstore.get_async(bucket.store, f"site/{PUBLICATION}/publication.json")
    assert about.attributes["Content-Type"] == "application/json"
    assert json.loads((await about.bytes_async()).to_bytes())["alt_text"] == "A red house — drawn"
    assert receipt["files"][0]["url"] is None


async def test_a_large_file_that_goes_in_parts_has_its_type_too(tmp_path: Path, bucket: Bucket) -> None:
    target = target_at(tmp_path, f"{bucket.location}/site", bucket.options)
    receipt = await target.deliver(larger())
    found = await obstore.get_async(bucket.store, file("full", "png"))
    assert (await found.bytes_async()).to_bytes() == LARGE
    assert found.attributes["Content-Type"] == "image/png"
    assert receipt["files"][0]["etag"] == found.meta["e_tag"]


async def test_what_is_withdrawn_is_gone_and_withdrawing_again_is_fine(tmp_path: Path, bucket: Bucket) -> None:
    target = target_at(tmp_path, f"{bucket.location}/site", bucket.options)
    await obstore.put_async(bucket.store, "site/other.png", PICTURE)
    await target.deliver(parcel())
    for _ in range(2):
        assert await target.withdraw(parcel(files=())) == {"removed": True}
    assert await bucket.keys() == {"site/other.png"}


async def test_a_wrong_key_is_refused_and_nothing_is_written(tmp_path: Path, bucket: Bucket) -> None:
    told = await told_by(target_at(tmp_path, bucket.location, bucket.wrong_key), parcel())
    assert told.startswith("there refused our credentials.")
    assert not [value for value in (bucket.name, *bucket.wrong_key.values()) if value in told]
    assert await bucket.keys() == set()


async def test_a_bucket_that_is_not_there_is_no_withdrawal(tmp_path: Path, bucket: Bucket) -> None:
    target = target_at(tmp_path, bucket.missing, bucket.options)
    # SeaweedFS makes a bucket that is written to.
    for way in (target.withdraw,) if bucket.scheme == "s3" else (target.withdraw, target.deliver):
        with pytest.raises(DeliveryUnavailable, match=r"^there has no such bucket\.") as failed:
            await way(parcel())
        assert bucket.name not in failed.value.detail


async def test_nobody_there_is_worth_another_try(tmp_path: Path, bucket: Bucket) -> None:
    endpoint = "base_url" if bucket.scheme == "gs" else "endpoint"
    options = {**bucket.options, endpoint: "http://127.0.0.1:9"}
    told = await told_by(target_at(tmp_path, bucket.location, options), parcel())
    assert told.startswith("there does not answer as it should.")
    assert not [value for value in ("127.0.0.1", bucket.name, *options.values()) if value in told]


@pytest.mark.parametrize(
    ("location", "options"),
    [
        ("az://pictures", {"account_name": "newsroom", "account_key": "no base64!"}),
        ("gs://pictures", {"service_account_key": '{"private_key": "no key"}'}),
        ("gs://pictures", {"service_account": "/nowhere/key.json"}),
    ],
)
def test_a_key_that_is_none_is_said_at_the_start(tmp_path: Path, location: str, options: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"targets\.there and targets\.there\.options do not make") as failed:
        target_at(tmp_path, location, options)
    assert not [value for value in options.values() if value in f"{failed.value!r} {failed.value.detail}"]


async def test_an_account_that_may_only_read_is_refused(tmp_path: Path, google: tuple[GoogleStorage, str]) -> None:
    bucket = at_google(google[1])
    options = {**bucket.options, "service_account_key": key_file(READER)}
    told = await told_by(target_at(tmp_path, bucket.location, options), parcel())
    assert told.startswith("there refused our credentials.")


async def test_a_key_in_a_file_is_as_good(tmp_path: Path, google: tuple[GoogleStorage, str]) -> None:
    (tmp_path / "key.json").write_text(key_file())
    bucket = at_google(google[1])
    options = {"base_url": google[1], "service_account": str(tmp_path / "key.json")}
    await target_at(tmp_path, bucket.location, options).deliver(parcel())
    assert len(await bucket.keys()) == 3


async def test_an_emulator_of_google_that_checks_no_key_needs_two_options(tmp_path: Path) -> None:
    server = GoogleStorage({"pictures": {}}, open=True)
    async with serve(server) as url:
        signed_out = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": ""}
        for number, options in enumerate(
            (
                {"base_url": url, "bearer_token": "none"},
                {"service_account_key": json.dumps({**signed_out, "private_key_id": ""}), "allow_http": "true"},
            )
        ):
            await target_at(tmp_path, f"gs://pictures/{number}", options).deliver(parcel())
    assert len(server.buckets["pictures"]) == 6


@pytest.mark.parametrize("trouble", ["error_503", "rate_limited"])
async def test_a_bucket_that_is_busy_for_a_moment_is_asked_again(
    tmp_path: Path, google: tuple[GoogleStorage, str], trouble: str
) -> None:
    server, url = google
    bucket = at_google(url)
    server.board.next(trouble, method="PUT")
    await target_at(tmp_path, bucket.location, bucket.options).deliver(parcel())
    assert [call[0] for call in server.board.calls] == ["PUT"] * 4


async def test_azurite_needs_one_option(tmp_path: Path, azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", azure.endpoint)
    await target_at(tmp_path, f"az://{azure.container}", {"use_emulator": "true"}).deliver(parcel())
    found = await obstore.get_async(azure.store(), f"{PUBLICATION}/{PUBLICATION}-full.png")
    assert (await found.bytes_async()).to_bytes() == PICTURE


async def test_a_shared_access_signature_is_as_good(tmp_path: Path, azure: Azure) -> None:
    endpoint, signature = f"{azure.endpoint}/{AZURE_ACCOUNT}", azure.shared_access("rcwd")
    options = {"endpoint": endpoint, "account_name": AZURE_ACCOUNT, "sas_key": signature}
    target = target_at(tmp_path, f"az://{azure.container}", options)
    await target.deliver(parcel())
    assert await target.withdraw(parcel(files=())) == {"removed": True}
    assert AZURE_KEY not in signature
