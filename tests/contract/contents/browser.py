"""A headless Chromium, driven by its own protocol: https://chromedevtools.github.io/devtools-protocol/"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--window-size=1300,800",
    "--remote-debugging-port=0",
    "--no-proxy-server",
)
_KEYS = {"Enter": (13, "\r"), "s": (83, "s"), "a": (65, "a"), "Delete": (46, "")}


@contextmanager
def started(folder: Path, what: str) -> Iterator[Chromium]:
    """A Chromium; without one ``what`` is not tested: the test is skipped, or fails where CI has one."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        why = f"no chromium on this machine: {what} is NOT tested"
        if "browser" in os.environ.get("DEVENV_REQUIRE", "").split(","):
            pytest.fail(why)
        pytest.skip(why)
    profile = folder / "profile"
    process = subprocess.Popen(
        [program, *_QUIET, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with ExitStack() as after:
        after.callback(_end, process)
        address, path = _endpoint(profile)
        yield Chromium(address, _Line(f"{address}{path}", after), folder / "downloads")


@dataclass(frozen=True)
class Chromium:
    """The program with a profile of its own, for one page after the other."""

    address: str
    line: _Line
    downloads: Path

    @contextmanager
    def page(self, *, alone: bool = True) -> Iterator[Browser]:
        """A page; ``alone`` it shares no cookies, storage and cache with any other."""
        with ExitStack() as after:
            context = {}
            if alone:
                context = self.line.call("Target.createBrowserContext")
                after.callback(self.line.call, "Target.disposeBrowserContext", **context)
            target = self.line.call("Target.createTarget", url="about:blank", **context)
            after.callback(self.line.call, "Target.closeTarget", **target)
            downloads = self.downloads / target["targetId"]
            self.line.call(
                "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads), **context
            )
            yield Browser(_Line(f"{self.address}/devtools/page/{target['targetId']}", after), downloads)


class _Line:
    """Calls to the program or to a page of it, one after the other."""

    def __init__(self, address: str, open_until: ExitStack) -> None:
        self._socket = open_until.enter_context(connect(address, max_size=None, proxy=None))
        self._ids = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                return dict(message["result"])
            self.events.append(message)


class Browser:
    """One page, as a person sees and uses it; what is downloaded there lies in ``downloads``."""

    def __init__(self, line: _Line, downloads: Path) -> None:
        self.downloads = downloads
        self._line = line
        self._call = line.call
        self._call("Page.enable")
        self._call("Runtime.enable")

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        told = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, script: str, seconds: float = 30) -> Any:
        """Wait until a JavaScript expression is true; returns its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"{script} stays {value!r}: {self.text('body')[-2000:]}"
            time.sleep(0.1)
        return value

    def text(self, selector: str) -> str:
        return str(
            self.run(f"[...document.querySelectorAll({selector!r})].map(e => e.innerText).join('\\n')")
        )

    def texts(self, selector: str) -> list[str]:
        return list(self.run(f"[...document.querySelectorAll({selector!r})].map(e => e.innerText.trim())"))

    def click(self, selector: str, text: str = "", *, times: int = 1, button: str = "left") -> None:
        """Click the first visible element that the selector finds and that has exactly this text, if any."""
        script = f"""(() => {{
            const found = [...document.querySelectorAll({selector!r})].find(
                e => e.offsetParent !== null && (!{text!r} || e.innerText.trim() === {text!r}));
            if (!found) return null;
            found.scrollIntoView({{block: 'nearest'}});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = self.wait(script)
        # a menu's entry wants to be pointed at first
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=count)

    def press(self, key: str, *, control: bool = False, shift: bool = False) -> None:
        code, text = _KEYS[key]
        held = 2 * control + 8 * shift
        more = {} if control or not text else {"text": text}
        for kind in ("keyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                modifiers=held, **(more if kind == "keyDown" else {}))  # fmt: skip

    def open_menu(self, selector: str, text: str) -> None:
        """Open the context menu of the element that the selector finds and that has exactly this text."""
        self.click(selector, text, button="right")

    def clipboard(self) -> str:
        """The text in the clipboard."""
        self._call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
        self._call("Page.bringToFront")
        return str(self.run("navigator.clipboard.readText()"))

    def write(self, text: str) -> None:
        self._call("Input.insertText", text=text)

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Click what opens a file dialog, and choose files in it."""
        self._call("Page.setInterceptFileChooserDialog", enabled=True)
        self._line.events.clear()
        self.click(selector)
        end = time.monotonic() + 10
        while not (opened := [e for e in self._line.events if e.get("method") == "Page.fileChooserOpened"]):
            assert time.monotonic() < end, "no file dialog"
            self.run("1")
        node = opened[0]["params"]["backendNodeId"]
        self._call("DOM.setFileInputFiles", files=[str(file) for file in files], backendNodeId=node)

    def picture(self, file: Path) -> None:
        told = self._call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(told["data"]))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(20)


def _endpoint(profile: Path) -> tuple[str, str]:
    """Where the program listens, and under which path for all of it."""
    told = profile / "DevToolsActivePort"
    end = time.monotonic() + 30
    while not (told.exists() and told.read_text().count("\n")):
        assert time.monotonic() < end, "the browser does not start"
        time.sleep(0.1)
    port, path = told.read_text().split()
    return f"ws://127.0.0.1:{port}", path
