"""Deploying to a cluster that is named: checked first, never somebody else's, and no overlay."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.deploying.test_kubeconfig import config
from unit.helm.fake_helm import FakeApi, FakeHelm, value_of

from devenv import deploying, report
from devenv.deploying import Asked
from devenv.errors import ConflictError, DevenvError, MissingError, UnhealthyError, UsageError
from devenv.helm.cli import Helm, Target

RENDERED = "apiVersion: v1\nkind: Service\nmetadata: {name: hub}\n"


def workload(name: str, *, ready: int = 1, release: str = "habari-weather") -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "annotations": {"meta.helm.sh/release-name": release},
            "labels": {"app": "jupyterhub"},
        },
        "spec": {"replicas": 1},
        "status": {"updatedReplicas": ready, "replicas": 1, "availableReplicas": ready},
    }


def thing(name: str, /, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


class Typing(io.StringIO):
    """A terminal with somebody at it."""

    def isatty(self) -> bool:
        return True


class World:
    """Somebody's machine: a kubeconfig, a project, a helm, a cluster; and what was said."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.helm = FakeHelm(rendered=RENDERED)
        self.api = FakeApi(lists={"deployments": [workload("hub"), workload("proxy")]})
        self.targets: list[Target] = []
        self.answers: io.StringIO = io.StringIO()
        self.out, self.err = io.StringIO(), io.StringIO()
        config(home / ".kube" / "config", "production", "staging", current="staging")
        (home / "chart").mkdir()
        (home / "chart" / "Chart.yaml").write_text("name: jupyterhub\nversion: 4.4.0\n")
        self.project(chart="chart", hub={"values": ["shared.yaml", "own.yaml"]})
        (home / "shared.yaml").write_text("cull: {timeout: 7200}\n")
        (home / "own.yaml").write_text("hub: {db: {url: 'postgresql://u:hidden@db/h'}}\n")

    def project(self, **content: Any) -> None:
        (self.home / "devenv.yaml").write_text(yaml.safe_dump({"name": "weather", **content}))

    def asked(self, context: str = "production", project: str = "devenv.yaml", **more: Any) -> Asked:
        return Asked(context, project, helm=self._helm, api=self._api, **more)

    def deploy(self, *, seconds: int = 5, json_too: bool = False, **more: Any) -> None:
        deploying.deploy(self.reporter, asked=self.asked(**more), seconds=seconds, json=json_too)

    def undeploy(self, *, yes: bool = False, json_too: bool = False, **more: Any) -> None:
        deploying.undeploy(self.reporter, asked=self.asked(**more), yes=yes, json=json_too)

    @property
    def reporter(self) -> report.Reporter:
        return report.make(environ={}, out=self.out, err=self.err, answers=self.answers)

    def _helm(self, target: Target, environ: Mapping[str, str]) -> Helm:
        self.targets.append(target)
        return Helm(target, self.home / "helm", environ, run=self.helm.run, stream=self.helm.stream)

    def _api(self, target: Target) -> FakeApi:
        self.targets.append(target)
        return self.api


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for variable in ("KUBECONFIG", "HABARI_NAME", "HABARI_CHART", "DEVENV_CHART"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HABARI_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return World(tmp_path)


# --- deploy ---


def test_the_release_is_the_seeds_call_on_the_named_context(world: World) -> None:
    world.deploy()

    upgrade = next(call for call in world.helm.calls if call[1] == "upgrade")
    assert upgrade[2:5] == ("--install", "habari-weather", str(world.home / "chart"))
    assert value_of(upgrade, "--namespace") == "weather"
    assert value_of(upgrade, "--kube-context") == "production"
    assert value_of(upgrade, "--kubeconfig") == str(world.home / ".kube" / "config")
    assert "--create-namespace" in upgrade
    assert {target.context for target in world.targets} == {"production"}


def test_no_overlay_goes_along(world: World) -> None:
    world.deploy()

    upgrade = next(call for call in world.helm.calls if call[1] == "upgrade")
    given = [upgrade[number + 1] for number, word in enumerate(upgrade) if word == "--values"]
    assert given == [str(world.home / "shared.yaml"), str(world.home / "own.yaml")]


def test_every_call_that_asks_a_cluster_names_it(world: World) -> None:
    world.deploy()
    world.undeploy(yes=True)

    asking = [call for call in world.helm.calls if call[1] not in ("version", "template")]
    assert len(asking) > 5
    assert {value_of(call, "--kube-context") for call in asking} == {"production"}


def test_it_is_checked_and_rendered_before_anything_changes(world: World) -> None:
    world.deploy()

    verbs = world.helm.verbs()
    assert verbs.index("template") < verbs.index("list") < verbs.index("upgrade")


def test_values_that_are_wrong_are_told_although_the_cluster_does_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(self: FakeApi) -> str:
        raise UnhealthyError("the cluster's API does not answer")

    monkeypatch.setattr(FakeApi, "version", version)
    with pytest.raises(UnhealthyError, match="does not answer"):
        world.deploy()
    (world.home / "own.yaml").write_text("hub: {baseUrl: 5}\n")

    with pytest.raises(UsageError):
        world.deploy()
    assert "upgrade" not in world.helm.verbs()


def test_the_outcome_is_told(world: World) -> None:
    world.deploy()

    assert world.out.getvalue() == (
        "habari-weather (jupyterhub 4.4.0), revision 1, is deployed and ready in the namespace weather"
        " of production\n"
    )
    assert "hidden" not in world.out.getvalue() + world.err.getvalue()


def test_a_second_time_nothing_changes(world: World) -> None:
    world.deploy()
    world.deploy(json_too=True)

    told = json.loads(world.out.getvalue().partition("\n")[2])
    assert (told["changed"], told["revision"], told["context"]) == (False, 1, "production")
    assert world.helm.verbs().count("upgrade") == 1


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"context": ""}, UsageError, "no context is named"),
        ({"context": "other"}, UsageError, "no context 'other'"),
        ({"project": ""}, UsageError, "no project file is named"),
        ({"project": "gone.yaml"}, UsageError, "there is no project file"),
        ({"kubeconfig": "gone"}, MissingError, "no kubeconfig at"),
        ({"chart": "gone"}, MissingError, "no chart at"),
        ({"values": ("gone.yaml",)}, UsageError, "the values files are not valid"),
        ({"seconds": 0}, UsageError, "--timeout is 0"),
    ],
)
def test_wrong_use_is_told_before_the_cluster_is_asked(
    world: World, more: dict[str, Any], error: type[DevenvError], said: str
) -> None:
    with pytest.raises(error, match=said):
        world.deploy(**more)

    assert set(world.helm.verbs()) <= {"version"}


