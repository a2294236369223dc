"""Nobody becomes somebody without the key, a click on this very page, and a browser of the person's own."""

from __future__ import annotations

from html import unescape

import pytest
from unit.github.browsing import CALLBACK, HOST, SETTINGS, Site, authorize, seal_in, told_by


def test_without_the_key_no_page_lists_people_and_no_code_is_given(site: Site) -> None:
    page = site.get(authorize())
    assert page.status == 403
    assert b"./dev hub" in page.body
    assert b"ada" not in page.body
    clicked = site.post(authorize(), {"login": "ada", "seal": "guessed"})
    assert clicked.status == 403
    assert "Location" not in clicked.headers


def test_the_link_sets_a_cookie_and_sends_the_browser_to_the_hub(site: Site) -> None:
    answer = site.enter()
    assert (answer.status, answer.headers["Location"]) == (303, SETTINGS.hub_url)
    value, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert value.startswith("habari-github-habari-1234=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/login"} < set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)
    assert SETTINGS.key not in str(answer)
    assert site.get(authorize()).status == 200


def test_a_pasted_key_leads_back_to_the_very_request(site: Site) -> None:
    closed = site.get(authorize()).body.decode()
    request = unescape(closed.split('name="request" value="')[1].split('"')[0])
    opened = site.post("/enter", {"key": f" {SETTINGS.key}\n", "request": request})
    assert opened.headers["Location"] == authorize()
    site.cookie = opened.headers["Set-Cookie"].partition(";")[0]
    assert site.get(opened.headers["Location"]).status == 200


@pytest.mark.parametrize(
    "request_",
    ["x\r\nSet-Cookie: a=b", "x y", "ä", "x#y"],
    ids=["header", "space", "letter", "fragment"],
)
def test_what_to_go_back_to_cannot_leave_its_line_or_place(site: Site, request_: str) -> None:
    answer = site.post("/enter", {"key": SETTINGS.key, "request": request_})
    assert answer.status == 400
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("request_", ["//evil.example/", "https://evil.example/", "@evil.example", "?x"])
def test_what_to_go_back_to_cannot_be_another_place(site: Site, request_: str) -> None:
    answer = site.post("/enter", {"key": SETTINGS.key, "request": request_})
    assert answer.headers["Location"].startswith("/login/oauth/authorize?")


@pytest.mark.parametrize("key", ["", "wrong", SETTINGS.key[:-1], SETTINGS.key + "x", "ключ"])
def test_a_wrong_key_sets_no_cookie(site: Site, key: str) -> None:
    answer = site.enter(key)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    assert key == "" or key.encode() not in answer.body


def test_guesses_are_slowed_down_and_the_right_key_still_opens(site: Site) -> None:
    assert {site.enter("wrong").status for _ in range(10)} == {403}
    slow = site.enter("wrong")
    assert (slow.status, slow.headers["Retry-After"]) == (429, "60")
    assert site.enter().status == 303
    site.clock.now += 61
    assert site.enter("wrong").status == 403


@pytest.mark.parametrize(
    ("cookie", "status"),
    [
        ("{name}={value}", 200),
        ('odd="; {name}={value}; b', 200),
        ("{name}=tossed; {name}={value}", 200),
        ("{name}={key}", 403),
        ("{name}=", 403),
        ("{name}", 403),
        ("other={value}", 403),
    ],
    ids=["alone", "among odd ones", "after a tossed one", "the key", "empty", "no value", "another name"],
)
def test_only_the_cookie_of_the_link_opens(entered: Site, cookie: str, status: int) -> None:
    name, _, value = entered.cookie.partition("=")
    entered.cookie = cookie.format(name=name, value=value, key=SETTINGS.key)
    assert entered.get(authorize()).status == status


def test_another_instances_cookie_is_none(entered: Site) -> None:
    other = Site(entered.clock)
    other.restart(key="the key of another instance")
    other.cookie = entered.cookie
    assert other.get(authorize()).status == 403


def test_opening_the_page_gives_no_code(entered: Site) -> None:
    for _ in range(2):
        page = entered.get(authorize())
        assert page.status == 200
        assert "Location" not in page.headers


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "another"},
        {"scope": "repo"},
        {"redirect_uri": SETTINGS.redirect_uris[1]},
        {"code_challenge": None, "code_challenge_method": None},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_form_is_good_for_its_own_request_alone(entered: Site, changed: dict[str, str | None]) -> None:
    seal = seal_in(entered.get(authorize()))
    answer = entered.post(authorize(**changed), {"seal": seal, "login": "ada"})
    assert answer.status == 403
    assert "Location" not in answer.headers


