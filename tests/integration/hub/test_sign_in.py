"""Who gets in, by HTTP: the whole way from the hub's front page to a server of one's own."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from integration.hub.conftest import Hub, servers_of
from integration.hub.person import Person

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_a_person_gets_from_the_front_page_to_a_lab_with_the_three_roots(hub: Hub) -> None:
    ada = hub.visitor("ada")
    front = ada.open(hub.url)
    assert "Sign in with GitHub" in front.text
    people = ada.choose_page()
    assert "this is not github.com" in people.text

    landed = ada.ask("GET", ada.choose(people).location)
    assert landed.status == 302, landed
    ada.start_server()

    lab = ada.enter_server()
    assert "jupyter-config-data" in lab.text
    listed = ada.at_server("GET", "api/contents/").json()
    assert {"public", "lake", "notebooks", "samples"} <= {each["name"] for each in listed["content"]}
    hub.people.setdefault("ada", ada)


@pytest.mark.parametrize("path", ["", "hub/", "hub/home", "user/ada/lab"])
def test_nobody_sees_more_than_the_way_to_sign_in_without_it(hub: Hub, path: str) -> None:
    page = hub.visitor("nobody").open(urljoin(hub.url, path))

    assert page.path == "/hub/login", page
    assert "Sign in with GitHub" in page.text


@pytest.mark.parametrize(
    ("name", "admin"),
    [
        ("grace", False),
        ("Chief", True),
        ("olga", False),
        ("tina", False),
    ],
    ids=["allowed", "an administrator", "of the organisation", "of the team"],
)
def test_who_is_allowed_gets_in_and_administers_when_named_for_it(hub: Hub, name: str, admin: bool) -> None:
    person = hub.visitor(name)

    page = person.sign_in()

    assert (page.status, page.path) == (200, "/hub/home"), page
    told = person.api("GET", "user").json()
    # GitHub's names do not tell capital letters apart, and the hub's are small
    assert (told["name"], told["admin"]) == (name.lower(), admin)
    assert person.open(urljoin(hub.url, "hub/admin")).status == (200 if admin else 403)


@pytest.mark.parametrize(
    "name",
    ["mallory", "lara", "eve", "a-name-that-was-typed", "ad"],
    ids=[
        "on the page, not in the values",
        "of the organisation, not of the team",
        "of another organisation",
        "typed",
        "a part of a name",
    ],
)
def test_who_is_not_allowed_sees_the_hubs_own_refusal_and_has_no_account(hub: Hub, name: str) -> None:
    person = hub.visitor(name)

    page = person.sign_in()

    assert page.status == 403, page
    assert "not currently authorized to use this hub" in page.text
    assert "jupyterhub" in page.text.lower(), "the hub's page, not the proxy's"
    assert person.api("GET", "user").status == 403
    chief = signed_in(hub, "Chief")
    assert name not in [user["name"] for user in chief.api("GET", "users").json()]
    assert servers_of(hub.dev, name) == []


def test_what_github_would_not_take_as_a_name_is_asked_for_again(hub: Hub) -> None:
    person = hub.visitor("chief-")

    answer = person.choose(person.choose_page())

    assert answer.status == 400, answer
    assert "This is no GitHub name" in answer.text


def signed_in(hub: Hub, name: str) -> Person:
    person = hub.visitor(name)
    page = person.sign_in()
    assert page.status == 200, page
    return person


def test_the_page_offers_people_with_what_they_are(hub: Hub) -> None:
    page = hub.visitor("ada").choose_page()

    for name in ("ada", "grace", "Chief", "olga", "tina", "mallory"):
        assert f'value="{name}"' in page.text
    for badge in ("admin", "allowed", "habari-data", "habari-lab:analysts", "not listed"):
        assert badge in page.text
    assert "<script" not in page.text


def test_a_name_with_capitals_and_a_hyphen_has_a_server_like_any_other(hub: Hub) -> None:
    person = hub.visitor("Mary-Ann")
    assert person.sign_in().status == 200
    person.name = person.api("GET", "user").json()["name"]
    assert person.name == "mary-ann"

    person.start_server()

    with person.kernel() as kernel:
        assert kernel.run("import os; print(os.environ['JUPYTERHUB_USER'])") == "mary-ann\n"
    person.stop_server()


def test_signing_out_ends_the_way_into_the_hub(hub: Hub) -> None:
    person = signed_in(hub, "joan")

    person.open(urljoin(hub.url, "hub/logout"))

    assert person.api("GET", "user").status == 403
    assert person.open(urljoin(hub.url, "hub/home")).path.endswith("/login")


def test_production_settings_of_the_sign_in_stay_but_for_addresses_and_secrets(hub: Hub) -> None:
    shown = hub.dev("values.render", "--json").json()

    production = shown["config"]["GitHubOAuthenticator"]
    local = shown["overrides"]["GitHubOAuthenticator"]
    assert production["allowed_organizations"] == ["habari-data", "habari-lab:analysts"]
    assert production["client_id"] == "Iv1.production"
    assert set(local) == {"client_secret", "oauth_callback_url", "github_url", "authorize_url"}
    assert local["oauth_callback_url"] == urljoin(hub.url, "hub/oauth_callback")
    assert "of production" not in str(shown)
