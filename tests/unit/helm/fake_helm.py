"""A helm that keeps releases in a dictionary, and a cluster's API that answers from lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv.commands import Completed
from devenv.errors import MissingError
from devenv.helm.cli import Helm, Target

KUBECONFIG = Path("/state/kubeconfig")
CONTEXT = "kind-test"


@dataclass
class FakeHelm:
    """``releases`` maps a name to its history, oldest first; ``refuses`` makes a verb fail with a text."""

    releases: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    says: str = "v4.3.1+g1234567"
    rendered: str = ""
    refuses: dict[str, str] = field(default_factory=dict)
    is_installed: bool = True
    archive: bytes = b""
    calls: list[tuple[str, ...]] = field(default_factory=list)
    environs: list[Mapping[str, str]] = field(default_factory=list)

    def driver(self, folder: Path, environ: Mapping[str, str] | None = None, **more: Any) -> Helm:
        return Helm(
            Target(KUBECONFIG, CONTEXT), folder, environ or {}, run=self.run, stream=self.stream, **more
        )

    def run(self, argv: Any, *, env: Any = None, timeout: float = 60, check: bool = True) -> Completed:
        words = self._called(argv, env)
        if not self.is_installed:
            raise MissingError("helm is not there")
        verb = words[1]
        if verb in self.refuses:
            return Completed(words, 1, "", self.refuses[verb])
        answer: Callable[..., Completed] = getattr(self, f"_{verb}")
        return answer(words)

    def stream(self, argv: Any, on_line: Callable[[str], None], *, env: Any = None) -> int:
        words = self._called(argv, env)
        if words[1] in self.refuses:
            for line in self.refuses[words[1]].splitlines():
                on_line(line)
            return 1
        history = self.releases.setdefault(words[3], [])
        for each in history:
            each["status"] = "superseded"
        self.add(words[3], "deployed", description=value_of(words, "--description"))
        on_line(f'Release "{words[3]}" has been upgraded.')
        return 0

    def add(
        self,
        name: str,
        status: str,
        *,
        chart: str = "jupyterhub-4.4.0",
        description: str = "Install complete",
    ) -> None:
        history = self.releases.setdefault(name, [])
        history.append(
            {
                "revision": len(history) + 1,
                "status": status,
                "chart": chart,
                "description": description,
                "updated": "2026-11-28T09:00:00Z",
            }
        )

    def verbs(self) -> list[str]:
        return [call[1] for call in self.calls]

    def _called(self, argv: Any, env: Any) -> tuple[str, ...]:
        words = tuple(map(str, argv))
        self.calls.append(words)
        self.environs.append(env)
        return words

    def _version(self, words: tuple[str, ...]) -> Completed:
        return Completed(words, 0, self.says, "")

    def _pull(self, words: tuple[str, ...]) -> Completed:
        name = f"{words[2].rpartition('/')[2]}-{value_of(words, '--version')}.tgz"
        (Path(value_of(words, "--destination")) / name).write_bytes(self.archive)
        return Completed(words, 0, "", "")

    def _template(self, words: tuple[str, ...]) -> Completed:
        return Completed(words, 0, self.rendered, "")

    def _history(self, words: tuple[str, ...]) -> Completed:
        found = self.releases.get(words[2])
        if not found:
            return Completed(words, 1, "", "Error: release: not found")
        return Completed(words, 0, json.dumps(found), "")

    def _list(self, words: tuple[str, ...]) -> Completed:
        rows = [{"name": name, **history[-1]} for name, history in self.releases.items() if history]
        return Completed(words, 0, json.dumps(rows), "")

    def _rollback(self, words: tuple[str, ...]) -> Completed:
        self.add(words[2], "deployed", description=f"Rollback to {words[3]}")
        return Completed(words, 0, "Rollback was a success! Happy Helming!", "")

    def _uninstall(self, words: tuple[str, ...]) -> Completed:
        self.releases.pop(words[2], None)
        return Completed(words, 0, "", "")


@dataclass
class FakeApi:
    """``lists`` holds what there is by kind, ``logs`` the lines by pod and container."""

    lists: dict[str, list[Any]] = field(default_factory=dict)
    logs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    has_namespace: bool = True
    asked_logs: list[tuple[str, str, bool]] = field(default_factory=list)

    def things(self, kind: str, namespace: str) -> list[Any]:
        return self.lists.get(kind, [])

    def log(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> list[str]:
        self.asked_logs.append((pod, container, previous))
        return self.logs.get((pod, container), [])[-lines:]

    def version(self) -> str:
        return "v1.36.3"

    def served(self) -> Collection[str]:
        return {"v1", "apps/v1"}

    def delete_namespace(self, name: str, *, seconds: float) -> bool:
        had, self.has_namespace = self.has_namespace, False
        return had


def value_of(words: tuple[str, ...], flag: str) -> str:
    return words[words.index(flag) + 1]
