"""The server's configuration file, read whole or refused whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devenv.s3.guard.exits import WRONG_USE, StartError
from devenv.s3.guard.settings import read_settings

SECRET = "a secret of sixteen or more"


def written(folder: Path, mode: int = 0o600, **changed: Any) -> Path:
    wanted = {
        "host": "127.0.0.1",
        "port": 9000,
        "data_dir": str(folder / "data"),
        "root_access_key_id": "ROOTKEYOFTHISTEST",
        "root_secret_access_key": SECRET,
        "admin_token": SECRET + " token",
        "instance": "habari-1234",
    }
    path = folder / "config.json"
    path.write_text(
        json.dumps({name: value for name, value in {**wanted, **changed}.items() if value is not None})
    )
    path.chmod(mode)
    return path


def test_a_good_file_is_read_and_its_secrets_stay_out_of_the_repr(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path))
    assert (settings.port, settings.data_dir, settings.log_level) == (9000, tmp_path / "data", "WARNING")
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"port": None}, "port is missing"),
        ({"port": "9000"}, "port is not a number"),
        ({"port": True}, "port is not a number"),
        ({"port": 70000}, "port is not a number"),
        ({"colour": "blue"}, "colour is unknown"),
        ({"host": ""}, "host is not a text"),
        ({"log_level": "LOUD"}, "log_level is none of"),
        ({"admin_token": "short"}, "admin_token is shorter"),
        ({"root_access_key_id": "123456789012"}, "root_access_key_id is not"),
        ({"root_access_key_id": "test"}, "root_access_key_id is not"),
        ({"mode": 0o644}, "other accounts can read it"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_problem_is_named_without_any_value(tmp_path: Path, changed: dict[str, Any], named: str) -> None:
    with pytest.raises(StartError, match=named) as refused:
        read_settings(written(tmp_path, **changed))
    assert refused.value.exit_code == WRONG_USE
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"host is missing.*instance is missing.*port is not a number"):
        read_settings(written(tmp_path, host=None, instance=None, port=0))


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"], ids=["empty", "half", "list", "binary"])
def test_what_is_not_an_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(StartError, match=r"config\.json"):
        read_settings(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file"):
        read_settings(tmp_path / "config.json")
