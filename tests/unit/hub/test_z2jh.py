"""The module that public hubs' extraConfig imports."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from devenv.hub.z2jh import PUBLIC, Z2jh, install


@pytest.fixture
def module() -> Iterator[Z2jh]:
    values = {
        "singleuser": {"memory": {"limit": "8G", "guarantee": None}, "extraEnv": {}},
        "custom": {"a": 1},
    }
    made = Z2jh(values, secrets={"hub.config.CryptKeeper.keys": "k"}, names={"HUB_SERVICE_PORT": "8081"})
    install(made)
    yield made
    del sys.modules["z2jh"]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("singleuser.memory.limit", "8G"),
        ("singleuser.memory.guarantee", None),
        ("custom", {"a": 1}),
        ("custom.a", 1),
        ("custom.b", "default"),
        ("custom.a.b", "default"),
        ("nothing.at.all", "default"),
    ],
)
def test_a_value_is_found_by_its_path(module: Z2jh, key: str, found: object) -> None:
    assert module.get_config(key, "default") == found


def test_a_trait_is_set_only_by_a_value_that_is_not_null(module: Z2jh) -> None:
    spawner = SimpleNamespace()
    module.set_config_if_not_none(spawner, "mem_limit", "singleuser.memory.limit")
    module.set_config_if_not_none(spawner, "mem_guarantee", "singleuser.memory.guarantee")
    assert vars(spawner) == {"mem_limit": "8G"}


def test_names_of_the_release_and_of_its_services(module: Z2jh) -> None:
    assert module.get_name("hub") == "hub"
    assert module.get_name_env("hub", "_SERVICE_PORT") == "8081"
    with pytest.raises(KeyError, match="NO_SUCH_THING_SERVICE_HOST"):
        module.get_name_env("no-such.thing", "_SERVICE_HOST")


def test_a_secret_is_found_by_its_path(module: Z2jh) -> None:
    assert module.get_secret_value("hub.config.CryptKeeper.keys") == "k"
    assert module.get_secret_value("nothing", "default") == "default"


def test_it_is_imported_by_its_name_in_the_image(module: Z2jh) -> None:
    assert importlib.import_module("z2jh") is module
    scope: dict[str, object] = {}
    exec("from z2jh import *", scope)
    assert set(PUBLIC) <= scope.keys()


def test_a_wrong_name_is_answered_with_the_right_ones(module: Z2jh) -> None:
    with pytest.raises(ImportError, match=r"no 'get_value' here; it has get_config, get_name"):
        exec("from z2jh import get_value", {})
