"""The driver of helm: what is passed in each call, and what its failures mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from unit.helm.fake_helm import CONTEXT, KUBECONFIG, FakeHelm, value_of

from devenv.errors import ConflictError, DevenvError, MissingError, UnhealthyError, UsageError
from devenv.helm.cli import Helm, Revision

VALUES = (Path("/a.yaml"), Path("/b.yaml"))


@pytest.fixture
def fake() -> FakeHelm:
    return FakeHelm()


@pytest.fixture
def helm(fake: FakeHelm, tmp_path: Path) -> Helm:
    return fake.driver(tmp_path)


CLUSTER_CALLS: dict[str, Callable[[Helm], object]] = {
    "upgrade": lambda helm: helm.upgrade("r", Path("/c"), "n", VALUES, description="d", seconds=5),
    "history": lambda helm: helm.history("r", "n"),
    "list": lambda helm: helm.releases("n"),
    "rollback": lambda helm: helm.rollback("r", 1, "n"),
    "uninstall": lambda helm: helm.uninstall("r", "n"),
}


@pytest.mark.parametrize("verb", CLUSTER_CALLS)
def test_every_call_to_a_cluster_names_its_kubeconfig_context_and_namespace(
    fake: FakeHelm, helm: Helm, verb: str
) -> None:
    CLUSTER_CALLS[verb](helm)

    call = fake.calls[0]
    assert call[:2] == ("helm", verb)
    assert value_of(call, "--kubeconfig") == str(KUBECONFIG)
    assert value_of(call, "--kube-context") == CONTEXT
    assert value_of(call, "--namespace") == "n"


def test_an_upgrade_is_the_seed_s_call_with_its_values_in_order(fake: FakeHelm, helm: Helm) -> None:
    helm.upgrade("habari-x", Path("/c.tgz"), "x", VALUES, description="habari 1", seconds=300)

    words = fake.calls[0]
    assert words[1:6] == ("upgrade", "--install", "habari-x", "/c.tgz", "--namespace")
    assert "--create-namespace" in words
    assert [words[n + 1] for n, word in enumerate(words) if word == "--values"] == ["/a.yaml", "/b.yaml"]
    assert value_of(words, "--description") == "habari 1"
    assert value_of(words, "--timeout") == "300s"
    assert "--wait" not in words


def test_waiting_is_asked_for_in_the_way_that_helm_3_and_helm_4_both_know(fake: FakeHelm, helm: Helm) -> None:
    helm.upgrade("r", Path("/c"), "n", VALUES, description="d", seconds=5, wait=True)

    assert "--wait" in fake.calls[0]
    assert not {"--atomic", "--rollback-on-failure", "--force"} & set(fake.calls[0])


def test_the_user_s_settings_of_helm_and_kubectl_do_not_reach_it(fake: FakeHelm, tmp_path: Path) -> None:
    theirs = {
        "KUBECONFIG": "/home/me/.kube/config",
        "HELM_KUBECONTEXT": "production",
        "HELM_NAMESPACE": "elsewhere",
        "HELM_PLUGINS": "/home/me/plugins",
        "HELM_DRIVER": "sql",
        "HELM_REGISTRY_CONFIG": "/home/me/registry.json",
        "HTTPS_PROXY": "http://proxy:3128",
        "PATH": "/bin",
    }
    fake.driver(tmp_path, theirs, mark="me/helm").history("r", "n")

    found = fake.environs[0]
    assert found == {
        "HELM_REGISTRY_CONFIG": "/home/me/registry.json",
        "HTTPS_PROXY": "http://proxy:3128",
        "PATH": "/bin",
        "HELM_CACHE_HOME": str(tmp_path / "cache"),
        "KUBECACHEDIR": str(tmp_path / "kube"),
        "HELM_CONFIG_HOME": str(tmp_path / "config"),
        "HELM_DATA_HOME": str(tmp_path / "data"),
        "HABARI_DEVENV_MARK": "me/helm",
    }


def test_a_team_s_storage_of_releases_counts_on_the_cluster_that_it_deploys_to(
    fake: FakeHelm, tmp_path: Path
) -> None:
    fake.driver(tmp_path, {"HELM_DRIVER": "configmap"}, keeps_driver=True).history("r", "n")

    assert fake.environs[0]["HELM_DRIVER"] == "configmap"


@pytest.mark.parametrize(
    ("said", "numbers"),
    [("v3.16.4+g7877b45", (3, 16)), ("v4.3.1+g1234567", (4, 3)), ("v4.3", (4, 3)), ("v3.20.0", (3, 20))],
)
def test_helm_3_16_and_newer_will_do(fake: FakeHelm, helm: Helm, said: str, numbers: tuple[int, ...]) -> None:
    fake.says = said

    assert helm.version() == numbers


@pytest.mark.parametrize("said", ["v3.15.4+gfa9efb0", "v2.17.0"])
def test_an_older_helm_is_named_with_how_to_get_another(fake: FakeHelm, helm: Helm, said: str) -> None:
    fake.says = said

    with pytest.raises(MissingError, match=said.split("+")[0]) as caught:
        helm.version()

    assert "3.16" in caught.value.what
    assert "helm.sh/docs/intro/install" in caught.value.hint


def test_no_helm_is_one_line_with_how_to_get_it(fake: FakeHelm, helm: Helm) -> None:
    fake.is_installed = False

    with pytest.raises(MissingError, match="helm is not there") as caught:
        helm.version()

    assert "go install" in caught.value.hint


def test_a_program_called_helm_that_is_another_is_told(fake: FakeHelm, helm: Helm) -> None:
    fake.refuses["version"] = "helm: unknown option --short"

    with pytest.raises(MissingError, match="does not say its version"):
        helm.version()


def test_a_history_is_read_oldest_first(fake: FakeHelm, helm: Helm) -> None:
    fake.add("r", "superseded", description="habari 1")
    fake.add("r", "pending-upgrade", description="Preparing upgrade")

    found = helm.history("r", "n")

    assert found == (
        Revision(1, "superseded", "jupyterhub-4.4.0", "habari 1", "2026-11-28T09:00:00Z"),
        Revision(2, "pending-upgrade", "jupyterhub-4.4.0", "Preparing upgrade", "2026-11-28T09:00:00Z"),
    )
    assert [each.is_pending for each in found] == [False, True]
    assert helm.status("r", "n") == found[1]


def test_no_release_is_an_empty_history_and_no_status(helm: Helm) -> None:
    assert helm.history("r", "n") == ()
    assert helm.status("r", "n") is None


def test_releases_are_listed_in_every_state_that_both_helms_have(fake: FakeHelm, helm: Helm) -> None:
    fake.add("r", "pending-install")

    assert [(each.name, each.status) for each in helm.releases("n")] == [("r", "pending-install")]
    assert {"--pending", "--failed", "--uninstalling", "--deployed"} <= set(fake.calls[0])
    assert "--all" not in fake.calls[0], "Helm 4 has no such flag"


def test_a_chart_is_pulled_by_its_repository_without_adding_it_to_anything(
    fake: FakeHelm, helm: Helm, tmp_path: Path
) -> None:
    helm.pull("https://charts.example.org/", "jupyterhub", "4.4.0", tmp_path)

    assert fake.calls[0][:3] == ("helm", "pull", "jupyterhub")
    assert value_of(fake.calls[0], "--repo") == "https://charts.example.org/"
    assert value_of(fake.calls[0], "--version") == "4.4.0"


def test_a_chart_is_pulled_from_a_registry_by_its_whole_name(
    fake: FakeHelm, helm: Helm, tmp_path: Path
) -> None:
    helm.pull("oci://registry.example.org/charts", "jupyterhub", "4.4.0", tmp_path)

    assert fake.calls[0][2] == "oci://registry.example.org/charts/jupyterhub"
    assert "--repo" not in fake.calls[0]


def test_rendering_asks_no_cluster_and_is_told_what_the_cluster_has(fake: FakeHelm, helm: Helm) -> None:
    helm.template("r", Path("/c"), "n", VALUES, kubernetes="v1.36.3", served=("v1", "apps/v1"))

    words = fake.calls[0]
    assert "--kubeconfig" not in words
    assert value_of(words, "--kube-version") == "v1.36.3"
    assert [words[n + 1] for n, word in enumerate(words) if word == "--api-versions"] == ["apps/v1", "v1"]


def test_what_is_said_during_an_upgrade_is_handed_on(fake: FakeHelm, helm: Helm) -> None:
    said: list[str] = []

    helm.upgrade("r", Path("/c"), "n", VALUES, description="d", seconds=5, on_line=said.append)

    assert said == ['Release "r" has been upgraded.']


FAILURES: dict[str, tuple[str, type[DevenvError], str]] = {
    "in progress": (
        "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
        ConflictError,
        "another operation on the release r",
    ),
    "unknown context": (
        'Error: kubernetes cluster unreachable: context "nobody" does not exist',
        UsageError,
        "no context 'nobody'",
    ),
    "unreachable": (
        'Error: kubernetes cluster unreachable: Get "https://127.0.0.1:1/version": dial tcp 127.0.0.1:1:'
        " connect: connection refused",
        UnhealthyError,
        "the cluster does not answer",
    ),
    "somebody else's object": (
        'Error: Unable to continue with install: ServiceAccount "hub" in namespace "n" exists and cannot be'
        " imported into the current release: invalid ownership metadata",
        ConflictError,
        "ServiceAccount hub is there already",
    ),
    "immutable": (
        'Error: UPGRADE FAILED: server-side apply failed for object n/hub: Deployment.apps "hub" is invalid:'
        ' spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable',
        ConflictError,
        "Deployment hub of the release r cannot be changed in place",
    ),
    "hook": (
        "Error: UPGRADE FAILED: pre-upgrade hooks failed: 1 error occurred: timed out waiting for it",
        UnhealthyError,
        "a pre-upgrade hook of the release r failed",
    ),
    "hook of an installation": (
        "Error: INSTALLATION FAILED: failed pre-install: 1 error occurred: job failed: BackoffLimitExceeded",
        UnhealthyError,
        "a pre-install hook of the release r failed",
    ),
    "time out": (
        "Error: UPGRADE FAILED: context deadline exceeded",
        UnhealthyError,
        "did not get ready in time",
    ),
    "forbidden": (
        'Error: query: failed to query with labels: secrets is forbidden: User "me" cannot list resource',
        MissingError,
        "does not let this account",
    ),
    "anything else": ("Error: something new", UnhealthyError, "helm upgrade failed for the release r"),
}


@pytest.mark.parametrize(("said", "kind", "what"), FAILURES.values(), ids=FAILURES)
def test_a_failed_upgrade_is_one_line(
    fake: FakeHelm, helm: Helm, said: str, kind: type[DevenvError], what: str
) -> None:
    fake.refuses["upgrade"] = said

    with pytest.raises(kind) as caught:
        CLUSTER_CALLS["upgrade"](helm)

    assert what in caught.value.what
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (
            "Error: chart requires kubeVersion: >=1.28.0-0 which is incompatible with Kubernetes v1.27.3",
            "1.28.0-0",
        ),
        (
            "Error: values don't meet the specifications of the schema(s) in the following chart(s):\nx",
            "do not keep the schema",
        ),
        ("Error: found in Chart.yaml, but missing in charts/ directory: postgresql", "lacks charts"),
        ("Error: execution error at (jupyterhub/templates/NOTES.txt:1:2): stop", "cannot be rendered"),
    ],
    ids=["old cluster", "schema", "dependencies", "template"],
)
def test_a_chart_that_cannot_be_rendered_says_why(fake: FakeHelm, helm: Helm, said: str, what: str) -> None:
    fake.refuses["template"] = said

    with pytest.raises(UsageError, match=what.replace("(", r"\(")):
        helm.template("r", Path("/jupyterhub-4.4.0.tgz"), "n", VALUES)


def test_secrets_in_what_helm_says_are_masked(fake: FakeHelm, helm: Helm) -> None:
    fake.refuses["upgrade"] = "Error: bad value postgresql://me:hunter2hunter2@db:5432/x"

    with pytest.raises(UnhealthyError) as caught:
        CLUSTER_CALLS["upgrade"](helm)

    assert "hunter2" not in " ".join(caught.value.details)


def test_a_call_that_fails_besides_upgrades_is_told_too(fake: FakeHelm, helm: Helm) -> None:
    for verb in ("history", "list", "rollback", "uninstall"):
        fake.refuses[verb] = "Error: kubernetes cluster unreachable: the server is down"
        with pytest.raises(UnhealthyError, match="does not answer"):
            CLUSTER_CALLS[verb](helm)
