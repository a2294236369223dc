"""What only buckets have: several roots, a policy, folders without markers, many keys, large files."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from contract.contents.conftest import Buckets
from contract.contents.rest import Server, free_port, notebook

pytestmark = pytest.mark.contract
MIB = 1 << 20


def relative(path: str) -> str:
    return path.partition("/")[2]


# Roots


def test_the_home_shows_three_roots_beside_its_own_files(server: Server) -> None:
    server.save("a local file.txt", "x")
    home = {entry["name"]: entry for entry in server.get("")["content"]}
    assert {"public", "lake", "notebooks", "a local file.txt"} <= set(home)
    assert [home[name]["writable"] for name in ("public", "lake", "notebooks")] == [False, True, True]


def test_a_local_folder_with_a_roots_name_is_not_shown_and_not_written_to(server: Server) -> None:
    Path(server.home, "notebooks").mkdir(exist_ok=True)
    Path(server.home, "notebooks", "local.txt").write_text("x")
    assert [entry["name"] for entry in server.get("")["content"]].count("notebooks") == 1
    assert "local.txt" not in server.names("notebooks")


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "PUT"])
def test_a_bucket_is_neither_deleted_nor_renamed_nor_overwritten(server: Server, method: str) -> None:
    body = {"PATCH": {"path": "other"}, "PUT": {"type": "file", "format": "text", "content": "x"}}.get(method)
    answer = server.contents(method, "lake", body)
    assert (answer.status, "lake" in answer.message) == (400, True)


ELSEWHERE = [
    pytest.param("{lake}", "notebooks/{new}", id="to another bucket"),
    pytest.param("{lake}", "{new}", id="from a bucket to the disk"),
    pytest.param("{disk}", "lake/{new}", id="from the disk to a bucket"),
]


@pytest.mark.parametrize(("source", "target"), ELSEWHERE)
def test_a_folder_moves_between_roots_with_content_and_checkpoints(
    server: Server, lake: str, source: str, target: str
) -> None:
    disk, new = f"disk {secrets.token_hex(4)}", f"new {secrets.token_hex(4)}"
    server.make_folder(disk)
    old, new = source.format(lake=lake, disk=disk), target.format(new=new)
    server.make_folder(f"{old}/sub")
    server.make_folder(f"{old}/empty")
    server.save(f"{old}/sub/é #.txt", "content")
    server.contents("POST", f"{old}/sub/é #.txt/checkpoints")
    assert server.rename(old, new).status == 200
    assert server.contents("GET", old).status == 404
    assert server.names(new) == {"sub", "empty"}
    assert server.text(f"{new}/sub/é #.txt") == "content"
    assert len(server.contents("GET", f"{new}/sub/é #.txt/checkpoints").json()) == 1


@pytest.mark.parametrize(("source", "target"), ELSEWHERE)
def test_a_file_is_copied_between_roots(server: Server, lake: str, source: str, target: str) -> None:
    disk, new = f"disk {secrets.token_hex(4)}", f"new {secrets.token_hex(4)}"
    server.make_folder(disk)
    old, new = source.format(lake=lake, disk=disk), target.format(new=new)
    server.save(f"{old}/f.txt", "content")
    server.make_folder(new)
    assert server.copy(f"{old}/f.txt", new).status == 201
    assert (server.text(f"{old}/f.txt"), server.text(f"{new}/f.txt")) == ("content", "content")


def test_checkpoints_of_files_of_one_name_in_two_roots_are_two(server: Server) -> None:
    name = f"{secrets.token_hex(4)}.txt"
    for root in ("lake", "notebooks"):
        server.save(f"{root}/{name}", f"in {root}")
        server.contents("POST", f"{root}/{name}/checkpoints")
        server.save(f"{root}/{name}", "changed")
    for root in ("lake", "notebooks"):
        server.contents("POST", f"{root}/{name}/checkpoints/checkpoint")
    assert [server.text(f"{root}/{name}") for root in ("lake", "notebooks")] == ["in lake", "in notebooks"]


def test_a_file_that_somebody_else_keeps_writing_gets_a_checkpoint(
    server: Server, buckets: Buckets, lake: str
) -> None:
    """Lab makes one when it opens a file, and does not open it without."""
    from concurrent.futures import ThreadPoolExecutor

    path, key = f"{lake}/f.txt", f"{relative(lake)}/f.txt"
    written = [b"one", b"another one"]
    buckets.put("lake", key, written[0])
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(lambda: [server.contents("POST", f"{path}/checkpoints") for _ in range(30)])
        while not asking.done():
            written.reverse()
            buckets.put("lake", key, written[0])
    assert {answer.status for answer in asking.result()} == {201}
    server.contents("POST", f"{path}/checkpoints/checkpoint")
    assert buckets.read("lake", key) in written


def test_a_checkpoint_of_a_file_that_is_not_there_is_a_404(server: Server, lake: str) -> None:
    assert server.contents("POST", f"{lake}/none.txt/checkpoints").status == 404


def test_a_kernel_of_a_notebook_in_a_bucket_starts_in_the_home(server: Server, lake: str) -> None:
    server.save(f"{lake}/n.ipynb", notebook("1"), form="json", kind="notebook")
    body = {"path": f"{lake}/n.ipynb", "type": "notebook", "name": "n", "kernel": {"name": "python3"}}
    made = server.ask("POST", "/api/sessions", body)
    assert made.status == 201, made
    kernels = psutil.Process(server.process.pid).children(recursive=True)  # type: ignore[union-attr]
    try:
        assert Path(server.home) in [Path(child.cwd()) for child in kernels]
    finally:
        server.ask("DELETE", f"/api/sessions/{made.json()['id']}")


# Folders and keys


def test_folders_are_there_with_and_without_a_marker_of_either_kind(
    server: Server, buckets: Buckets, lake: str
) -> None:
    for key in ("bare/a.txt", "kept/.s3keep", "console/"):
        buckets.put("lake", f"{relative(lake)}/{key}")
    assert server.names(lake) == {"bare", "kept", "console"}
    assert server.names(f"{lake}/kept") == server.names(f"{lake}/console") == set()


def test_nothing_is_written_to_list_or_to_save_into_a_new_folder(
    server: Server, buckets: Buckets, lake: str
) -> None:
    before = buckets.keys("lake")
    server.get("lake")
    server.save(f"{lake}/new/deep/f.txt", "x")
    assert set(buckets.keys("lake")) - set(before) == {f"{relative(lake)}/new/deep/f.txt"}


def test_a_file_and_a_folder_of_one_name_can_both_be_opened(
    server: Server, buckets: Buckets, lake: str
) -> None:
    buckets.put("lake", f"{relative(lake)}/both", b"the file")
    buckets.put("lake", f"{relative(lake)}/both/inside.txt")
    assert server.names(f"{lake}/both") == {"inside.txt"}
    assert server.text(f"{lake}/both") == "the file"


def test_keys_that_no_path_can_name_do_not_spoil_a_listing(
    server: Server, buckets: Buckets, lake: str
) -> None:
    for key in ("a//b.txt", "/c.txt", "./d.txt", "good.txt"):
        buckets.put("lake", f"{relative(lake)}/{key}")
    assert server.names(lake) == {"a", "good.txt"}
    assert server.names(f"{lake}/a") == set()


UNFIT = [
    pytest.param("n" * 1025, id="too long for a key"),
    pytest.param("a/./b", id="a dot as a part"),
    pytest.param("a\0b", id="a NUL"),
]


@pytest.mark.parametrize("name", UNFIT)
def test_a_name_that_a_bucket_cannot_hold_is_a_400(server: Server, lake: str, name: str) -> None:
    assert server.save(f"{lake}/{name}", "x", status=400)
    assert server.names(lake) == set()


def test_ten_thousand_keys_are_listed_within_seconds_while_the_server_answers(
    server: Server, buckets: Buckets, lake: str
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    keys = [f"{relative(lake)}/{number:05d}.txt" for number in range(10_000)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: buckets.put_many("lake", part), (keys[start::4] for start in range(4))))
        began = time.monotonic()
        listing = pool.submit(server.get, lake)
        waits = []
        while not listing.done():
            asked = time.monotonic()
            server.ask("GET", "/api/status")
            waits.append(time.monotonic() - asked)
            time.sleep(0.02)
    assert len(listing.result()["content"]) == 10_000
    assert time.monotonic() - began < 15
    # the answer's JSON is made by jupyter_server on its loop; nothing of ours may add to that
    assert sorted(waits)[len(waits) * 9 // 10] < 1
    server.delete(lake)
    assert buckets.keys("lake", relative(lake)) == []


# What the policy denies

DENIED: dict[str, tuple[Callable[[Server, str], object], str]] = {
    "save": (lambda server, name: server.save(f"public/{name}.txt", "x", status=403), "s3:PutObject"),
    "notebook": (
        lambda server, name: server.save(
            f"public/{name}.ipynb", notebook("1"), form="json", kind="notebook", status=403
        ),
        "s3:PutObject",
    ),
    "overwrite": (lambda server, name: server.save("public/there.txt", "x", status=403), "s3:PutObject"),
    "upload": (lambda server, name: server.piece(f"public/{name}.bin", 1, b"x"), "s3:PutObject"),
    "new file": (lambda server, name: server.contents("POST", "public", {"type": "file"}), "s3:PutObject"),
    "folder": (lambda server, name: server.contents("POST", "public", {"type": "directory"}), "s3:PutObject"),
    "copy within": (lambda server, name: server.copy("public/there.txt", "public"), "s3:PutObject"),
    "copy into": (lambda server, name: server.copy("lake/own.txt", "public"), "s3:PutObject"),
    "move into": (lambda server, name: server.rename("lake/own.txt", f"public/{name}"), "s3:PutObject"),
    "move out": (lambda server, name: server.rename("public/there.txt", f"lake/{name}"), "s3:DeleteObject"),
    "move a folder out": (lambda server, name: server.rename("public/d", f"lake/{name}"), "s3:DeleteObject"),
    "delete": (lambda server, name: server.contents("DELETE", "public/there.txt"), "s3:DeleteObject"),
    "delete a folder": (lambda server, name: server.contents("DELETE", "public/d"), "s3:DeleteObject"),
}


@pytest.mark.parametrize("case", DENIED)
def test_what_the_policy_denies_is_a_403_that_names_bucket_and_action(
    server: Server, buckets: Buckets, case: str
) -> None:
    buckets.put("public", "there.txt", b"theirs")
    buckets.put("public", "d/inside.txt")
    server.save("lake/own.txt", "mine")
    act, action = DENIED[case]
    name = secrets.token_hex(4)
    before = (buckets.keys("public"), buckets.keys("lake"))
    answer = act(server, name)
    assert answer.status == 403, answer  # type: ignore[attr-defined]
    assert buckets.names["public"] in answer.message  # type: ignore[attr-defined]
    assert action in answer.message  # type: ignore[attr-defined]
    assert (buckets.keys("public"), buckets.keys("lake")) == before
    assert buckets.read("public", "there.txt") == b"theirs"


def test_a_read_only_root_is_told_before_anything_is_saved(server: Server, buckets: Buckets) -> None:
    buckets.put("public", "there.txt")
    assert server.get("public", content=0)["writable"] is False
    assert {entry["writable"] for entry in server.get("public")["content"]} == {False}
    assert server.get("public/there.txt")["writable"] is False
    assert server.get("lake")["writable"] is True


def test_reading_the_public_bucket_is_allowed(server: Server, buckets: Buckets, lake: str) -> None:
    buckets.put("public", "there.txt", b"theirs")
    assert server.text("public/there.txt") == "theirs"
    assert server.download("public/there.txt").body == b"theirs"
    assert server.copy("public/there.txt", lake).status == 201
    assert server.text(f"{lake}/there.txt") == "theirs"


# Large files


def test_a_large_file_is_sent_in_parts_and_comes_back_in_bounded_memory(
    server: Server, buckets: Buckets, lake: str
) -> None:
    content = os.urandom(8 * MIB) * 12
    process = psutil.Process(server.process.pid)  # type: ignore[union-attr]
    server.upload(f"{lake}/warm.bin", content[: 20 * MIB])
    before = process.memory_info().rss
    assert server.upload(f"{lake}/big.bin", content).status == 201
    assert buckets.open_uploads("lake") == 0
    got = server.download(f"{lake}/big.bin").body
    assert hashlib.sha256(got).digest() == hashlib.sha256(content).digest()
    assert process.memory_info().rss - before < 64 * MIB


ODD_ORDERS = [
    pytest.param([1, 3], id="one left out"),
    pytest.param([1, 2, 2], id="one twice with other content"),
    pytest.param([2], id="no beginning"),
    pytest.param([-1], id="only an end"),
    pytest.param([1, 0], id="a number that is none"),
]


@pytest.mark.parametrize("order", ODD_ORDERS)
def test_pieces_out_of_order_are_a_409_and_leave_the_old_content(
    server: Server, buckets: Buckets, lake: str, order: list[int]
) -> None:
    server.save(f"{lake}/f.bin", "old")
    answers = [server.piece(f"{lake}/f.bin", number, os.urandom(9 * MIB)) for number in order]
    assert [answer.status for answer in answers] == [200] * (len(order) - 1) + [409]
    assert "start it again" in answers[-1].message
    assert (server.text(f"{lake}/f.bin"), buckets.open_uploads("lake")) == ("old", 0)


def test_a_piece_that_is_repeated_counts_once(server: Server, lake: str) -> None:
    for number, content in [(1, b"a"), (2, b"b"), (2, b"b"), (-1, b"c")]:
        assert server.piece(f"{lake}/f.txt", number, content).status in (200, 201)
    assert server.text(f"{lake}/f.txt") == "abc"


def test_an_upload_that_begins_anew_replaces_the_one_before(
    server: Server, buckets: Buckets, lake: str
) -> None:
    server.piece(f"{lake}/f.bin", 1, os.urandom(9 * MIB))
    assert server.upload(f"{lake}/f.bin", b"x" * 3 * MIB).status in (200, 201)
    assert (len(server.download(f"{lake}/f.bin").body), buckets.open_uploads("lake")) == (3 * MIB, 0)


def test_an_upload_is_not_seen_before_it_is_whole(server: Server, lake: str) -> None:
    server.piece(f"{lake}/f.bin", 1, os.urandom(9 * MIB))
    server.piece(f"{lake}/f.bin", 2, os.urandom(9 * MIB))
    assert server.names(lake) == set()
    assert server.contents("GET", f"{lake}/f.bin").status == 404


def test_conditions_on_a_download_are_kept(server: Server, lake: str) -> None:
    server.save(f"{lake}/f.txt", "0123456789")
    etag = server.download(f"{lake}/f.txt").headers["Etag"]
    assert server.download(f"{lake}/f.txt", **{"If-None-Match": etag}).status == 304
    resumed = server.download(f"{lake}/f.txt", **{"Range": "bytes=4-", "If-Range": etag})
    assert (resumed.status, resumed.body) == (206, b"456789")
    server.save(f"{lake}/f.txt", "another one")
    resumed = server.download(f"{lake}/f.txt", **{"Range": "bytes=4-", "If-Range": etag})
    assert (resumed.status, resumed.body) == (200, b"another one")


# Two servers


@pytest.fixture
def second(notebook_python: Path, buckets: Buckets, tmp_path: Path) -> Iterator[Server]:
    made = Server(notebook_python, tmp_path / "second", buckets.contract).start()
    yield made
    made.stop()


def test_a_save_by_another_server_shows_in_hash_and_date_as_lab_compares_them(
    server: Server, second: Server, lake: str
) -> None:
    path = f"{lake}/n.ipynb"
    server.save(path, notebook("1"), form="json", kind="notebook")
    opened = server.get(path, hash=1)
    assert server.get(path, content=0, hash=1)["hash"] == opened["hash"]
    second.save(path, notebook("2"), form="json", kind="notebook")
    assert server.get(path, content=0, hash=1)["hash"] != opened["hash"]
    assert second.get(path)["content"]["cells"][0]["source"] == "2"


def test_a_file_that_changes_while_its_folder_moves_is_not_lost(
    server: Server, buckets: Buckets, lake: str
) -> None:
    for number in range(120):
        buckets.put("lake", f"{relative(lake)}/d/{number:03d}", b"old")
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        moving = pool.submit(server.rename, f"{lake}/d", f"{lake}/e")
        for _ in range(400):
            if moving.done():
                break
            buckets.put("lake", f"{relative(lake)}/d/060", b"new")
        answer = moving.result()
    wherever = {
        buckets.read("lake", key) for key in buckets.keys("lake", relative(lake)) if key.endswith("/060")
    }
    assert b"new" in wherever
    if answer.status != 200:
        assert "060" in answer.message


# Trouble


@pytest.fixture
def troubled(notebook_python: Path, buckets: Buckets, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(**changed: str) -> Server:
        made.append(Server(notebook_python, tmp_path / "home", {**buckets.contract, **changed}).start())
        return made[-1]

    yield start
    for server in made:
        server.stop()


TROUBLES = [
    pytest.param({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 502, "cannot be reached", id="S3 is away"),
    pytest.param({"AWS_SECRET_ACCESS_KEY": "wrong"}, 403, "access key", id="a wrong secret"),
    pytest.param({"AWS_ACCESS_KEY_ID": "AKIAGONE"}, 403, "access key", id="a key that was deleted"),
    pytest.param({"AWS_ACCESS_KEY_ID": ""}, 403, "no access key", id="no key"),
    pytest.param({"S3_BUCKET_NAME_LAKE": "contents-gone"}, 0, "contents-gone", id="a missing bucket"),
]


@pytest.mark.parametrize(("changed", "status", "told"), TROUBLES)
def test_trouble_with_s3_is_a_clear_message_soon_and_the_home_stays_usable(
    troubled: Callable[..., Server], changed: dict[str, str], status: int, told: str
) -> None:
    server = troubled(**changed)
    server.save("local.txt", "x")
    assert {"lake", "local.txt"} <= server.names("")
    calls = {
        "list": lambda: server.contents("GET", "lake"),
        "open": lambda: server.contents("GET", "lake/f.txt", query="?type=file"),
        "save": lambda: server.save("lake/f.txt", "x", status=status or None) if status else server.contents(
            "PUT", "lake/f.txt", {"type": "file", "format": "text", "content": "x"}),
        "new": lambda: server.contents("POST", "lake", {"type": "notebook"}),
        "delete": lambda: server.contents("DELETE", "lake/f.txt"),
        "rename": lambda: server.rename("lake/f.txt", "lake/g.txt"),
        "move out": lambda: server.rename("lake/f.txt", "g.txt"),
        "copy": lambda: server.copy("local.txt", "lake"),
    }  # fmt: skip
    for name, call in calls.items():
        began = time.monotonic()
        answer = call()
        assert time.monotonic() - began < 12, name
        assert answer.status in ((status,) if status else (403, 404, 502)), (name, answer)
        if answer.status != 404:
            assert told in answer.message, (name, answer)
    assert server.download("lake/f.txt").status != 500
    assert "Traceback" not in server.log


@contextmanager
def s3_that_answers(status: int, code: str) -> Iterator[str]:
    """An address where every call gets the same S3 error."""

    class Answer(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


@pytest.mark.parametrize(
    ("said", "status", "told"),
    [
        pytest.param((400, "ExpiredToken"), 403, "it has expired", id="an expired key"),
        pytest.param((404, "NoSuchBucket"), 502, "does not exist", id="a bucket that is gone"),
        pytest.param((503, "SlowDown"), 502, "asks for fewer requests", id="too many requests"),
    ],
)
def test_what_s3_refuses_is_told_in_plain_words(
    troubled: Callable[..., Server], said: tuple[int, str], status: int, told: str
) -> None:
    with s3_that_answers(*said) as address:
        server = troubled(AWS_ENDPOINT_URL=address)
        for answer in (server.contents("GET", "lake"), server.save("lake/f.txt", "x", status=status)):
            assert (answer.status, told in answer.message) == (status, True), answer
        assert "Traceback" not in server.log


def test_a_silent_s3_is_given_up_in_time_while_the_server_works_on(
    notebook_python: Path, buckets: Buckets, tmp_path: Path
) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(64)
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        options = ("--BucketsContentsManager.s3_seconds=1",)
        contract = {**buckets.contract, "AWS_ENDPOINT_URL": address}
        server = Server(notebook_python, tmp_path / "home", contract, options).start()
        try:
            began = time.monotonic()
            answer = server.contents("GET", "lake")
            assert (answer.status, "did not answer" in answer.message) == (504, True)
            assert time.monotonic() - began < 12
            began = time.monotonic()
            server.save("local.txt", "x")
            assert time.monotonic() - began < 2
        finally:
            server.stop()


def test_a_move_that_a_crash_cut_off_loses_nothing_and_is_told_at_the_next_start(
    notebook_python: Path, buckets: Buckets, tmp_path: Path, lake: str
) -> None:
    for number in range(300):
        buckets.put("lake", f"{relative(lake)}/d/{number:03d}", str(number).encode())
    server = Server(notebook_python, tmp_path / "home", buckets.contract, port=free_port()).start()

    def rename() -> None:
        # the server dies under it
        with suppress(OSError):
            server.rename(f"{lake}/d", f"{lake}/e")

    moving = threading.Thread(target=rename)
    moving.start()
    while not buckets.keys("lake", f"{relative(lake)}/e/"):
        assert moving.is_alive()
    server.stop(hard=True)
    moving.join()
    kept = {key.rpartition("/")[2] for key in buckets.keys("lake", f"{relative(lake)}/")}
    assert {f"{number:03d}" for number in range(300)} <= kept
    server.start()
    server.stop()
    assert f'"{lake}/d" to "{lake}/e" was cut off' in server.log


# Other buckets, other names

NAMINGS = [
    pytest.param(("--BucketsContentsManager.root_names=s3:{bucket}",), "s3:contents-lake", id="as upstream"),
    pytest.param(("--BucketsContentsManager.root_names={bucket}",), "contents-lake", id="by the bucket"),
    pytest.param(("--BucketsContentsManager.buckets=maps=contents-lake",), "maps", id="one of one's own"),
    pytest.param(
        ("--BucketsContentsManager.buckets=maps=contents-lake/a/b",), "maps", id="a folder of a bucket"
    ),
]


@pytest.mark.parametrize(("options", "name"), NAMINGS)
def test_roots_can_have_other_names_and_other_buckets(
    notebook_python: Path, buckets: Buckets, tmp_path: Path, options: tuple[str, ...], name: str
) -> None:
    server = Server(notebook_python, tmp_path / "home", buckets.contract, options).start()
    try:
        assert name in server.names("")
        own = secrets.token_hex(4)
        server.save(f"{name}/{own}/f.txt", "x")
        assert server.rename(f"{name}/{own}/f.txt", f"{name}/{own}/g.txt").status == 200
        assert server.names(f"{name}/{own}") == {"g.txt"}
        prefix = "a/b/" if options[0].endswith("/a/b") else ""
        assert buckets.read("lake", f"{prefix}{own}/g.txt") == b"x"
    finally:
        server.stop()


def test_a_root_can_be_protected_from_its_own_server(
    notebook_python: Path, buckets: Buckets, tmp_path: Path, lake: str
) -> None:
    buckets.put("lake", f"{relative(lake)}/f.txt", b"kept")
    options = ("--BucketsContentsManager.read_only=lake",)
    server = Server(notebook_python, tmp_path / "home", buckets.contract, options).start()
    try:
        assert server.get("lake")["writable"] is False
        for answer in (
            server.save(f"{lake}/f.txt", "x", status=403),
            server.contents("DELETE", f"{lake}/f.txt"),
            server.rename(f"{lake}/f.txt", "notebooks/f.txt"),
            server.copy(f"{lake}/f.txt", lake),
            server.piece(f"{lake}/f.txt", 1, b"x"),
        ):
            assert answer.status == 403
        assert buckets.read("lake", f"{relative(lake)}/f.txt") == b"kept"
    finally:
        server.stop()
