"""What root installs for other accounts, they can run: by a real account number, on the real machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv import environments, interpreters
from devenv.environments import Environment

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="not root: what other accounts can run is NOT tested"),
]
# No account of the machine has it, as those that the hub gives out.
STRANGER = 12345


def run_as_stranger(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        user=STRANGER,
        group=STRANGER,
        extra_groups=[],
        cwd="/",
        env={"HOME": "/", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(autouse=True)
def shareable() -> None:
    if interpreters.shareable() is None:
        pytest.skip("no Python that every account may run: the notebooks' for other accounts is NOT tested")


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_stranger_runs_the_notebooks_python_and_its_packages(machine_root: Path) -> None:
    environment = environments.locate("notebook", machine_root)
    assert environments.is_shareable(environment)

    code = "import os, jupyterhub.singleuser, jupyterlab, psycopg2, pyarrow; print(os.geteuid())"
    said = run_as_stranger(environment.program, "-I", "-c", code)

    assert (said.stdout, said.returncode) == (f"{STRANGER}\n", 0), said.stderr


def test_every_file_of_the_notebooks_environment_can_be_read_by_a_stranger(machine_root: Path) -> None:
    packages = environments.locate("notebook", machine_root).home / "lib"
    said = run_as_stranger("find", packages, "!", "-readable")
    assert (said.stdout, said.stderr) == ("", "")


def test_a_strict_umask_shuts_nobody_out(
    scratch: Path, strict_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache of uv comes to be under it too, and the environment is made of links to that."""
    lock = scratch / "small.lock"
    blocks = re.split(r"\n(?=\S)", environments.TOOLKIT_LOCK.read_text())
    lock.write_text("\n".join(block for block in blocks if re.match("(invoke|psutil)==", block)) + "\n")
    monkeypatch.setitem(environments.LOCKS, "notebook", lock)
    environment = environments.locate("notebook", scratch / "strict" / "data")

    # the cache is on the same file system, or nothing would be linked
    environ = {**os.environ, "UV_CACHE_DIR": str(scratch / "strict-cache")}
    environments.ensure(environment, lambda line: None, environ)

    assert environments.barrier(environment) is None
    said = run_as_stranger(
        environment.program, "-I", "-c", "import invoke, psutil; print(psutil.pid_exists(1))"
    )
    assert said.stdout == "True\n", said.stderr


def test_a_data_root_that_others_cannot_pass_is_named(scratch: Path) -> None:
    private = scratch / "nobody else"
    private.mkdir(mode=0o700)
    environment: Environment = environments.locate("notebook", private / "data")
    with pytest.raises(environments.MissingError, match=re.escape(f"chmod o+x {private}")):
        environments.require_shareable(environment)
