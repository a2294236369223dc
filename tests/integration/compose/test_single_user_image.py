"""The single-user image without a compose file: `docker run` with any account, and as KubeSpawner does it."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from devenv import waiting
from devenv.images.engine import Engine
from integration.compose.conftest import CHECKOUT

pytestmark = [pytest.mark.integration, pytest.mark.slow]

IMAGE = "habari/jupyter:local"
HUB = Path(__file__).with_name("hub_that_nods.py")
ASK = """
import json, sys, urllib.request
request = urllib.request.Request("http://127.0.0.1:8888" + sys.argv[1], headers={"Authorization": "token t"})
print(urllib.request.urlopen(request, timeout=5).read().decode())
"""


def run(docker: Engine, *words: str | Path, image: str = IMAGE, code: int = 0) -> str:
    done = docker.run("run", "--rm", *words[:-1], image, "bash", "-c", words[-1])
    assert done.code == code, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("user", ["1000:100", "12345:100", "12345:12345", "0:0"])
def test_lab_and_a_writable_home_are_there_for_any_account(images: Engine, user: str) -> None:
    said = run(images, "--user", user, 'touch "$HOME/x" && ls "$HOME/samples" && jupyter lab --version')
    assert "01-read-write-explore.ipynb" in said


def test_a_home_that_may_not_be_written_is_replaced_and_told(images: Engine) -> None:
    said = run(images, "--mount", "type=tmpfs,destination=/home/jovyan,tmpfs-mode=0755", 'echo "home $HOME"')
    assert "home /tmp/home" in said
    assert "/home/jovyan may not be written by uid 1000" in said


def test_the_account_and_the_places_are_those_of_the_stacks(images: Engine) -> None:
    said = run(images, 'id -un; id -u; id -g; pwd; echo "$PYTHONPATH"; ls /etc/jupyter')
    assert said.split()[:5] == ["jovyan", "1000", "100", "/home/jovyan", "/opt/local_modules"]
    assert "jupyter_server_config.py" in said


def test_a_package_can_be_added_to_the_running_container(images: Engine) -> None:
    said = run(
        images,
        "python -m pip install --no-index --quiet x 2>&1 | tail -1; touch /opt/habari/lib/x && echo may",
    )
    assert "may" in said.split()
    assert "Permission" not in said


def test_the_hook_of_the_shared_values_finds_what_it_copies(images: Engine) -> None:
    """In a home that the image's own start has not seen, and in one that it has."""
    values = yaml.safe_load((CHECKOUT / "jupyter" / "shared_config.yaml").read_text())
    hook = values["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"]
    listed = "cd ~ && find samples .ipython -type f | sort"
    alone = ("--rm", "--entrypoint", "bash", IMAGE, "-c", f"{shlex.join(hook)} && {listed}")
    copied = images.run("run", *alone).stdout.split()
    assert copied == run(images, listed).split() == run(images, f"{shlex.join(hook)} && {listed}").split()
    assert "samples/01-read-write-explore.ipynb" in copied
    assert ".ipython/profile_default/startup/README.md" in copied


@pytest.fixture
def pod(images: Engine) -> Iterator[str]:
    """A single-user server started as KubeSpawner does it, with an empty volume over its home."""
    mark = f"habari-test-{secrets.token_hex(4)}"
    hub, server = f"{mark}-hub", f"{mark}-server"
    variables = {
        "JUPYTERHUB_API_URL": f"http://{hub}:8081/hub/api",
        "JUPYTERHUB_ACTIVITY_URL": f"http://{hub}:8081/hub/api/users/ada/activity",
        "JUPYTERHUB_API_TOKEN": "t",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ada",
        "JUPYTERHUB_USER": "ada",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
        "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ada/",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": "/user/ada/oauth_callback",
        "JUPYTERHUB_OAUTH_SCOPES": '["access:servers!server=ada/"]',
        "S3_BUCKET_NAME_LAKE": "habari-lake",
        "AWS_ENDPOINT_URL": "http://s3.invalid:9000",
    }
    environment = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    try:
        assert images.run("network", "create", mark).code == 0
        nodding = (
            "--detach",
            "--name",
            hub,
            "--network",
            mark,
            "-v",
            f"{HUB}:/hub.py:ro",
            "--entrypoint",
            "python",
        )
        assert images.run("run", *nodding, IMAGE, "/hub.py").code == 0
        home = ("--tmpfs", "/home/jovyan:uid=1000,gid=100")
        drop = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")
        started = ("--detach", "--name", server, "--network", mark, *home, *drop, *environment)
        assert images.run("run", *started, IMAGE, "jupyterhub-singleuser").code == 0
        yield server
    finally:
        images.run("rm", "--force", "--volumes", hub, server)
        images.run("network", "rm", mark)


def test_a_hub_can_start_it_with_a_volume_over_the_home(images: Engine, pod: str) -> None:
    def asked() -> str:
        done = images.run("exec", pod, "python", "-c", ASK, "/user/ada/api/contents")
        if done.code:
            raise waiting.NotYet(done.stderr.strip().splitlines()[-1])
        return done.stdout

    def alive() -> None:
        assert images.run("inspect", "--format", "{{.State.Running}}", pod).stdout.strip() == "true"

    listed = waiting.until(asked, what="jupyterhub-singleuser", seconds=90, alive=alive)
    assert '"samples"' in listed
    assert '"lake"' in listed


def test_what_it_cannot_do_without_is_told_by_its_base(images: Engine) -> None:
    """R comes with a base of the Docker Stacks; a Debian from mirrors has none."""
    stored = images.image(IMAGE)
    assert stored is not None
    kernels = run(images, "jupyter kernelspec list 2>/dev/null")
    assert "python3" in kernels
    assert (" ir " in kernels) is (stored.labels["habari.from"] == "registry")
