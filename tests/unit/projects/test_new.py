"""A new project: two files that are never written over others, credentials and a name of its own."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv import project, projects, report, state
from devenv import session as sessions
from devenv.credentials import Vault
from devenv.errors import ConflictError, UsageError
from devenv.session import Session
from devenv.state import Instance

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "checkout"
    (made / "jupyter").mkdir(parents=True)
    for name in ("SHARED_VALUES", "SAMPLE_VALUES"):
        source: Path = getattr(sessions, name)
        copy = made / "jupyter" / source.name
        copy.write_text((REPOSITORY / "jupyter" / source.name).read_text())
        monkeypatch.setattr(sessions, name, copy)
    monkeypatch.setattr(sessions, "CHECKOUT", made)
    monkeypatch.setenv("HABARI_DATA_ROOT", str(tmp_path / "data"))
    for variable in ("HABARI_INSTANCE", "HABARI_NAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return made


class Said:
    """What a command printed."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.reporter = report.make(environ={}, out=self.out, err=self.err)


def new(name: str = "weather", folder: str = "own", *, json_too: bool = False) -> Said:
    said = Said()
    projects.new(said.reporter, name=name, folder=folder, json=json_too)
    return said


def test_the_project_can_be_opened_and_has_names_of_its_own(tmp_path: Path) -> None:
    new()

    opened = Session.open(level="kind", project_file=tmp_path / "own" / "devenv.yaml")

    assert (opened.project.name, opened.instance.name) == ("weather", "weather")
    assert opened.project.buckets == project.Buckets("habari-public", "weather-lake", "weather-notebooks")
    assert opened.project.databases.explore.user == "weather_explore"
    assert [path.exists() for path in opened.values_files] == [True, True]


def test_the_values_hold_the_instances_own_secrets_for_its_owner_alone(
    tmp_path: Path, checkout: Path
) -> None:
    new()

    values = tmp_path / "own" / "project_config.yaml"
    secrets = Vault(Instance("weather", checkout, tmp_path / "data").secrets).current
    environ = yaml.safe_load(values.read_text())["singleuser"]["extraEnv"]
    assert stat.S_IMODE(values.stat().st_mode) == 0o600
    assert environ["EXPLORE_DB_PASSWORD"] == secrets.explore_db_password
    assert environ["AWS_SECRET_ACCESS_KEY"] == secrets.s3_secret_access_key != ""


def test_the_next_command_is_printed_and_no_secret(tmp_path: Path, checkout: Path) -> None:
    said = new(folder="my own")

    secrets = Vault(Instance("weather", checkout, tmp_path / "data").secrets).current
    assert said.out.getvalue().endswith("./dev kind --project 'my own/devenv.yaml'\n")
    assert secrets.explore_db_password not in said.out.getvalue() + said.err.getvalue()


def test_machines_get_the_files_and_the_command(tmp_path: Path) -> None:
    told = json.loads(new(json_too=True).out.getvalue())

    assert told["file"] == str(tmp_path / "own" / "devenv.yaml")
    assert told["next"] == "./dev kind --project own/devenv.yaml"


def test_without_a_folder_it_lies_in_the_checkout_and_moves_with_it(checkout: Path) -> None:
    new(folder="")

    file = checkout / "projects" / "weather" / "devenv.yaml"
    assert yaml.safe_load(file.read_text())["hub"]["values"] == [
        "../../jupyter/shared_config.yaml",
        "project_config.yaml",
    ]


def test_the_public_bucket_is_that_of_the_checkouts_project(checkout: Path, tmp_path: Path) -> None:
    (checkout / "devenv.yaml").write_text("name: mine\nbuckets: {public: for-all}\n")

    new()

    assert yaml.safe_load((tmp_path / "own" / "devenv.yaml").read_text())["buckets"]["public"] == "for-all"


def test_two_projects_have_nothing_in_common_but_the_public_bucket(tmp_path: Path) -> None:
    found: list[dict[str, Any]] = []
    for name in ("weather", "health"):
        new(name, name)
        text = (tmp_path / name / "project_config.yaml").read_text()
        found.append(yaml.safe_load(text)["singleuser"]["extraEnv"])

    same = {key for key in found[0] if found[0][key] == found[1][key]}
    assert same == {"S3_BUCKET_NAME_PUBLIC", "AWS_DEFAULT_REGION", "EXPLORE_DB_HOST", "EXPLORE_DB_PORT"}


@pytest.mark.parametrize("name", ["devenv.yaml", "project_config.yaml"])
def test_no_file_is_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / name).write_text("mine\n")

    with pytest.raises(ConflictError, match=f"own/{name} is there already"):
        new()
    assert [path.name for path in (tmp_path / "own").iterdir()] == [name]
    assert (tmp_path / "own" / name).read_text() == "mine\n"


def test_what_a_killed_command_left_is_finished_by_the_next(tmp_path: Path) -> None:
    new()
    values = (tmp_path / "own" / "project_config.yaml").read_bytes()
    (tmp_path / "own" / "devenv.yaml").unlink()

    new()

    assert (tmp_path / "own" / "devenv.yaml").exists()
    assert (tmp_path / "own" / "project_config.yaml").read_bytes() == values


def test_a_name_belongs_to_one_project(tmp_path: Path) -> None:
    new()

    with pytest.raises(ConflictError, match="there is a project weather already"):
        new(folder="another")
    assert not (tmp_path / "another").exists()


def test_the_checkouts_own_name_is_taken() -> None:
    with pytest.raises(ConflictError, match="habari is this checkout's own project"):
        new("habari")


@pytest.mark.parametrize("name", ["Weather", "a", "kind", "kube-system", "-x", "../x", "", "pg-1"])
def test_a_name_that_cannot_be_one_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="the name") as caught:
        new(name)

    assert caught.value.details == ()
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="cannot be made"):
        new(folder="file/below")


def test_a_project_in_somebodys_repository_is_warned_about_unless_git_ignores_it(tmp_path: Path) -> None:
    from devenv import commands

    commands.run(("git", "init", "--quiet", tmp_path), env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})

    assert "git would take it" in new().err.getvalue()
    (tmp_path / ".gitignore").write_text("project_config.yaml\n")
    assert new("health", "health").err.getvalue() == ""


def test_the_list_has_every_project_with_its_file(tmp_path: Path, checkout: Path) -> None:
    new()
    own = Session.open(level="jupyter")
    own.instance.create()
    own.remember()
    said = Said()

    projects.listing(said.reporter, json=True)

    rows = {row["project"]: row for row in json.loads(said.out.getvalue())}
    assert rows["weather"]["state"] == "never started"
    assert rows["weather"]["file"] == str(tmp_path / "own" / "devenv.yaml")
    assert (rows["habari"]["state"], rows["habari"]["level"]) == ("stopped", "jupyter")


def test_a_project_whose_file_is_gone_is_listed_with_the_reason(tmp_path: Path) -> None:
    new()
    file = tmp_path / "own" / "devenv.yaml"
    opened = Session.open(level="jupyter", project_file=file)
    opened.remember()
    file.unlink()
    said = Said()

    projects.listing(said.reporter, json=False)

    assert "the project file of weather is gone" in said.out.getvalue()


def test_the_cluster_is_no_project(tmp_path: Path, checkout: Path) -> None:
    Instance("kind", checkout, tmp_path / "data").create()
    said = Said()

    projects.listing(said.reporter, json=True)

    assert json.loads(said.out.getvalue()) == []
    assert state.instances_of(checkout, tmp_path / "data") == []
