"""In what the local hub, with no cluster or in one, differs from production, key by key, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from devenv.values import secrecy, variables
from devenv.values.hub import configuration, unapplied_leaves, with_defaults
from devenv.values.keys import at, link, table
from devenv.values.local import SIGN_IN_WHY, Local, sign_in
from devenv.values.merge import coalesce
from devenv.values.overlay import Laid, laid
from devenv.yaml_lines import KeyPath

_ADDRESS = "the hub asks the local sign-in instead of GitHub"


@dataclass(frozen=True)
class Difference:
    """A key, its value in production and here (None: not set), and why. Secrets are masked."""

    path: str
    production: Any
    local: Any
    why: str

    @property
    def link(self) -> str:
        """The chart's reference of the key, or of the one above it that the reference has."""
        parts = tuple(self.path.split("."))
        while parts and parts not in table():
            parts = parts[:-1]
        return link(parts or tuple(self.path.split(".")[:1]))

    def as_data(self) -> dict[str, Any]:
        return {**asdict(self), "link": self.link}


def differences(tree: Mapping[str, Any], local: Local) -> tuple[Difference, ...]:
    """Every key of the merged values that the local hub does not take as it is, by path."""
    found = [*_replaced(tree, local), *_limits(tree), *_ignored(tree, local)]
    seen: dict[str, Difference] = {}
    for each in found:
        seen.setdefault(each.path, each)
    return tuple(seen[path] for path in sorted(seen))


def in_cluster(tree: Mapping[str, Any], local: Local) -> tuple[Difference, ...]:
    """Every key in which a hub in a local cluster differs from production, by path: those of the overlay."""
    production = with_defaults(tree)
    found = {each.path: _laid_over(production, each) for each in laid(tree, local)}
    return tuple(each for _, each in sorted(found.items()) if each is not None)


def _laid_over(production: Mapping[str, Any], each: Laid) -> Difference | None:
    path, here = each.path, each.value
    given = at(production, path)
    if path[1:2] == ("extraEnv",):
        given, here = _variable(production, path), _text(here)
        here = here.replace("{{", "{").replace("}}", "}") if isinstance(here, str) else here
    if given == here or (not given and here is None):
        return None
    return Difference(".".join(path), secrecy.masked(given, path), secrecy.masked(here, path), each.why)


def _variable(tree: Mapping[str, Any], path: KeyPath) -> Any:
    section, _, name = path
    given = at(tree, (section, "extraEnv"))
    value = given.get(name) if isinstance(given, dict) else None
    value = dict(variables.entries(given)).get(name) if value is None else value
    return _text(value)


def _text(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and "value" in value else value


def _replaced(tree: Mapping[str, Any], local: Local) -> Iterator[Difference]:
    database = ("hub", "db")
    yield _difference(
        tree, (*database, "url"), local.hub_db_url, "the hub's state lies in the instance's PostgreSQL"
    )
    kind = at(_with_defaults(tree), (*database, "type"))
    if kind != "postgres":
        yield Difference("hub.db.type", kind, "postgres", "the hub's state lies in the instance's PostgreSQL")
    if at(tree, (*database, "password")) is not None:
        yield _difference(tree, (*database, "password"), None, "the address above carries the local one")
    for section, traits in sign_in(tree, local).items():
        for name, value in traits.items():
            why = SIGN_IN_WHY.get(name, _ADDRESS)
            yield _difference(tree, ("hub", "config", section, name), value, why)
    yield from _contract(tree, local)
    chart = "kubespawner.KubeSpawner"
    production = at(tree, ("hub", "config", "JupyterHub", "spawner_class")) or chart
    yield Difference(
        "hub.config.JupyterHub.spawner_class",
        production,
        "processes",
        "a person's server is a process, not a pod",
    )
    if at(tree, ("proxy", "https", "enabled")):
        yield Difference("proxy.https.enabled", True, False, f"the hub is opened at {local.public_url}")


def _contract(tree: Mapping[str, Any], local: Local) -> Iterator[Difference]:
    given = dict(variables.entries(at(tree, ("singleuser", "extraEnv"))))
    for name, text in local.contract.items():
        path = ("singleuser", "extraEnv", name)
        production = _text(given.get(name))
        if production == text:
            continue
        why = "where the local data lie, and the keys to them"
        yield Difference(".".join(path), secrecy.masked(production, path), secrecy.masked(text, path), why)


def _limits(tree: Mapping[str, Any]) -> Iterator[Difference]:
    for path in configuration(tree).limits:
        value = at(tree, tuple(path.split(".")))
        yield Difference(path, value, value, "told to the server (MEM_LIMIT and the like), held by nobody")


def _ignored(tree: Mapping[str, Any], local: Local) -> Iterator[Difference]:
    for path, value, why in unapplied_leaves(tree):
        yield Difference(".".join(path), secrecy.masked(value, path), None, why)
    for section in ("hub", "singleuser"):
        given = at(tree, (section, "extraEnv"))
        values, found = dict(variables.entries(given)), variables.read(given)
        for name, why in (found.unusable | found.remarks).items():
            path = (section, "extraEnv", name)
            here = secrecy.masked(found.texts.get(name), path)
            yield Difference(".".join(path), secrecy.masked(values[name], path), here, why)
    if configuration(tree).post_start:
        path = ("singleuser", "lifecycleHooks", "postStart", "exec", "command")
        given = secrecy.masked(at(tree, path), path)
        here, why = given, "written for the image's paths: runs as the person, in the person's home"
        if not local.runs_post_start:
            here, why = None, "a normal user's hub runs it only when hub.post_start in devenv.yaml allows it"
        yield Difference(".".join(path), given, here, why)


def _difference(tree: Mapping[str, Any], path: KeyPath, value: Any, why: str) -> Difference:
    return Difference(".".join(path), secrecy.masked(at(tree, path), path), secrecy.masked(value, path), why)


def _with_defaults(tree: Mapping[str, Any]) -> dict[str, Any]:
    return coalesce(tree, {"hub": {"db": {"type": table()["hub", "db", "type"].default}}})
