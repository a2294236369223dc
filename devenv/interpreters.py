"""Which Python an environment is made with, and whether other accounts can run it.

As root the hub gives each user's server an account of its own, and root's Python may lie where nobody
else can go (pyenv below a 0700 home). All of this looks at modes alone, since every command asks.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

OLDEST_MINOR = 11
_PLACES = (Path("/usr/bin"), Path("/usr/local/bin"))


def own() -> Path:
    """The Python below the environment that this runs in: the program itself, no link to it."""
    return Path(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))


def shareable() -> Path | None:
    """A Python that every account can run: this one, or the machine's of the nearest version, or None."""
    mine = own()
    if barrier(mine) is None and barrier(Path(os.__file__)) is None:
        return mine
    return next(_of_machine(), None)


def version(base: Path) -> str:
    """``base``'s version as its folders spell it: "3.11"."""
    found = re.search(r"3\.\d+$", base.name) if base != own() else None
    return found.group() if found else f"{sys.version_info.major}.{sys.version_info.minor}"


def pip_wheel() -> Path | None:
    """The pip that comes with this Python, as one file; None when it is not where it is documented to be.

    https://docs.python.org/3/using/configure.html#cmdoption-with-wheel-pkg-dir
    """
    import ensurepip  # only whoever makes an environment needs it

    of_distribution = sysconfig.get_config_var("WHEEL_PKG_DIR")
    places = (of_distribution, Path(ensurepip.__file__).parent / "_bundled")
    wheels = (Path(place) / f"pip-{ensurepip.version()}-py3-none-any.whl" for place in places if place)
    return next((wheel for wheel in wheels if wheel.is_file()), None)


def barrier(path: Path) -> Path | None:
    """The first file or folder on the way to ``path`` that other accounts cannot pass; None for none.

    What is not there yet is no barrier.
    """
    whole = Path(os.path.realpath(path))
    for step in (*reversed(whole.parents), whole):
        try:
            mode = step.stat().st_mode
        except FileNotFoundError:
            return None
        except PermissionError:
            return step.parent
        is_passed = stat.S_ISDIR(mode) or mode & stat.S_IXUSR
        if not mode & (stat.S_IXOTH if is_passed else stat.S_IROTH):
            return step
    return None


def _of_machine() -> Iterator[Path]:
    mine = sys.version_info.minor
    for minor in sorted(range(OLDEST_MINOR, mine + 5), key=lambda minor: abs(minor - mine)):
        for place in _PLACES:
            found = Path(os.path.realpath(place / f"python3.{minor}"))
            if found.is_file() and barrier(found) is None and _makes_environments(found, f"python3.{minor}"):
                yield found


def _makes_environments(base: Path, version: str) -> bool:
    """Debian's python3.X-minimal is a Python without most of its library."""
    library = (base.parents[1] / lib / version / "venv" / "__init__.py" for lib in ("lib", "lib64"))
    return any(each.is_file() and barrier(each) is None for each in library)
