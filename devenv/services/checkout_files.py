"""The parts of the checkout that users' servers read, where their accounts can reach them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from devenv import interpreters
from devenv.environments import CHECKOUT
from devenv.services.service import Site
from devenv.state import read_json, write_json

JUPYTER = CHECKOUT / "jupyter"
_PARTS = ("buckets", "etc", "samples")


def for_others(site: Site) -> Path:
    """The checkout's ``jupyter`` when every account can read it, else a fresh copy in the state folder."""
    if interpreters.barrier(JUPYTER / "etc") is None:
        return JUPYTER
    copy, stamp = site.instance.root / "jupyter", site.instance.root / "jupyter.json"
    wanted = {"sha256": _digest()}
    if read_json(stamp) == wanted:
        # servers that run read it: it changes only when the checkout has
        return copy
    for part in _PARTS:
        _replace(JUPYTER / part, copy / part)
    for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    write_json(stamp, wanted)
    return copy


def _files() -> list[Path]:
    found = (path for part in _PARTS for path in (JUPYTER / part).rglob("*"))
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _digest() -> str:
    content = hashlib.sha256()
    for path in _files():
        content.update(f"{path.relative_to(JUPYTER)}\0".encode() + path.read_bytes() + b"\0")
    return content.hexdigest()


def _replace(source: Path, target: Path) -> None:
    draft = target.with_name(f"{target.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(source, draft, ignore=shutil.ignore_patterns("__pycache__"))
    for path in draft.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
