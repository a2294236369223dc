"""The values become what the chart's hub would make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devenv.values import check
from devenv.values.files import load
from devenv.values.hub import HubConfiguration, configuration, with_defaults

CHECKOUT = Path(__file__).resolve().parents[3]
SAMPLES = tuple(CHECKOUT / "jupyter" / name for name in ("shared_config.yaml", "sample_project_config.yaml"))
OLD_SAMPLES = tuple(
    CHECKOUT / "tests" / "unit" / "values" / "samples" / name
    for name in ("old_shared_config.yaml", "old_project_config.yaml")
)


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


def of(path: str, value: Any) -> HubConfiguration:
    return configuration(nested(path, value))


def unapplied(path: str, value: Any) -> list[str]:
    return [each.path for each in of(path, value).unapplied]


@pytest.mark.parametrize(
    ("path", "value", "section", "trait"),
    [
        ("hub.baseUrl", "/x/", "JupyterHub", "base_url"),
        ("hub.concurrentSpawnLimit", 3, "JupyterHub", "concurrent_spawn_limit"),
        ("hub.activeServerLimit", 3, "JupyterHub", "active_server_limit"),
        ("hub.allowNamedServers", True, "JupyterHub", "allow_named_servers"),
        ("hub.namedServerLimitPerUser", 3, "JupyterHub", "named_server_limit_per_user"),
        ("hub.authenticatePrometheus", False, "JupyterHub", "authenticate_prometheus"),
        ("hub.redirectToServer", False, "JupyterHub", "redirect_to_server"),
        ("hub.shutdownOnLogout", True, "JupyterHub", "shutdown_on_logout"),
        ("hub.templatePaths", ["/a"], "JupyterHub", "template_paths"),
        ("hub.templateVars", {"a": 1}, "JupyterHub", "template_vars"),
        ("hub.config.JupyterHub.admin_access", False, "JupyterHub", "admin_access"),
        ("hub.config.MyOwn.anything", {"a": [1]}, "MyOwn", "anything"),
        ("hub.config.MyOwn.nothing", None, "MyOwn", "nothing"),
        ("hub.config.KubeSpawner.http_timeout", 60, "KubeSpawner", "http_timeout"),
    ],
)
def test_a_key_becomes_its_trait(path: str, value: Any, section: str, trait: str) -> None:
    assert of(path, value).config[section][trait] == value
    assert of(path, value).unapplied == ()


@pytest.mark.parametrize(
    ("path", "value", "trait"),
    [
        ("singleuser.startTimeout", 30, "start_timeout"),
        ("singleuser.defaultUrl", "/lab", "default_url"),
        ("singleuser.cmd", ["start", "--x"], "cmd"),
        ("singleuser.memory.limit", "2G", "mem_limit"),
        ("singleuser.memory.guarantee", 1000, "mem_guarantee"),
        ("singleuser.cpu.limit", 0.5, "cpu_limit"),
        ("singleuser.cpu.guarantee", 0.5, "cpu_guarantee"),
    ],
)
def test_a_key_of_the_servers_becomes_the_spawners_trait(path: str, value: Any, trait: str) -> None:
    config = of(path, value).config
    assert [config[name][trait] for name in ("Spawner", "KubeSpawner") if trait in config.get(name, {})] == [
        value
    ]


def test_without_values_the_charts_defaults_hold() -> None:
    found = configuration({})

    assert found.authenticator == "dummy"
    assert found.config["JupyterHub"] == {
        "base_url": "/", "concurrent_spawn_limit": 64, "allow_named_servers": False, "template_paths": [],
        "template_vars": {}, "admin_access": True, "authenticator_class": "dummy",
    }  # fmt: skip
    assert not any("cmd" in traits for traits in found.config.values())
    assert (found.unapplied, found.extra_config, found.post_start, found.profiles) == ((), (), None, ())


def test_hub_config_goes_over_what_is_mapped() -> None:
    tree = {"hub": {"baseUrl": "/a", "config": {"JupyterHub": {"base_url": "/b"}}}}
    assert configuration(tree).config["JupyterHub"]["base_url"] == "/b"


def test_a_null_takes_a_default_away() -> None:
    found = of("singleuser.memory.guarantee", None)
    assert not any("mem_guarantee" in traits for traits in found.config.values())
    assert of("cull.enabled", None).culler is None


def test_debug_reaches_the_hub_and_the_servers() -> None:
    config = of("debug.enabled", True).config
    assert config["JupyterHub"]["log_level"] == "DEBUG"
    assert config["Spawner"]["debug"] is True


def test_extra_config_runs_in_the_order_of_its_names_and_knows_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "hub:\n  extraConfig:\n    b: x = 1\n    A: |\n      x = 2\n    10: x = 3\n"
    )
    loaded = load([tmp_path / "a.yaml"])

    found = configuration(loaded.tree, loaded.origins).extra_config

    assert [(each.name, each.code.strip(), each.line) for each in found] == [
        ("10", "x = 3", 6), ("A", "x = 2", 5), ("b", "x = 1", 3),
    ]  # fmt: skip
    assert {each.file for each in found} == {str(tmp_path / "a.yaml")}


def test_variables_are_read_in_all_their_forms() -> None:
    given = {
        "PLAIN": "a",
        "NUMBER": 5,
        "TRUE": True,
        "UNSET": None,
        "LONG": {"value": "b"},
        "key": {"name": "NAMED", "value": "c"},
        "SECRET": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        "REFERENCE": "$(PLAIN)/x",
        "TEMPLATE": "/home/{username}",
    }
    found = of("singleuser.extraEnv", given)

    assert found.spawner_environment == {
        "PLAIN": "a", "NUMBER": "5", "TRUE": "true", "LONG": "b", "NAMED": "c", "REFERENCE": "$(PLAIN)/x",
        "TEMPLATE": "/home/{username}",
    }  # fmt: skip
    assert found.templated == ("TEMPLATE",)
    told = {each.path.removeprefix("singleuser.extraEnv."): each.why for each in found.unapplied}
    assert set(told) == {"NUMBER", "TRUE", "SECRET", "REFERENCE"}
    assert "secretKeyRef" in told["SECRET"]


def test_variables_may_come_as_a_list() -> None:
    given = [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {}}}, {"broken": 1}]
    found = of("hub.extraEnv", given)

    assert found.hub_environment == {"A": "1"}
    assert [each.path for each in found.unapplied] == ["hub.extraEnv.B"]


def test_a_post_start_command_is_taken_and_other_hooks_are_named() -> None:
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", 5]}},
        "preStop": {"exec": {"command": ["sh"]}},
    }
    found = of("singleuser.lifecycleHooks", hooks)

    assert found.post_start == ("sh", "-c", "5")
    assert [each.path for each in found.unapplied] == ["singleuser.lifecycleHooks.preStop.exec.command"]
    assert of("singleuser.lifecycleHooks.postStart.httpGet.port", 1).post_start is None


def test_services_and_roles_become_lists_with_their_keys_as_names() -> None:
    services = {"a": {"url": "u", "apiToken": "t"}, "b": {"name": "other", "api_token": "t"}, "c": None}

    assert of("hub.services", services).services == (
        {"name": "a", "url": "u", "api_token": "t"}, {"name": "other", "api_token": "t"},
    )  # fmt: skip
    assert of("hub.loadRoles", {"r": {"scopes": ["self"]}}).load_roles == ({"name": "r", "scopes": ["self"]},)


@pytest.mark.parametrize(
    ("cull", "arguments", "scopes"),
    [
        pytest.param({}, ["--timeout=3600", "--cull-every=600", "--concurrency=10"], [], id="defaults"),
        pytest.param(
            {"timeout": 7200, "every": 300, "concurrency": 0, "maxAge": 9},
            ["--timeout=7200", "--cull-every=300", "--max-age=9"], [],
            id="times",
        ),
        pytest.param(
            {"timeout": None, "every": None, "concurrency": None, "users": True, "adminUsers": False,
             "removeNamedServers": True},
            ["--cull-users", "--cull-admin-users=false", "--remove-named-servers"], ["admin:users"],
            id="users",
        ),
    ],
)  # fmt: skip
def test_the_culler_gets_the_charts_arguments_and_scopes(
    cull: dict[str, Any], arguments: list[str], scopes: list[str]
) -> None:
    found = of("cull", cull).culler

    assert found is not None
    assert list(found.arguments) == arguments
    assert list(found.scopes) == [
        "list:users", "read:users:activity", "read:servers", "delete:servers", *scopes,
    ]  # fmt: skip
    assert found.role["services"] == ["jupyterhub-idle-culler"]


def test_a_culler_that_is_off_is_none() -> None:
    assert of("cull.enabled", False).culler is None


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("singleuser.image.name", "x", "singleuser.image.name"),
        ("scheduling.userPods.nodeAffinity.matchNodePurpose", "require", "scheduling.userPods"),
        ("prePuller.hook.enabled", False, "prePuller.hook.enabled"),
        ("prePuller.hook.nodeSelector.a", "b", "prePuller.hook"),
        ("proxy.https.hosts", ["h"], "proxy.https.hosts"),
        ("proxy.chp.resources.limits.cpu", 1, "proxy.chp"),
        ("hub.config.JupyterHub.cookie_secret", "x", "hub.config.JupyterHub.cookie_secret"),
        ("hub.config.CryptKeeper.keys", ["x"], "hub.config.CryptKeeper.keys"),
        ("hub.config.JupyterHub.spawner_class", "x", "hub.config.JupyterHub.spawner_class"),
        ("hub.config.JupyterHub.services", [1], "hub.config.JupyterHub.services"),
        ("hub.config.ConfigurableHTTPProxy.api_url", "x", "hub.config.ConfigurableHTTPProxy.api_url"),
        ("hub.config.KubeSpawner.image", "x", "hub.config.KubeSpawner.image"),
        ("singleuser.defualtUrl", "/lab", "singleuser.defualtUrl"),
    ],
)
def test_what_has_no_local_meaning_is_named_and_not_applied(path: str, value: Any, named: str) -> None:
    assert unapplied(path, value) == [named]
    *_, section, trait = path.split(".")
    assert trait not in of(path, value).config.get(section, {})


def test_limits_that_nobody_holds_are_named() -> None:
    assert of("singleuser.memory.limit", "2G").limits == ("singleuser.memory.limit",)
    assert configuration({}).limits == ()


def test_get_config_reads_the_values_over_the_charts_defaults() -> None:
    values = with_defaults({"custom": {"a": 1}, "hub": {"db": {"type": None}}})

    assert values["custom"] == {"a": 1}
    assert values["hub"]["db"] == {}
    assert values["singleuser"]["storage"]["homeMountPath"] == "/home/jovyan"


def test_a_configuration_does_not_show_its_secrets() -> None:
    tree = {
        "hub": {
            "config": {"GitHubOAuthenticator": {"client_secret": "hidden"}},
            "extraEnv": {"A_TOKEN": "hidden"},
            "extraConfig": {"a": "x = 'hidden'"},
            "services": {"s": {"apiToken": "hidden"}},
        },
        "singleuser": {"extraEnv": {"B_TOKEN": "hidden"}},
    }
    assert "hidden" not in repr(configuration(tree))


def test_the_samples_of_the_old_and_of_todays_form_give_the_same_hub() -> None:
    old, new = load(OLD_SAMPLES), load(SAMPLES)

    assert configuration(old.tree) == configuration(new.tree)
    assert configuration(new.tree).authenticator == "github"
    assert len(old.notices) == 10
    assert new.notices == ()


@pytest.mark.parametrize("files", [SAMPLES, OLD_SAMPLES], ids=["today", "0.9.0"])
def test_the_samples_are_valid_without_a_warning(files: tuple[Path, ...]) -> None:
    assert check.require(load(files)) == ()
