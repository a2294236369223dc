"""JupyterLab itself, in a headless Chromium: what a person sees and does with the buckets."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.contents.browser import Browser, Chromium, started
from contract.contents.conftest import Buckets
from contract.contents.rest import Server, notebook

pytestmark = [pytest.mark.contract, pytest.mark.slow]

JUPYTER = Path(__file__).parents[3] / "jupyter"
# where pictures of each step are kept, if anywhere
PICTURES = os.environ.get("DEVENV_TEST_PICTURES")
EDITOR = ".jp-FileEditor .cm-content"


@pytest.fixture(scope="module")
def lab(
    notebook_python: Path, buckets: Buckets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    places = {
        "JUPYTER_CONFIG_PATH": str(JUPYTER / "etc"),
        "JUPYTER_PATH": str(JUPYTER / "buckets" / "share"),
    }
    contract = {**buckets.contract, **places}
    folder = tmp_path_factory.mktemp("lab") / "home"
    made = Server(notebook_python, folder, contract, module="jupyterlab").start()
    Path(made.home, "samples").mkdir()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with started(tmp_path_factory.mktemp("browser"), "Lab's file browser") as made:
        yield made


@pytest.fixture
def browser(chromium: Chromium) -> Iterator[Browser]:
    """A new page of somebody who has been to Lab before."""
    with chromium.page(alone=False) as page:
        yield page


def show(browser: Browser, lab: Server, path: str = "") -> None:
    """Open Lab anew, with its file browser in a folder and nothing else open."""
    browser.open(f"http://127.0.0.1:{lab.port}/lab/tree/{path}?reset&token={lab.token}")
    browser.wait("document.querySelectorAll('.jp-DirListing-content').length", 60)
    browser.wait("document.querySelectorAll('#jupyterlab-splash').length === 0", 60)
    if path:
        where = path.split("/")[0]
        browser.wait(f"document.querySelector('.jp-BreadCrumbs').innerText.includes({where!r})")


def names() -> str:
    return "[...document.querySelectorAll('.jp-DirListing-itemName')].map(e => e.innerText.trim())"


def wait_for_name(browser: Browser, name: str, seconds: float = 60) -> None:
    browser.wait(f"{names()}.includes({name!r})", seconds)


def wait_for_text(browser: Browser, text: str) -> None:
    """Wait until the editor shows it. The editor is there a little earlier, and not yet to be written in."""
    browser.wait(f"document.querySelector({EDITOR!r})?.innerText.includes({text!r})")


def write(browser: Browser, text: str) -> None:
    browser.click(EDITOR)
    browser.wait(f"document.querySelector({EDITOR!r}) === document.activeElement")
    browser.write(text)
    wait_for_text(browser, text.strip())


def keep(browser: Browser, name: str) -> None:
    if PICTURES:
        time.sleep(0.5)
        browser.picture(Path(PICTURES) / f"{name}.png")


def test_the_file_browser_shows_three_buckets_beside_the_home(browser: Browser, lab: Server) -> None:
    show(browser, lab)
    for name in ("public", "lake", "notebooks", "samples"):
        wait_for_name(browser, name)
    keep(browser, "home")


def test_a_notebook_in_the_lake_is_opened_run_and_saved(
    browser: Browser, lab: Server, buckets: Buckets
) -> None:
    folder = f"run {secrets.token_hex(4)}"
    lab.save(f"lake/{folder}/a b.ipynb", notebook("print(6 * 7)"), form="json", kind="notebook")
    show(browser, lab)
    for name in ("lake", folder, "a b.ipynb"):
        wait_for_name(browser, name)
        browser.click(".jp-DirListing-item .jp-DirListing-itemText", name, times=2)
    browser.wait("document.querySelectorAll('.jp-Cell').length", 30)
    browser.wait("/Python 3.*Idle/.test(document.querySelector('#jp-main-statusbar').innerText)", 60)
    browser.click(".jp-Cell .cm-content")
    browser.press("Enter", shift=True)
    browser.wait(
        "[...document.querySelectorAll('.jp-OutputArea-output')].some(e => e.innerText.trim() === '42')", 60
    )
    keep(browser, "notebook")
    browser.press("s", control=True)
    end = time.monotonic() + 20
    while b"42" not in buckets.read("lake", f"{folder}/a b.ipynb"):
        assert time.monotonic() < end, "it was not saved"
        time.sleep(0.2)


def test_a_file_is_uploaded_into_the_lake_and_downloaded_again(
    browser: Browser, lab: Server, buckets: Buckets, tmp_path: Path
) -> None:
    folder, name = f"up {secrets.token_hex(4)}", "größe 12 MB.bin"
    lab.make_folder(f"lake/{folder}")
    file = tmp_path / name
    file.write_bytes(os.urandom(12_345_678))
    show(browser, lab, f"lake/{folder}")
    browser.choose("[data-jp-item-name='uploader'] button, [data-jp-item-name='uploader'] jp-button", [file])
    browser.wait("/Uploaded/.test(document.body.innerText)", 60)
    wait_for_name(browser, name)
    keep(browser, "upload")
    wanted = hashlib.sha256(file.read_bytes()).hexdigest()
    assert hashlib.sha256(buckets.read("lake", f"{folder}/{name}")).hexdigest() == wanted
    address = browser.run(
        f"fetch('/files/lake/{folder}/{name}').then(a => a.arrayBuffer())"
        ".then(b => crypto.subtle.digest('SHA-256', b))"
        ".then(d => [...new Uint8Array(d)].map(x => x.toString(16).padStart(2, '0')).join(''))"
    )
    assert address == wanted
    browser.click(".jp-DirListing-item .jp-DirListing-itemText", name)
    browser.run(f"(() => {{ const a = document.createElement('a'); a.download = ''; "
                f"a.href = '/files/lake/{folder}/{name}?download=1'; a.click(); }})()")  # fmt: skip
    end = time.monotonic() + 30
    while not [found for found in browser.downloads.glob("*.bin") if found.stat().st_size == 12_345_678]:
        assert time.monotonic() < end, list(browser.downloads.iterdir())
        time.sleep(0.2)
        browser.run("1")


def test_copy_path_gives_the_address_that_pandas_and_s3fs_take(
    browser: Browser, lab: Server, buckets: Buckets
) -> None:
    folder = f"copy {secrets.token_hex(4)}"
    lab.save(f"lake/{folder}/a b.csv", "a,b\n1,2\n")
    show(browser, lab, f"lake/{folder}")
    wait_for_name(browser, "a b.csv")
    browser.open_menu(".jp-DirListing-item .jp-DirListing-itemText", "a b.csv")
    browser.click(".lm-Menu-itemLabel", "Copy Path")
    browser.wait("document.querySelectorAll('.lm-Menu').length === 0")
    assert browser.clipboard() == f"s3://{buckets.names['lake']}/{folder}/a b.csv"


def test_public_shows_read_only_and_saving_there_says_why(
    browser: Browser, lab: Server, buckets: Buckets
) -> None:
    buckets.put("public", "read me.txt", b"theirs")
    show(browser, lab, "public/read me.txt")
    wait_for_text(browser, "theirs")
    write(browser, "mine ")
    browser.press("s", control=True)
    browser.wait("/read me.txt is read-only/.test(document.body.innerText)")
    assert "file is read-only" in browser.text("body")
    keep(browser, "public")
    assert buckets.read("public", "read me.txt") == b"theirs"


def test_a_new_file_in_public_is_refused_with_bucket_and_action(
    browser: Browser, lab: Server, buckets: Buckets
) -> None:
    buckets.put("public", "read me.txt", b"theirs")
    show(browser, lab)
    wait_for_name(browser, "public")
    browser.click(".jp-DirListing-item .jp-DirListing-itemText", "public", times=2)
    wait_for_name(browser, "read me.txt")
    browser.click("[data-jp-item-name='new-directory'] button, [data-jp-item-name='new-directory'] jp-button")
    browser.wait(f"/{buckets.names['public']}.*denies s3:PutObject/.test(document.body.innerText)")
    keep(browser, "denied")


def test_lab_asks_before_it_overwrites_what_another_server_saved(
    browser: Browser, lab: Server, buckets: Buckets
) -> None:
    name = f"{secrets.token_hex(4)}.txt"
    lab.save(f"lake/{name}", "first")
    show(browser, lab, f"lake/{name}")
    wait_for_text(browser, "first")
    buckets.put("lake", name, b"by somebody else")
    write(browser, "mine ")
    browser.press("s", control=True)
    browser.wait("/changed/i.test(document.querySelector('.jp-Dialog')?.innerText ?? '')")
    keep(browser, "changed")
    assert buckets.read("lake", name) == b"by somebody else"
    browser.click(".jp-Dialog-button.jp-mod-reject")
