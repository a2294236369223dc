"""Secrets: made once, in one private file, shown by nothing."""

from __future__ import annotations

import dataclasses
import re
import stat
from pathlib import Path

import pytest

from devenv import credentials
from devenv.credentials import Credentials, Vault
from devenv.errors import NotRunningError, UnhealthyError
from devenv.state import write_json


def test_no_secret_is_in_a_repr() -> None:
    made = credentials.generate()

    shown = repr(made) + str(made) + repr(Vault(Path("/nowhere")))
    assert not [value for value in dataclasses.astuple(made) if value and value in shown]


def test_each_secret_of_each_instance_is_its_own() -> None:
    values = dataclasses.astuple(credentials.generate()) + dataclasses.astuple(credentials.generate())
    filled = [value for value in values if value]

    assert len(set(filled)) == len(filled) == 24
    assert all(len(value) >= 20 for value in filled)


def test_the_admins_key_id_looks_like_one_of_aws() -> None:
    assert re.fullmatch("AKIA[A-Z2-7]{16}", credentials.generate().s3_admin_access_key_id)


def test_credentials_are_made_once_and_kept(tmp_path: Path) -> None:
    first = Vault(tmp_path)
    assert first.is_empty
    first.fill()
    made = first.current
    first.fill()

    assert first.current == made
    assert Vault(tmp_path).current == made


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    Vault(tmp_path).fill()

    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o600]


def test_a_key_that_provisioning_made_is_on_disk_before_it_is_used(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.fill()
    vault.keep_s3_key("AKIAUSER", "secret")

    again = Vault(tmp_path).current
    assert (again.s3_access_key_id, again.s3_secret_access_key) == ("AKIAUSER", "secret")
    assert again.jupyter_token == vault.current.jupyter_token


def test_an_instance_that_was_never_up_has_none(tmp_path: Path) -> None:
    assert credentials.load(tmp_path) is None
    with pytest.raises(NotRunningError, match="no credentials yet"):
        _ = Vault(tmp_path).current


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param('{"jupyter_token": "x"', id="cut off"),
        pytest.param('{"jupyter_token": "x"}', id="keys are missing"),
        pytest.param('["x"]', id="no object"),
    ],
)
def test_a_damaged_file_is_neither_used_nor_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / credentials.FILE).write_text(text)

    vault = Vault(tmp_path)
    with pytest.raises(UnhealthyError, match="is damaged"):
        vault.fill()

    assert (tmp_path / credentials.FILE).read_text() == text


def test_every_field_is_a_text() -> None:
    assert {field.type for field in dataclasses.fields(Credentials)} == {"str"}


def test_a_file_of_before_the_hub_level_is_completed_and_keeps_the_rest(tmp_path: Path) -> None:
    before = dataclasses.asdict(credentials.generate())
    for name in ("proxy_auth_token", "hub_cookie_secret", "github_page_key"):
        del before[name]
    write_json(tmp_path / credentials.FILE, before)

    vault = credentials.Vault(tmp_path)
    vault.fill()

    kept = dataclasses.asdict(vault.current)
    assert {name: kept[name] for name in before} == before
    assert len(bytes.fromhex(vault.current.hub_cookie_secret)) == 32
    assert credentials.Vault(tmp_path).current == vault.current


def test_a_preview_keeps_nothing(tmp_path: Path) -> None:
    assert credentials.Vault(tmp_path).preview().current.github_client_secret
    assert not list(tmp_path.iterdir())
