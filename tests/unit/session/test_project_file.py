"""Which project file a command reads, and to which one an instance belongs."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import session as sessions
from devenv import state
from devenv.errors import ConflictError, UsageError
from devenv.session import Session


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "checkout"
    made.mkdir()
    monkeypatch.setattr(sessions, "CHECKOUT", made)
    monkeypatch.setenv("HABARI_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.delenv("HABARI_INSTANCE", raising=False)
    return made


@pytest.fixture
def other(tmp_path: Path) -> Path:
    file = tmp_path / "other.yaml"
    file.write_text("name: other\nbuckets: {lake: of-the-other}\n")
    return file


def start(file: Path | None = None, instance: str | None = None) -> Session:
    """As a command that starts something does."""
    opened = Session.open(instance, level="jupyter", project_file=file)
    opened.instance.create()
    opened.remember()
    return opened


def test_a_file_that_is_named_has_an_instance_of_its_own(other: Path) -> None:
    assert start(other).instance.name == "other"
    assert start().instance.name == "habari"


def test_an_instance_is_found_again_by_its_name_alone(other: Path) -> None:
    start(other)

    for opened in (Session.open("other"), Session.open_to_stop("other")):
        assert opened.project.file == other
        assert opened.project.buckets.lake == "of-the-other"


def test_a_later_command_does_not_forget_the_file(other: Path) -> None:
    start(other)
    start(instance="other")

    assert Session.open("other").project.file == other


def test_a_file_without_a_name_is_the_checkouts_project(tmp_path: Path) -> None:
    file = tmp_path / "nameless.yaml"
    file.write_text("ports: {s3: 9123}\n")
    start(file)

    assert Session.open().project.ports.s3 == 9123


def test_the_checkouts_own_file_may_be_named_too(checkout: Path) -> None:
    (checkout / "devenv.yaml").write_text("name: mine\n")
    start()

    assert start(checkout / "devenv.yaml").instance.name == "mine"
    assert Session.open().project.file == checkout / "devenv.yaml"


def test_two_files_of_one_name_are_told_apart_by_a_refusal(tmp_path: Path, other: Path) -> None:
    start(other)
    second = tmp_path / "second.yaml"
    second.write_text("name: other\n")

    with pytest.raises(ConflictError, match=r"the name other in .*second.yaml is that of .*other.yaml"):
        Session.open(project_file=second)


def test_a_file_cannot_take_the_name_of_what_the_checkout_runs(tmp_path: Path, other: Path) -> None:
    start(instance="other")

    with pytest.raises(ConflictError, match="this checkout's own project"):
        Session.open(project_file=other)


def test_the_checkouts_file_cannot_take_the_name_of_what_another_started(checkout: Path, other: Path) -> None:
    start(other)
    (checkout / "devenv.yaml").write_text("name: other\n")

    with pytest.raises(ConflictError, match="both call their project other"):
        Session.open()
    assert Session.open("other").project.file == other


def test_a_file_that_has_moved_takes_its_instance_along(tmp_path: Path, other: Path) -> None:
    start(other)
    moved = other.rename(tmp_path / "moved.yaml")

    assert start(moved).instance.name == "other"
    assert Session.open("other").project.file == moved


def test_a_file_that_is_gone_is_named_and_what_runs_can_be_stopped(other: Path) -> None:
    start(other)
    other.unlink()

    with pytest.raises(UsageError, match=r"the project file of other is gone: .*other\.yaml"):
        Session.open("other")
    assert Session.open_to_stop("other").instance.name == "other"


def test_what_an_older_toolkit_wrote_down_names_no_file(checkout: Path) -> None:
    instance = start().instance
    state.write_json(instance.root / sessions.REMEMBERED, {"level": "jupyter", "runtime": "process"})

    assert Session.open().project.file is None


def test_the_clusters_name_is_no_instance_of_a_project() -> None:
    with pytest.raises(UsageError, match="must not be kind"):
        Session.open("kind")