def test_values_of_the_command_take_the_place_of_the_projects(world: World) -> None:
    (world.home / "other.yaml").write_text("debug: {enabled: true}\n")

    world.deploy(values=("other.yaml",))

    upgrade = next(call for call in world.helm.calls if call[1] == "upgrade")
    assert value_of(upgrade, "--values") == str(world.home / "other.yaml")
    assert upgrade.count("--values") == 1


def test_the_sample_is_never_deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.project(chart="chart")
    monkeypatch.setattr(deploying.session, "PROJECT_VALUES", world.home / "not-there.yaml")

    with pytest.raises(UsageError, match="names no values files"):
        world.deploy()


def test_what_is_still_to_be_filled_in_is_named_by_file_and_line(world: World) -> None:
    (world.home / "own.yaml").write_text(
        "hub:\n  db: {url: 'postgresql://<user>:<password>@<host>:5432/<database>'}\n"
        "  config: {GitHubOAuthenticator: {client_secret: '<client secret>'}}\n"
        "  templateVars: {announcement: 'a < b, <b>bold</b>'}\n"
    )

    with pytest.raises(UsageError, match="not filled in: 2 to go") as caught:
        world.deploy()
    assert caught.value.details[0].startswith("own.yaml: line 2: hub.db.url: ")
    assert world.helm.verbs() == []


def test_a_shells_name_does_not_move_a_deployment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HABARI_NAME", "elsewhere")

    world.deploy()

    assert value_of(world.helm.calls[-1], "--namespace") == "weather"


def test_a_namespace_with_somebody_elses_release_is_left_alone(world: World) -> None:
    world.helm.add("grafana", "deployed", chart="grafana-9.0.0")

    with pytest.raises(ConflictError, match="holds the release grafana"):
        world.deploy()
    assert "upgrade" not in world.helm.verbs()


def test_a_release_that_is_at_work_is_not_healed(world: World) -> None:
    world.helm.add("habari-weather", "pending-upgrade")

    with pytest.raises(ConflictError, match="pending-upgrade"):
        world.deploy()
    assert not {"upgrade", "rollback", "uninstall"} & set(world.helm.verbs())


def test_a_chart_that_does_not_fit_changes_nothing(world: World) -> None:
    world.helm.rendered = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: hub}\n"

    with pytest.raises(UsageError, match="does not fit"):
        world.deploy()
    assert "upgrade" not in world.helm.verbs()


def test_what_does_not_get_ready_is_told_with_a_command_to_look(world: World) -> None:
    world.api.lists["deployments"] = [workload("hub", ready=0)]

    with pytest.raises(UnhealthyError, match="habari-weather is still starting after 1 s") as caught:
        world.deploy(seconds=1)
    assert "hub 0 of 1 ready" in caught.value.what
    assert "--context production --namespace weather" in caught.value.hint


# --- undeploy ---


@pytest.fixture
def deployed(world: World) -> World:
    world.helm.add("habari-weather", "deployed")
    world.api.lists["persistentvolumeclaims"] = [thing("claim-ada", app="jupyterhub")]
    return world


