"""A local GitHub of a few people, driven without sockets."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from devenv.github.application import Application
from devenv.github.messages import Answer, Request
from devenv.github.settings import Person, Settings

HOST = "127.0.0.1:9400"
CALLBACK = "http://localhost:8000/hub/oauth_callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")

SETTINGS = Settings(
    port=9400,
    instance="habari-1234",
    key="the key of this test instance",
    client_id="local-client",
    client_secret="the secret of the client",
    redirect_uris=(CALLBACK, "http://second.localhost:8001/hub/oauth_callback"),
    hub_url="http://localhost:8000/",
    people=(
        Person("ada", name="Ada Lovelace", email="ada@example.org", admin=True, allowed=True),
        Person("Grace-Hopper", allowed=True),
        Person("katherine"),
    ),
    organizations={"Habari-Data": ("Katherine",), "empty": ()},
    teams={"habari-lab:analysts": ("emmy",), "Habari-Data:stats": ("KATHERINE",)},
)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    """A browser and a hub before one application."""

    clock: Clock
    settings: Settings = SETTINGS
    owner: int | None = None
    cookie: str = ""
    application: Application = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, **changed: Any) -> None:
        self.settings = replace(self.settings, **changed)
        self.application = Application(
            self.settings, port=9400, owner=lambda _peer, _own: self.owner, clock=self.clock
        )

    def ask(self, method: str, address: str, body: bytes = b"", **headers: str) -> Answer:
        path, _, query = address.partition("?")
        sent = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent["cookie"] = self.cookie
        return self.application.answer(Request(method, path, query, sent, body))

    def get(self, address: str, **headers: str) -> Answer:
        return self.ask("GET", address, **headers)

    def post(self, address: str, fields: dict[str, str], **headers: str) -> Answer:
        sent = {"content_type": "application/x-www-form-urlencoded"} | headers
        return self.ask("POST", address, urlencode(fields).encode(), **sent)

    def enter(self, key: str = SETTINGS.key) -> Answer:
        answer = self.get(f"/enter?{urlencode({'key': key})}")
        self.cookie = answer.headers.get("Set-Cookie", "").partition(";")[0]
        return answer

    def choose(self, address: str, fields: dict[str, str], **headers: str) -> Answer:
        """Open the page and click."""
        page = self.get(address)
        assert page.status == 200, page
        return self.post(address, {"seal": seal_in(page), **fields}, **headers)

    def code(self, login: str = "ada", **changed: str | None) -> str:
        return str(told_by(self.choose(authorize(**changed), {"login": login}))["code"])

    def exchange(self, code: str, *, drop: str = "", **changed: str) -> dict[str, str]:
        fields = {
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "grant_type": "authorization_code",
        } | changed
        fields.pop(drop, None)
        answer = self.post("/login/oauth/access_token", fields, accept="application/json")
        assert answer.status == 200
        return dict(json.loads(answer.body))

    def token(self, login: str = "ada", scope: str = "read:org user:email") -> str:
        return self.exchange(self.code(login, scope=scope))["access_token"]

    def api(self, path: str, token: str, **headers: str) -> Answer:
        return self.get(f"/api/v3{path}", authorization=f"Bearer {token}", **headers)


def authorize(**changed: str | None) -> str:
    """The address that the hub sends a browser to."""
    asked = {
        "client_id": SETTINGS.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "read:org",
        "state": "a state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changed
    return "/login/oauth/authorize?" + urlencode({k: v for k, v in asked.items() if v is not None})


def seal_in(page: Answer) -> str:
    found = re.search(r'name="seal" value="([^"]+)"', page.body.decode())
    assert found, page.body.decode()
    return unescape(found[1])


def told_by(answer: Answer) -> dict[str, str]:
    """What a redirect tells the hub."""
    assert answer.status == 303, answer
    assert answer.headers["Location"].startswith(CALLBACK)
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
