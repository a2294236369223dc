"""Who there is: people, their organizations and teams. Case counts nowhere, and is kept in what is shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .settings import Person, Settings


@dataclass(frozen=True)
class Team:
    """One team, with its organization as GitHub's addresses write both."""

    organization: str
    slug: str


def number_of(*names: str) -> int:
    """A number for a person, an organization or a team: positive, and the same at every start."""
    digest = hashlib.sha256("\0".join(names).lower().encode()).digest()
    return int.from_bytes(digest[:5], "big") + 1


class Directory:
    """The people of the settings; anybody else exists too, as an account that belongs to nothing."""

    def __init__(self, settings: Settings) -> None:
        self.people = settings.people
        self._people = {person.login.lower(): person for person in settings.people}
        self._teams = {
            Team(*name.split(":", 1)): {login.lower() for login in logins}
            for name, logins in settings.teams.items()
        }
        self._organizations = {
            name: {login.lower() for login in logins} for name, logins in settings.organizations.items()
        }
        self._complete_organizations()
        self._spelt = {name.lower(): name for name in self._organizations}

    def _complete_organizations(self) -> None:
        """A team's members belong to its organization, whether that is listed or not."""
        spelt = {name.lower(): name for name in self._organizations}
        for team, members in self._teams.items():
            name = spelt.setdefault(team.organization.lower(), team.organization)
            self._organizations.setdefault(name, set()).update(members)

    def person(self, login: str) -> Person:
        """The person of that name, or somebody new of that name."""
        return self._people.get(login.lower()) or Person(login)

    def organizations_of(self, login: str) -> list[str]:
        return [name for name, members in self._organizations.items() if login.lower() in members]

    def teams_of(self, login: str) -> list[Team]:
        return [team for team, members in self._teams.items() if login.lower() in members]

    def has_organizations(self) -> bool:
        return bool(self._organizations)

    def is_organization(self, name: str) -> bool:
        return name.lower() in self._spelt

    def is_member(self, organization: str, login: str) -> bool:
        return login.lower() in self._organizations.get(self._spelt.get(organization.lower(), ""), set())

    def is_in_team(self, organization: str, slug: str, login: str) -> bool:
        wanted = (organization.lower(), slug.lower())
        return any(
            login.lower() in members
            for team, members in self._teams.items()
            if (team.organization.lower(), team.slug.lower()) == wanted
        )
