"""One data root, one poisoned home and one running instance for all tests that go through the commands."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from contract.contents.browser import Browser, Chromium, started

from devenv import environments, state
from integration.driving import Dev, free_ports, furnish, needed_environments

# Whoever follows one of these is lost: a proxy that nobody is, an account that does not exist.
POISON = {
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "all_proxy": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIATHEIRS",
    "AWS_SECRET_ACCESS_KEY": "theirs",
    "AWS_SESSION_TOKEN": "theirs",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_DEFAULT_REGION": "mars-north-1",
    "AWS_CA_BUNDLE": "/not/there.pem",
    "PGHOST": "127.0.0.9",
    "PGPORT": "9",
    "PGUSER": "theirs",
    "PGPASSWORD": "theirs",
    "PGSERVICE": "production",
    "PGSSLMODE": "verify-full",
    "PGDATA": "/not/there",
    "JUPYTER_TOKEN": "theirs",
    "JUPYTER_CONFIG_DIR": "/not/there",
    "PYTHONPATH": "/not/there",
    "KUBECONFIG": "/not/there",
}
HOME_FILES = {
    ".aws/config": "[default]\nregion = mars-north-1\nendpoint_url = http://127.0.0.1:9\ns3 =\n    nonsense",
    ".aws/credentials": "[default]\naws_access_key_id = AKIATHEIRS\naws_secret_access_key = theirs\n",
    ".kube/config": "current-context: production\n",
    ".docker/config.json": '{"credsStore": "theirs"}\n',
    ".jupyter/jupyter_server_config.py": "raise SystemExit('the configuration of the user was read')\n",
    ".jupyter/jupyter_lab_config.py": "raise SystemExit('the configuration of the user was read')\n",
    ".ipython/profile_default/startup/00.py": "raise SystemExit('the start-up file of the user was read')\n",
    ".pgpass": "*:*:*:*:theirs\n",
    ".invoke.yaml": "tasks: {auto_dash_names: true}\n",
}


def poisoned_home(place: Path) -> Path:
    for name, text in HOME_FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


def contents(folder: Path) -> dict[str, str]:
    """Every file and folder below, each with what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder that other accounts can pass through, unlike pytest's own."""
    place = Path(tempfile.mkdtemp(prefix="habari-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def home(scratch: Path) -> Path:
    return poisoned_home(scratch / "home")


@pytest.fixture(scope="session")
def environ(home: Path) -> Mapping[str, str]:
    """The environment of the person who types the commands."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **POISON, "HOME": str(home)}


@pytest.fixture(scope="session")
def machine_root() -> Path:
    """Where this machine has the environments; they are made once when they are missing."""
    root = state.data_root(os.environ)
    for name in needed_environments():
        environments.ensure(environments.locate(name, root), lambda text: None, os.environ)
    return root


@pytest.fixture(scope="session")
def data_root(scratch: Path, machine_root: Path) -> Path:
    place = scratch / "data"
    furnish(place, machine_root)
    return place


Make = Callable[..., Dev]


@pytest.fixture(scope="module")
def make(data_root: Path, environ: Mapping[str, str]) -> Iterator[Make]:
    """Make instances; each is destroyed at the end of the module, and then nothing of it may be left."""
    made: list[Dev] = []

    def instance(name: str, **changed: object) -> Dev:
        settings = {"data_root": data_root, "ports": free_ports(), **changed}
        own = settings.pop("environ", {})
        variables = {**environ, "HABARI_DATA_ROOT": str(settings["data_root"]), **own}  # type: ignore[dict-item]
        made.append(Dev(name, environ=variables, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield instance
    troubles = []
    for dev in made:
        try:
            dev.destroy()
        except AssertionError as trouble:
            troubles.append(str(trouble))
    assert not troubles


@pytest.fixture(scope="session")
def shared(data_root: Path, environ: Mapping[str, str]) -> Iterator[Dev]:
    """One instance that is up; a test that breaks it heals it again."""
    dev = Dev("shared", data_root, {**environ, "HABARI_DATA_ROOT": str(data_root)}, ports=free_ports())
    try:
        dev.first = dev("up", "--verbose")
        yield dev
    finally:
        dev.destroy()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with started(tmp_path_factory.mktemp("browser"), "the sign-in in a browser") as made:
        yield made


@pytest.fixture
def browser(chromium: Chromium) -> Iterator[Browser]:
    """A page of somebody who has never been here."""
    with chromium.page() as page:
        yield page
