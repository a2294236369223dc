"""A person at a hub: a browser without a screen, which keeps cookies as browsers do."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urljoin, urlsplit

from websockets.sync.client import ClientConnection, connect

REDIRECTS = {301, 302, 303, 307, 308}
# The hub gives a start up by itself before: singleuser.startTimeout (300), then 120 until it answers.
START_SECONDS = 430
# From SIGTERM to SIGKILL the hub gives a server 10 s, and each program that it started 3 more.
STOP_SECONDS = 60
# As often as a page would look. Ten people who look ten times a second take a processor from their servers.
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Page:
    """One answer and the address it came from."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def location(self) -> str:
        """Where a redirect leads, as a whole address; '' for none."""
        place = self.headers.get("location", "")
        return urljoin(self.url, place) if self.status in REDIRECTS and place else ""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def json(self) -> Any:
        return json.loads(self.body)

    def asked(self) -> dict[str, str]:
        """The query of the address."""
        return dict(parse_qsl(urlsplit(self.url).query))

    def field(self, name: str) -> str:
        """The value of a hidden field."""
        found = re.search(rf'name="{name}"\s+value="([^"]*)"', self.text)
        assert found, self
        return unescape(found[1])

    def __str__(self) -> str:
        return f"{self.status} {self.url} {dict(self.headers)}\n{self.text[:3000]}"


@dataclass
class Browser:
    """Cookies by host and path; ports do not count: https://www.rfc-editor.org/rfc/rfc6265#section-8.5"""

    cookies: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        url: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = 60,
    ) -> Page:
        """One request, no redirect followed. Every host is this machine, as for names below localhost."""
        place = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", place.port or 80, timeout=seconds)
        target = f"{place.path or '/'}{'?' + place.query if place.query else ''}"
        sent = {"Host": place.netloc, **self._cookie_header(url), **(headers or {})}
        try:
            connection.request(method, target, body, sent)
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            for line in response.headers.get_all("set-cookie") or ():
                self._keep(url, line)
            return Page(url, response.status, told, response.read())
        finally:
            connection.close()

    def follow(self, page: Page, *, seconds: float = 60) -> Page:
        """Go where redirects lead, until there is a page."""
        for _ in range(30):
            if not page.location:
                return page
            page = self.ask("GET", page.location, seconds=seconds)
        raise AssertionError(f"redirected without an end: {page}")

    def open(self, url: str, *, seconds: float = 60) -> Page:
        return self.follow(self.ask("GET", url), seconds=seconds)

    def send(self, url: str, fields: Mapping[str, str]) -> Page:
        """Send a form; the answer itself, no redirect followed."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", url, urlencode(fields), form)

    def cookie(self, url: str, name: str) -> str:
        """The value that a server at this address would see; '' for none."""
        return self._sent_to(url).get(name, "")

    def _sent_to(self, url: str) -> dict[str, str]:
        place = urlsplit(url)
        found = [
            (path, name, value)
            for (host, path, name), value in self.cookies.items()
            if host == place.hostname and _is_below(place.path or "/", path)
        ]
        # of two with one name the longer path comes first, and servers take that
        return {name: value for _, name, value in sorted(found, key=lambda each: len(each[0]))}

    def _cookie_header(self, url: str) -> dict[str, str]:
        sent = self._sent_to(url)
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in sent.items())} if sent else {}

    def _keep(self, url: str, line: str) -> None:
        host = urlsplit(url).hostname or ""
        for name, morsel in SimpleCookie(line).items():
            key = (host, morsel["path"] or "/", name)
            if morsel["max-age"] == "0" or _is_past(morsel["expires"]):
                self.cookies.pop(key, None)
            else:
                self.cookies[key] = morsel.value


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def _is_past(when: str) -> bool:
    return bool(when) and time.mktime(time.strptime(when, "%a, %d %b %Y %H:%M:%S GMT")) < time.time() - 86400


@dataclass
class Person(Browser):
    """Somebody who signs in to a hub as ``name``; ``link`` opens the page of people."""

    hub: str = ""
    link: str = ""
    name: str = ""

    # --- sign-in ---

    def choose_page(self) -> Page:
        """From the hub's front page to the page of people, by its button."""
        self.ask("GET", self.link)
        front = self.open(self.hub)
        button = re.search(r"href='([^']*oauth_login[^']*)'|href=\"([^\"]*oauth_login[^\"]*)\"", front.text)
        assert button, front
        return self.open(urljoin(front.url, unescape(button[1] or button[2])))

    def choose(self, page: Page, **fields: str) -> Page:
        """Click on the page of people; the redirect that it answers with."""
        return self.send(page.url, {"seal": page.field("seal"), **(fields or {"login": self.name})})

    def sign_in(self) -> Page:
        """The hub's page after it, which the hub may refuse; no server is started."""
        callback = self.ask("GET", self.choose(self.choose_page()).location)
        if callback.location:
            return self.open(urljoin(self.hub, "hub/home"))
        return callback

    # --- a server of one's own ---

    def server_url(self, path: str = "", server: str = "") -> str:
        name = f"{server}/" if server else ""
        return urljoin(self.hub, f"user/{quote(self.name, safe='')}/{name}{path}")

    def api(self, method: str, path: str, body: Any = None, *, seconds: float = 60) -> Page:
        """The hub's API, as its pages use it: by cookie."""
        return self._call(method, urljoin(self.hub, f"hub/api/{path}"), "hub/", body, seconds)

    def at_server(
        self, method: str, path: str, body: Any = None, *, server: str = "", seconds: float = 60
    ) -> Page:
        """A server's own API, as Lab uses it."""
        url = self.server_url(path, server)
        return self._call(method, url, urlsplit(self.server_url("", server)).path[1:], body, seconds)

    def _call(self, method: str, url: str, base: str, body: Any, seconds: float) -> Page:
        token = {"X-XSRFToken": self.cookie(urljoin(self.hub, base), "_xsrf")}
        sent = None if body is None else json.dumps(body)
        return self.ask(method, url, sent, {"Content-Type": "application/json", **token}, seconds=seconds)

    def start_server(self, server: str = "", *, route_seconds: float = 0) -> None:
        """Ask for it, wait until it is ready, and open it, which gives the browser its cookie.

        ``route_seconds``: how long its address may be the hub's alone, see ``enter_server``.
        """
        end = time.monotonic() + START_SECONDS
        while "is pending" in (asked := self.request_server(server)).text and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)  # one that is still stopping
        assert asked.status in (201, 202) or "already running" in asked.text, asked
        while not self.is_ready(server):
            # its start has failed, or takes too long: the hub tells why, or how far it is
            assert self.has(server) and time.monotonic() < end, self.progress(server)
            time.sleep(LOOK_SECONDS)
        self.enter_server(server, route_seconds=route_seconds)

    def request_server(self, server: str = "") -> Page:
        return self.api("POST", f"users/{quote(self.name)}/{_path_of(server)}", {})

    def is_ready(self, server: str = "") -> bool:
        return bool(self._servers().get(server, {}).get("ready"))

    def has(self, server: str = "") -> bool:
        """Whether there is one, or one on its way up or down."""
        return server in self._servers()

    def progress(self, server: str = "") -> Page:
        """How far a start is, or why it failed, in the hub's words."""
        return self.api("GET", f"users/{quote(self.name)}/{_path_of(server)}/progress")

    def _servers(self) -> dict[str, Any]:
        return dict(self.api("GET", f"users/{quote(self.name)}").json().get("servers", {}))

    def enter_server(self, server: str = "", *, route_seconds: float = 0) -> Page:
        """Open its Lab.

        ``route_seconds``: where hub and proxy both began anew, the hub calls a server ready before its proxy
        knows the way there: that it tells the proxy once it has looked for the servers of all people.
        """
        end = time.monotonic() + route_seconds
        page = self.open(self.server_url("lab", server))
        while page.status == 500 and "Redirect loop" in page.text and time.monotonic() < end:
            page = self.open(self.server_url("lab", server))
        assert page.status == 200, page
        assert page.path == urlsplit(self.server_url("lab", server)).path, page
        return page

    def stop_server(self, server: str = "") -> Page:
        return self.api("DELETE", f"users/{quote(self.name)}/{_path_of(server)}")

    # --- kernels ---

    def kernel(self, server: str = "") -> Kernel:
        made = self.at_server("POST", "api/kernels", {}, server=server)
        assert made.status == 201, made
        return Kernel(self, made.json()["id"], server)


