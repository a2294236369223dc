"""Which runtime a command takes: what is asked for, what was, what the file says, what runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import project
from devenv.errors import UsageError
from devenv.session import Session
from devenv.state import Instance


def session(
    folder: Path, *, level: str | None = "jupyter", runtime: str | None = None, file: str = ""
) -> Session:
    environ = {"HABARI_RUNTIME": file} if file else {}
    wanted = project.load(folder, environ)
    instance = Instance(wanted.name, folder, folder / "data")
    instance.root.mkdir(parents=True, exist_ok=True)
    return Session(wanted, instance, environ, asked_level=level, asked_runtime=runtime)


def test_without_any_word_it_is_the_process_runtime(tmp_path: Path) -> None:
    assert session(tmp_path).choice.runtime == "process"


def test_the_project_file_decides_for_an_instance_that_nobody_asked_anything(tmp_path: Path) -> None:
    session(tmp_path, file="process").remember()

    assert session(tmp_path, file="compose").choice.runtime == "compose"


def test_what_was_asked_for_is_remembered_for_the_next_start(tmp_path: Path) -> None:
    session(tmp_path, runtime="compose").remember()

    found = session(tmp_path, file="process").choice

    assert (found.runtime, found.why) == ("compose", "asked for by --runtime before")


def test_a_hub_in_between_changes_nothing_for_the_next_up(tmp_path: Path) -> None:
    session(tmp_path, runtime="compose").remember()
    session(tmp_path, level="hub").remember()

    assert session(tmp_path, level=None).choice.runtime == "process"
    assert session(tmp_path).choice.runtime == "compose"


def test_commands_that_start_nothing_take_what_ran_last(tmp_path: Path) -> None:
    session(tmp_path, file="compose").remember()

    assert session(tmp_path, level=None).choice.runtime == "compose"


def test_every_runtime_that_was_used_is_known_to_purge(tmp_path: Path) -> None:
    for runtime in ("process", "compose"):
        session(tmp_path, runtime=runtime).remember()

    # what may fail comes first, before anything is deleted
    assert [each.name for each in session(tmp_path, level=None).used_runtimes] == ["compose", "process"]


def test_an_unknown_runtime_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no runtime 'vm'"):
        _ = session(tmp_path, runtime="vm").choice


@pytest.mark.parametrize("level", ["jupyter", "kind"])
@pytest.mark.parametrize(
    ("endpoint", "reaches"),
    [
        ("http://127.0.0.1:9000", False),
        ("http://localhost:9000", False),
        ("http://s3.localhost:9000", False),
        ("http://[::1]:9000", False),
        ("http://minio.example.org:9000", True),
    ],
)
def test_containers_are_refused_an_s3_on_the_hosts_loopback(
    tmp_path: Path, endpoint: str, reaches: bool, level: str
) -> None:
    environ = {"HABARI_S3_PROVIDER": "external", "HABARI_S3_ENDPOINT": endpoint}
    wanted = project.load(tmp_path, environ)
    found = Session(
        wanted,
        Instance("habari", tmp_path, tmp_path),
        environ,
        asked_level=level,
        asked_runtime="compose" if level == "jupyter" else None,
    )

    if reaches:
        found.require_reachable()
    else:
        with pytest.raises(UsageError, match=r"is the (container|pod) itself"):
            found.require_reachable()


ASKED = {
    "HABARI_PORTS_JUPYTER": "8100",
    "HABARI_PORTS_S3": "9100",
    "HABARI_PORTS_POSTGRES": "5500",
    "HABARI_POSTGRES_BINARIES": "system",
}


@pytest.mark.parametrize(
    ("level", "runtime", "named"),
    [
        ("jupyter", "process", []),
        ("jupyter", "compose", ["postgres.binaries"]),
        ("kind", None, ["postgres.binaries", "ports.jupyter", "ports.postgres"]),
    ],
)
def test_what_the_project_file_asks_in_vain_is_named(
    tmp_path: Path, level: str, runtime: str | None, named: list[str]
) -> None:
    wanted = project.load(tmp_path, ASKED)
    instance = Instance("habari", tmp_path, tmp_path)

    found = Session(wanted, instance, ASKED, asked_level=level, asked_runtime=runtime)

    assert [note.split()[0] for note in found.settings_without_effect()] == named
