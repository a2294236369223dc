"""The authorization request, and what a click answers it with."""

from __future__ import annotations

import re
from html import unescape

import pytest
from unit.github.browsing import CALLBACK, SETTINGS, Site, authorize, told_by

from devenv.github.settings import Person


def test_a_click_sends_a_code_and_the_state_back(entered: Site) -> None:
    told = told_by(entered.choose(authorize(state="a=b&c d/ö"), {"login": "ada"}))
    assert told["state"] == "a=b&c d/ö"
    assert re.fullmatch("[0-9a-f]{40}", told["code"])


def test_each_click_gives_another_code(entered: Site) -> None:
    assert len({entered.code() for _ in range(3)}) == 3


def test_cancel_is_told_as_githubs_access_denied(entered: Site) -> None:
    told = told_by(entered.choose(authorize(), {"action": "cancel"}))
    assert (told["error"], told["state"]) == ("access_denied", "a state")
    assert told["error_description"]
    assert told["error_uri"].startswith("https://docs.github.com/")
    assert "code" not in told


def test_an_expired_code_looks_like_any_and_is_not_redeemed(entered: Site) -> None:
    code = told_by(entered.choose(authorize(), {"action": "expired"}))["code"]
    assert entered.exchange(code)["error"] == "bad_verification_code"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"client_id": "another"}, 404),
        ({"client_id": None}, 404),
        ({"redirect_uri": None}, 400),
        ({"redirect_uri": CALLBACK + "/"}, 400),
        ({"redirect_uri": CALLBACK + "?x=1"}, 400),
        ({"redirect_uri": CALLBACK.upper()}, 400),
        ({"redirect_uri": "http://evil.example/"}, 400),
        ({"state": None}, 400),
        ({"state": ""}, 400),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_trusted_is_a_page_and_no_redirect(
    entered: Site, changed: dict[str, str | None], status: int
) -> None:
    for answer in (entered.get(authorize(**changed)), entered.post(authorize(**changed), {"login": "ada"})):
        assert answer.status == status
        assert "Location" not in answer.headers
        assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "=" * 43}, "invalid_request"),
    ],
    ids=str,
)
def test_a_request_that_is_refused_is_told_to_the_hub(
    entered: Site, changed: dict[str, str | None], error: str
) -> None:
    told = told_by(entered.get(authorize(**changed)))
    assert (told["error"], told["state"]) == (error, "a state")


def test_a_parameter_that_is_there_twice_is_refused(entered: Site) -> None:
    assert entered.get(authorize() + "&state=another").status == 400


def test_a_redirect_address_with_a_query_of_its_own_keeps_it(entered: Site) -> None:
    entered.restart(redirect_uris=(CALLBACK + "?a=b",))
    told = told_by(entered.choose(authorize(redirect_uri=CALLBACK + "?a=b"), {"login": "ada"}))
    assert told["a"] == "b"
    assert told["code"]


@pytest.mark.parametrize(
    "login", ["", " ", "a--b", "-a", "a-", "a b", "a/b", "ä", "x" * 40, "<b>", "a_b", "a.b", "../a"]
)
def test_a_name_that_github_could_not_have_is_refused_on_the_page(entered: Site, login: str) -> None:
    page = entered.choose(authorize(), {"login": login})
    assert page.status == 400
    assert "no GitHub name" in page.body.decode()
    assert "<b>" not in page.body.decode()


@pytest.mark.parametrize("login", ["a", "A1", "a-b-c", "x" * 39, "someone_acme", "0"])
def test_any_other_name_can_be_typed(entered: Site, login: str) -> None:
    assert "code" in told_by(entered.choose(authorize(), {"login": f" {login} "}))


def test_the_page_shows_who_is_what(entered: Site) -> None:
    page = entered.get(authorize()).body.decode()
    buttons = {
        re.search('value="([^"]+)"', one)[1]: re.findall('<span class="badge[^"]*">([^<]+)<', one)  # type: ignore[index]
        for one in re.findall("<button class=.person.*?</button>", page)
    }
    assert buttons == {
        "ada": ["admin", "allowed"],
        "Grace-Hopper": ["allowed"],
        "katherine": ["Habari-Data", "Habari-Data:stats"],
    }
    assert "Local sign-in of <strong>habari-1234</strong>: this is not github.com" in page


def test_the_page_needs_nothing_but_itself(entered: Site) -> None:
    page = entered.get(authorize()).body.decode()
    assert not re.search(r"<script|<img|<link|src=|style=|\son[a-z]+=|url\(|@import", page)
    assert not re.search(r'(?:href|action)="(?!/)', page)


def test_what_people_are_called_is_text_and_never_markup(entered: Site) -> None:
    entered.restart(people=(Person("ada", name='<script>"&'),))
    page = entered.get(authorize(state='"><script>alert(1)</script>')).body.decode()
    assert "<script" not in page
    assert "&lt;script&gt;&quot;&amp;" in page
    assert entered.get(authorize(redirect_uri="<script>")).body.count(b"<script") == 0
    action = unescape(page.split('action="')[1].split('"')[0])
    assert action == authorize(state='"><script>alert(1)</script>')


@pytest.mark.parametrize(
    ("scope", "told"),
    [("user:email", True), ("", True), ("read:org", False), ("admin:org", False)],
)
def test_the_page_says_when_the_scopes_hide_organizations(entered: Site, scope: str, told: bool) -> None:
    assert (b"Without <code>read:org</code>" in entered.get(authorize(scope=scope)).body) is told


def test_a_project_that_names_nobody_has_a_page_too(entered: Site) -> None:
    entered.restart(people=(), organizations={}, teams={})
    page = entered.get(authorize(scope=""))
    assert page.status == 200
    assert b"nobody yet" in page.body


def test_another_method_is_not_answered(entered: Site) -> None:
    assert entered.ask("DELETE", authorize()).status == 405
    assert SETTINGS.client_secret.encode() not in entered.get(authorize()).body