def _path_of(server: str) -> str:
    return f"servers/{quote(server)}" if server else "server"


@dataclass
class Kernel(AbstractContextManager["Kernel"]):
    """A kernel behind the proxy; gone at the end of the block."""

    person: Person
    id: str
    server: str = ""

    def run(self, code: str, *, seconds: float = 60) -> str:
        """What a cell prints, and its error where it has one."""
        with self._connect(seconds) as channels:
            request = _execute_request(code)
            channels.send(json.dumps(request))
            return _printed(channels, request["header"]["msg_id"], seconds)

    def call(self, code: str, *, seconds: float = 60) -> Any:
        """The value that a cell prints as JSON."""
        printed = self.run(code, seconds=seconds)
        try:
            return json.loads(printed)
        except ValueError:
            raise AssertionError(printed) from None

    def _connect(self, seconds: float) -> ClientConnection:
        url = self.person.server_url(f"api/kernels/{self.id}/channels", self.server)
        place = urlsplit(url)
        # the name is this machine's, whoever else knows it
        line = socket.create_connection(("127.0.0.1", place.port or 80), timeout=seconds)
        token = self.person.cookie(url, "_xsrf")
        return connect(
            f"ws://{place.netloc}{place.path}?{urlencode({'_xsrf': token})}",
            sock=line,
            additional_headers=self.person._cookie_header(url),
            proxy=None,
            max_size=None,
            open_timeout=seconds,
        )

    def __exit__(self, *_: object) -> None:
        self.person.at_server("DELETE", f"api/kernels/{self.id}", server=self.server)


def _printed(channels: ClientConnection, asked: str, seconds: float) -> str:
    printed: list[str] = []
    while True:
        message = json.loads(channels.recv(timeout=seconds))
        if message["parent_header"].get("msg_id") != asked:
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            printed.append(content["text"])
        elif message["msg_type"] == "error":
            printed.append("\n".join(content["traceback"]))
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return "".join(printed)


def _execute_request(code: str) -> dict[str, Any]:
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "username": "test",
        "session": uuid.uuid4().hex,
        "version": "5.4",
    }
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    return {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)
