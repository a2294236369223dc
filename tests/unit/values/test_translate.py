"""Keys of chart 0.9.0 become today's, with a notice each."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.values.translate import translate

CONFIG = ("hub", "config")


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


ROWS = [
    pytest.param("auth.type", "github", "hub.config.JupyterHub.authenticator_class", "github", id="type"),
    pytest.param(
        "auth.type", "ldap", "hub.config.JupyterHub.authenticator_class",
        "ldapauthenticator.LDAPAuthenticator", id="a type whose word changed",
    ),
    pytest.param("auth.admin.users", ["a"], "hub.config.Authenticator.admin_users", ["a"], id="admins"),
    pytest.param("auth.whitelist.users", ["a"], "hub.config.Authenticator.allowed_users", ["a"], id="users"),
    pytest.param(
        "auth.github.clientId", "x", "hub.config.GitHubOAuthenticator.client_id", "x", id="client id"
    ),
    pytest.param(
        "auth.github.clientSecret", "x", "hub.config.GitHubOAuthenticator.client_secret", "x", id="secret"
    ),
    pytest.param(
        "auth.github.callbackUrl", "x", "hub.config.GitHubOAuthenticator.oauth_callback_url", "x",
        id="callback",
    ),
    pytest.param(
        "auth.google.hostedDomain", ["d"], "hub.config.GoogleOAuthenticator.hosted_domain", ["d"],
        id="another provider",
    ),
    pytest.param("auth.dummy.password", "x", "hub.config.DummyAuthenticator.password", "x", id="dummy"),
    pytest.param("auth.scopes", ["s"], "hub.config.OAuthenticator.scope", ["s"], id="scopes"),
    pytest.param(
        "auth.state.enabled", True, "hub.config.Authenticator.enable_auth_state", True, id="auth state"
    ),
    pytest.param("auth.state.cryptoKey", "k", "hub.config.CryptKeeper.keys", ["k"], id="its key is a list"),
    pytest.param(
        "auth.ldap.dn.search.filter", "f", "hub.config.LDAPAuthenticator.lookup_dn_search_filter", "f",
        id="ldap",
    ),
    pytest.param("hub.extraConfigMap", {"a": 1}, "custom", {"a": 1}, id="custom"),
    pytest.param("hub.extraConfig", "c.x = 1", "hub.extraConfig", {"extraConfig": "c.x = 1"}, id="code"),
    pytest.param("hub.uid", 5, "hub.containerSecurityContext.runAsUser", 5, id="uid"),
    pytest.param("rbac.enabled", False, "rbac.create", False, id="rbac"),
    pytest.param("proxy.pdb", {"enabled": True}, "proxy.chp.pdb", {"enabled": True}, id="the proxy's own"),
    pytest.param(
        "singleuser.cloudMetadata.enabled", True, "singleuser.cloudMetadata.blockWithIptables", False,
        id="the opposite",
    ),
    pytest.param(
        "singleuser.imagePullSecret.enabled", True, "imagePullSecret.create", True,
        id="one secret for all images",
    ),
    pytest.param("singleuser.image.tag", 0.10, "singleuser.image.tag", "0.1", id="a tag that was a number"),
    pytest.param("hub.image.tag", 3, "hub.image.tag", "3", id="a whole number"),
    pytest.param("singleuser.image.tag", 2.0, "singleuser.image.tag", "2", id="as the templates printed it"),
    pytest.param(
        "proxy.chp.image.tag", 20261124, "proxy.chp.image.tag", "20261124", id="a date, without an exponent"
    ),
    pytest.param("hub.db.url", "postgres://u@h/d", "hub.db.url", "postgresql://u@h/d", id="url"),
    pytest.param(
        "hub.db.url", "postgres+psycopg2://u@h/d", "hub.db.url", "postgresql://u@h/d", id="url with psycopg2"
    ),
    pytest.param(
        "hub.db.url", "postgres+asyncpg://u@h/d", "hub.db.url", "postgresql+asyncpg://u@h/d",
        id="url with another driver",
    ),
    pytest.param(
        "hub.config.Authenticator.whitelist", ["a"], "hub.config.Authenticator.allowed_users", ["a"],
        id="a trait that was renamed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "value", "new", "becomes"), ROWS)
def test_an_old_key_becomes_todays_with_one_notice(old: str, value: Any, new: str, becomes: Any) -> None:
    done = translate(nested(old, value))

    assert done.tree == nested(new, becomes)
    assert [".".join(path) for path, _ in done.notices] == [old]


def test_members_of_organizations_are_let_in_by_other_rules_now() -> None:
    done = translate({"auth": {"github": {"orgWhitelist": ["o"]}}})

    assert done.tree == nested("hub.config.GitHubOAuthenticator.allowed_organizations", ["o"])
    assert [path[-1] for path, _ in done.notices] == ["orgWhitelist", "orgWhitelist"]


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param({"auth": None}, id="null"),
        pytest.param({"auth": {}}, id="empty"),
        pytest.param({"auth": {"admin": {"access": True}}}, id="without effect any more"),
    ],
)
def test_what_means_nothing_any_more_is_left_out_with_a_notice(tree: dict[str, Any]) -> None:
    done = translate(tree)

    assert done.tree == {}
    assert len(done.notices) == 1


def test_an_authenticator_of_ones_own_keeps_its_class_and_traits() -> None:
    done = translate({"auth": {"type": "custom", "custom": {"className": "my.Auth", "config": {"x": 1}}}})

    assert done.tree == {
        "hub": {"config": {"Auth": {"x": 1}, "JupyterHub": {"authenticator_class": "my.Auth"}}}
    }


def test_of_both_forms_the_new_one_wins_with_a_notice() -> None:
    done = translate(
        {
            "auth": {"admin": {"users": ["old"]}},
            "hub": {"config": {"Authenticator": {"admin_users": ["new"]}}},
        }
    )

    assert done.tree == {"hub": {"config": {"Authenticator": {"admin_users": ["new"]}}}}
    assert "is there too and wins" in done.notices[0][1]


@pytest.mark.parametrize(
    ("https", "becomes"),
    [
        pytest.param({"hosts": ["h"]}, {"hosts": ["h"], "enabled": True}, id="as it was"),
        pytest.param({"hosts": ["h"], "enabled": False}, {"hosts": ["h"], "enabled": False}, id="said"),
    ],
)
def test_https_stays_on_in_a_file_of_the_old_form(https: dict[str, Any], becomes: dict[str, Any]) -> None:
    assert translate({"auth": {"type": "dummy"}, "proxy": {"https": https}}).tree["proxy"]["https"] == becomes


def test_https_is_left_alone_in_a_file_of_todays_form() -> None:
    assert translate({"proxy": {"https": {"hosts": ["h"]}}}).tree == {"proxy": {"https": {"hosts": ["h"]}}}


def test_a_key_that_nobody_knows_stays_for_the_check() -> None:
    assert translate({"auth": {"type": "github", "foo": 1}}).tree["auth"] == {"foo": 1}


def test_a_notice_holds_no_secret() -> None:
    done = translate(
        {
            "auth": {"github": {"clientSecret": "hidden"}, "state": {"cryptoKey": "hidden"}},
            "hub": {"db": {"url": "postgres://u:hidden@h/d"}},
        }
    )

    assert len(done.notices) == 3
    assert "hidden" not in repr(done.notices)


def test_where_a_key_stood_before_is_known() -> None:
    done = translate({"auth": {"whitelist": {"users": ["a"]}}})

    assert done.moved == {(*CONFIG, "Authenticator", "allowed_users"): ("auth", "whitelist", "users")}


WORDS = st.sampled_from([
    "auth", "type", "admin", "users", "access", "whitelist", "github", "clientId", "orgWhitelist", "state",
    "cryptoKey", "custom", "className", "config", "hub", "extraConfig", "extraConfigMap", "db", "url",
    "image", "tag", "proxy", "https", "hosts", "enabled", "pdb", "chp", "singleuser", "cloudMetadata",
    "imagePullSecret",
    "rbac", "Authenticator", "allowed_users", "JupyterHub", "authenticator_class", "uid", "dummy", "password",
])  # fmt: skip
VALUES = (
    st.none() | st.booleans() | st.integers(0, 9) | st.just(0.1) | st.lists(st.just("a"), max_size=1)
    | st.sampled_from(["github", "custom", "my.Auth", "postgres://u@h/d", "x"])
)  # fmt: skip


@st.composite
def values_files(draw: st.DrawFn) -> dict[str, Any]:
    """Some paths of words that matter, half of them rows of the table above."""
    tree: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 6))):
        row = draw(st.sampled_from(ROWS))
        path = draw(st.just(row.values[0].split(".")) | st.lists(WORDS, min_size=1, max_size=4))
        value = draw(VALUES | st.just(row.values[1]))
        here = tree
        for part in path[:-1]:
            below = here.setdefault(part, {})
            if not isinstance(below, dict):
                break
            here = below
        else:
            here[path[-1]] = deepcopy(value)
    return tree


@given(values_files())
def test_translating_twice_is_the_same_as_once(tree: dict[str, Any]) -> None:
    once = translate(tree)
    twice = translate(once.tree)

    assert twice.tree == once.tree


@given(values_files())
def test_the_tree_that_is_translated_stays_as_it_was(tree: dict[str, Any]) -> None:
    before = deepcopy(tree)
    translate(tree)

    assert tree == before
