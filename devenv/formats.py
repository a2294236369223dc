"""The forms in which ``env`` gives variables to other programs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from devenv.errors import UsageError

FORMATS = ("shell", "dotenv", "json")


def render(variables: Mapping[str, str], form: str) -> str:
    """``shell``: lines to eval; ``dotenv``: lines for an env file; ``json``: one flat object.

    Raises UsageError for another form.
    """
    if form == "json":
        return json.dumps(dict(variables), indent=2, ensure_ascii=False) + "\n"
    if form == "shell":
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    if form == "dotenv":
        # single quotes keep compose from replacing $ in a value
        return "".join(f"{name}={_dotenv(value)}\n" for name, value in variables.items())
    raise UsageError(f"there is no format {form!r}", hint=f"Choose one of: {', '.join(FORMATS)}")


def _dotenv(value: str) -> str:
    if all(char.isalnum() or char in "-_./:@%+," for char in value):
        return value
    return "'" + value.replace("'", "\\'") + "'"
