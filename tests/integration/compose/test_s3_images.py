"""The S3 images under contract: the default one meets every row of the suite, MinIO the project's policy."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest

from devenv.errors import DevenvError
from devenv.images.engine import Engine
from integration.compose.building import build
from integration.compose.conftest import CHECKOUT, ByHand, Compose, filled, without
from integration.compose.passing import container

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TRY = """
import os, boto3, botocore
s3, public, lake = boto3.client("s3"), os.environ["S3_BUCKET_NAME_PUBLIC"], os.environ["S3_BUCKET_NAME_LAKE"]
for bucket, key in ((lake, "a"), (public, "a"), (public, ".s3keep"), (public, "xs3keep")):
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
        print("allowed")
    except botocore.exceptions.ClientError as error:
        print(error.response["Error"]["Code"])
"""


@pytest.fixture
def suite_environment(images: Engine) -> Iterator[dict[str, str]]:
    """A container of the S3 image, told to the contract suite as a service of one's own."""
    admin = {
        "ACCESS_KEY_ID": f"AKIA{secrets.token_hex(8).upper()}",
        "SECRET_ACCESS_KEY": secrets.token_hex(20),
    }
    variables = {
        "AWS_ACCESS_KEY_ID": f"AKIA{secrets.token_hex(8).upper()}",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        "S3_GUARD_TOKEN": secrets.token_hex(20),
        **{f"S3_ADMIN_{part}": value for part, value in admin.items()},
    }
    with container(images, "habari/s3:local", 9000, variables) as made:
        wait = "for i in $(seq 300); do usable 2>/dev/null && exit 0; sleep 0.1; done; exit 1"
        assert made.exec(["sh", "-c", wait]).exit_code == 0, made.get_logs()
        told = {f"DEVENV_TEST_S3_ADMIN_{part}": value for part, value in admin.items()}
        address = f"http://127.0.0.1:{made.get_exposed_port(9000)}"
        yield {**os.environ, **told, "DEVENV_TEST_S3_ENDPOINT": address}


def test_the_default_s3_meets_the_whole_contract_in_its_container(suite_environment: dict[str, str]) -> None:
    argv = (sys.executable, "-m", "pytest", "-q", "tests/contract/s3", "-k", "external")
    done = subprocess.run(
        argv, cwd=CHECKOUT, env=suite_environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "S3 contract, external: " in done.stdout


@pytest.fixture(scope="module")
def minio(by_hand: ByHand, images: Engine) -> Compose:
    try:
        build("minio")
    except DevenvError as error:
        without("\n".join((str(error), *error.details)))
    compose = by_hand("docker-compose.yaml", filled((CHECKOUT / "jupyter" / ".env.dist").read_text()))
    compose.overlays = ("docker-compose.minio.yaml",)
    scripts = compose.folder / "images" / "minio"
    scripts.mkdir(parents=True)
    (scripts / "start.sh").write_text((CHECKOUT / "images" / "minio" / "start.sh").read_text())
    compose.up()
    return compose


def test_minio_enforces_the_projects_policy_and_keeps_it_over_a_kill(minio: Compose) -> None:
    for _ in range(2):
        said = minio("exec", "-T", "jupyter", "habari-start", "python", "-c", TRY).stdout.split()
        assert said == ["allowed", "AccessDenied", "allowed", "AccessDenied"]
        minio("kill", "--signal", "KILL", "s3")
        minio.up()
