"""``python -I devenv/s3/guard config.json``: make this folder a package of its own, and serve."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def _import_guard() -> None:
    folder = Path(__file__).resolve().parent
    # Python puts the folder itself first on the path: its module names would shadow other packages'.
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != folder]
    spec = importlib.util.spec_from_file_location(
        "guard", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["guard"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _import_guard()
    from guard.server import main

    sys.exit(main(sys.argv))
