"""What must not lead into the hub: a sign-in that was tampered with on its way, or repeated, or stolen."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import pytest

from integration.hub.conftest import Hub
from integration.hub.person import Page, Person

pytestmark = [pytest.mark.integration, pytest.mark.slow]

OWN_VERIFIER = "x" * 43
OWN_CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(OWN_VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def ada(hub: Hub) -> Person:
    """At a browser that may use the page of people, not signed in."""
    person = hub.visitor("ada")
    person.ask("GET", person.link)
    return person


def changed(page: Page, drop: str = "", **fields: str) -> str:
    """The page's address with some of its query replaced."""
    asked = {**page.asked(), **fields}
    asked.pop(drop, None)
    return f"{page.url.partition('?')[0]}?{urlencode(asked)}"


def asked_by(page: Page) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(page.location).query))


def expect_refused(person: Person, page: Page) -> None:
    """The hub's page says so, and the browser is nobody's."""
    assert page.status in (400, 403), page
    assert "Traceback" not in page.text
    assert person.api("GET", "user").status == 403


def choose(person: Person, url: str) -> Page:
    """Click on the page that is at this address, and go where that leads."""
    page = person.open(url)
    assert page.status == 200, page
    return person.choose(page)


@pytest.mark.parametrize(
    "change",
    [
        {"code_challenge": OWN_CHALLENGE},
        {"drop": "code_challenge", "code_challenge_method": "S256"},
        {"code_challenge_method": "plain", "code_challenge": OWN_VERIFIER},
        {"state": "somebody-elses"},
    ],
    ids=["another challenge", "no challenge", "a challenge in the clear", "another state"],
)
def test_a_sign_in_that_was_tampered_with_is_refused_by_the_hub(ada: Person, change: dict[str, str]) -> None:
    address = changed(ada.choose_page(), **change)

    page = ada.ask("GET", address)
    answer = ada.choose(page) if page.status == 200 else page

    assert answer.location, answer
    expect_refused(ada, ada.ask("GET", answer.location))


def test_a_sign_in_whose_pkce_was_taken_out_is_refused_by_the_hub(ada: Person) -> None:
    page = ada.choose_page()
    asked = page.asked()
    for name in ("code_challenge", "code_challenge_method"):
        del asked[name]

    answer = choose(ada, f"{page.url.partition('?')[0]}?{urlencode(asked)}")

    expect_refused(ada, ada.ask("GET", answer.location))


@pytest.mark.parametrize(
    "place",
    [
        lambda own: "http://evil.example.org/hub/oauth_callback",
        lambda own: own.replace("/hub/", "/user/grace/"),
        lambda own: own.replace("http://", "http://evil@"),
        lambda own: own.replace("/hub/", "/hub/../"),
        lambda own: f"{own}/",
        lambda own: f"{own}?next=/user/grace",
        lambda own: own.replace("http:", "https:"),
        lambda own: "",
    ],
    ids=["elsewhere", "a server", "with a user", "dots", "a slash", "a query", "https", "none"],
)
def test_a_code_goes_to_the_hubs_callback_alone(ada: Person, place: Callable[[str], str]) -> None:
    page = ada.choose_page()
    address = changed(page, redirect_uri=place(page.asked()["redirect_uri"]))

    for answer in (
        ada.ask("GET", address),
        ada.send(address, {"login": "ada", "seal": page.field("seal")}),
    ):
        assert answer.status == 400, answer
        assert not answer.location


def test_another_client_id_has_no_page(ada: Person) -> None:
    assert ada.ask("GET", changed(ada.choose_page(), client_id="another")).status == 404


def test_a_callback_that_is_opened_twice_signs_in_once(hub: Hub, ada: Person) -> None:
    callback = ada.choose(ada.choose_page()).location
    assert ada.ask("GET", callback).status == 302
    assert ada.api("GET", "user").status == 200
    ada.cookies.clear()

    expect_refused(ada, ada.ask("GET", callback))


