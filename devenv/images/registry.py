"""A registry, asked and filled through Docker's own client with the user's own sign-in."""

from __future__ import annotations

import re
from collections.abc import Callable

from devenv import commands, pip_settings
from devenv.errors import MissingError
from devenv.images.engine import Engine

_ABSENT = re.compile(r"manifest unknown|no such manifest|not found|name unknown", re.IGNORECASE)


def has(engine: Engine, reference: str) -> bool:
    """Whether the registry has this reference. Raises MissingError when it does not say."""
    asked = engine.run("buildx", "imagetools", "inspect", reference, timeout=60)
    if asked.code == 0:
        return True
    said = asked.stderr or asked.stdout
    if _ABSENT.search(said):
        return False
    raise MissingError(
        f"the registry does not tell whether it has {reference}",
        hint="Sign in with docker login, and check the repository's name",
        details=tuple(pip_settings.masked(line) for line in said.strip().splitlines()[-2:]),
    )


def push(engine: Engine, reference: str, say: Callable[[str], None]) -> None:
    """Push one reference. Raises MissingError with the registry's last words."""
    said: list[str] = []

    def take(line: str) -> None:
        said.append(pip_settings.masked(line))
        say(said[-1][:80])

    if commands.stream(("docker", "push", reference), take, env=engine.environ):
        raise MissingError(
            f"{reference} could not be pushed",
            hint="Sign in with docker login; what was pushed before stays",
            details=tuple(said[-3:]),
        )
