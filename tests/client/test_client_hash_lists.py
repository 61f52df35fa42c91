"""Hash lists in the SDK: what is sent, and what comes back."""

from pathlib import Path

from wires import Script, async_client, client, ok

LIST = {
    "id": "hls_1",
    "name": "ours",
    "source": "tests",
    "purpose": "other",
    "action": "block",
    "reason_code": "NCII",
    "kinds": ["pdq"],
    "state": "active",
    "version": 1,
    "entries": 2,
    "signed": None,
    "created_by": "per_1",
    "created_at": "2026-01-02T03:04:05Z",
    "changed_at": "2026-01-02T03:04:05Z",
}
IMPORT = {
    "id": "him_1",
    "list": "hls_1",
    "state": "proposed",
    "sha256": "ab",
    "replaces": False,
    "signed": None,
    **dict.fromkeys(("rows", "added", "known", "withdrawals", "invalid"), 1),
    "proposed_by": "per_1",
    "confirmed_by": None,
    "created_at": "2026-01-02T03:04:05Z",
    "decided_at": None,
    "problems": [{"line": 2, "code": "not_a_hash"}],
}
GONE = {"list": "hls_1", "withdrawn": 1, "entries": 1, "version": 2}


def test_a_list_is_made_filled_and_cleared(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(b"ab\n")
    script = Script([ok(LIST), ok(IMPORT), ok(IMPORT), ok(IMPORT), ok({"data": [IMPORT]}), ok(GONE), ok(LIST)])
    with client(script) as served:
        assert served.hash_lists.create("ours", "tests", kinds=["pdq"]).id == "hls_1"
        done = served.hash_lists.import_file("hls_1", file, rows=1, replace=True)
        served.hash_lists.confirm(done.id)
        served.hash_lists.refuse(done.id)
        assert [one.id for one in served.hash_lists.imports("hls_1")] == ["him_1"]
        assert served.hash_lists.withdraw("hls_1", ["ab"]).withdrawn == 1
        served.hash_lists.remove("hls_1")
    assert script.asked == [
        "POST /v1/hash-lists",
        "POST /v1/hash-lists/hls_1/import",
        "POST /v1/hash-list-imports/him_1/confirm",
        "POST /v1/hash-list-imports/him_1/refuse",
        "GET /v1/hash-lists/hls_1/imports",
        "POST /v1/hash-lists/hls_1/withdraw",
        "DELETE /v1/hash-lists/hls_1",
    ]
    sent = script.seen[1]
    assert (sent.content, dict(sent.url.params)) == (b"ab\n", {"format": "auto", "rows": "1", "replace": "true"})


async def test_the_async_face_asks_the_same() -> None:
    script = Script([ok({"data": [LIST]}), ok(IMPORT)])
    async with async_client(script) as served:
        assert [one.name for one in await served.hash_lists.list()] == ["ours"]
        assert (await served.hash_lists.import_file("hls_1", b"ab\n")).state == "proposed"
    assert script.seen[1].content == b"ab\n"
