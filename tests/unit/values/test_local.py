"""What the local hub has instead of production's: overlay, differences, sign-in, people."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.errors import UsageError
from devenv.values.check import require
from devenv.values.differences import Difference, differences, in_cluster
from devenv.values.files import Loaded, load
from devenv.values.hub import configuration, with_defaults
from devenv.values.keys import KEYS, at
from devenv.values.local import Local, client_id, sign_in
from devenv.values.merge import merge
from devenv.values.overlay import laid, overlay
from devenv.values.people import People, people

CHECKOUT = Path(__file__).resolve().parents[3]
SAMPLES = tuple(CHECKOUT / "jupyter" / name for name in ("shared_config.yaml", "sample_project_config.yaml"))

LOCAL = Local(
    hub_db_url="postgresql://habari_hub:hidden-1@127.0.0.1:5434/habari_hub",
    callback_url="http://localhost:8000/hub/oauth_callback",
    public_url="http://localhost:8000/",
    github_url="http://127.0.0.1:8010",
    authorize_url="http://localhost:8010/login/oauth/authorize",
    client_secret="hidden-2",
    contract={
        "AWS_SECRET_ACCESS_KEY": "hidden-3",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "S3_BUCKET_NAME_LAKE": "habari-lake",
        "EXPLORE_DB_URL": "postgresql://habari_explore:hidden-4@127.0.0.1:5434/habari_explore",
    },
    cluster_cidr="172.18.0.0/16",
    ports=(5432, 9000),
    hub_ports=(5432, 8090),
    node_port=30083,
    images={
        "singleuser": ("habari/jupyter", "7"),
        "hub": ("habari/hub", "3"),
        "proxy": ("habari/proxy", "2"),
    },
)
GITHUB = {"JupyterHub": {"authenticator_class": "github"}}


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


def config(**sections: Any) -> dict[str, Any]:
    return {"hub": {"config": {**GITHUB, **sections}}}


def overlaid(tree: dict[str, Any], path: str) -> Any:
    """A value as the chart sees it with the overlay over production."""
    return at(with_defaults(merge(tree, overlay(tree, LOCAL))), tuple(path.split(".")))


def difference(tree: dict[str, Any], path: str) -> Difference | None:
    return next((each for each in differences(tree, LOCAL) if each.path == path), None)


# --- the sign-in ---


def test_the_sign_in_gets_local_addresses_and_secrets_and_nothing_else() -> None:
    given = config(
        GitHubOAuthenticator={"client_id": "theirs", "allowed_organizations": ["o"], "scope": ["s"]}
    )

    assert sign_in(given, LOCAL) == {
        "GitHubOAuthenticator": {
            "client_secret": "hidden-2",
            "oauth_callback_url": LOCAL.callback_url,
            "github_url": LOCAL.github_url,
            "authorize_url": LOCAL.authorize_url,
        }
    }


def test_addresses_that_production_spells_out_are_replaced_as_well() -> None:
    given = config(
        OAuthenticator={"token_url": "https://ghe/t"}, GitHubOAuthenticator={"github_api": "https://ghe"}
    )

    traits = sign_in(given, LOCAL)["GitHubOAuthenticator"]

    assert traits["token_url"] == f"{LOCAL.github_url}/login/oauth/access_token"
    assert traits["github_api"] == f"{LOCAL.github_url}/api/v3"
    assert "userdata_url" not in traits


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        pytest.param({"GitHubOAuthenticator": {"client_id": "theirs"}}, "theirs", id="given"),
        pytest.param({"OAuthenticator": {"client_id": "theirs"}}, "theirs", id="given to a base class"),
        pytest.param(
            {"OAuthenticator": {"client_id": "base"}, "GitHubOAuthenticator": {"client_id": "theirs"}},
            "theirs",
            id="the class wins over its base",
        ),
        pytest.param({}, "habari-local", id="not given"),
    ],
)
def test_the_client_id_stays_when_production_has_one(sections: dict[str, Any], expected: str) -> None:
    assert client_id(config(**sections)) == expected
    given = sign_in(config(**sections), LOCAL)["GitHubOAuthenticator"].get("client_id", expected)
    assert given == expected


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("github", "GitHubOAuthenticator"),
        ("local-github", "LocalGitHubOAuthenticator"),
        ("oauthenticator.github.GitHubOAuthenticator", "GitHubOAuthenticator"),
        ("mine.MyGitHubAuthenticator", "MyGitHubAuthenticator"),
        ("google", None),
        ("dummy", None),
        (None, None),
    ],
)
def test_only_a_sign_in_by_github_is_replaced(name: str | None, section: str | None) -> None:
    given = nested("hub.config.JupyterHub.authenticator_class", name)
    assert list(sign_in(given, LOCAL)) == ([section] if section else [])


# --- people ---


def test_everybody_whom_any_authenticator_names_is_found_once() -> None:
    given = config(
        Authenticator={"admin_users": ["boss", "ada"], "allowed_users": ["ada"]},
        GitHubOAuthenticator={"allowed_users": ["bob", "ada"], "allowed_organizations": ["o", "o:team"]},
        OAuthenticator={"blocked_users": ["eve"], "allow_all": "no"},
    )

    assert people(given) == People(
        allowed=("ada", "bob"), admins=("boss", "ada"), blocked=("eve",), organizations=("o", "o:team")
    )


@pytest.mark.parametrize(
    "tree", [{}, {"hub": None}, {"hub": {"config": None}}, config(Authenticator=None)], ids=str
)
def test_where_nobody_is_named_the_list_is_empty(tree: dict[str, Any]) -> None:
    assert people(tree) == People()


# --- the overlay ---


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("proxy.service.type", "NodePort"),
        ("proxy.service.nodePorts.http", 30083),
        ("proxy.https.enabled", False),
        ("prePuller.hook.enabled", False),
        ("prePuller.continuous.enabled", False),
        ("scheduling.userScheduler.enabled", False),
        ("scheduling.podPriority.enabled", False),
        ("scheduling.userPlaceholder.enabled", False),
        ("singleuser.cloudMetadata.blockWithIptables", False),
        ("singleuser.image.pullPolicy", "IfNotPresent"),
        ("singleuser.image.name", "habari/jupyter"),
        ("singleuser.image.tag", "7"),
        ("hub.image.name", "habari/hub"),
        ("hub.image.tag", "3"),
        ("proxy.chp.image.name", "habari/proxy"),
        ("proxy.chp.image.tag", "2"),
        ("hub.db.type", "postgres"),
        ("hub.db.url", LOCAL.hub_db_url),
        ("hub.extraEnv.GITHUB_URL", LOCAL.github_url),
        ("hub.config.GitHubOAuthenticator.client_secret", "hidden-2"),
        ("hub.config.GitHubOAuthenticator.client_id", "<client id>"),
        ("hub.config.Authenticator.allowed_users", ["habari-user"]),
        ("singleuser.extraEnv.AWS_SECRET_ACCESS_KEY", "hidden-3"),
        ("singleuser.extraEnv.AWS_DEFAULT_REGION", "eu-central-1"),
        ("singleuser.memory.limit", "8G"),
    ],
)
def test_in_a_local_cluster_the_sample_says(path: str, value: Any) -> None:
    assert overlaid(load(SAMPLES).tree, path) == value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hub.db.password", "x"),
        ("hub.existingSecret", "x"),
        ("hub.cookieSecret", "x"),
        ("proxy.secretToken", "x"),
        ("hub.config.JupyterHub.cookie_secret", "x"),
        ("hub.config.CryptKeeper.keys", ["x"]),
        ("hub.nodeSelector", {"pool": "core"}),
        ("singleuser.nodeSelector", {"pool": "user"}),
        ("singleuser.storage.dynamic.storageClass", "ssd"),
        ("imagePullSecrets", [{"name": "x"}]),
        ("imagePullSecret.create", True),
    ],
)
def test_what_only_productions_cluster_has_does_not_come_along(path: str, value: Any) -> None:
    assert not overlaid(nested(path, value), path)


def test_pods_may_reach_the_local_services_besides_what_production_allows() -> None:
    given = nested("singleuser.networkPolicy.egress", [{"ports": [{"port": 443}]}])

    assert overlaid(given, "singleuser.networkPolicy.egress") == [
        {"ports": [{"port": 443}]},
        {
            "to": [{"ipBlock": {"cidr": "172.18.0.0/16"}}],
            "ports": [{"port": 5432, "protocol": "TCP"}, {"port": 9000, "protocol": "TCP"}],
        },
    ]
    assert overlaid(given, "hub.networkPolicy.egress") is None


def test_a_hub_that_may_not_reach_private_addresses_reaches_its_database_and_the_sign_in() -> None:
    given = nested("hub.networkPolicy.egressAllowRules.privateIPs", False)

    assert overlaid(given, "hub.networkPolicy.egress") == [
        {
            "to": [{"ipBlock": {"cidr": "172.18.0.0/16"}}],
            "ports": [{"port": 5432, "protocol": "TCP"}, {"port": 8090, "protocol": "TCP"}],
        },
    ]


@pytest.mark.parametrize("section", ["hub", "singleuser"])
@pytest.mark.parametrize(
    ("policy", "cidr", "opens"),
    [
        ({"egressAllowRules": {"privateIPs": True}}, "172.18.0.0/16", False),
        ({"egressAllowRules": {"privateIPs": False}}, "10.5.0.0/24", True),
        ({"egressAllowRules": {"privateIPs": False}}, "100.64.0.0/16", False),
        ({"egressAllowRules": {"privateIPs": True, "nonPrivateIPs": False}}, "100.64.0.0/16", True),
        ({"egressAllowRules": {"privateIPs": False, "nonPrivateIPs": False}}, "fc00:f853::/64", True),
        ({"enabled": False, "egressAllowRules": {"privateIPs": False}}, "10.5.0.0/24", False),
    ],
    ids=["open", "shut", "no private range", "shut to public ranges", "IPv6", "no policy"],
)
def test_a_policy_is_opened_only_where_it_is_shut(
    section: str, policy: dict[str, Any], cidr: str, opens: bool
) -> None:
    given = nested(f"{section}.networkPolicy", policy)

    found = at(overlay(given, replace(LOCAL, cluster_cidr=cidr)), (section, "networkPolicy", "egress"))

    assert (found is not None) == opens


def test_without_ports_no_policy_is_opened() -> None:
    over = overlay(
        nested("hub.networkPolicy.egressAllowRules.privateIPs", False), replace(LOCAL, ports=(), hub_ports=())
    )

    assert not at(over, ("hub", "networkPolicy"))
    assert not at(over, ("singleuser", "networkPolicy"))


def test_without_stand_ins_productions_images_stay() -> None:
    over = overlay(load(SAMPLES).tree, replace(LOCAL, images={}))

    assert at(over, ("singleuser", "image")) == {"pullPolicy": "IfNotPresent"}


def test_an_image_that_a_trait_names_does_not_win_over_the_stand_in() -> None:
    given = nested("hub.config.KubeSpawner.image", "theirs:1")

    assert overlaid(given, "hub.config.KubeSpawner.image") == "habari/jupyter:7"
    assert overlaid({}, "hub.config.KubeSpawner.image") is None


@pytest.mark.parametrize(
    ("path", "given", "here"),
    [
        ("scheduling.userPods.nodeAffinity.matchNodePurpose", "require", "prefer"),
        ("scheduling.corePods.nodeAffinity.matchNodePurpose", "ignore", "ignore"),
        ("proxy.service.disableHttpPort", True, False),
        ("proxy.chp.networkPolicy.allowedIngressPorts", ["https"], ["https", "http"]),
        ("proxy.chp.networkPolicy.allowedIngressPorts", ["http"], ["http"]),
    ],
)
def test_what_would_shut_out_pods_or_browser_is_changed_only_where_it_is_given(
    path: str, given: Any, here: Any
) -> None:
    assert overlaid(nested(path, given), path) == here
    assert at(overlay({}, LOCAL), tuple(path.split("."))) is None


def test_braces_of_a_secret_are_safe_from_the_spawners_templates() -> None:
    local = Local("", "", "", "", "", "", {"A_PASSWORD": "a{b}c"})
    assert overlay({}, local)["singleuser"]["extraEnv"] == {"A_PASSWORD": "a{{b}}c"}


def test_variables_that_production_gives_as_a_list_stay() -> None:
    given = {
        "singleuser": {
            "extraEnv": [{"name": "OWN", "value": "1"}, {"name": "S3_BUCKET_NAME_LAKE", "value": "x"}]
        }
    }

    assert overlaid(given, "singleuser.extraEnv.OWN") == {"name": "OWN", "value": "1"}
    assert overlaid(given, "singleuser.extraEnv.S3_BUCKET_NAME_LAKE") == "habari-lake"


def test_a_variable_under_another_key_does_not_win_over_the_local_one() -> None:
    given = nested("singleuser.extraEnv.bucket", {"name": "S3_BUCKET_NAME_LAKE", "value": "theirs"})

    assert overlaid(given, "singleuser.extraEnv.S3_BUCKET_NAME_LAKE") == "habari-lake"
    assert overlaid(given, "singleuser.extraEnv.bucket") == ""


def test_the_values_that_are_overlaid_stay_as_they_were() -> None:
    tree = load(SAMPLES).tree
    before = deepcopy(tree)
    overlay(tree, LOCAL)

    assert tree == before


# --- differences ---


@pytest.mark.parametrize(
    ("path", "value", "production", "local"),
    [
        ("hub.db.url", "postgresql://u:hidden@db/h", "postgresql://u:(secret)@db/h",
         "postgresql://habari_hub:(secret)@127.0.0.1:5434/habari_hub"),
        ("hub.db.type", "sqlite-pvc", "sqlite-pvc", "postgres"),
        ("hub.db.password", "hidden", "(secret)", None),
        ("proxy.secretToken", "hidden", "(secret)", None),
        ("proxy.https.enabled", True, True, False),
        ("proxy.https.hosts", ["h"], ["h"], None),
        ("singleuser.image.name", "x", "x", None),
        ("singleuser.memory.limit", "2G", "2G", "2G"),
        ("singleuser.extraEnv.AWS_SECRET_ACCESS_KEY", "hidden", "(secret)", "(secret)"),
        ("singleuser.extraEnv.AWS_ENDPOINT_URL", None, None, "http://127.0.0.1:9000"),
        ("singleuser.extraEnv.OTHER", {"valueFrom": {"fieldRef": {}}}, {"valueFrom": {"fieldRef": {}}}, None),
        ("hub.config.KubeSpawner.image", "x", "x", None),
        ("hub.config.JupyterHub.spawner_class", None, "kubespawner.KubeSpawner", "processes"),
        ("hub.misspelt", "x", "x", None),
    ],
)  # fmt: skip
def test_a_key_that_differs_is_told_with_both_values(
    path: str, value: Any, production: Any, local: Any
) -> None:
    found = difference(nested(path, value), path)

    assert found is not None
    assert (found.production, found.local) == (production, local)
    assert found.why


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("singleuser.extraEnv.S3_BUCKET_NAME_LAKE", "habari-lake"),
        ("singleuser.defaultUrl", "/lab"),
        ("hub.db.type", "postgres"),
        ("hub.config.Authenticator.allowed_users", ["a"]),
        ("hub.config.GitHubOAuthenticator.client_id", "theirs"),
        ("custom.any", 1),
    ],
)
def test_a_key_that_is_the_same_is_not_told(path: str, value: Any) -> None:
    assert difference(nested(path, value), path) is None


def test_of_the_authenticator_only_addresses_and_secrets_differ() -> None:
    told = [
        each.path for each in differences(load(SAMPLES).tree, LOCAL) if each.path.startswith("hub.config.")
    ]

    assert told == [
        "hub.config.GitHubOAuthenticator.authorize_url",
        "hub.config.GitHubOAuthenticator.client_secret",
        "hub.config.GitHubOAuthenticator.github_url",
        "hub.config.GitHubOAuthenticator.oauth_callback_url",
        "hub.config.JupyterHub.spawner_class",
    ]


@pytest.mark.parametrize(
    ("path", "value", "production", "local"),
    [
        ("proxy.service.nodePorts.http", None, None, 30083),
        ("proxy.service.type", "LoadBalancer", "LoadBalancer", "NodePort"),
        ("proxy.https.enabled", True, True, False),
        ("singleuser.image.name", "x", "x", "habari/jupyter"),
        ("hub.image.tag", "x", "x", "3"),
        ("proxy.chp.image.name", None, None, "habari/proxy"),
        ("hub.nodeSelector", {"pool": "core"}, {"pool": "core"}, None),
        ("proxy.secretToken", "hidden", "(secret)", None),
        ("hub.db.url", "postgresql://u:hidden@db/h", "postgresql://u:(secret)@db/h",
         "postgresql://habari_hub:(secret)@127.0.0.1:5434/habari_hub"),
        ("singleuser.extraEnv.AWS_SECRET_ACCESS_KEY", "hidden", "(secret)", "(secret)"),
        ("singleuser.extraEnv", [{"name": "S3_BUCKET_NAME_LAKE", "value": "x"}], None, None),
    ],
)  # fmt: skip
def test_a_key_that_differs_in_a_cluster_is_told_with_both_values(
    path: str, value: Any, production: Any, local: Any
) -> None:
    found = {each.path: each for each in in_cluster(nested(path, value), LOCAL)}

    if path == "singleuser.extraEnv":
        path, production, local = f"{path}.S3_BUCKET_NAME_LAKE", "x", "habari-lake"
    assert (found[path].production, found[path].local) == (production, local)
    assert found[path].why


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ingress.enabled", False),
        ("hub.db.type", "postgres"),
        ("singleuser.extraEnv", [{"name": "OWN", "value": "1"}]),
        ("singleuser.extraEnv.S3_BUCKET_NAME_LAKE", "habari-lake"),
        ("singleuser.memory.limit", "8G"),
    ],
)
def test_a_key_that_is_the_same_in_a_cluster_is_not_told(path: str, value: Any) -> None:
    told = {each.path for each in in_cluster(nested(path, value), LOCAL)}

    assert path not in told
    assert "singleuser.extraEnv.OWN" not in told


def test_braces_that_are_doubled_for_the_spawner_are_no_difference() -> None:
    local = replace(LOCAL, contract={"A_TEXT": "a{b}c"})

    found = {each.path for each in in_cluster(nested("singleuser.extraEnv.A_TEXT", "a{b}c"), local)}

    assert "singleuser.extraEnv.A_TEXT" not in found


def test_every_key_of_the_overlay_has_its_reason() -> None:
    assert all(each.why for each in laid(load(SAMPLES).tree, LOCAL))


def test_no_difference_in_a_cluster_shows_a_secret() -> None:
    tree = merge(load(SAMPLES).tree, nested("singleuser.extraEnv.AWS_SECRET_ACCESS_KEY", "hidden-0"))

    assert "hidden" not in repr([each.as_data() for each in in_cluster(tree, LOCAL)])
    assert "hidden" not in repr(list(laid(tree, LOCAL)))


def test_every_key_is_told_once_with_its_reference() -> None:
    found = differences(load(SAMPLES).tree, LOCAL)

    assert len({each.path for each in found}) == len(found)
    assert {each.path: each.link for each in found}["singleuser.extraEnv.S3_BUCKET_NAME_LAKE"].endswith(
        "#singleuser-extraenv"
    )


def test_no_difference_shows_a_secret() -> None:
    tree = merge(load(SAMPLES).tree, nested("singleuser.extraEnv.AWS_SECRET_ACCESS_KEY", "hidden-0"))

    assert "hidden" not in repr([each.as_data() for each in differences(tree, LOCAL)])


def test_the_local_addresses_do_not_show_their_secrets() -> None:
    assert "hidden" not in repr(LOCAL)


ENDS = st.sampled_from(
    [
        "",
        "name",
        "exec",
        "command",
        "Authenticator",
        "allowed_users",
        "JupyterHub",
        "authenticator_class",
        "valueFrom",
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "github", "x = 1", "a://b:c@d"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ENDS, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """Anything below keys that the chart has."""
    tree: dict[str, Any] = {}
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=4)):
        above = draw(st.integers(0, 1)) if len(key.parts) > 2 else 0
        parts = key.parts[: len(key.parts) - above]
        tree = merge(tree, nested(".".join([*parts, *draw(st.lists(ENDS, max_size=2))]), draw(VALUES)))
    return tree


@given(trees())
def test_values_that_pass_the_check_can_be_rendered(tree: dict[str, Any]) -> None:
    try:
        require(Loaded(tree))
    except UsageError:
        return
    configuration(tree)
    people(tree)
    differences(tree, LOCAL)
    in_cluster(tree, LOCAL)
    require(Loaded(merge(tree, overlay(tree, LOCAL))))