def test_release_and_namespace_go(deployed: World) -> None:
    deployed.undeploy(yes=True)

    assert deployed.helm.releases == {}
    assert not deployed.api.has_namespace
    assert "Deleted from production: release habari-weather, namespace weather" in deployed.out.getvalue()


def test_somebody_at_a_terminal_is_asked_and_told_what_goes(deployed: World) -> None:
    deployed.answers = Typing("weather\n")

    deployed.undeploy()

    assert not deployed.api.has_namespace
    assert "1 volume with people's homes" in deployed.err.getvalue()
    assert "Type weather to go on:" in deployed.err.getvalue()


@pytest.mark.parametrize("typed", ["", "y", "yes", "Weather"])
def test_any_other_answer_deletes_nothing(deployed: World, typed: str) -> None:
    deployed.answers = Typing(f"{typed}\n")

    deployed.undeploy()

    assert deployed.api.has_namespace
    assert deployed.out.getvalue() == "Nothing was deleted.\n"


def test_where_nobody_can_be_asked_yes_must_be_said(deployed: World) -> None:
    with pytest.raises(UsageError, match="nobody at a terminal") as caught:
        deployed.undeploy()
    assert "--yes" in caught.value.hint
    assert deployed.api.has_namespace


def test_a_namespace_with_somebody_elses_release_is_not_deleted(deployed: World) -> None:
    deployed.helm.add("grafana", "deployed", chart="grafana-9.0.0")

    with pytest.raises(ConflictError, match="holds the release grafana"):
        deployed.undeploy(yes=True)
    assert deployed.api.has_namespace


def test_a_namespace_with_other_things_and_no_release_is_not_deleted(world: World) -> None:
    world.api.lists = {"deployments": [thing("billing", app="billing")]}

    with pytest.raises(ConflictError, match="somebody else's things") as caught:
        world.undeploy(yes=True)
    assert caught.value.details == ("deployment billing",)
    assert world.api.has_namespace


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("secrets", "secret billing"),
        ("configmaps", "configmap billing"),
        ("services", "service billing"),
        ("serviceaccounts", "serviceaccount billing"),
        ("cronjobs", "cronjob billing"),
        ("ingresses", "ingress billing"),
    ],
)
def test_a_namespace_in_which_nothing_runs_is_not_deleted_either(world: World, kind: str, told: str) -> None:
    world.api.lists = {kind: [thing("billing")]}

    with pytest.raises(ConflictError, match="somebody else's things") as caught:
        world.undeploy(yes=True)
    assert caught.value.details == (told,)
    assert world.api.has_namespace


def test_what_kubernetes_puts_into_each_namespace_is_nobodys(world: World) -> None:
    world.api.lists = {"configmaps": [thing("kube-root-ca.crt")], "serviceaccounts": [thing("default")]}

    world.undeploy(yes=True)

    assert not world.api.has_namespace


def test_what_kubernetes_names_so_in_one_kind_is_somebodys_in_another(world: World) -> None:
    world.api.lists = {"secrets": [thing("default"), thing("kube-root-ca.crt")]}

    with pytest.raises(ConflictError, match="somebody else's things"):
        world.undeploy(yes=True)


def test_what_helm_keeps_of_the_release_is_not_told_as_foreign(deployed: World) -> None:
    records = [
        thing(f"sh.helm.release.v1.habari-weather.v{number}", owner="helm", name="habari-weather")
        for number in (1, 2)
    ]
    extra = thing("made-by-extra-files")
    extra["metadata"]["annotations"] = {"meta.helm.sh/release-name": "habari-weather"}
    deployed.api.lists["secrets"] = [*records, extra]

    deployed.undeploy(yes=True)

    assert "goes too: secret" not in deployed.err.getvalue()


def test_what_a_killed_undeploy_left_is_finished(world: World) -> None:
    world.api.lists = {"pods": [thing("jupyter-ada", app="jupyterhub", component="singleuser-server")]}

    world.undeploy(yes=True)

    assert not world.api.has_namespace
    assert "uninstall" not in world.helm.verbs()


def test_other_things_beside_the_release_are_named_before(deployed: World) -> None:
    deployed.api.lists["statefulsets"] = [thing("postgres", app="postgres")]

    deployed.undeploy(yes=True)

    assert "goes too: statefulset postgres" in deployed.err.getvalue()


def test_nothing_to_remove_is_no_error(world: World) -> None:
    world.api = FakeApi(has_namespace=False)

    world.undeploy(yes=True)

    assert "There was nothing of habari-weather" in world.out.getvalue()


def test_neither_chart_nor_values_need_be_at_hand(deployed: World) -> None:
    deployed.project(chart="gone.tgz")

    deployed.undeploy(yes=True)

    assert not deployed.api.has_namespace
