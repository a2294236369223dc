"""What ``dev`` runs when ``.venv`` is not current: it makes the toolkit's own environment.

Nothing is installed yet, so this runs with the machine's Python and the standard library alone.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from devenv import environments
from devenv.errors import DevenvError


def main() -> int:
    """Make ``.venv``; return the exit code."""
    begun = time.monotonic()
    toolkit = environments.toolkit()
    if environments.is_current(toolkit):  # `dev` could not tell: some machines have no cmp
        return 0

    def tell(line: str) -> None:
        sys.stderr.write(f"dev: {time.monotonic() - begun:5.1f} s  {line}\n")

    try:
        environments.ensure(toolkit, tell, os.environ)
    except DevenvError as error:
        sys.stderr.write("\n".join([f"dev: {error}", *(f"    {line}" for line in error.details)]) + "\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    tell("ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
