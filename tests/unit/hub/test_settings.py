"""The hub's settings file: what the toolkit writes is what the hub reads, or it is refused whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from devenv.hub.exits import WRONG_USE, StartError
from devenv.hub.settings import Accounts, ExtraConfig, PostStart, Servers, Settings, read_settings

SECRET = "do not show me anywhere"
KEY = "ab" * 32

SETTINGS = Settings(
    db_url=f"postgresql://hub:{SECRET}@127.0.0.1:5432/hub",
    api_url="http://127.0.0.1:8081",
    proxy_api_url="http://127.0.0.1:8001",
    proxy_token=SECRET,
    public_url="http://localhost:8000",
    cookie_secret=KEY,
    crypt_key=KEY,
    data="/somewhere/hub",
    mark="habari:hub",
    servers=Servers(
        command=("python", "-m", "jupyterhub.singleuser"),
        environment={"PATH": "/usr/bin"},
        contract={"EXPLORE_DB_PASSWORD": SECRET},
        homes="/somewhere/users",
        logs="/somewhere/logs",
        mark_variable="MARK",
        mark="habari:server",
        accounts=Accounts("/somewhere/accounts.json", 1_000_000_000, 1_000, 1_000_000_000),
        post_start=PostStart(("sh", "-c", "true"), 5),
        profiles=({"display_name": "Small", "kubespawner_override": {"cpu_limit": 1}},),
    ),
    values={"custom": {"answer": 42}},
    config={"GitHubOAuthenticator": {"client_secret": SECRET}},
    extra_config=(ExtraConfig("10-mine", "c.X.y = 1", "values.yaml", 7),),
    overrides={"GitHubOAuthenticator": {"oauth_callback_url": "http://localhost:8000/hub/oauth_callback"}},
    culler=("--timeout=3600",),
)


def written(folder: Path, settings: Any, mode: int = 0o600) -> Path:
    path = folder / "hub.json"
    path.write_text(json.dumps(settings))
    path.chmod(mode)
    return path


def changed(**with_these: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(SETTINGS), **with_these}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, dataclasses.asdict(SETTINGS))) == SETTINGS


def test_a_file_without_what_has_a_default_is_enough(tmp_path: Path) -> None:
    needed = changed()
    for name in ("values", "config", "extra_config", "overrides", "culler", "upgrade_db", "base_url"):
        del needed[name]
    for name in ("samples", "accounts", "post_start", "profiles"):
        del needed["servers"][name]
    settings = read_settings(written(tmp_path, needed))
    assert (settings.base_url, settings.culler, settings.servers.accounts) == ("/", None, None)


def test_no_secret_is_in_the_repr() -> None:
    assert SECRET not in repr(SETTINGS)
    assert KEY not in repr(SETTINGS)


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (changed(colour="blue"), "colour is unknown"),
        ({key: each for key, each in changed().items() if key != "db_url"}, "db_url is missing"),
        (changed(db_url=5), "db_url is not a text"),
        (changed(upgrade_db="yes"), "upgrade_db is not true or false"),
        (changed(culler="--timeout=1"), "culler is not a list"),
        (changed(culler=[1]), r"culler\[0\] is not a text"),
        (changed(config=[]), "config is not an object"),
        (changed(config={"A": 1}), "config.A is not an object"),
        (changed(cookie_secret="zz"), "cookie_secret is not 32 bytes"),
        (changed(crypt_key="ab"), "crypt_key is not 32 bytes"),
        (changed(proxy_token="short"), "proxy_token is shorter"),
        (changed(servers={}), "servers.command is missing"),
        (changed(servers=None), "servers is not an object"),
        (changed(extra_config=[{"name": "a"}]), r"extra_config\[0\].code is missing"),
        (changed(extra_config=[{"name": "a", "code": "", "line": True}]), "line is not a whole number"),
        ([], "the top is not an object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_problem_is_named_without_any_value(tmp_path: Path, found: Any, named: str) -> None:
    with pytest.raises(StartError, match=named) as refused:
        read_settings(written(tmp_path, found))
    assert refused.value.exit_code == WRONG_USE
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="other accounts can read them"):
        read_settings(written(tmp_path, changed(), 0o640))


@pytest.mark.parametrize("text", ["", "{", "\x00"], ids=["empty", "half", "binary"])
def test_what_is_not_json_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hub.json"
    path.write_text(text)
    with pytest.raises(StartError, match="not valid JSON"):
        read_settings(path)
