"""What S3 is provisioned with at each place; the provisioning itself only tells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv import project
from devenv.credentials import Vault
from devenv.errors import MissingError
from devenv.s3.provider import KeyPair
from devenv.s3.provision import Wanted
from devenv.services.s3 import S3Service

OWN = {
    "HABARI_S3_PROVIDER": "external",
    "HABARI_S3_ENDPOINT": "http://minio.example.org:9000",
    "HABARI_S3_ACCESS_KEY_ID": "AKIAUSER",
    "HABARI_S3_SECRET_ACCESS_KEY": "hidden",
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """What was to be provisioned."""
    found: list[Wanted] = []

    def play(_connection: object, wanted: Wanted, **_: object) -> Any:
        found.append(wanted)
        return SimpleNamespace(user=KeyPair("AKIAUSER", "hidden"), notices=(), changes=())

    monkeypatch.setattr("devenv.s3.provision.provision", play)
    return found


def beside_a_cluster(folder: Path, **environ: str) -> Any:
    """The site of a project there, before anything was started and without a notebook environment."""
    vault = Vault(folder / "secrets")
    (folder / "secrets").mkdir()
    vault.fill()
    return SimpleNamespace(
        project=project.load(folder, environ),
        vault=vault,
        endpoint=lambda _name, _view: SimpleNamespace(url=lambda: "http://127.0.0.1:9000"),
        sample_data=folder / "seed",
        notebook_python=folder / "notebook" / "bin" / "python",
        is_provisioned_at_start=False,
        stamps=folder / "stamps",
        server_id="habari-cluster",
    )


def test_an_s3_of_ones_own_needs_no_sample_data_of_the_image_that_nobody_started(
    asked: list[Wanted], tmp_path: Path
) -> None:
    S3Service().provision(beside_a_cluster(tmp_path, **OWN))

    assert [wanted.seed for wanted in asked] == [()]


def test_the_servers_own_sample_data_are_missed_when_they_are_not_there(
    asked: list[Wanted], tmp_path: Path
) -> None:
    with pytest.raises(MissingError, match="seed data"):
        S3Service().provision(beside_a_cluster(tmp_path))