def test_a_callback_does_not_sign_in_another_browser(hub: Hub, ada: Person) -> None:
    """Or an attacker could sign somebody in as himself, and read what they write then."""
    callback = ada.choose(ada.choose_page()).location
    grace = hub.visitor("grace")
    grace.choose_page()  # on her way too: she has a state of her own

    expect_refused(grace, grace.ask("GET", callback))


def exchange(hub: Hub, code: str, **changes: str) -> dict[str, str]:
    """What the token endpoint tells somebody who has the hub's own secret."""
    written = json.loads((hub.dev.instance.secrets / "github.json").read_text())
    fields = {
        "client_id": written["client_id"],
        "client_secret": written["client_secret"],
        "redirect_uri": written["redirect_uris"][0],
        "code": code,
        **changes,
    }
    visitor = hub.visitor("nobody")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    answer = visitor.ask("POST", urljoin(visitor.link, "/login/oauth/access_token"), urlencode(fields), form)
    assert answer.status == 200, answer
    return dict(answer.json())


def test_a_code_is_taken_once_and_only_with_its_verifier(hub: Hub, ada: Person) -> None:
    address = changed(ada.choose_page(), code_challenge=OWN_CHALLENGE)
    first, second, third = (asked_by(choose(ada, address))["code"] for _ in range(3))

    assert exchange(hub, first, code_verifier=OWN_VERIFIER)["access_token"]
    assert exchange(hub, first, code_verifier=OWN_VERIFIER)["error"] == "bad_verification_code"
    assert exchange(hub, second, code_verifier="y" * 43)["error"] == "bad_verification_code"
    assert exchange(hub, second, code_verifier=OWN_VERIFIER)["error"] == "bad_verification_code", "used up"
    assert exchange(hub, third)["error"] == "bad_verification_code", "no verifier"


def test_a_code_is_worth_nothing_without_the_hubs_secret(hub: Hub, ada: Person) -> None:
    address = changed(ada.choose_page(), code_challenge=OWN_CHALLENGE)
    code = asked_by(choose(ada, address))["code"]

    for secret in ("wrong", "of production", ""):
        told = exchange(hub, code, code_verifier=OWN_VERIFIER, client_secret=secret)
        assert told["error"] == "incorrect_client_credentials"
    assert exchange(hub, code, code_verifier=OWN_VERIFIER)["access_token"], "nobody else used it up"


@pytest.mark.parametrize(
    ("action", "told"),
    [("cancel", "cancelled on the local sign-in page"), ("expired", "The code is unknown, used, expired")],
)
def test_what_goes_wrong_on_demand_is_told_by_the_hubs_page(
    hub: Hub, ada: Person, action: str, told: str
) -> None:
    answer = ada.choose(ada.choose_page(), action=action)

    page = ada.ask("GET", answer.location)

    expect_refused(ada, page)
    assert told in page.text


def test_the_page_of_people_is_closed_without_the_key_of_the_instance(hub: Hub) -> None:
    ada, stranger = hub.visitor("ada"), hub.visitor("ada")
    page = ada.choose_page()
    wrong = urljoin(ada.link, "/enter?key=" + "0" * 64)

    for answer in (
        stranger.ask("GET", page.url),
        stranger.send(page.url, {"login": "ada", "seal": page.field("seal")}),
        stranger.ask("GET", wrong),
        stranger.ask("GET", page.url),
    ):
        assert answer.status == 403, answer
        assert not answer.location
        assert "grace" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example.org"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Dest": "iframe"},
        {"Host": "rebound.example.org"},
    ],
    ids=["origin", "another site", "the hub", "a frame", "another name"],
)
def test_a_page_of_somebody_else_cannot_click(ada: Person, headers: dict[str, str]) -> None:
    page = ada.choose_page()
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}

    answer = ada.ask("POST", page.url, urlencode({"login": "ada", "seal": page.field("seal")}), form)

    assert answer.status == 403, answer
    assert not answer.location


def test_a_seal_of_one_request_does_not_fit_another(ada: Person) -> None:
    first, second = ada.choose_page(), ada.choose_page()

    answer = ada.send(second.url, {"login": "ada", "seal": first.field("seal")})

    assert answer.status == 403, answer
