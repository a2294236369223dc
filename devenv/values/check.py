"""What is wrong in merged values: wrong types are errors, keys that nobody knows are warnings.

With a chart at hand its own JSON schema decides about both, otherwise the table in :mod:`devenv.values.keys`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from devenv.errors import UsageError
from devenv.values import keys, variables
from devenv.values.files import Loaded
from devenv.values.keys import at
from devenv.values.local import authenticator
from devenv.values.people import people
from devenv.values.wording import got, suggestion
from devenv.yaml_lines import KeyPath

_DUMMIES = ("dummy", "null", "none", "shared-password")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a key. ``text`` holds no secret."""

    severity: Literal["error", "warning"]
    path: KeyPath
    text: str


def require(loaded: Loaded, chart: Path | None = None) -> tuple[str, ...]:
    """The warnings, each as one line with its file and line number.

    Raises UsageError with every error in ``details``.
    """
    found = findings(loaded, chart)
    errors = [loaded.locate(each.path, each.text) for each in found if each.severity == "error"]
    if errors:
        count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
        raise UsageError(
            f"the values are not valid: {count}", hint=f"See {keys.REFERENCE}", details=tuple(errors)
        )
    return tuple(loaded.locate(each.path, each.text) for each in found)


def findings(loaded: Loaded, chart: Path | None = None) -> tuple[Finding, ...]:
    """Everything that is wrong, errors first. ``chart`` is a chart's archive, its folder or its schema.

    Raises MissingError or UsageError when the chart cannot be used.
    """
    if chart is None:
        found = [*_by_table(loaded.tree, ()), *_hub_config(loaded.tree), *_named_entries(loaded.tree)]
    else:
        from devenv.values import schema  # jsonschema takes time to import

        found = [Finding("error", path, text) for path, text in schema.problems(loaded.tree, chart)]
    found += [*_code(loaded.tree), *_environment(loaded.tree), *_contradictions(loaded.tree)]
    return tuple(sorted(found, key=lambda each: each.severity))


def _by_table(tree: Mapping[str, Any], path: KeyPath) -> Iterator[Finding]:
    for key, value in tree.items():
        here = (*path, key)
        own, below = keys.table().get(here), keys.children(here)
        if own is None and not below:
            above = keys.table().get(path)
            if above is None or not above.open:
                text = f"unknown key{suggestion(key, path, keys.children(path))}"
                yield Finding("warning", here, text)
        elif own is not None and not own.kind.fits(value):
            yield Finding(
                "error", here, f"expected {own.kind.words}, got {got(value, here)}{_quotes(own, value)}"
            )
        elif own is None and value is not None and not isinstance(value, dict):
            yield Finding("error", here, f"expected {keys.MAP.words}, got {got(value, here)}")
        elif below and isinstance(value, dict):
            yield from _by_table(value, here)


def _quotes(key: keys.Key, value: Any) -> str:
    is_scalar = isinstance(value, (bool, int, float))
    return "; put it in quotes" if key.kind is keys.TEXT and is_scalar else ""


def _hub_config(tree: Mapping[str, Any]) -> Iterator[Finding]:
    """https://z2jh.jupyter.org/en/stable/resources/reference.html#hub-config"""
    sections = at(tree, ("hub", "config"))
    for name, traits in sections.items() if isinstance(sections, dict) else ():
        path = ("hub", "config", name)
        if not name[:1].isupper():
            yield Finding("error", path, f"expected the name of a class{_class_hint(name)}")
        elif traits is not None and not isinstance(traits, dict):
            yield Finding("error", path, f"expected traits with values, got {got(traits, path)}")
        elif isinstance(traits, dict):
            yield from _people_lists(path, traits)


def _named_entries(tree: Mapping[str, Any]) -> Iterator[Finding]:
    for key in ("services", "loadRoles"):
        entries = at(tree, ("hub", key))
        for name, value in entries.items() if isinstance(entries, dict) else ():
            path = ("hub", key, name)
            if value is not None and not isinstance(value, dict):
                yield Finding("error", path, f"expected {keys.MAP.words}, got {got(value, path)}")


def _class_hint(name: str) -> str:
    known = keys.children(("hub",))
    return f"; did you mean hub.{name}?" if name in known else ", which starts with a capital letter"


def _people_lists(path: KeyPath, traits: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("allowed_users", "admin_users", "blocked_users", "allowed_organizations"):
        given, here = traits.get(name), (*path, name)
        if given is not None and not isinstance(given, (list, dict)):
            yield Finding("error", here, f"expected a list of names, got {got(given, here)}")
        for number, each in enumerate(given if isinstance(given, list) else ()):
            if not isinstance(each, str):
                where = (*here, str(number))
                yield Finding("error", where, f"expected a name, got {got(each, where)}; put it in quotes")


def _code(tree: Mapping[str, Any]) -> Iterator[Finding]:
    entries = at(tree, ("hub", "extraConfig"))
    for name, code in entries.items() if isinstance(entries, dict) else ():
        path = ("hub", "extraConfig", name)
        if code is None:
            continue
        if not isinstance(code, str):
            yield Finding("error", path, f"expected Python code as text, got {got(code, path)}")
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a doubtful escape is the hub's to warn of
                ast.parse(code)
        except (SyntaxError, ValueError) as trouble:
            line = getattr(trouble, "lineno", None)
            where = f" in its line {line}" if line else ""
            yield Finding("error", path, f"not Python{where}: {getattr(trouble, 'msg', 'a null character')}")


def _environment(tree: Mapping[str, Any]) -> Iterator[Finding]:
    for section in ("hub", "singleuser"):
        for name, value in variables.entries(at(tree, (section, "extraEnv"))):
            if isinstance(value, (bool, int, float)):
                text = "Kubernetes takes text alone for a variable; put it in quotes"
                yield Finding("warning", (section, "extraEnv", name), text)


def _contradictions(tree: Mapping[str, Any]) -> Iterator[Finding]:
    """Values that are valid one by one and do not do together what they seem to."""
    https = at(tree, ("proxy", "https"))
    if isinstance(https, dict) and "enabled" not in https and https.get("hosts"):
        yield Finding("warning", ("proxy", "https"), "HTTPS is off unless enabled: true stands here")
    found = people(tree)
    nobody = not (found.allowed or found.admins or found.organizations or found.anybody or _allows(tree))
    if authenticator(tree) not in _DUMMIES and nobody:
        text = "nobody may sign in: no allowed_users, admin_users, allowed_organizations or allow_all"
        yield Finding("warning", ("hub", "config"), text)
    placeholder = at(tree, ("scheduling", "userPlaceholder"), {})
    counts = isinstance(placeholder, dict) and placeholder.get("enabled") is not False
    if counts and placeholder.get("replicas") and not at(tree, ("scheduling", "podPriority", "enabled")):
        text = "placeholders make no room for people unless scheduling.podPriority.enabled is true"
        yield Finding("warning", ("scheduling", "userPlaceholder", "replicas"), text)


def _allows(tree: Mapping[str, Any]) -> bool:
    """Whether any class has an allowance of its own kind: allowed_groups, allowed_project_ids ..."""
    sections = at(tree, ("hub", "config"))
    return any(
        name.startswith(("allow_", "allowed_", "admin_groups")) and traits[name]
        for traits in (sections.values() if isinstance(sections, dict) else ())
        if isinstance(traits, dict)
        for name in traits
    )
