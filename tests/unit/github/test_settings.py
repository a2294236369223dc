"""The server's configuration file, read whole or refused whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from unit.github.browsing import SETTINGS

from devenv.github.exits import WRONG_USE, StartError
from devenv.github.settings import Settings, read_settings

MINIMUM = ("port", "instance", "key", "client_id", "client_secret", "redirect_uris", "hub_url")


def written(folder: Path, mode: int = 0o600, **changed: Any) -> Path:
    wanted = {**asdict(SETTINGS), **changed}
    path = folder / "github.json"
    path.write_text(json.dumps({name: value for name, value in wanted.items() if value != "drop"}))
    path.chmod(mode)
    return path


def test_what_was_written_from_settings_is_read_back(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path)) == SETTINGS
    kept_out = read_settings(written(tmp_path, notebook_uids=[20000, 29999]))
    assert kept_out.notebook_uids == (20000, 29999)


def test_people_and_their_organizations_need_not_be_there(tmp_path: Path) -> None:
    path = tmp_path / "github.json"
    path.write_text(json.dumps({name: asdict(SETTINGS)[name] for name in MINIMUM}))
    path.chmod(0o600)
    settings = read_settings(path)
    assert (settings.people, settings.organizations, settings.host) == ((), {}, "127.0.0.1")


def test_secrets_stay_out_of_the_repr() -> None:
    assert SETTINGS.key not in repr(SETTINGS)
    assert SETTINGS.client_secret not in repr(SETTINGS)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"port": "drop"}, "port is missing"),
        ({"port": "9000"}, "port is not a number"),
        ({"port": True}, "port is not a number"),
        ({"port": 0}, "port is not a number"),
        ({"colour": "blue"}, "colour is unknown"),
        ({"instance": "a b"}, "instance is not made of"),
        ({"instance": "a;b"}, "instance is not made of"),
        ({"instance": 1}, "instance is not a text"),
        ({"key": "short"}, "key is shorter than 22"),
        ({"client_secret": ""}, "client_secret is empty"),
        ({"client_id": "a\nb"}, "client_id is not a text"),
        ({"hub_url": "localhost:8000"}, "hub_url is not an http"),
        ({"hub_url": "http://localhost:99999/"}, "hub_url is not an http"),
        ({"hub_url": "javascript:alert(1)"}, "hub_url is not an http"),
        ({"redirect_uris": []}, "redirect_uris is not a list"),
        ({"redirect_uris": "http://localhost/"}, "redirect_uris is not a list"),
        ({"redirect_uris": ["http://localhost/#x"]}, "redirect_uris has an entry"),
        ({"redirect_uris": ["http://a b/"]}, "redirect_uris has an entry"),
        ({"redirect_uris": ["http://a@b/"]}, "redirect_uris has an entry"),
        ({"redirect_uris": ["http://[::1/"]}, "redirect_uris has an entry"),
        ({"redirect_uris": [1]}, "redirect_uris has an entry"),
        ({"hosts": ["a/b"]}, "hosts is not a list"),
        ({"people": {}}, "people is not a list"),
        ({"people": [{}]}, "person 1: login is missing"),
        ({"people": [{"login": "a b"}]}, "person 1: login is no GitHub name"),
        ({"people": [{"login": "a"}, {"login": "A"}]}, "person 2: login A is there twice"),
        ({"people": [{"login": "a", "admin": "yes"}]}, "person 1: admin is neither"),
        ({"people": [{"login": "a", "name": None}]}, "person 1: name is not a text"),
        ({"people": [{"login": "a", "age": 1}]}, "person 1: age is unknown"),
        ({"organizations": []}, "organizations is not an object"),
        ({"organizations": {"a b": []}}, "organizations: 'a b' is no name"),
        ({"organizations": {"a": ["x y"]}}, "organizations: 'a' is not a list"),
        ({"organizations": {"a": [], "A": []}}, "organizations has a name twice"),
        ({"teams": {"a": []}}, "teams: 'a' is no name"),
        ({"teams": {"a:b": "x"}}, "teams: 'a:b' is not a list"),
        ({"notebook_uids": [20000]}, "notebook_uids is not"),
        ({"notebook_uids": [0, 1]}, "notebook_uids is not"),
        ({"notebook_uids": [2, 1]}, "notebook_uids is not"),
        ({"mode": 0o640}, "other accounts can read it"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_problem_is_named_in_one_line(tmp_path: Path, changed: dict[str, Any], named: str) -> None:
    with pytest.raises(StartError, match=named) as refused:
        read_settings(written(tmp_path, **changed))
    assert refused.value.exit_code == WRONG_USE
    assert "\n" not in str(refused.value)
    assert SETTINGS.key not in str(refused.value)
    assert SETTINGS.client_secret not in str(refused.value)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"key is missing.*colour is unknown.*port is not a number"):
        read_settings(written(tmp_path, key="drop", colour=1, port=0))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "\xff", "[" * 100000], ids=["empty", "half", "list", "binary", "deep"]
)
def test_what_is_not_an_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "github.json"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(StartError, match=r"github\.json"):
        read_settings(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file"):
        read_settings(tmp_path / "github.json")


def test_every_setting_is_written_by_asdict_as_json_has_it() -> None:
    assert Settings(**json.loads(json.dumps(asdict(SETTINGS))))
