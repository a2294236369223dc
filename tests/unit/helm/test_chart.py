"""Which chart is deployed, where it comes from, and what it says of itself."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from unit.helm.fake_helm import FakeHelm

from devenv.errors import MissingError, UsageError
from devenv.helm import chart
from devenv.helm.chart import Chart, Pin

CHART_YAML = 'apiVersion: v2\nname: jupyterhub\nversion: 4.4.0\nkubeVersion: ">=1.28.0-0"\n'
PIN = Pin("https://charts.example.org/", "jupyterhub", "4.4.0")


def archive(**files: str) -> bytes:
    """A chart's archive; a file's name has _ for the dot and is laid into the folder jupyterhub."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"jupyterhub/{name.replace('_', '.')}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return target.getvalue()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeHelm:
    monkeypatch.setattr(chart, "pin", lambda: PIN)
    return FakeHelm(archive=archive(Chart_yaml=CHART_YAML))


def folder(place: Path, text: str = CHART_YAML) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / "Chart.yaml").write_text(text)
    return place


def test_the_pinned_chart_is_zero_to_jupyterhub() -> None:
    found = chart.pin()

    assert (found.name, found.version) == ("jupyterhub", "4.4.0")
    assert found.repository.startswith("https://")


def test_a_named_folder_or_archive_is_taken_and_nothing_is_fetched(fake: FakeHelm, tmp_path: Path) -> None:
    packed = tmp_path / "mine.tgz"
    packed.write_bytes(archive(Chart_yaml=CHART_YAML))

    for path in (folder(tmp_path / "chart"), packed):
        found = chart.find(path, fake.driver(tmp_path), tmp_path)
        assert found == Chart(path, "jupyterhub", "4.4.0", ">=1.28.0-0")
        assert found.label == "jupyterhub 4.4.0"
    assert fake.calls == []


def test_the_pinned_chart_is_fetched_once(fake: FakeHelm, tmp_path: Path) -> None:
    helm = fake.driver(tmp_path)

    first, second = (chart.find(None, helm, tmp_path) for _ in range(2))

    assert first == second
    assert fake.verbs() == ["pull"]
    assert sorted(each.name for each in first.path.parent.iterdir()) == ["jupyterhub-4.4.0.tgz"]


def test_another_repository_or_version_is_another_place_in_the_cache(tmp_path: Path) -> None:
    others = (
        Pin("https://b.example.org/", "jupyterhub", "4.4.0"),
        Pin(PIN.repository, "jupyterhub", "4.3.0"),
    )

    assert len({chart.cached_at(each, tmp_path) for each in (PIN, *others)}) == 3


def test_offline_and_not_in_the_cache_is_one_line_that_names_the_variable(
    fake: FakeHelm, tmp_path: Path
) -> None:
    fake.refuses["pull"] = 'Error: looks like "x" is not a valid chart repository: dial tcp: no such host'

    with pytest.raises(MissingError, match=r"jupyterhub 4\.4\.0 cannot be fetched") as caught:
        chart.find(None, fake.driver(tmp_path), tmp_path)

    assert "DEVENV_CHART=" in caught.value.hint
    assert not list(chart.cached_at(PIN, tmp_path).parent.iterdir())


def test_a_version_that_the_repository_does_not_have_is_told_apart_from_no_network(
    fake: FakeHelm, tmp_path: Path
) -> None:
    fake.refuses["pull"] = 'Error: chart "jupyterhub" version "4.4.0" not found in the repository'

    with pytest.raises(MissingError, match="is not to be had from its repository"):
        chart.find(None, fake.driver(tmp_path), tmp_path)


def test_what_is_not_the_chart_that_was_asked_for_does_not_get_into_the_cache(
    fake: FakeHelm, tmp_path: Path
) -> None:
    fake.archive = archive(Chart_yaml="name: other\nversion: 1.0.0\n")

    with pytest.raises(UsageError, match=r"the repository gave the chart other 1\.0\.0"):
        chart.find(None, fake.driver(tmp_path), tmp_path)

    assert not chart.cached_at(PIN, tmp_path).exists()


@pytest.mark.parametrize(
    "content",
    [b"no archive at all", archive(README_md="no chart"), archive(Chart_yaml="- a list")],
    ids=["no archive", "no Chart.yaml", "no mapping"],
)
def test_a_file_that_is_no_chart_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tgz"
    path.write_bytes(content)

    with pytest.raises(UsageError, match="is no chart of Helm"):
        chart.read(path)


def test_nothing_at_the_path_is_told_as_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no chart at"):
        chart.read(tmp_path / "nothing")


def test_a_folder_s_digest_changes_with_its_files_and_an_archive_s_with_its_bytes(tmp_path: Path) -> None:
    place = folder(tmp_path / "c")
    before = chart.read(place).digest()
    assert chart.read(place).digest() == before

    (place / "templates").mkdir()
    (place / "templates" / "x.yaml").write_text("kind: X")

    assert chart.read(place).digest() != before


def test_whether_a_chart_has_a_schema_is_seen_in_folders_and_archives(tmp_path: Path) -> None:
    place = folder(tmp_path / "c")
    assert not chart.read(place).has_schema
    (place / "values.schema.json").write_text("{}")
    packed = tmp_path / "x.tgz"
    packed.write_bytes(archive(Chart_yaml=CHART_YAML, values_schema_json="{}"))

    assert chart.read(place).has_schema
    assert chart.read(packed).has_schema


def test_the_test_chart_is_known_by_its_name() -> None:
    assert Chart(Path("/x"), "habari-test", "0.1.0").is_test_chart
    assert not Chart(Path("/x"), "jupyterhub", "4.4.0").is_test_chart
