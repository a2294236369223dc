"""The server's settings: one file, nothing from the environment."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .exits import WRONG_USE, StartError
from .names import is_login

# 22 characters of base64 are 128 bits and a little.
_MIN_SECRET = 22
# It becomes a part of a cookie's name: https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1
_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# What is written in GitHub's addresses, and before and after the colon of allowed_organizations.
_SLUG = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_])?")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Person:
    """Somebody whom the page offers. ``admin`` and ``allowed`` are shown; it is the hub that decides."""

    login: str
    name: str = ""
    email: str = ""
    admin: bool = False
    allowed: bool = False


@dataclass(frozen=True)
class Settings:
    """What one server is started with. Secrets stay out of the repr.

    ``key`` opens the page and seals tokens: a new key ends every sign-in. ``redirect_uris`` are compared
    character by character. ``organizations`` maps a name to logins, ``teams`` an ``organization:team``;
    a team's members belong to its organization. ``hosts`` are further values of the Host header, with
    their port. ``notebook_uids`` are the first and the last account that notebooks run under: see peers.py.
    """

    port: int
    instance: str
    key: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]
    hub_url: str
    people: tuple[Person, ...] = ()
    organizations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    notebook_uids: tuple[int, int] | None = None


def read_settings(path: Path) -> Settings:
    """The settings in ``path``.

    Raises :class:`StartError` (exit code 2) with every problem in one line, and no secret in it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(WRONG_USE, f"cannot read the configuration {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise StartError(WRONG_USE, f"the configuration {path} is not valid JSON") from None
    if not isinstance(found, dict):
        raise StartError(WRONG_USE, f"the configuration {path} is not an object")
    problems = [f"its mode is {mode:04o}, other accounts can read it (chmod 600)"] if mode & 0o077 else []
    problems += _problems(found)
    if problems:
        raise StartError(WRONG_USE, f"the configuration {path} is not valid: {'; '.join(problems)}")
    return _settings(found)


def _settings(found: dict[str, Any]) -> Settings:
    """Freeze what :func:`_problems` found nothing wrong with."""
    uids = found.get("notebook_uids")
    frozen = {
        "redirect_uris": tuple(found["redirect_uris"]),
        "people": tuple(Person(**person) for person in found.get("people", ())),
        "organizations": {name: tuple(logins) for name, logins in found.get("organizations", {}).items()},
        "teams": {name: tuple(logins) for name, logins in found.get("teams", {}).items()},
        "hosts": tuple(found.get("hosts", ())),
        "notebook_uids": (uids[0], uids[1]) if uids else None,
    }
    return Settings(**{**found, **frozen})


def _problems(found: dict[str, Any]) -> Iterator[str]:
    yield from _names(found, Settings, "")
    for name in ("instance", "key", "client_id", "client_secret", "hub_url", "host"):
        if name in found and (not isinstance(found[name], str) or not found[name].isprintable()):
            yield f"{name} is not a text"
    port = found.get("port", 1)
    if not _is_number(port) or not 0 < port < 65536:
        yield "port is not a number from 1 to 65535"
    instance = found.get("instance", "x")
    if isinstance(instance, str) and not _INSTANCE.fullmatch(instance):
        yield "instance is not made of letters, digits, '.', '_' and '-'"
    for name in ("client_id", "client_secret"):
        if found.get(name) == "":
            yield f"{name} is empty"
    key = found.get("key")
    if isinstance(key, str) and len(key) < _MIN_SECRET:
        yield f"key is shorter than {_MIN_SECRET} characters"
    yield from _addresses(found)
    yield from _people(found.get("people", []))
    yield from _groups(found.get("organizations", {}), "organizations", _is_slug)
    yield from _groups(found.get("teams", {}), "teams", _is_team)
    uids = found.get("notebook_uids")
    if uids is not None and not (
        isinstance(uids, list) and len(uids) == 2 and all(map(_is_number, uids)) and 0 < uids[0] <= uids[1]
    ):
        yield "notebook_uids is not the first and the last account number"


def _names(found: dict[str, Any], model: type[Settings | Person], where: str) -> Iterator[str]:
    known = {item.name: item for item in fields(model)}
    for name, item in known.items():
        if name not in found and item.default is MISSING and item.default_factory is MISSING:
            yield f"{where}{name} is missing"
    yield from (f"{where}{name} is unknown" for name in sorted(found.keys() - known.keys()))


def _addresses(found: dict[str, Any]) -> Iterator[str]:
    hub_url = found.get("hub_url")
    if isinstance(hub_url, str) and not _is_address(hub_url):
        yield "hub_url is not an http or https address"
    uris = found.get("redirect_uris", [""])
    if not isinstance(uris, list) or not uris:
        yield "redirect_uris is not a list with an address in it"
    elif "redirect_uris" in found and not all(_is_address(uri) for uri in uris):
        yield "redirect_uris has an entry that is not an http or https address without a fragment"
    hosts = found.get("hosts", [])
    if not isinstance(hosts, list) or not all(isinstance(h, str) and _HOST.fullmatch(h) for h in hosts):
        yield "hosts is not a list of names with their port"


def _people(people: Any) -> Iterator[str]:
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        yield "people is not a list of objects"
        return
    seen: set[str] = set()
    for number, person in enumerate(people, 1):
        where = f"person {number}: "
        yield from _names(person, Person, where)
        for name in ("name", "email"):
            if not isinstance(person.get(name, ""), str) or not person.get(name, "").isprintable():
                yield f"{where}{name} is not a text"
        for name in ("admin", "allowed"):
            if not isinstance(person.get(name, False), bool):
                yield f"{where}{name} is neither true nor false"
        login = person.get("login", "x")
        if not isinstance(login, str) or not is_login(login):
            yield f"{where}login is no GitHub name"
        elif "login" in person and login.lower() in seen:
            yield f"{where}login {login} is there twice"
        else:
            seen.add(login.lower())


def _groups(groups: Any, what: str, is_name: Any) -> Iterator[str]:
    if not isinstance(groups, dict):
        yield f"{what} is not an object"
        return
    folded = [name.lower() for name in groups]
    if len(set(folded)) < len(folded):
        yield f"{what} has a name twice: case does not count"
    for name, logins in groups.items():
        if not is_name(name):
            yield f"{what}: {name!r} is no name as GitHub's addresses have it"
        if not isinstance(logins, list) or not all(isinstance(one, str) and is_login(one) for one in logins):
            yield f"{what}: {name!r} is not a list of GitHub names"


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_slug(name: str) -> bool:
    return _SLUG.fullmatch(name) is not None


def _is_team(name: str) -> bool:
    organization, colon, team = name.partition(":")
    return bool(colon) and _is_slug(organization) and _is_slug(team)


def _is_address(value: Any) -> bool:
    if (
        not isinstance(value, str)
        or not value.isascii()
        or not value.isprintable()
        or set(' "<>\\') & {*value}
    ):
        return False
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and port_is_valid
        and parts.username is None
        and "#" not in value
    )
