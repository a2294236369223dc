"""Values files in Helm's order: read, translated, merged, with the place where each key was said last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv import commands, project
from devenv.errors import DevenvError, UsageError
from devenv.values import merge, secrecy
from devenv.values.translate import translate
from devenv.values.yaml_text import Document, Place, parse
from devenv.yaml_lines import KeyPath

# What a Secret of Kubernetes holds, and so a release of Helm: https://helm.sh/docs/topics/kubernetes_apis/
LARGEST_BYTES = 1 << 20

_ENCRYPTED = "ENC[AES256_GCM,"


@dataclass(frozen=True)
class Origin:
    """Where a key was said: the file, the key's line, and the first line of its value's text."""

    file: Path
    line: int
    text_line: int

    def __str__(self) -> str:
        return f"{shown(self.file)}: line {self.line}"


@dataclass(frozen=True)
class Loaded:
    """All files as one tree, in today's form.

    Nulls are kept, because they delete defaults of the chart; :func:`devenv.values.hub.with_defaults` applies
    them. ``notices`` say what was translated, what Helm would warn of, and which file gives secrets away.
    ``translated`` has what stands in for each file that is not in today's form.
    """

    tree: dict[str, Any] = field(repr=False)
    notices: tuple[str, ...] = ()
    origins: Mapping[KeyPath, Origin] = field(default_factory=dict, repr=False)
    files: tuple[Path, ...] = ()
    translated: Mapping[Path, dict[str, Any]] = field(default_factory=dict, repr=False)

    def origin(self, path: KeyPath) -> Origin | None:
        """Where a key, or else the nearest one above it, was said; None for a default of the chart."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path)

    def locate(self, path: KeyPath, text: str) -> str:
        """A message about a key: file, line, key, text."""
        origin = self.origin(path)
        return ": ".join([*([str(origin)] if origin else []), *([".".join(path)] if path else []), text])


def load(paths: Sequence[Path]) -> Loaded:
    """Read the files as ``helm --values a --values b`` does.

    Raises UsageError, with every problem of every file in ``details``, when one cannot be read, is not valid
    YAML with each key once, or is encrypted by sops.
    """
    problems: list[str] = []
    sources = [(path, document) for path in paths if (document := _read(path, problems)) is not None]
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise UsageError(f"the values files are not valid: {count}", details=tuple(problems))
    tree: dict[str, Any] = {}
    origins: dict[KeyPath, Origin] = {}
    notices: list[str] = []
    translated: dict[Path, dict[str, Any]] = {}
    for path, document in sources:
        done = translate(document.tree)
        if done.tree != document.tree:
            translated[path] = done.tree
        places = {**document.places, **_moved(document.places, done.moved)}
        notices += [_message(path, places, key, text) for key, text in done.notices]
        notices += [
            _message(
                path, places, key, "a mapping meets something else in a file before; this one wins whole"
            )
            for key in merge.clashes(tree, done.tree)
        ]
        notices += _given_away(path, document.tree)
        tree = merge.merge(tree, done.tree)
        origins.update({key: Origin(path, place.line, place.text_line) for key, place in places.items()})
    return Loaded(tree, tuple(notices), origins, tuple(paths), translated)


def shown(path: Path) -> str:
    """The path, relative to the current folder when it lies below it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _read(path: Path, problems: list[str]) -> Document | None:
    text = _text(path, problems)
    if text is None:
        return None
    document = Document()
    for each in parse(text):
        document.tree = merge.merge(document.tree, each.tree)
        document.places |= each.places
        document.problems += each.problems
    if _is_encrypted(document.tree):
        name = shown(path)
        problems.append(
            f"{name}: encrypted by sops; decrypt it (sops --decrypt {name} > decrypted.yaml), or let sops do "
            f"it for one command (sops exec-file {name} './dev values.check --values {{}}')"
        )
        return None
    problems += [_message(path, {}, each.path, each.text, each.line) for each in document.problems]
    return document


def _text(path: Path, problems: list[str]) -> str | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        problems.append(f"{shown(path)}: there is no such file")
        return None
    except OSError as trouble:
        problems.append(f"{shown(path)}: cannot be read: {trouble.strerror or trouble}")
        return None
    if len(content) > LARGEST_BYTES:
        problems.append(f"{shown(path)}: larger than 1 MiB, which is more than a release of Helm can hold")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = content.count(b"\n", 0, trouble.start) + 1
        problems.append(f"{shown(path)}: line {line}: a byte that is not UTF-8")
        return None


def _message(
    path: Path, places: Mapping[KeyPath, Place], key: KeyPath, text: str, line: int | None = None
) -> str:
    near = key
    while near and near not in places:
        near = near[:-1]
    line = line or (places[near].line if near else None)
    where = [shown(path), *([f"line {line}"] if line else []), *([".".join(key)] if key else [])]
    return ": ".join([*where, text])


def _moved(places: Mapping[KeyPath, Place], moved: Mapping[KeyPath, KeyPath]) -> dict[KeyPath, Place]:
    """The places of keys that were translated, below their new names."""
    found: dict[KeyPath, Place] = {}
    for new, old in moved.items():
        for path, place in places.items():
            if path[: len(old)] == old:
                found[(*new, *path[len(old) :])] = place
    return found


def _is_encrypted(tree: Mapping[str, Any]) -> bool:
    """https://getsops.io/docs/#encrypting-using-age, whose files keep their keys and gain one named sops."""
    mark = tree.get("sops")
    return (isinstance(mark, dict) and "mac" in mark) or any(
        text.startswith(_ENCRYPTED) for text in _texts(tree)
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _given_away(path: Path, tree: Mapping[str, Any]) -> list[str]:
    names = list(dict.fromkeys(".".join(each) for each in secrecy.secrets(tree)))
    if not names or not _is_tracked(path):
        return []
    return [
        f"{shown(path)}: tracked by git with what looks like secrets ({', '.join(names)}); whoever has the "
        "repository has them. Keep them in a file that git ignores, or encrypt it with sops"
    ]


def _is_tracked(path: Path) -> bool:
    """Whether git follows the file; false where there is no git or no repository."""
    environ = {name: value for name, value in project.environment().items() if not name.startswith("GIT_")}
    try:
        asked = commands.run(
            ("git", "ls-files", "--error-unmatch", "--", path.name),
            cwd=path.absolute().parent,
            env=environ,
            timeout=10,
            check=False,
        )
    except (DevenvError, OSError):
        return False
    return asked.code == 0