@pytest.mark.parametrize("fields", [{}, {"seal": ""}, {"seal": "guessed"}], ids=["none", "empty", "guessed"])
def test_a_click_without_the_pages_seal_is_refused(entered: Site, fields: dict[str, str]) -> None:
    for choice in ({"login": "ada"}, {"action": "cancel"}, {"action": "expired"}):
        assert entered.post(authorize(), fields | choice).status == 403


def test_a_stolen_seal_is_nothing_without_the_cookie(entered: Site) -> None:
    seal = seal_in(entered.get(authorize()))
    entered.cookie = ""
    assert entered.post(authorize(), {"seal": seal, "login": "ada"}).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:8000"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_dest": "iframe"},
        {"sec_fetch_dest": "empty"},
    ],
    ids=str,
)
def test_a_click_from_elsewhere_is_refused(entered: Site, headers: dict[str, str]) -> None:
    assert entered.choose(authorize(), {"login": "ada"}, **headers).status == 403


def test_a_click_on_the_own_page_passes(entered: Site) -> None:
    own = {"origin": f"http://{HOST}", "sec_fetch_site": "same-origin", "sec_fetch_dest": "document"}
    assert "code" in told_by(entered.choose(authorize(), {"login": "ada"}, **own))


@pytest.mark.parametrize("address", ["/enter?key=x", authorize()], ids=["enter", "authorize"])
@pytest.mark.parametrize("dest", ["iframe", "frame", "empty", "image"])
def test_a_page_is_opened_by_nothing_but_a_window(entered: Site, address: str, dest: str) -> None:
    assert entered.get(address, sec_fetch_dest=dest).status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9400", 200),
        ("localhost:9400", 200),
        ("LOCALHOST:9400", 200),
        ("sign-in.example:80", 200),
        ("evil.example:9400", 403),
        ("127.0.0.1", 403),
        ("127.0.0.1:9401", 403),
        ("127.0.0.1:9400.evil.example", 403),
        ("", 403),
    ],
)
def test_only_known_hosts_are_answered(entered: Site, host: str, status: int) -> None:
    entered.restart(hosts=("Sign-In.example:80",))
    assert entered.get(authorize(), host=host).status == status
    assert entered.get("/healthz", host=host).status == status


@pytest.mark.parametrize(
    ("owner", "status"),
    [
        (0, 200),
        (1000, 200),
        (19999, 200),
        (20000, 403),
        (20500, 403),
        (20999, 403),
        (21000, 200),
        (None, 403),
    ],
)
def test_a_notebooks_account_gets_no_page_even_with_the_cookie(
    entered: Site, owner: int | None, status: int
) -> None:
    entered.restart(notebook_uids=(20000, 20999))
    entered.owner = owner
    assert entered.get(authorize()).status == status
    entered.owner = 0
    seal = seal_in(entered.get(authorize()))
    entered.owner = owner
    clicked = entered.post(authorize(), {"seal": seal, "login": "ada"})
    assert clicked.status == (303 if status == 200 else 403)
    assert entered.get(f"/enter?key={SETTINGS.key}".replace(" ", "+")).status == (
        303 if status == 200 else 403
    )


def test_where_accounts_are_not_kept_apart_none_is_asked_for(entered: Site) -> None:
    entered.owner = None
    assert entered.get(authorize()).status == 200


def test_every_answer_forbids_frames_storing_and_guessing_types(entered: Site) -> None:
    addresses = ["/", "/healthz", "/enter", authorize(), authorize(client_id="x"), "/api/v3/user"]
    for answer in map(entered.get, addresses):
        headers = answer.headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        # With no-referrer a browser would hide the page's own origin from its own forms.
        assert headers["Referrer-Policy"] == "same-origin"


def test_a_form_may_end_at_the_hub_and_nowhere_else(entered: Site) -> None:
    policy = entered.get(authorize()).headers["Content-Security-Policy"]
    allowed = policy.partition("form-action ")[2].partition(";")[0]
    assert allowed.split() == ["'self'", "http://localhost:8000", "http://second.localhost:8001"]
    assert CALLBACK.startswith("http://localhost:8000/")
