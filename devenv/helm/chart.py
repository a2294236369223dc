"""Which chart is deployed: one that is named (a folder or an archive), or the pinned one, fetched once."""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv.errors import MissingError, UsageError
from devenv.helm.cli import Helm
from devenv.images import pins

VARIABLE = "DEVENV_CHART"
# The small chart that stands in for the real one in this repository's own tests.
TEST_CHART = "habari-test"

_FILE = "Chart.yaml"
_LARGEST_BYTES = 1 << 20


@dataclass(frozen=True)
class Pin:
    """The chart that is taken when none is named: ``repository`` is a URL, https or oci."""

    repository: str
    name: str
    version: str


@dataclass(frozen=True)
class Chart:
    """A chart at hand: ``path`` is its folder or its archive.

    ``kubernetes`` is the condition on the cluster's version that the chart itself has, or empty.
    """

    path: Path
    name: str
    version: str
    kubernetes: str = ""

    @property
    def label(self) -> str:
        """Which chart that is, for messages and reports."""
        return f"{self.name} {self.version}"

    @property
    def is_test_chart(self) -> bool:
        """Whether it is the stand-in of this repository's tests, not what production runs."""
        return self.name == TEST_CHART

    @property
    def has_schema(self) -> bool:
        """Whether it has a schema of its values."""
        return "values.schema.json" in _names(self.path)

    def digest(self) -> str:
        """What tells one state of its files from another."""
        if self.path.is_file():
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        found = hashlib.sha256()
        for path in sorted(each for each in self.path.rglob("*") if each.is_file()):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found.update(f"{path.relative_to(self.path)}\0{content}\n".encode())
        return found.hexdigest()


def pin() -> Pin:
    """The chart of ``images/pins.toml``."""
    found = tomllib.loads(pins.FILE.read_text(encoding="utf-8"))["chart"]
    return Pin(found["repository"], found["name"], found["version"])


def find(path: Path | None, helm: Helm, data_root: Path) -> Chart:
    """The named chart, or the pinned one from the cache or its repository.

    Raises UsageError for a path that is no chart and MissingError when the pinned one cannot be had.
    """
    if path is not None:
        return read(path)
    wanted = pin()
    cached = cached_at(wanted, data_root)
    if not cached.is_file():
        _fetch(wanted, helm, cached)
    return read(cached)


def cached_at(wanted: Pin, data_root: Path) -> Path:
    """Where the archive of a pinned chart is kept."""
    origin = hashlib.sha256(wanted.repository.encode()).hexdigest()[:8]
    return data_root / "cache" / "charts" / origin / f"{wanted.name}-{wanted.version}.tgz"


def read(path: Path) -> Chart:
    """What a folder or an archive says of itself.

    Raises MissingError when nothing is there and UsageError when it is no chart.
    """
    if not path.exists():
        raise MissingError(f"there is no chart at {path}", hint=f"{VARIABLE} names a folder or an archive")
    import yaml

    try:
        found = yaml.safe_load(_text(path))
    except (OSError, EOFError, UnicodeDecodeError, yaml.YAMLError) as trouble:
        raise _no_chart(path, type(trouble).__name__) from None
    if not isinstance(found, dict) or not all(isinstance(found.get(key), str) for key in ("name", "version")):
        raise _no_chart(path, f"its {_FILE} has no name and version")
    condition = found.get("kubeVersion")
    return Chart(path.absolute(), found["name"], found["version"], str(condition) if condition else "")


def _fetch(wanted: Pin, helm: Helm, target: Path) -> None:
    """Into a folder beside the cache first, so that a kill or a second command never meets half a file."""
    target.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=target.parent) as folder:
        helm.pull(wanted.repository, wanted.name, wanted.version, Path(folder))
        fetched = sorted(Path(folder).glob("*.tgz"))
        if not fetched:
            raise MissingError(f"helm pull left no archive of {wanted.name} {wanted.version}")
        found = read(fetched[0])
        if (found.name, found.version) != (wanted.name, wanted.version):
            raise UsageError(
                f"the repository gave the chart {found.label} for {wanted.name} {wanted.version}",
                hint=f"See [chart] in {pins.FILE.name}",
            )
        fetched[0].replace(target)


def _text(path: Path) -> str:
    if path.is_dir():
        return (path / _FILE).read_text(encoding="utf-8")
    for name, stream in _members(path):
        if name == _FILE:
            return stream.decode()
    raise FileNotFoundError(_FILE)


def _names(path: Path) -> frozenset[str]:
    """The files at the top of a chart."""
    if path.is_dir():
        return frozenset(each.name for each in path.iterdir())
    return frozenset(name for name, _ in _members(path))


def _members(path: Path) -> list[tuple[str, bytes]]:
    """The small files at the top of an archive: NAME/Chart.yaml and the like."""
    import tarfile
    import zlib

    found = []
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                parts: tuple[Any, ...] = Path(member.name).parts
                if len(parts) != 2 or not member.isfile():
                    continue
                stream = archive.extractfile(member) if member.size <= _LARGEST_BYTES else None
                found.append((parts[1], stream.read() if stream else b""))
    except (tarfile.TarError, zlib.error) as trouble:
        raise OSError(str(trouble)) from None
    return found


def _no_chart(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} is no chart of Helm: {why}",
        hint="Name the folder with Chart.yaml in it, or the archive that helm package makes of it",
    )
