"""The parts of the checkout that users' servers read, where their accounts can reach them."""

from __future__ import annotations

import shutil
from pathlib import Path

from devenv import interpreters
from devenv.environments import CHECKOUT
from devenv.services.service import Site

JUPYTER = CHECKOUT / "jupyter"
_PARTS = ("buckets", "etc", "samples")


def for_others(site: Site) -> Path:
    """The checkout's ``jupyter`` when every account can read it, else a fresh copy in the state folder."""
    if interpreters.barrier(JUPYTER / "etc") is None:
        return JUPYTER
    copy = site.instance.root / "jupyter"
    for part in _PARTS:
        _replace(JUPYTER / part, copy / part)
    for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    return copy


def _replace(source: Path, target: Path) -> None:
    draft = target.with_name(f"{target.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(source, draft, ignore=shutil.ignore_patterns("__pycache__"))
    for path in draft.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
