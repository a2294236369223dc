"""``dev`` from nothing, in a folder as awkward as folders get, against the real package index."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).resolve().parents[3]
AWKWARD = "a folder with spaces, ünïcödé ✓ and 'quotes'"
TASKS = """
import os
from invoke import task

@task
def where(context, file="-"):
    "Say where this runs."
    print(os.getcwd(), file)

@task
def fail(context):
    raise SystemExit(4)
"""
TOO_OLD, WITHOUT_VENV, NOT_THERE = 93, 94, 127


def copy_of_checkout(folder: Path) -> Path:
    folder.mkdir(parents=True)
    shutil.copy(CHECKOUT / "dev", folder)
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("devenv", "requirements", "jupyter"):
        shutil.copytree(CHECKOUT / part, folder / part, ignore=ignored)
    (folder / "tasks.py").write_text(TASKS)
    return folder


def dev(
    checkout: Path, *arguments: str, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (checkout / "dev", *arguments),
        cwd=cwd or checkout,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dev") / AWKWARD / ("long " * 12).strip()
    assert len(str(path)) > 100
    return path


@pytest.fixture(scope="module")
def killed(folder: Path) -> Iterator[Path]:
    """A checkout whose first run was killed, with every child of it, in the middle."""
    checkout = copy_of_checkout(folder / "checkout")
    child = subprocess.Popen(
        (checkout / "dev", "where"), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert child.stderr
    for line in child.stderr:
        if "fetching uv" in line:
            break
    os.killpg(child.pid, signal.SIGKILL)
    child.stderr.close()
    child.wait()
    return checkout


@pytest.fixture(scope="module")
def healed(killed: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The same checkout, and its next run."""
    assert not (killed / ".venv" / "devenv-installed.lock").exists()
    done = dev(killed, "where")
    if "No connection to the package index" in done.stderr and "network" not in os.environ.get(
        "DEVENV_REQUIRE", ""
    ):
        pytest.skip(f"the package index cannot be reached: {done.stderr}")
    return killed, done


