"""``python -I devenv/github/__main__.py config.json``: make this folder a package of its own, and serve."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

NAME = "github"


def _import_folder() -> None:
    folder = Path(__file__).resolve().parent
    # Started as a folder, Python puts it first on the path: its module names would shadow other packages'.
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != folder]
    spec = importlib.util.spec_from_file_location(
        NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _import_folder()
    sys.exit(importlib.import_module(f"{NAME}.server").main(sys.argv))
