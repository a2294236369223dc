"""The command line: one settings file; ``--database-state`` only looks at the database."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import sys
from pathlib import Path

from .exits import WRONG_USE, StartError
from .settings import Settings, read_settings


def main(argv: list[str]) -> int:
    """Run the hub until it is ended; exit codes as in exits.py, foreseen trouble is an ``error:`` line."""
    try:
        look, path = _arguments(argv[1:])
        settings = read_settings(path)
        return _look(settings) if look else _run(settings)
    except StartError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


def _arguments(words: list[str]) -> tuple[bool, Path]:
    look = words[:1] == ["--database-state"]
    rest = words[1:] if look else words
    if len(rest) != 1 or rest[0].startswith("-"):
        raise StartError(WRONG_USE, "usage: python -I devenv/hub [--database-state] settings.json")
    return look, Path(rest[0])


def _look(settings: Settings) -> int:
    from . import database

    state = database.examine(database.usable_url(settings.db_url))
    sys.stdout.write(json.dumps(dataclasses.asdict(state)) + "\n")
    return 0


def _run(settings: Settings) -> int:
    os.umask(0o077)
    # relative names in extraConfig mean the hub's own folder
    data = Path(settings.data)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chdir(data)
    # Importing JupyterHub makes next to no garbage, and looking for it takes an eighth of the time.
    gc.disable()
    from .app import run

    gc.enable()
    run(settings)
    return 0
