"""The server's settings: one file, nothing from the environment."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field, fields
from pathlib import Path

from .exits import WRONG_USE, StartError

_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MIN_SECRET = 16
_OPTIONAL = {"log_level"}


@dataclass(frozen=True)
class Settings:
    """What one server is started with. Secrets stay out of the repr."""

    host: str
    port: int
    data_dir: Path
    root_access_key_id: str
    root_secret_access_key: str = field(repr=False)
    admin_token: str = field(repr=False)
    instance: str
    log_level: str = "WARNING"


def read_settings(path: Path) -> Settings:
    """The settings in ``path``.

    Raises :class:`StartError` (exit code 2) with every problem in one line, and none of the values.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(WRONG_USE, f"cannot read the configuration {path}: {error.strerror}") from None
    except ValueError:
        raise StartError(WRONG_USE, f"the configuration {path} is not valid JSON") from None
    problems = (
        [] if mode & 0o077 == 0 else [f"its mode is {mode:04o}, other accounts can read it (chmod 600)"]
    )
    if not isinstance(found, dict):
        raise StartError(WRONG_USE, f"the configuration {path} is not an object")
    problems += _problems(found)
    if problems:
        raise StartError(WRONG_USE, f"the configuration {path} is not valid: {'; '.join(problems)}")
    return Settings(**{**found, "data_dir": Path(found["data_dir"]).resolve()})


def _problems(found: dict[str, object]) -> list[str]:
    names = {known.name for known in fields(Settings)}
    missing = sorted(names - _OPTIONAL - found.keys())
    unknown = sorted(found.keys() - names)
    problems = [f"{name} is missing" for name in missing] + [f"{name} is unknown" for name in unknown]
    texts = sorted(names & found.keys() - {"port"})
    problems += [
        f"{name} is not a text" for name in texts if not isinstance(found[name], str) or not found[name]
    ]
    port = found.get("port", 1)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        problems.append("port is not a number from 1 to 65535")
    if found.get("log_level", "WARNING") not in _LOG_LEVELS:
        problems.append(f"log_level is none of {', '.join(_LOG_LEVELS)}")
    for name in ("root_secret_access_key", "admin_token"):
        value = found.get(name)
        if isinstance(value, str) and 0 < len(value) < MIN_SECRET:
            problems.append(f"{name} is shorter than {MIN_SECRET} characters")
    key_id = found.get("root_access_key_id")
    if isinstance(key_id, str) and not is_key_id(key_id):
        problems.append("root_access_key_id is not 16 or more letters and digits")
    return problems


def is_key_id(text: str) -> bool:
    """An account's number is taken for its root by the engine, so digits alone are none."""
    return text.isalnum() and not text.isdigit() and len(text) >= MIN_SECRET
