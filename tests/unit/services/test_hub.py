"""What is asked of a hub before it is called ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from devenv.endpoints import Endpoint, View
from devenv.errors import UnhealthyError
from devenv.services import asking, hub, hub_settings
from devenv.waiting import NotYet


class Place:
    """A site with a proxy."""

    def endpoint(self, service: str, view: View) -> Endpoint:
        assert (service, view) == ("proxy", View.HOST)
        return Endpoint("127.0.0.1", 8000)


def answering(monkeypatch: pytest.MonkeyPatch, page: int, token: int) -> list[Mapping[str, str]]:
    """A hub whose login page and whose API answer so; the headers that it gets."""
    got: list[Mapping[str, str]] = []

    def get(_endpoint: Endpoint, path: str, headers: Mapping[str, str]) -> asking.Reply:
        got.append(headers)
        assert path == "/lab/hub/login"
        return asking.Reply(page, {}, b"")

    def post(
        _endpoint: Endpoint, path: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> asking.Reply:
        got.append(headers)
        assert (path, form["client_id"]) == ("/lab/hub/api/oauth2/token", "nobody")
        return asking.Reply(token, {}, b"")

    monkeypatch.setattr(asking, "get", get)
    monkeypatch.setattr(asking, "post", post)
    monkeypatch.setattr(hub_settings, "base_url", lambda _site: "/lab/")
    monkeypatch.setattr(hub_settings, "public_host", lambda _site: "localhost:8000")
    return got


def prove() -> None:
    site: Any = Place()
    hub.prove_login_page(site)


def test_a_hub_that_shows_its_login_page_and_knows_its_database_is_usable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got = answering(monkeypatch, 200, 401)

    prove()

    assert [headers["Host"] for headers in got] == ["localhost:8000"] * 2


@pytest.mark.parametrize(("page", "token"), [(404, 401), (503, 401), (200, 500), (302, 503)])
def test_a_hub_without_routes_or_without_its_database_is_not_there_yet(
    monkeypatch: pytest.MonkeyPatch, page: int, token: int
) -> None:
    answering(monkeypatch, page, token)

    with pytest.raises(NotYet):
        prove()


def test_another_answer_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, 418, 401)

    with pytest.raises(UnhealthyError, match="418"):
        prove()
