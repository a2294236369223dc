"""What a hub asks GitHub's REST API about people, below ``/api/v3`` as an Enterprise Server has it.

All memberships are private, as they are at GitHub until somebody publishes his own; so nothing is told
of them without ``read:org``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from .messages import Answer, BadRequestError, Request, empty_answer, json_answer, see_other
from .people import Directory, Team, number_of
from .scopes import has
from .tokens import Token, Tokens

ROOT = "/api/v3"
_DOCS = "https://docs.github.com/rest"
_PER_PAGE = 30
_MAX_PER_PAGE = 100


class Api:
    """Answers for the person whom the request's token speaks for."""

    def __init__(self, directory: Directory, tokens: Tokens) -> None:
        self._directory = directory
        self._tokens = tokens

    def answer(self, request: Request) -> Answer:
        """The answer to a GET below ``/api/v3``. Raises BadRequestError."""
        scheme, _, text = request.header("authorization").partition(" ")
        if not text:
            return _message(401, "Requires authentication")
        token = self._tokens.read(text.strip()) if scheme.lower() in {"token", "bearer"} else None
        if token is None:
            return _message(401, "Bad credentials")
        answer = self._of(token, request)
        return answer.adding(X_OAuth_Scopes=", ".join(token.scopes), X_GitHub_Media_Type="github.v3")

    def _of(self, token: Token, request: Request) -> Answer:
        match request.segments()[2:]:
            case ["user"]:
                return json_answer(200, self._user(token, _base(request)))
            case ["user", "emails"]:
                return self._emails(token)
            case ["user", "orgs"]:
                return self._organizations(token, request)
            case ["user", "teams"]:
                return self._teams(token, request)
            case ["orgs", organization, "members", login]:
                return self._member(token, organization, login, _base(request))
            case ["orgs", organization, "teams", team, "members", login]:
                return self._team_member(token, organization, team, login)
            case _:
                # Public members too: nobody has published a membership.
                return _message(404, "Not Found")

    def _user(self, token: Token, base: str) -> dict[str, Any]:
        """https://docs.github.com/en/rest/users/users#get-the-authenticated-user

        The address for mail is private, as at GitHub when nothing is changed.
        """
        person = self._directory.person(token.login)
        return {
            "login": person.login,
            "id": number_of(person.login),
            "avatar_url": "",
            "gravatar_id": "",
            "url": f"{base}/users/{person.login}",
            "html_url": f"{base.removesuffix(ROOT)}/{person.login}",
            "type": "User",
            "site_admin": False,
            "name": person.name or None,
            "company": None,
            "email": None,
        }

    def _emails(self, token: Token) -> Answer:
        """https://docs.github.com/en/rest/users/emails#list-email-addresses-for-the-authenticated-user"""
        if not has(token.scopes, "user:email"):
            return _message(404, "Not Found")
        person = self._directory.person(token.login)
        address = person.email or f"{person.login}@example.invalid"
        return json_answer(
            200, [{"email": address, "primary": True, "verified": True, "visibility": "private"}]
        )

    def _organizations(self, token: Token, request: Request) -> Answer:
        """https://docs.github.com/en/rest/orgs/orgs#list-organizations-for-the-authenticated-user"""
        if not has(token.scopes, "read:org", "user"):
            return _message(403, "You need at least read:org scope or user scope to list your organizations")
        base = _base(request)
        names = self._directory.organizations_of(token.login)
        return _paged(request, [_organization(name, base) for name in names])

    def _teams(self, token: Token, request: Request) -> Answer:
        """https://docs.github.com/en/rest/teams/teams#list-teams-for-the-authenticated-user"""
        if not has(token.scopes, "read:org", "user", "repo"):
            return _message(404, "Not Found")
        base = _base(request)
        return _paged(request, [_team(team, base) for team in self._directory.teams_of(token.login)])

    def _member(self, token: Token, organization: str, login: str, base: str) -> Answer:
        """https://docs.github.com/en/rest/orgs/members#check-organization-membership-for-a-user"""
        if not self._directory.is_organization(organization):
            return _message(404, "Not Found")
        if not has(token.scopes, "read:org") or not self._directory.is_member(organization, token.login):
            spelt, name = _segment(organization), _segment(login)
            return see_other(f"{base}/orgs/{spelt}/public_members/{name}", 302)
        if self._directory.is_member(organization, login):
            return empty_answer(204)
        return _message(404, "User does not exist or is not a member of the organization")

    def _team_member(self, token: Token, organization: str, team: str, login: str) -> Answer:
        """https://docs.github.com/en/rest/teams/members#get-team-member-legacy

        A team is seen by the members of its organization.
        """
        sees = has(token.scopes, "read:org") and self._directory.is_member(organization, token.login)
        if sees and self._directory.is_in_team(organization, team, login):
            return empty_answer(204)
        return _message(404, "Not Found")


def _message(status: int, message: str) -> Answer:
    return json_answer(status, {"message": message, "documentation_url": _DOCS, "status": str(status)})


def _base(request: Request) -> str:
    # The Host header was checked already: it is the address that the hub knows this server by.
    return f"http://{request.header('host')}{ROOT}"


def _segment(text: str) -> str:
    return urlencode({"": text})[1:].replace("+", "%20")


def _organization(name: str, base: str) -> dict[str, Any]:
    return {"login": name, "id": number_of(name, ""), "url": f"{base}/orgs/{name}", "description": ""}


def _team(team: Team, base: str) -> dict[str, Any]:
    return {
        "id": number_of(team.organization, team.slug),
        "name": team.slug,
        "slug": team.slug,
        "url": f"{base}/orgs/{team.organization}/teams/{team.slug}",
        "description": "",
        "privacy": "closed",
        "permission": "pull",
        "parent": None,
        "organization": _organization(team.organization, base),
    }


def _paged(request: Request, items: Sequence[dict[str, Any]]) -> Answer:
    """One page of ``items``, with the Link header when there are more.

    https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api
    """
    asked = request.arguments()
    size = min(_count(asked.get("per_page", ""), _PER_PAGE), _MAX_PER_PAGE)
    page = _count(asked.get("page", ""), 1)
    last = max(1, -(-len(items) // size))
    answer = json_answer(200, items[(page - 1) * size : page * size])
    others = {"prev": page - 1, "first": 1} if page > 1 else {}
    others |= {"next": page + 1, "last": last} if page < last else {}
    if not others:
        return answer
    own = f"http://{request.header('host')}{request.path}"
    links = [
        f'<{own}?{urlencode({"per_page": size, "page": number})}>; rel="{rel}"'
        for rel, number in others.items()
    ]
    return answer.adding(Link=", ".join(links))


def _count(text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise BadRequestError("per_page and page are numbers")
    return int(text) or otherwise
