"""What a hub is told about people, and what is kept from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.github.browsing import HOST, Site


def read(site: Site, path: str, token: str) -> Any:
    answer = site.api(path, token)
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.mark.parametrize("scheme", ["token", "bearer", "Bearer"])
def test_a_token_says_who_its_user_is(entered: Site, scheme: str) -> None:
    answer = entered.get("/api/v3/user", authorization=f"{scheme} {entered.token('ADA')}")
    user = json.loads(answer.body)
    assert (user["login"], user["name"], user["email"]) == ("ada", "Ada Lovelace", None)
    assert answer.headers["X-OAuth-Scopes"] == "read:org, user:email"


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("", "Requires authentication"),
        ("Bearer", "Requires authentication"),
        ("Bearer made-up", "Bad credentials"),
        ("Bearer local_bWFkZS11cA.bWFkZS11cA", "Bad credentials"),
        ("Basic YTpi", "Bad credentials"),
    ],
)
def test_without_a_token_nothing_is_told(site: Site, authorization: str, message: str) -> None:
    for path in ("/user", "/user/teams", "/orgs/Habari-Data/members/katherine", "/nothing"):
        answer = site.get(f"/api/v3{path}", authorization=authorization)
        assert (answer.status, json.loads(answer.body)["message"]) == (401, message)


def test_a_persons_number_is_the_same_at_every_start_and_in_any_case(entered: Site) -> None:
    logins = ("New-One", "new-one", "other")
    numbers = [read(entered, "/user", entered.token(login))["id"] for login in logins]
    assert numbers[0] == numbers[1] != numbers[2]
    entered.restart()
    assert read(entered, "/user", entered.token("NEW-ONE"))["id"] == numbers[0]
    # Written down: a hub's database may hold it.
    assert numbers[0] == 1071961585647
    assert all(0 < number < 2**53 for number in numbers)


@pytest.mark.parametrize(
    ("scope", "status"),
    [("user:email", 200), ("user", 200), ("read:user", 404), ("", 404)],
)
def test_mail_addresses_need_their_scope(entered: Site, scope: str, status: int) -> None:
    answer = entered.api("/user/emails", entered.token("ada", scope))
    assert answer.status == status
    if status == 200:
        (address,) = json.loads(answer.body)
        assert (address["email"], address["primary"], address["verified"]) == ("ada@example.org", True, True)


def test_somebody_without_an_address_has_one_that_leads_nowhere(entered: Site) -> None:
    assert read(entered, "/user/emails", entered.token("who"))[0]["email"] == "who@example.invalid"


@pytest.mark.parametrize(
    ("login", "organizations", "teams"),
    [
        ("katherine", ["Habari-Data"], ["stats"]),
        ("emmy", ["habari-lab"], ["analysts"]),
        ("ada", [], []),
        ("nobody", [], []),
    ],
)
def test_a_person_sees_their_organizations_and_teams(
    entered: Site, login: str, organizations: list[str], teams: list[str]
) -> None:
    token = entered.token(login)
    assert [one["login"] for one in read(entered, "/user/orgs", token)] == organizations
    assert [one["slug"] for one in read(entered, "/user/teams", token)] == teams
    assert [one["organization"]["login"] for one in read(entered, "/user/teams", token)] == organizations


@pytest.mark.parametrize(
    ("path", "scope", "status"),
    [
        ("/user/orgs", "", 403),
        ("/user/orgs", "read:user", 403),
        ("/user/orgs", "user", 200),
        ("/user/teams", "", 404),
        ("/user/teams", "user:email", 404),
        ("/user/teams", "repo", 200),
    ],
)
def test_memberships_need_their_scope(entered: Site, path: str, scope: str, status: int) -> None:
    assert entered.api(path, entered.token("katherine", scope)).status == status


@pytest.mark.parametrize(
    ("login", "path", "status"),
    [
        ("katherine", "/orgs/Habari-Data/members/katherine", 204),
        ("katherine", "/orgs/habari-data/members/KATHERINE", 204),
        ("katherine", "/orgs/Habari-Data/members/ada", 404),
        ("katherine", "/orgs/habari-lab/members/katherine", 302),
        ("emmy", "/orgs/habari-lab/members/emmy", 204),
        ("ada", "/orgs/Habari-Data/members/katherine", 302),
        ("ada", "/orgs/empty/members/ada", 302),
        ("ada", "/orgs/unknown/members/ada", 404),
        ("ada", "/orgs/Habari-Data/public_members/katherine", 404),
        ("katherine", "/orgs/Habari-Data/teams/stats/members/katherine", 204),
        ("katherine", "/orgs/HABARI-data/teams/Stats/members/Katherine", 204),
        ("katherine", "/orgs/Habari-Data/teams/stats/members/ada", 404),
        ("katherine", "/orgs/Habari-Data/teams/none/members/katherine", 404),
        ("katherine", "/orgs/habari-lab/teams/analysts/members/emmy", 404),
        ("ada", "/orgs/Habari-Data/teams/stats/members/katherine", 404),
        ("katherine", "/orgs/Habari-Data/members/kather%69ne", 204),
        ("katherine", "/orgs/Habari-Data/members/katherine%2F", 404),
        ("katherine", "/orgs/Habari-Data/members/katherine/", 404),
        ("katherine", "/orgs/Habari-Data", 404),
        ("katherine", "/", 404),
    ],
)
def test_membership_is_answered_as_documented(entered: Site, login: str, path: str, status: int) -> None:
    answer = entered.api(path, entered.token(login))
    assert answer.status == status
    if status == 302:
        assert "/public_members/" in answer.headers["Location"]
        assert (
            entered.api(answer.headers["Location"].partition("/api/v3")[2], entered.token(login)).status
            == 404
        )


def test_without_read_org_a_member_is_told_like_a_stranger(entered: Site) -> None:
    token = entered.token("katherine", "user:email")
    assert entered.api("/orgs/Habari-Data/members/katherine", token).status == 302
    assert entered.api("/orgs/Habari-Data/teams/stats/members/katherine", token).status == 404


def test_a_strange_name_in_a_path_stays_within_its_redirect(entered: Site) -> None:
    answer = entered.api("/orgs/empty/members/a%0d%0aSet-Cookie%3a%20b%2f%3f", entered.token())
    assert answer.headers["Location"] == (
        f"http://{HOST}/api/v3/orgs/empty/public_members/a%0D%0ASet-Cookie%3A%20b%2F%3F"
    )


def test_teams_come_in_pages_that_lead_on(entered: Site) -> None:
    entered.restart(teams={f"many:team-{number:03}": ("ada",) for number in range(5)})
    token, path, seen, pages = entered.token(), "/user/teams?per_page=2", [], 0
    while path:
        answer = entered.api(path, token)
        seen += [one["slug"] for one in json.loads(answer.body)]
        links = dict(
            reversed(link.split("; ")) for link in answer.headers.get("Link", "").split(", ") if link
        )
        path = links.get('rel="next"', "").strip("<>").partition("/api/v3")[2]
        pages += 1
    assert seen == [f"team-{number:03}" for number in range(5)]
    assert pages == 3
    assert set(links) == {'rel="prev"', 'rel="first"'}
    assert links['rel="first"'].startswith(f"<http://{HOST}/api/v3/user/teams?")


@pytest.mark.parametrize(
    ("query", "status", "count"),
    [
        ("", 200, 30),
        ("?per_page=100", 200, 100),
        ("?per_page=1000", 200, 100),
        ("?page=2&per_page=100", 200, 20),
        ("?page=9", 200, 0),
        ("?page=0", 200, 30),
        ("?per_page=x", 400, 0),
        ("?page=-1", 400, 0),
        ("?page=²", 400, 0),
    ],
)
def test_pages_have_githubs_sizes(entered: Site, query: str, status: int, count: int) -> None:
    entered.restart(teams={f"many:team-{number:03}": ("ada",) for number in range(120)})
    answer = entered.api(f"/user/teams{query}", entered.token())
    assert answer.status == status
    if status == 200:
        assert len(json.loads(answer.body)) == count


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/login"),
        ("GET", "/login/oauth/access_token"),
        ("GET", "/login/oauth/authorize/"),
        ("POST", "/healthz"),
        ("POST", "/api/v3/user"),
        ("GET", "/api/v3"),
        ("GET", "/teams/1/members/ada"),
        ("GET", "/%2e%2e/settings"),
    ],
)
def test_everything_else_is_not_found(entered: Site, method: str, path: str) -> None:
    answer = entered.ask(method, path)
    assert (answer.status, json.loads(answer.body)) == (404, {"message": "Not Found"})


def test_health_tells_whose_server_this_is(site: Site) -> None:
    told = json.loads(site.get("/healthz").body)
    assert told == {"service": "habari-github", "instance": "habari-1234"}
