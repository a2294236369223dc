"""What the contents API does is the same on the local disk and in a bucket."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta

import pytest

from contract.contents.rest import Server, notebook

pytestmark = pytest.mark.contract

NAMES = {
    "spaces": "a b  c.txt",
    "hash": "a#b.txt",
    "percent": "100%25 %.txt",
    "plus": "a+b=c&d.txt",
    "question": "what?.txt",
    "accents": "é-ü-ñ.txt",
    "decomposed": "é.txt",
    "chinese": "数据 集.txt",
    "emoji": "🗺️.txt",
    "quotes": 'it\'s "so".txt',
    "brackets": "[1] (2) {3}.txt",
    "semicolon": "a;b,c.txt",
    "colon": "s3:a:b.txt",
    "no extension": "README",
    "many dots": "a..b...c.txt",
    "long": "n" * 200 + ".txt",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_file_of_any_name_is_saved_listed_opened_renamed_and_deleted(
    server: Server, folder: str, name: str
) -> None:
    path = f"{folder}/{name}"
    saved = server.save(path, "one\n")
    assert (saved["name"], saved["path"]) == (name, path)
    assert server.names(folder) == {name}
    assert server.text(path) == "one\n"
    assert server.download(path).body == b"one\n"
    assert server.rename(path, f"{folder}/new {name[:50]}").status == 200
    assert server.names(folder) == {f"new {name[:50]}"}
    server.delete(f"{folder}/new {name[:50]}")
    assert server.names(folder) == set()


def test_a_saved_file_has_size_type_dates_and_no_content_in_the_answer(server: Server, folder: str) -> None:
    model = server.save(f"{folder}/a.csv", "x,y\n")
    assert (model["type"], model["size"], model["mimetype"]) == ("file", 4, "text/csv")
    assert (model["content"], model["format"], model["writable"]) == (None, None, True)
    for date in ("created", "last_modified"):
        assert abs(datetime.now(UTC) - datetime.fromisoformat(model[date])) < timedelta(minutes=2)


def test_a_listing_has_files_folders_and_notebooks_with_their_types(server: Server, folder: str) -> None:
    server.save(f"{folder}/a.txt", "a")
    server.save(f"{folder}/n.ipynb", notebook("1"), form="json", kind="notebook")
    server.save(f"{folder}/sub/b.txt", "b") if folder.startswith("lake") else server.make_folder(
        f"{folder}/sub"
    )
    model = server.get(folder)
    assert (model["type"], model["format"], model["path"]) == ("directory", "json", folder)
    kinds = {entry["name"]: entry["type"] for entry in model["content"]}
    assert kinds == {"a.txt": "file", "n.ipynb": "notebook", "sub": "directory"}
    assert all(entry["content"] is None for entry in model["content"])


def test_a_folder_without_content_is_told_without_its_listing(server: Server, folder: str) -> None:
    model = server.get(folder, content=0)
    assert (model["type"], model["content"], model["format"]) == ("directory", None, None)
    assert datetime.fromisoformat(model["last_modified"]).year > 2000


FORMATS = [
    pytest.param("héllo\n".encode(), "", "text", id="text by itself"),
    pytest.param(b"\xff\xfe\x00", "", "base64", id="bytes by themselves"),
    pytest.param(b"text", "base64", "base64", id="text as base64"),
    pytest.param(b"", "", "text", id="an empty file"),
]


@pytest.mark.parametrize(("raw", "asked", "told"), FORMATS)
def test_content_is_text_where_it_can_be_and_base64_elsewhere(
    server: Server, folder: str, raw: bytes, asked: str, told: str
) -> None:
    server.save_bytes(f"{folder}/f", raw)
    model = server.get(f"{folder}/f", type="file", **({"format": asked} if asked else {}))
    content = model["content"].encode() if told == "text" else base64.b64decode(model["content"])
    assert (model["format"], content) == (told, raw)
    assert model["mimetype"] == ("text/plain" if told == "text" else "application/octet-stream")


REFUSED = [
    pytest.param({"type": "file", "content": "x"}, 400, id="a file without format"),
    pytest.param({"type": "file", "format": "text"}, 400, id="a file without content"),
    pytest.param({"format": "text", "content": "x", "type": None}, 400, id="no type"),
    pytest.param({"type": "file", "format": "base64", "content": "é"}, 400, id="base64 that is none"),
    pytest.param(
        {"type": "notebook", "format": "text", "content": "x", "chunk": 1}, 400, id="a notebook in pieces"
    ),
]


@pytest.mark.parametrize(("model", "status"), REFUSED)
def test_a_model_that_cannot_be_saved_is_refused_and_changes_nothing(
    server: Server, folder: str, model: dict[str, object], status: int
) -> None:
    server.save(f"{folder}/f", "before")
    assert server.contents("PUT", f"{folder}/f", model).status == status
    assert server.text(f"{folder}/f") == "before"


WRONG_KINDS = [
    pytest.param("f.txt", "?type=directory", id="a file as a folder"),
    pytest.param("sub", "?type=file", id="a folder as a file"),
    pytest.param("sub", "?type=notebook", id="a folder as a notebook"),
    pytest.param("bytes", "?type=file&format=text", id="bytes as text"),
    pytest.param("broken.ipynb", "", id="a notebook that is none"),
]


@pytest.mark.parametrize(("name", "query"), WRONG_KINDS)
def test_opening_something_as_what_it_is_not_is_a_400(
    server: Server, folder: str, name: str, query: str
) -> None:
    server.save(f"{folder}/f.txt", "x")
    server.save_bytes(f"{folder}/bytes", b"\xff")
    server.save(f"{folder}/broken.ipynb", "not a notebook")
    server.make_folder(f"{folder}/sub")
    assert server.contents("GET", f"{folder}/{name}", query=query).status == 400


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_what_is_not_there_is_a_404(server: Server, folder: str, method: str) -> None:
    answer = server.contents(
        method, f"{folder}/nothing", {"path": f"{folder}/b"} if method == "PATCH" else None
    )
    assert answer.status == 404
    assert server.download(f"{folder}/nothing").status == 404


def test_a_notebook_comes_back_as_it_was_saved_and_gets_a_checkpoint(server: Server, folder: str) -> None:
    path = f"{folder}/n.ipynb"
    saved = server.save(path, notebook("print('é')"), form="json", kind="notebook")
    assert (saved["type"], saved["content"]) == ("notebook", None)
    model = server.get(path)
    assert (model["type"], model["format"], model["mimetype"]) == ("notebook", "json", None)
    assert model["content"]["cells"][0]["source"] == "print('é')"
    assert len(server.contents("GET", f"{path}/checkpoints").json()) == 1
    assert server.get(path, type="file", format="text")["content"].startswith("{")


def test_a_hash_is_given_when_asked_for_and_changes_with_the_content(server: Server, folder: str) -> None:
    path = f"{folder}/f.txt"
    server.save(path, "one")
    first = server.get(path, content=0, hash=1)
    again = server.get(path, content=1, hash=1)
    server.save(path, "two")
    second = server.get(path, content=0, hash=1)
    assert first["hash"] and first["hash_algorithm"]
    assert (again["hash"], second["hash"] != first["hash"]) == (first["hash"], True)


def test_new_things_get_names_that_are_free(server: Server, folder: str) -> None:
    made = [server.contents("POST", folder, {"type": kind, "ext": extension}).json()["name"]
            for kind, extension in [("notebook", ""), ("notebook", ""), ("file", ".txt"), ("file", ".txt"),
                                    ("directory", ""), ("directory", ""), ("notebook", "")]]  # fmt: skip
    assert made == ["Untitled.ipynb", "Untitled1.ipynb", "untitled.txt", "untitled1.txt",
                    "Untitled Folder", "Untitled Folder 1", "Untitled2.ipynb"]  # fmt: skip
    assert server.names(folder) == set(made)


def test_copies_get_names_that_are_free_and_have_the_same_content(server: Server, folder: str) -> None:
    server.save(f"{folder}/a.tar.gz", "x")
    server.make_folder(f"{folder}/sub")
    made = [server.copy(f"{folder}/a.tar.gz", target) for target in (folder, folder, f"{folder}/sub")]
    assert [answer.status for answer in made] == [201, 201, 201]
    assert [answer.json()["path"].removeprefix(folder) for answer in made] == [
        "/a-Copy1.tar.gz", "/a-Copy2.tar.gz", "/sub/a.tar.gz"]  # fmt: skip
    assert server.text(f"{folder}/sub/a.tar.gz") == "x"


def test_a_folder_is_copied_with_all_that_is_in_it(server: Server, folder: str) -> None:
    server.make_folder(f"{folder}/d")
    server.make_folder(f"{folder}/d/empty")
    server.save(f"{folder}/d/a.txt", "a")
    assert server.copy(f"{folder}/d", folder).status == 201
    assert server.names(folder) == {"d", "d-Copy1"}
    assert server.names(f"{folder}/d-Copy1") == {"a.txt", "empty"}


def test_a_folder_is_copied_into_one_that_is_not_there_yet(server: Server, folder: str) -> None:
    server.make_folder(f"{folder}/d")
    server.save(f"{folder}/d/a.txt", "a")
    assert server.copy(f"{folder}/d", f"{folder}/new").json()["path"] == f"{folder}/new/d"
    assert server.text(f"{folder}/new/d/a.txt") == "a"


def test_a_folder_is_renamed_with_all_that_is_in_it(server: Server, folder: str) -> None:
    server.make_folder(f"{folder}/d")
    server.make_folder(f"{folder}/d/e")
    server.save(f"{folder}/d/e/a.txt", "a")
    answer = server.rename(f"{folder}/d", f"{folder}/ð ñ")
    assert (answer.status, answer.json()["path"]) == (200, f"{folder}/ð ñ")
    assert server.names(folder) == {"ð ñ"}
    assert server.text(f"{folder}/ð ñ/e/a.txt") == "a"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_rename_onto_something_that_is_there_is_a_409(server: Server, folder: str, kind: str) -> None:
    server.save(f"{folder}/a", "a")
    server.save(f"{folder}/b", "b") if kind == "file" else server.make_folder(f"{folder}/b")
    assert server.rename(f"{folder}/a", f"{folder}/b").status == 409
    assert server.text(f"{folder}/a") == "a"


def test_a_folder_with_content_is_deleted_whole(server: Server, folder: str) -> None:
    server.make_folder(f"{folder}/d")
    server.save(f"{folder}/d/a.txt", "a")
    server.save(f"{folder}/dd.txt", "kept")
    server.delete(f"{folder}/d")
    assert server.names(folder) == {"dd.txt"}


def test_a_folder_stays_when_its_last_file_goes(server: Server, folder: str) -> None:
    server.save(f"{folder}/only.txt", "x")
    server.delete(f"{folder}/only.txt")
    assert server.names(folder) == set()


def test_a_file_goes_back_to_its_checkpoint(server: Server, folder: str) -> None:
    path = f"{folder}/f.txt"
    server.save(path, "one")
    made = server.contents("POST", f"{path}/checkpoints")
    assert made.status == 201
    server.save(path, "two")
    assert server.contents("POST", f"{path}/checkpoints/{made.json()['id']}").status == 204
    assert server.text(path) == "one"


def test_a_checkpoint_follows_its_file_and_ends_with_it(server: Server, folder: str) -> None:
    server.make_folder(f"{folder}/d")
    server.save(f"{folder}/d/f.txt", "one")
    server.contents("POST", f"{folder}/d/f.txt/checkpoints")
    server.rename(f"{folder}/d/f.txt", f"{folder}/d/g.txt")
    assert len(server.contents("GET", f"{folder}/d/g.txt/checkpoints").json()) == 1
    server.delete(f"{folder}/d/g.txt")
    server.save(f"{folder}/d/g.txt", "new")
    assert server.contents("GET", f"{folder}/d/g.txt/checkpoints").json() == []


def test_hidden_names_are_neither_listed_nor_opened_nor_made(server: Server, folder: str) -> None:
    assert server.save(f"{folder}/.hidden", "x", status=400).status == 400
    assert server.contents("GET", f"{folder}/.s3keep").status == 404
    assert server.download(f"{folder}/.s3keep").status == 404
    assert server.names(folder) == set()


def test_a_file_sent_in_pieces_arrives_whole_and_replaces_the_old_one(server: Server, folder: str) -> None:
    content = os.urandom(3_500_000)
    server.save(f"{folder}/big.bin", "old")
    answer = server.upload(f"{folder}/big.bin", content)
    assert (answer.status, answer.json()["size"]) == (200, len(content))
    assert server.download(f"{folder}/big.bin").body == content


RANGES = [
    pytest.param("bytes=0-3", 206, b"0123", "bytes 0-3/10", id="the beginning"),
    pytest.param("bytes=8-", 206, b"89", "bytes 8-9/10", id="from a place on"),
    pytest.param("bytes=-3", 206, b"789", "bytes 7-9/10", id="the end"),
    pytest.param("bytes=5-99", 206, b"56789", "bytes 5-9/10", id="beyond the end"),
]


@pytest.mark.parametrize(("wanted", "status", "body", "told"), RANGES)
def test_a_download_gives_the_range_that_is_asked_for(
    server: Server, folder: str, wanted: str, status: int, body: bytes, told: str
) -> None:
    server.save(f"{folder}/f.bin", "0123456789")
    answer = server.download(f"{folder}/f.bin", Range=wanted)
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (status, body, told)


def test_a_range_that_is_not_there_is_a_416(server: Server, folder: str) -> None:
    server.save(f"{folder}/f.bin", "0123456789")
    assert server.download(f"{folder}/f.bin", Range="bytes=10-").status == 416


def test_a_head_request_tells_size_and_type_without_the_content(server: Server, folder: str) -> None:
    server.save(f"{folder}/f.csv", "0123456789")
    from urllib.parse import quote

    answer = server.ask("HEAD", f"/files/{quote(folder)}/f.csv")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "10", b"")
    assert answer.headers["Content-Type"] == "text/csv"


def test_a_download_is_offered_under_its_own_name(server: Server, folder: str) -> None:
    from urllib.parse import quote

    server.save(f"{folder}/é b.txt", "x")
    answer = server.ask("GET", f"/files/{quote(folder)}/{quote('é b.txt')}?download=1")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "%C3%A9%20b.txt" in answer.headers["Content-Disposition"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]
