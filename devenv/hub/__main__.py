"""``python -I devenv/hub [--database-state] settings.json``: make this folder a package of its own, and run.

The package is called ``habari_hub`` then: ``hub`` is too likely to be somebody else's name.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def _import_package() -> None:
    folder = Path(__file__).resolve().parent
    # Python puts the folder itself first on the path: its module names would shadow other packages'.
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != folder]
    spec = importlib.util.spec_from_file_location(
        "habari_hub", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["habari_hub"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _import_package()
    from habari_hub.start import main

    sys.exit(main(sys.argv))
