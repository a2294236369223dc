"""The table of the chart's keys holds together."""

from __future__ import annotations

import pytest

from devenv.values.keys import KEYS, Ignored, Key, Trait, children, defaults, entry, link, table
from devenv.values.merge import merge


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_a_default_is_of_its_keys_type(key: Key) -> None:
    assert key.kind.fits(key.default)


def test_no_key_stands_in_the_table_twice() -> None:
    assert len(table()) == len(KEYS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_a_key_that_has_keys_below_it_is_open_and_a_mapping(key: Key) -> None:
    if children(key.parts):
        assert key.open
        assert key.kind.types == (dict,)


@pytest.mark.parametrize(
    "key", [each for each in KEYS if isinstance(each.local, Ignored)], ids=lambda key: key.path
)
def test_a_key_without_meaning_says_why(key: Key) -> None:
    assert isinstance(key.local, Ignored)
    assert 10 < len(key.local.why) < 90


def test_no_two_keys_become_the_same_trait() -> None:
    traits = [each.local for each in KEYS if isinstance(each.local, Trait)]
    assert len(set(traits)) == len(traits)


def test_a_key_links_to_its_heading_in_the_reference() -> None:
    assert link(("singleuser", "lifecycleHooks")).endswith("/reference.html#singleuser-lifecyclehooks")


@pytest.mark.parametrize(
    ("path", "covered_by"),
    [
        ("hub.baseUrl", "hub.baseUrl"),
        ("hub.config.Any.trait", "hub.config"),
        ("proxy.chp.resources.limits.cpu", "proxy.chp"),
        ("scheduling.userScheduler.image.tag", "scheduling.userScheduler"),
        ("hub", None),
        ("hub.nothing", None),
        ("nothing", None),
    ],
)
def test_a_path_belongs_to_the_nearest_entry_that_covers_it(path: str, covered_by: str | None) -> None:
    found = entry(tuple(path.split(".")))
    assert (found.path if found else None) == covered_by


def test_the_defaults_are_a_tree_of_ones_own() -> None:
    changed = defaults()
    changed["hub"]["templatePaths"].append("mine")
    changed["hub"]["config"]["JupyterHub"]["authenticator_class"] = "mine"

    assert defaults()["hub"]["templatePaths"] == []
    assert defaults() == merge(defaults(), {})
    assert defaults()["hub"]["config"]["JupyterHub"]["authenticator_class"] == "dummy"
