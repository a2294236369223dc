"""A project file that is not the checkout's: where it may lie, and what is relative to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import UsageError
from devenv.project import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the file; the checkout is another one."""
    made = tmp_path / "elsewhere"
    made.mkdir()
    (tmp_path / "devenv.yaml").write_text("name: of-checkout\n")
    return made


def test_the_named_file_is_read_instead_of_the_checkouts(tmp_path: Path, folder: Path) -> None:
    (folder / "other.yaml").write_text("name: other\n")

    project = load(tmp_path, {}, file=folder / "other.yaml")

    assert (project.name, project.file, project.folder) == ("other", folder / "other.yaml", folder)


def test_relative_paths_in_it_start_at_its_own_folder(tmp_path: Path, folder: Path) -> None:
    (folder / "other.yaml").write_text(
        "chart: charts/hub.tgz\nhub: {values: [../shared.yaml]}\njupyter: {home: work}\n"
    )

    project = load(tmp_path, {}, file=folder / "other.yaml")

    assert project.chart_path == folder / "charts" / "hub.tgz"
    assert project.values_files == (folder / ".." / "shared.yaml",)
    assert project.jupyter_home == folder / "work"


def test_without_a_word_about_it_there_is_no_chart(tmp_path: Path, folder: Path) -> None:
    assert load(tmp_path, {}).chart_path is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HABARI_CHART": "/one"}, "/one"),
        ({"DEVENV_CHART": "/two"}, "/two"),
        ({"HABARI_CHART": "/one", "DEVENV_CHART": "/two"}, "/one"),
        ({"HABARI_CHART": "", "DEVENV_CHART": ""}, "{folder}/own"),
    ],
    ids=["HABARI_CHART", "DEVENV_CHART", "both", "empty"],
)
def test_a_variable_names_another_chart(
    tmp_path: Path, folder: Path, variables: dict[str, str], expected: str
) -> None:
    (folder / "other.yaml").write_text("chart: own\n")

    project = load(tmp_path, variables, file=folder / "other.yaml")

    assert project.chart_path == Path(expected.format(folder=folder))


def test_a_chart_of_the_shell_is_relative_to_where_the_shell_is(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "other.yaml").write_text("name: other\n")
    monkeypatch.chdir(tmp_path)

    project = load(tmp_path, {"DEVENV_CHART": "tests/chart"}, file=folder / "other.yaml")

    assert project.chart_path == tmp_path / "tests" / "chart"


def test_a_file_that_is_named_must_be_there(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no project file .*other\.yaml"):
        load(tmp_path, {}, file=folder / "other.yaml")


def test_a_folder_is_told_how_to_name_the_file_in_it(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, {}, file=folder)

    assert str(folder / "devenv.yaml") in caught.value.hint


def test_what_is_wrong_in_it_is_told_under_its_own_name(tmp_path: Path, folder: Path) -> None:
    (folder / "other.yaml").write_text("bukets: {}\n")

    with pytest.raises(UsageError) as caught:
        load(tmp_path, {}, file=folder / "other.yaml")

    assert caught.value.what == f"{folder / 'other.yaml'} is not valid: 1 problem"


def test_a_misnamed_file_of_the_checkout_is_none_of_its_business(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "devenv.yml").write_text("")
    (folder / "other.yaml").write_text("name: other\n")

    assert load(tmp_path, {}, file=folder / "other.yaml").notices == ()
    assert load(tmp_path, {}).notices != ()
