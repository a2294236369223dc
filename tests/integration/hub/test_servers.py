"""Several servers of one person, large files through the proxy, and ten people at once."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from urllib.parse import urljoin

import pytest

from integration.driving import wait_until
from integration.hub.conftest import CROWD, Hub, servers_of
from integration.hub.person import STOP_SECONDS, Person

pytestmark = [pytest.mark.integration, pytest.mark.slow]
MEGABYTE = 2**20
SIZE = 200 * MEGABYTE
# as Lab sends what is larger: https://jupyter-server.readthedocs.io/en/latest/developers/contents.html
CHUNK = MEGABYTE


def test_a_person_has_two_servers_with_one_home(hub: Hub) -> None:
    ada = hub.user("ada")

    ada.start_server("second")

    assert len(servers_of(hub.dev, "ada")) == 2
    with ada.kernel() as first, ada.kernel("second") as other:
        first.run("open('for both.txt', 'w').write('one home')")
        assert other.run("print(open('for both.txt').read())") == "one home\n"
        assert other.run("import os; print(os.environ['JUPYTERHUB_SERVER_NAME'])") == "second\n"
        assert ada.stop_server("second").status in (202, 204)
        assert wait_until(lambda: len(servers_of(hub.dev, "ada")) == 1, seconds=STOP_SECONDS)
        assert first.run("print('still here')") == "still here\n"
    assert hub.dev.instance.log("hub").exists()
    assert "users/ada" in hub.dev("logs", "--service", "nobody", code=2).err


@pytest.fixture(scope="module")
def large() -> bytes:
    return os.urandom(MEGABYTE) * (SIZE // MEGABYTE)


@pytest.fixture
def folder(hub: Hub) -> Iterator[Person]:
    ada = hub.user("ada")
    yield ada
    for root in ("", "lake/"):
        ada.at_server("DELETE", f"api/contents/{root}large.bin")


# The home takes all 200 MB in one request below.
@pytest.mark.parametrize(("root", "size"), [("", SIZE // 10), ("lake/", SIZE)], ids=["the home", "the lake"])
def test_a_large_file_goes_up_in_chunks_and_comes_down_whole(
    folder: Person, large: bytes, root: str, size: int
) -> None:
    ada, path, sent = folder, f"api/contents/{root}large.bin", large[:size]
    begun = time.monotonic()
    for number, start in enumerate(range(0, size, CHUNK), 1):
        last = start + CHUNK >= size
        content = base64.b64encode(sent[start : start + CHUNK]).decode()
        model = {"type": "file", "format": "base64", "content": content, "chunk": -1 if last else number}
        told = ada.at_server("PUT", path, model)
        assert told.status in (200, 201), told
    up = time.monotonic() - begun

    page = ada.ask("GET", ada.server_url(f"files/{root}large.bin?download=1"))
    down = time.monotonic() - begun - up

    assert page.status == 200, page
    assert len(page.body) == size
    assert hashlib.sha256(page.body).digest() == hashlib.sha256(sent).digest()
    print(f"{size // MEGABYTE} MB: up in {up:.1f} s, down in {down:.1f} s")  # noqa: T201 - for whoever looks


def test_a_large_file_passes_in_one_request_too(folder: Person, large: bytes) -> None:
    model = {"type": "file", "format": "base64", "content": base64.b64encode(large).decode()}

    told = folder.at_server("PUT", "api/contents/large.bin", model)

    assert told.status in (200, 201), told
    assert told.json()["size"] == SIZE
    whole = folder.at_server("GET", "api/contents/large.bin?format=base64&type=file").json()
    assert base64.b64decode(whole["content"]) == large


def test_ten_people_who_come_at_once_all_get_a_server(hub: Hub) -> None:
    def come(name: str) -> tuple[Person, float]:
        begun = time.monotonic()
        person = hub.visitor(name)
        page = person.sign_in()
        assert page.status == 200, page
        person.start_server()
        return person, time.monotonic() - begun

    hub.url  # noqa: B018 - asked once, not ten times at once
    with ThreadPoolExecutor(len(CROWD)) as pool:
        came = list(pool.map(come, CROWD))

    times = [seconds for _, seconds in came]
    print(f"ten people at once: median {median(times):.1f} s, worst {max(times):.1f} s")  # noqa: T201
    assert [len(servers_of(hub.dev, name)) for name in CROWD] == [1] * len(CROWD)
    for person, _ in came[:: len(CROWD) - 1]:
        with person.kernel() as kernel:
            assert kernel.run("import os; print(os.environ['JUPYTERHUB_USER'])") == f"{person.name}\n"
    if os.geteuid() == 0:
        assert len({servers_of(hub.dev, name)[0].uids().real for name in CROWD}) == len(CROWD)


def test_an_administrator_stops_anothers_server(hub: Hub) -> None:
    joan, chief = hub.visitor("joan"), hub.visitor("chief")
    assert joan.sign_in().status == 200
    joan.start_server()
    assert chief.sign_in().status == 200

    assert chief.api("DELETE", "users/joan/server").status in (202, 204)

    assert wait_until(lambda: not servers_of(hub.dev, "joan"), seconds=STOP_SECONDS)
    assert joan.open(urljoin(hub.url, "hub/home")).status == 200
    hub.people.pop("joan", None)
