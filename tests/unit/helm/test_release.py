"""The release of a project: checked, applied, healed, removed, and never anybody else's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from unit.helm.fake_helm import FakeApi, FakeHelm, value_of

from devenv import processes
from devenv.errors import ConflictError, UsageError
from devenv.helm.chart import Chart
from devenv.helm.release import Release

SCHEMA = {"type": "object", "properties": {"hub": {"type": "object", "additionalProperties": False}}}


@pytest.fixture
def fake() -> FakeHelm:
    return FakeHelm(rendered="apiVersion: v1\nkind: Service\nmetadata: {name: hub}\n")


@pytest.fixture
def release(fake: FakeHelm, tmp_path: Path) -> Release:
    place = tmp_path / "chart"
    place.mkdir()
    (place / "Chart.yaml").write_text("name: jupyterhub\nversion: 4.4.0\n")
    shared, project = tmp_path / "shared.yaml", tmp_path / "project.yaml"
    shared.write_text("cull: {timeout: 7200}\n")
    project.write_text("singleuser: {image: {name: a, tag: '1'}}\n")
    return Release(
        fake.driver(tmp_path / "helm"),
        "malaria",
        Chart(place, "jupyterhub", "4.4.0"),
        (shared, project),
        tmp_path / "values",
        {"hub": {"db": {"url": "postgresql://u:secretword@hub-db/x"}}},
    )


def test_the_release_and_its_namespace_have_the_seed_s_names(release: Release) -> None:
    assert (release.name, release.namespace) == ("habari-malaria", "malaria")


def test_values_go_to_helm_in_the_seed_s_order_with_the_overlay_last(
    fake: FakeHelm, release: Release
) -> None:
    release.apply()

    upgrade = next(call for call in fake.calls if call[1] == "upgrade")
    given = [Path(upgrade[n + 1]) for n, word in enumerate(upgrade) if word == "--values"]
    assert given[:2] == list(release.files)
    assert json.loads(given[2].read_text()) == release.overlay
    assert given[2].stat().st_mode & 0o777 == 0o600
    assert given[2].parent.stat().st_mode & 0o777 == 0o700
    assert not any("secretword" in word for call in fake.calls for word in call)


def test_a_file_in_the_old_form_is_handed_on_in_today_s(fake: FakeHelm, release: Release) -> None:
    release.files[1].write_text("auth:\n  admin: {users: [ada]}\n")

    given = release.write()

    assert given[0] == release.files[0]
    assert json.loads(given[1].read_text()) == {
        "hub": {"config": {"Authenticator": {"admin_users": ["ada"]}}}
    }
    assert given[1].stat().st_mode & 0o777 == 0o600


def test_texts_that_yaml_reads_otherwise_than_json_come_through(release: Release) -> None:
    from devenv.values.files import load

    over = {"custom": {"a\u2028b": "line\u2029 \u0085 \ufeff \x7f \U0001f600 é"}}

    written = replace(release, overlay=over).write()[-1]

    assert load((written,)).tree == over


def test_production_has_no_overlay(release: Release) -> None:
    assert replace(release, overlay=None).write() == release.files


def test_an_unchanged_release_is_left_alone(fake: FakeHelm, release: Release) -> None:
    first = release.apply()
    assert (first.changed, first.revision) == (True, 1)
    assert release.is_current()

    again = release.apply()

    assert (again.changed, again.revision) == (False, 1)
    assert fake.verbs().count("upgrade") == 1


@pytest.mark.parametrize("what", ["values", "overlay", "chart"])
def test_a_change_of_anything_is_applied(fake: FakeHelm, release: Release, what: str) -> None:
    release.apply()
    changed = replace(release)
    if what == "values":
        release.files[1].write_text("singleuser: {image: {name: a, tag: '2'}}\n")
    elif what == "overlay":
        changed = replace(release, overlay={"debug": {"enabled": True}})
    else:
        (release.chart.path / "Chart.yaml").write_text("name: jupyterhub\nversion: 4.4.1\n")

    assert not changed.is_current()
    assert changed.apply().changed
    assert changed.apply().changed is False


def test_a_comment_in_the_values_changes_nothing(fake: FakeHelm, release: Release) -> None:
    release.apply()
    release.files[0].write_text("# two hours\ncull: {timeout: 7200}\n")

    assert replace(release).apply().changed is False


def test_a_failed_release_is_applied_again(fake: FakeHelm, release: Release) -> None:
    release.apply()
    fake.releases[release.name][-1]["status"] = "failed"

    assert release.apply().changed


def test_the_description_holds_a_digest_and_nothing_of_the_values(fake: FakeHelm, release: Release) -> None:
    release.apply()

    upgrade = next(call for call in fake.calls if call[1] == "upgrade")
    assert value_of(upgrade, "--description") == f"habari {release.digest}"
    assert len(release.digest) == 32


def test_somebody_else_s_release_in_the_namespace_is_refused_and_untouched(
    fake: FakeHelm, release: Release
) -> None:
    fake.add("superset", "deployed", chart="superset-1.2.3")

    for call in (release.apply, lambda: release.undeploy(FakeApi())):
        with pytest.raises(ConflictError, match=r"holds the release superset \(superset-1\.2\.3\)"):
            call()

    assert set(fake.verbs()) == {"list"}


def test_a_release_of_that_name_and_another_chart_is_refused(fake: FakeHelm, release: Release) -> None:
    fake.add(release.name, "deployed", chart="jupyterhub-extras-1.0.0")

    with pytest.raises(ConflictError, match="of another chart, jupyterhub-extras"):
        release.apply()


def test_a_release_that_was_made_by_hand_with_the_seed_s_call_is_the_project_s(
    fake: FakeHelm, release: Release
) -> None:
    fake.add(release.name, "deployed", chart="jupyterhub-4.3.0")

    assert release.apply().revision == 2


def test_a_release_of_ours_may_change_its_chart(fake: FakeHelm, release: Release) -> None:
    fake.add(release.name, "superseded", chart="habari-test-0.1.0", description="habari 0123")
    fake.add(release.name, "deployed", chart="habari-test-0.1.0", description="Rollback to 1")

    assert release.apply().changed


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_a_namespace_of_kubernetes_is_no_project_s(release: Release, name: str) -> None:
    with pytest.raises(UsageError, match="a namespace of Kubernetes"):
        replace(release, project=name).apply()


class TestKilled:
    """What a kill -9 of helm leaves."""

    def test_an_install_that_was_killed_is_removed_and_made_again(
        self, fake: FakeHelm, release: Release
    ) -> None:
        fake.add(release.name, "pending-install", description="Initial install underway")

        done = release.apply()

        assert done.healed == "the release was pending-install: removed first"
        assert [verb for verb in fake.verbs() if verb in ("uninstall", "upgrade")] == ["uninstall", "upgrade"]

    @pytest.mark.parametrize("status", ["pending-upgrade", "pending-rollback"])
    def test_an_upgrade_that_was_killed_goes_back_to_the_last_good_one_first(
        self, fake: FakeHelm, release: Release, status: str
    ) -> None:
        fake.add(release.name, "superseded")
        fake.add(release.name, "deployed")
        fake.add(release.name, "failed")
        fake.add(release.name, status)

        done = release.apply()

        assert done.healed == f"the release was {status}: back to revision 2 first"
        assert next(call for call in fake.calls if call[1] == "rollback")[2:4] == (release.name, "2")
        assert done.changed

    def test_an_upgrade_with_nothing_good_before_it_is_removed(
        self, fake: FakeHelm, release: Release
    ) -> None:
        fake.add(release.name, "failed")
        fake.add(release.name, "pending-upgrade")

        assert "removed first" in release.apply().healed

    def test_a_removal_that_was_killed_is_finished(self, fake: FakeHelm, release: Release) -> None:
        fake.add(release.name, "uninstalling", description="Deletion in progress (or silently failed)")

        assert release.apply().healed == "the release was uninstalling: removed first"

    def test_a_helm_that_outlived_its_command_is_ended_first(
        self, fake: FakeHelm, release: Release, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake.add(release.name, "pending-install")
        ended: list[str] = []
        monkeypatch.setattr(processes, "marked", lambda mark: (mark,))
        monkeypatch.setattr(processes, "end", lambda found, **_: ended.extend(found))

        done = replace(release, helm=replace(release.helm, mark="malaria-1/helm")).apply()

        assert ended == ["malaria-1/helm"]
        assert "removed first" in done.healed

    def test_a_helm_that_put_its_release_in_order_when_it_was_ended_leaves_nothing_to_heal(
        self, fake: FakeHelm, release: Release, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake.add(release.name, "deployed")
        fake.add(release.name, "pending-upgrade")

        def end(*_: object, **__: object) -> None:
            fake.releases[release.name][-1]["status"] = "failed"

        monkeypatch.setattr(processes, "marked", lambda mark: (mark,))
        monkeypatch.setattr(processes, "end", end)

        done = replace(release, helm=replace(release.helm, mark="malaria-1/helm")).apply()

        assert "it was ended" in done.healed
        assert "rollback" not in fake.verbs()

    def test_an_installation_of_somebody_else_s_that_looks_killed_is_ended_by_uninstalling(
        self, fake: FakeHelm, release: Release
    ) -> None:
        fake.add(release.name, "pending-install")

        with pytest.raises(ConflictError) as caught:
            replace(release, heals=False).apply()

        assert "helm uninstall habari-malaria" in caught.value.hint

    def test_where_others_deploy_too_nothing_is_healed_unasked(
        self, fake: FakeHelm, release: Release
    ) -> None:
        fake.add(release.name, "deployed")
        fake.add(release.name, "pending-upgrade")

        with pytest.raises(ConflictError, match="is pending-upgrade since 2026-11-28") as caught:
            replace(release, heals=False).apply()

        assert "helm rollback habari-malaria --namespace malaria" in caught.value.hint
        assert set(fake.verbs()) <= {"list", "history"}


class TestCheck:
    """What is judged before anything changes."""

    def test_without_a_schema_the_toolkit_s_own_keys_judge(self, release: Release) -> None:
        found = release.check()

        assert found.by == "the keys that the toolkit knows"
        assert "kind: Service" in found.rendered
        assert "Service" not in repr(found)

    def test_the_chart_s_own_schema_judges_files_and_overlay_together(self, release: Release) -> None:
        (release.chart.path / "values.schema.json").write_text(json.dumps(SCHEMA))
        (release.chart.path / "values.yaml").write_text("hub: {}")

        with pytest.raises(UsageError, match="the values are not valid") as caught:
            release.check()

        assert caught.value.details == ("hub.db: the chart has no such key",)

    def test_a_valid_tree_names_the_schema(self, release: Release) -> None:
        (release.chart.path / "values.schema.json").write_text('{"type": "object"}')

        assert release.check().by == "the schema of jupyterhub 4.4.0"

    def test_only_rendering_is_asked_of_helm(self, fake: FakeHelm, release: Release) -> None:
        release.check(kubernetes="v1.36.3", served=("v1",))

        assert fake.verbs() == ["template"]

    def test_an_old_chart_is_refused(self, fake: FakeHelm, release: Release) -> None:
        fake.rendered = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: hub}\n"

        with pytest.raises(UsageError, match=r"jupyterhub 4\.4\.0 does not fit"):
            release.check()

    def test_what_was_translated_is_told(self, release: Release) -> None:
        release.files[1].write_text("auth:\n  admin: {users: [ada]}\n")

        assert any("auth.admin" in each for each in release.check().warnings)


class TestUndeploy:
    """The seed's two commands."""

    def test_the_release_goes_and_then_its_namespace(self, fake: FakeHelm, release: Release) -> None:
        fake.add(release.name, "deployed")

        assert release.undeploy(FakeApi()) == ("release habari-malaria", "namespace malaria")
        assert release.name not in fake.releases

    def test_nothing_to_remove_is_no_error(self, release: Release) -> None:
        assert release.undeploy(FakeApi(has_namespace=False)) == ()

    def test_a_namespace_whose_release_is_gone_goes_too(self, release: Release) -> None:
        assert release.undeploy(FakeApi()) == ("namespace malaria",)
