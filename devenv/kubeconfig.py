"""Somebody's own kubeconfig: which file holds a context. It is read and never written.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from devenv.errors import DevenvError, MissingError, UsageError
from devenv.helm.cli import Target


def target(context: str, named: Path | None, environ: Mapping[str, str]) -> Target:
    """The cluster that ``context`` means: in the named file, in those of KUBECONFIG, or in ~/.kube/config.

    The current context of a file is never looked at. Raises UsageError for a context that is not there or not
    named, MissingError where there is no file.
    """
    files = (named,) if named else _usual(environ)
    there = [path for path in files if path.is_file()]
    if not context:
        raise _nameless(there)
    if not there:
        raise MissingError(
            f"there is no kubeconfig at {', '.join(map(str, files))}", hint="Name one: --kubeconfig FILE"
        )
    found = {path: _read(path) for path in there}
    contexts = {name: path for path in reversed(there) for name in _names(found[path], "contexts")}
    if context not in contexts:
        raise UsageError(
            f"there is no context {context!r} in {', '.join(map(str, there))}",
            hint=f"There is {', '.join(sorted(contexts)) or 'none'}",
        )
    path = contexts[context]
    _require_whole(path, found[path], context)
    return Target(path.absolute(), context)


def _usual(environ: Mapping[str, str]) -> tuple[Path, ...]:
    listed = tuple(Path(part) for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part)
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return listed or (home / ".kube" / "config",)


def _read(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as trouble:
        raise MissingError(f"{path} cannot be read: {trouble.strerror or trouble}") from None
    except (UnicodeDecodeError, yaml.YAMLError):
        # what is wrong is not repeated: the file holds keys
        raise UsageError(f"{path} is no kubeconfig: it is not YAML") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no kubeconfig: it has no keys")
    return found


def _names(content: Mapping[str, Any], kind: str) -> list[str]:
    listed = content.get(kind)
    entries = listed if isinstance(listed, list) else ()
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    return [name for name in names if isinstance(name, str)]


def _require_whole(path: Path, content: Mapping[str, Any], context: str) -> None:
    """Raise UsageError when the context's cluster or user is in another file: helm is given this one."""
    entries = [each for each in content["contexts"] if isinstance(each, dict) and each.get("name") == context]
    said = entries[0].get("context") or {}
    for kind in ("cluster", "user"):
        if said.get(kind) not in _names(content, f"{kind}s"):
            raise UsageError(
                f"the {kind} of the context {context} is not in {path}",
                hint="Put all of it into one file, then name that: kubectl config view --flatten --minify"
                f" --context {context}",
            )


def _nameless(files: Iterable[Path]) -> UsageError:
    names: set[str] = set()
    with contextlib.suppress(DevenvError):
        for path in files:
            names.update(_names(_read(path), "contexts"))
    return UsageError(
        "no context is named, and the current one is never used unasked",
        hint=f"Name it: --context NAME; there is {', '.join(sorted(names)) or 'none'}",
    )
