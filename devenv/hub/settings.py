"""The hub's settings: one 0600 file that the toolkit writes, nothing from the environment.

The toolkit builds a :class:`Settings` and writes ``dataclasses.asdict`` of it as JSON; the hub reads it back
with :func:`read_settings`. Standard library only: both sides import this module.
"""

from __future__ import annotations

import json
import stat
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from .exits import WRONG_USE, StartError

Traits = Mapping[str, Mapping[str, Any]]  # class -> trait -> value


@dataclass(frozen=True)
class ExtraConfig:
    """One entry of hub.extraConfig; ``file`` and ``line`` say where its first line of code stands."""

    name: str
    code: str = field(repr=False)
    file: str = ""
    line: int = 1


@dataclass(frozen=True)
class Accounts:
    """As root: who users run as. ``count`` ids are given out from ``first_uid`` on and kept in ``file``."""

    file: str
    first_uid: int
    count: int
    gid: int


@dataclass(frozen=True)
class PostStart:
    """singleuser.lifecycleHooks.postStart: run as the user, ended after ``seconds``."""

    command: Sequence[str]
    seconds: float = 60


@dataclass(frozen=True)
class Servers:
    """How users' servers are run.

    ``environment`` is what each starts from; JupyterHub's own variables and the values' extraEnv go over it,
    and ``contract`` over those: where the data lie is local, whatever the values say. ``accounts`` None means
    that all run as the hub's own account.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    contract: Mapping[str, str] = field(repr=False)
    homes: str
    logs: str
    mark_variable: str
    mark: str
    samples: str | None = None
    accounts: Accounts | None = None
    post_start: PostStart | None = None
    profiles: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Backup:
    """What saves the database before it is upgraded: pg_dump's words, and the folder for its archives.

    https://www.postgresql.org/docs/current/app-pgdump.html
    """

    command: Sequence[str]
    folder: str


@dataclass(frozen=True)
class Settings:
    """What one hub is started with. Secrets stay out of the repr.

    ``config`` is applied first (mapped keys, then hub.config.*; what is for servers on KubeSpawner, as the
    chart has it), then ``extra_config`` in order, then ``overrides`` (addresses and secrets of the local
    sign-in). ``github_url`` is the hub's view of GitHub. ``culler`` are the words of jupyterhub-idle-culler
    after its name. ``mark`` goes into the environment of what the hub starts for itself, under
    ``servers.mark_variable``. ``data`` is the hub's folder.
    """

    db_url: str = field(repr=False)
    api_url: str
    proxy_api_url: str
    proxy_token: str = field(repr=False)
    public_url: str
    cookie_secret: str = field(repr=False)
    crypt_key: str = field(repr=False)
    data: str
    mark: str
    servers: Servers
    base_url: str = "/"
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    config: Traits = field(default_factory=dict, repr=False)
    extra_config: Sequence[ExtraConfig] = ()
    hub_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    overrides: Traits = field(default_factory=dict, repr=False)
    github_url: str | None = None
    culler: Sequence[str] | None = None
    upgrade_db: bool = False
    backup: Backup | None = None


def read_settings(path: Path) -> Settings:
    """The settings in ``path``.

    Raises :class:`StartError` (exit code 2) with every problem in one line, and none of the values.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(WRONG_USE, f"cannot read the settings {path}: {error.strerror}") from None
    except ValueError:
        raise StartError(WRONG_USE, f"the settings {path} are not valid JSON") from None
    problems = (
        [] if mode & 0o077 == 0 else [f"their mode is {mode:04o}, other accounts can read them (chmod 600)"]
    )
    settings = _build(Settings, found, "", problems)
    if not problems:
        problems += _secret_problems(settings)
    if problems:
        raise StartError(WRONG_USE, f"the settings {path} are not valid: {'; '.join(problems)}")
    return typing.cast(Settings, settings)


def _secret_problems(settings: Settings) -> list[str]:
    problems = []
    for name in ("cookie_secret", "crypt_key"):
        try:
            length = len(bytes.fromhex(getattr(settings, name)))
        except ValueError:
            length = 0
        if length != 32:
            problems.append(f"{name} is not 32 bytes in hexadecimal")
    if len(settings.proxy_token) < 16:
        problems.append("proxy_token is shorter than 16 characters")
    return problems


def _build(kind: Any, found: Any, where: str, problems: list[str]) -> Any:
    """An instance of a dataclass from JSON; what does not fit is added to ``problems``, without values."""
    if not isinstance(found, dict):
        problems.append(f"{where or 'the top'} is not an object")
        return None
    hints = typing.get_type_hints(kind)
    known = {each.name: each for each in fields(kind)}
    path = f"{where}." if where else ""
    problems += [f"{path}{name} is unknown" for name in sorted(found.keys() - known)]
    problems += [
        f"{path}{name} is missing"
        for name, each in known.items()
        if name not in found and each.default is MISSING and each.default_factory is MISSING
    ]
    values = {
        name: _value(hints[name], found[name], f"{path}{name}", problems) for name in known if name in found
    }
    return None if problems else kind(**values)


def _value(hint: Any, found: Any, where: str, problems: list[str]) -> Any:
    if isinstance(hint, types.UnionType):
        if found is None:
            return None
        hint = next(each for each in typing.get_args(hint) if each is not type(None))
    if is_dataclass(hint):
        return _build(hint, found, where, problems)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Sequence and isinstance(found, list):
        return tuple(_value(arguments[0], each, f"{where}[{n}]", problems) for n, each in enumerate(found))
    if origin is Mapping and isinstance(found, dict):
        return {key: _value(arguments[1], each, f"{where}.{key}", problems) for key, each in found.items()}
    if not _fits(hint, found):
        problems.append(f"{where} is not {_NAMES.get(hint, 'a list' if origin is Sequence else 'an object')}")
    return found


_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _fits(hint: Any, found: Any) -> bool:
    if hint is Any:
        return True
    if hint is float:
        return isinstance(found, int | float) and not isinstance(found, bool)
    if hint is int:
        return isinstance(found, int) and not isinstance(found, bool)
    return isinstance(hint, type) and isinstance(found, hint)