@pytest.fixture(scope="module")
def checkout(healed: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    return healed[0]


def test_a_first_use_that_was_killed_is_mended_by_the_next(
    healed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    checkout, done = healed
    assert (done.returncode, done.stdout) == (0, f"{checkout} -\n"), done.stderr
    told = [line.split(" s  ")[1] for line in done.stderr.splitlines()]
    assert told[0].startswith("making ")
    assert told[-1] == "ready"


def test_the_second_run_installs_nothing_and_says_nothing(checkout: Path) -> None:
    packages = next((checkout / ".venv").glob("lib/python3*/site-packages"))
    before = {path: path.stat().st_mtime_ns for path in (packages, checkout / ".venv" / "devenv-install.log")}
    done = dev(checkout, "where")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_relative_file_means_the_users_folder_even_through_links(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "first").symlink_to(checkout / "dev")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "second").symlink_to("../first")
    done = subprocess.run(
        ("below/second", "where", "--file", "mine.ipynb"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{tmp_path} mine.ipynb\n", "")


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
def test_every_shell_will_do(checkout: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not on this machine")
    words = (shell, "sh", "dev") if shell == "busybox" else (shell, "dev")
    done = subprocess.run((*words, "where"), cwd=checkout, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{checkout} -\n", "")


def test_without_arguments_it_lists_the_tasks(checkout: Path) -> None:
    assert "Say where this runs." in dev(checkout).stdout


def test_a_tasks_exit_code_is_passed_on(checkout: Path) -> None:
    assert dev(checkout, "fail").returncode == 4


def test_pip_of_the_activated_environment_is_its_own(checkout: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ("sh", "-c", '. "$1/.venv/bin/activate" && pip --version', "sh", checkout),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"from {checkout}/.venv/lib/" in done.stdout, done.stderr


def test_invoke_in_the_environment_is_the_same_thing(checkout: Path) -> None:
    below = checkout / "devenv"
    done = subprocess.run(
        (checkout / ".venv" / "bin" / "invoke", "where"),
        cwd=below,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{below} -\n", "")


def test_the_users_own_modules_and_python_settings_are_not_picked_up(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "invoke.py").write_text("raise SystemExit('the wrong invoke')")
    done = dev(checkout, "where", cwd=tmp_path, PYTHONPATH=str(tmp_path), PYTHONHOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"{tmp_path} -\n"), done.stderr


def test_a_changed_lock_refreshes_in_place_once_for_two_at_once(checkout: Path) -> None:
    with (checkout / "requirements" / "toolkit.lock").open("a") as lock:
        lock.write("# changed\n")
    both = [
        subprocess.Popen(
            (checkout / "dev", "where"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [child.communicate(timeout=300)[1] for child in both]
    assert [child.returncode for child in both] == [0, 0], told
    assert sum("installing" in line for line in "".join(told).splitlines()) == 1
    assert " s  making" not in "".join(told)


def test_an_environment_in_a_checkout_that_was_moved_is_not_taken_as_it_is(
    checkout: Path, folder: Path
) -> None:
    """Its scripts name the old place. A Python that is not there shows that it would be made anew."""
    moved = folder / "moved"
    checkout.rename(moved)
    try:
        assert dev(moved, "where", PYTHON="/no/such/python").returncode == 5
    finally:
        moved.rename(checkout)
    assert dev(checkout, "where", PYTHON="/no/such/python").returncode == 0


def fake_pythons(folder: Path, code: int) -> str:
    """Return a PATH on which every Python answers the question of what it can do with ``code``."""
    folder.mkdir()
    for name in ("python3.13", "python3.12", "python3.11", "python3"):
        (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        pytest.param(WITHOUT_VENV, "python3-venv", id="no venv"),
        pytest.param(TOO_OLD, "Python 3.11 or newer was not found", id="too old"),
        pytest.param(NOT_THERE, "Python 3.11 or newer was not found", id="a shim to nothing"),
    ],
)
def test_a_machine_without_a_fit_python_gets_one_line(tmp_path: Path, code: int, told: str) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    done = dev(checkout, "where", PATH=fake_pythons(tmp_path / "bin", code), PYTHON="")
    assert done.returncode == 5
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()


def test_a_python_whose_venv_module_is_incomplete_is_recognised(tmp_path: Path) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    fake = tmp_path / "python"
    # Debian's python3 without python3-venv has venv, but no ensurepip.
    fake.write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -I -c \"import sys; sys.modules['ensurepip'] = None\n$3\"\n"
    )
    fake.chmod(0o755)
    done = dev(checkout, "where", PYTHON=str(fake))
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)
    assert "python3-venv" in done.stderr


def test_a_python_that_was_named_is_not_replaced_by_another(tmp_path: Path) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    done = dev(checkout, "where", PYTHON="/no/such/python")
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)
    assert "PYTHON=/no/such/python" in done.stderr


def test_somebody_elses_venv_is_left_alone(tmp_path: Path) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    done = dev(checkout, "where")
    assert (done.returncode, done.stderr.count("\n")) == (6, 1)
    assert "was not made by this toolkit" in done.stderr
    assert [path.name for path in (checkout / ".venv").iterdir()] == ["bin"]


def test_no_network_on_first_use_is_one_clear_line_without_a_secret(tmp_path: Path) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://me:s3cret@127.0.0.1:9/simple"}
    done = dev(checkout, "where", **nowhere, PIP_FIND_LINKS="", UV_CACHE_DIR=str(tmp_path / "cache"))
    assert done.returncode == 5
    problem = [line for line in done.stderr.splitlines() if " s  " not in line]
    assert len(problem) == 1
    assert "No connection to the package index" in problem[0]
    assert "s3cret" not in done.stderr + (checkout / ".venv" / "devenv-install.log").read_text()
