"""What is secret is masked, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.values.secrecy import MASK, masked, secrets


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("proxy.secretToken", "abc", MASK),
        ("hub.cookieSecret", "abc", MASK),
        ("hub.db.password", 123456, MASK),
        ("hub.db.url", "postgresql://hub:pw@h:5432/d", f"postgresql://hub:{MASK}@h:5432/d"),
        ("hub.db.url", "postgresql://hub:p@w:x@h/d", f"postgresql://hub:{MASK}@h/d"),
        ("hub.db.url", "postgresql://h/d", "postgresql://h/d"),
        ("hub.config.GitHubOAuthenticator.client_secret", "abc", MASK),
        ("hub.config.CryptKeeper.keys", ["abc"], [MASK]),
        ("hub.services.x", {"apiToken": "abc", "url": "u"}, {"apiToken": MASK, "url": "u"}),
        ("singleuser.extraEnv.AWS_SECRET_ACCESS_KEY", "abc", MASK),
        ("singleuser.extraEnv.DB_PASSWORD", {"value": "abc"}, {"value": MASK}),
        ("singleuser.extraEnv", [{"name": "A_TOKEN", "value": "x"}], [{"name": "A_TOKEN", "value": MASK}]),
        ("hub.extraConfig.a", "c.X.client_secret = 'abc'", f"c.X.client_secret = '{MASK}'"),
        ("hub.extraConfig.a", 'f(password="abc", n=1)', f'f(password="{MASK}", n=1)'),
        ("hub.existingSecret", "a-name", "a-name"),
        ("imagePullSecrets", ["a-name"], ["a-name"]),
        ("proxy.https.secret.name", "a-name", "a-name"),
        ("hub.config.GenericOAuthenticator.token_url", "https://h/t", "https://h/t"),
        ("hub.config.JupyterHub.cookie_max_age_days", 3, 3),
        ("proxy.secretToken", "", ""),
        ("hub.db.password", None, None),
        ("imagePullSecret.create", True, True),
        ("singleuser.extraEnv.AWS_ACCESS_KEY_ID", "AK", "AK"),
    ],
)
def test_a_value_is_shown_without_its_secrets(path: str, value: Any, shown: Any) -> None:
    assert masked(value, tuple(path.split("."))) == shown


@pytest.mark.parametrize(
    "text",
    ["<client secret>", "changeme", "CHANGE-ME", "your-token", "xxxx", "***", "${TOKEN}", "", " ", "example"],
)
def test_a_placeholder_is_no_secret(text: str) -> None:
    assert list(secrets({"proxy": {"secretToken": text}})) == []


def test_real_secrets_are_found_wherever_they_stand() -> None:
    tree = {
        "hub": {"config": {"CryptKeeper": {"keys": ["f00d"]}}, "extraConfig": {"a": "password = 'f00d'"}},
        "singleuser": {"extraEnv": {"URL": "https://u:f00d@h", "X_SECRET": "f00d", "PLAIN": "f00d"}},
    }

    assert [".".join(path) for path in secrets(tree)] == [
        "hub.config.CryptKeeper.keys",
        "hub.extraConfig.a",
        "singleuser.extraEnv.URL",
        "singleuser.extraEnv.X_SECRET",
    ]
