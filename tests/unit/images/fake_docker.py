"""A client of Docker that keeps images in a dictionary: what the tests see instead of the real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devenv.commands import Completed
from devenv.errors import MissingError


@dataclass
class FakeDocker:
    """``images`` maps an id to what ``docker image inspect`` says of it; ``refuses`` makes a call fail."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    remote: set[str] = field(default_factory=set)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    is_installed: bool = True

    def add(self, *references: str, **labels: str) -> str:
        """Put an image there, with labels such as ``habari_image="s3"``."""
        name = f"sha256:{len(self.images)}"
        self.images[name] = {
            "Id": name,
            "RepoTags": list(references),
            "RepoDigests": [],
            "Config": {"Labels": {key.replace("_", "."): value for key, value in labels.items()}},
            "Created": "2026-11-24T10:00:00.123456789Z",
            "Size": 1_500_000,
        }
        return name

    def run(self, argv: Any, **_: Any) -> Completed:
        words = tuple(map(str, argv))
        self.calls.append(words)
        if words[0] != "docker":
            return Completed(words, 0, "", "")
        if not self.is_installed:
            raise MissingError("docker is not there")
        call = " ".join(words[1:3])
        for start, said in self.refuses.items():
            if call.startswith(start):
                return Completed(words, 1, "", said)
        answer: Callable[..., str | None] = {
            "image ls": self._ls,
            "image inspect": self._inspect,
            "image tag": self._tag,
            "buildx imagetools": self._remote,
        }.get(call, lambda *_: "default")
        said = answer(*words[3:])
        return Completed(words, 1, "[]", "not found") if said is None else Completed(words, 0, said, "")

    def stream(self, argv: Any, on_line: Callable[[str], None], **_: Any) -> int:
        words = tuple(map(str, argv))
        self.calls.append(words)
        for start, said in self.refuses.items():
            if " ".join(words[1:3]).startswith(start):
                on_line(said)
                return 1
        if words[1:3] == ("buildx", "build"):
            on_line("#5 [1/2] FROM x")
            self.add(*_values(words, "--tag"))
            labels = dict(label.split("=", 1) for label in _values(words, "--label"))
            self.images[list(self.images)[-1]]["Config"]["Labels"] = labels
        return 0

    def built(self) -> list[str]:
        """The first reference of each build."""
        return [_values(call, "--tag")[0] for call in self.calls if call[1:3] == ("buildx", "build")]

    def _ls(self, *words: str) -> str:
        filters = [word.removeprefix("label=").split("=", 1) for word in words if word.startswith("label=")]
        return "\n".join(name for name, image in self.images.items() if _matches(image, filters))

    def _inspect(self, *references: str) -> str | None:
        found = [image for name, image in self.images.items() if {name, *image["RepoTags"]} & set(references)]
        return json.dumps(found) if found else None

    def _tag(self, name: str, reference: str) -> str:
        for image in self.images.values():
            image["RepoTags"] = [tag for tag in image["RepoTags"] if tag != reference]
        self.images[name]["RepoTags"].append(reference)
        return ""

    def _remote(self, _inspect: str, reference: str) -> str | None:
        return "{}" if reference in self.remote else None


def _matches(image: Mapping[str, Any], filters: list[list[str]]) -> bool:
    labels = image["Config"]["Labels"]
    return all(labels.get(name) == value[0] if value else name in labels for name, *value in filters)


def _values(words: tuple[str, ...], flag: str) -> list[str]:
    return [words[place + 1] for place, word in enumerate(words) if word == flag]
