"""Projects come and go on a cluster that others are on, and a release goes to a cluster that is named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from botocore.exceptions import ClientError

from devenv.s3.provider import KeyPair
from devenv.s3.provision import client
from integration.driving import CHECKOUT, Dev
from integration.kind.conftest import UP_SECONDS, Project, write_project

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NAME = "third"


@dataclass(frozen=True)
class Ran:
    """How a command without an instance came out."""

    code: int
    out: str
    err: str


def dev(environ: Mapping[str, str], *words: str, code: int = 0) -> Ran:
    done = subprocess.run(
        (str(CHECKOUT / "dev"), *words),
        env=dict(environ),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=UP_SECONDS,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert ran.code == code, (words, ran)
    return ran


def listed(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {row["project"]: row for row in json.loads(dev(environ, "project.list", "--json").out)}


def databases_of(project: Project) -> set[str]:
    """What both servers hold: the names of databases and of roles."""
    found: set[str] = set()
    for variable in ("HUB_DB_ADMIN_URL", "EXPLORE_DB_ADMIN_URL"):
        with psycopg.connect(project.contract[variable]) as connection:
            rows = connection.execute("select datname from pg_database union select rolname from pg_roles")
            found |= {str(row[0]) for row in rows}
    return found


def buckets_of(project: Project) -> set[str]:
    told = project.contract
    key = KeyPair(told["S3_ADMIN_ACCESS_KEY_ID"], told["S3_ADMIN_SECRET_ACCESS_KEY"])
    s3 = client("s3", told["AWS_ENDPOINT_URL"], told["AWS_DEFAULT_REGION"], key)
    return {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}


def namespaces_of(project: Project) -> set[str]:
    return {each["metadata"]["name"] for each in project.api.things("namespaces")}


def test_a_project_that_is_made_runs_and_is_deleted_without_a_trace(
    first: Project, clustered: dict[str, str], data_root: Path, tmp_path: Path
) -> None:
    dev(clustered, "project.new", NAME, "--folder", str(tmp_path))
    values = tmp_path / "project_config.yaml"
    content = yaml.safe_load(values.read_text())
    content["hub"]["config"]["Authenticator"]["allowed_users"] = ["ada"]
    content["singleuser"] |= {"memory": {"guarantee": "128M"}, "cpu": {"guarantee": 0.05}}
    values.write_text(yaml.safe_dump(content))

    third = Project(Dev(NAME, data_root, clustered), file=tmp_path / "devenv.yaml")
    services = third.kind()

    assert {each["state"] for each in services.values()} == {"ready"}
    assert listed(clustered)[NAME]["state"] == "running"
    assert third.user("ada")
    assert {f"{NAME}_hub", f"{NAME}_explore"} <= databases_of(third)
    assert {f"{NAME}-lake", f"{NAME}-notebooks"} <= buckets_of(third)
    told = third.contract

    said = dev(clustered, "project.delete", NAME, code=2)
    assert "--yes" in said.err
    dev(clustered, "project.delete", NAME, "--yes")

    assert NAME not in listed(clustered)
    assert NAME not in namespaces_of(first)
    assert not {each for each in databases_of(first) if each.startswith(NAME)}
    assert not {each for each in buckets_of(first) if each.startswith(NAME)}
    assert first.contract["S3_BUCKET_NAME_PUBLIC"] in buckets_of(first)
    assert not third.container("github")
    assert not third.dev.root.exists()
    assert values.exists()
    key = KeyPair(told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client("s3", told["AWS_ENDPOINT_URL"], "us-east-1", key).list_objects_v2(
            Bucket=told["S3_BUCKET_NAME_PUBLIC"]
        )
    assert first.dev.services()


def image_of(project: Project, deployment: str) -> dict[str, str]:
    """The image that the project's own release runs, so the node has it already."""
    found = project.api.things("deployments", project.dev.name)
    (spec,) = [each["spec"] for each in found if each["metadata"]["name"] == deployment]
    name, _, tag = spec["template"]["spec"]["containers"][0]["image"].rpartition(":")
    return {"name": name, "tag": tag, "pullPolicy": "IfNotPresent"}


def values_of_a_cluster(project: Project) -> dict[str, Any]:
    """What somebody would write for a cluster such as this one, who has no overlay."""
    return {
        "hub": {"image": image_of(project, "hub"), "db": {"type": "sqlite-memory"}},
        "proxy": {"chp": {"image": image_of(project, "proxy")}, "service": {"type": "ClusterIP"}},
        "prePuller": {"hook": {"enabled": False}, "continuous": {"enabled": False}},
        "scheduling": {"userScheduler": {"enabled": False}, "userPlaceholder": {"enabled": False}},
    }


def test_a_release_goes_to_the_context_that_is_named_and_away_again(
    first: Project, clustered: dict[str, str], tmp_path: Path
) -> None:
    """The local cluster as anybody's: by its kubeconfig and its context, without the overlay."""
    file = write_project(tmp_path, "faraway")
    values = tmp_path / "cluster.yaml"
    values.write_text(yaml.safe_dump(values_of_a_cluster(first)))
    place = first.place
    before = place.kubeconfig.read_bytes()
    project = ("--project", str(file))
    where = (*project, "--context", place.target.context, "--kubeconfig", str(place.kubeconfig))
    what = ("--values", str(tmp_path / "values.yaml"), "--values", str(values))

    assert "no context is named" in dev(clustered, "deploy", *project, code=2).err
    dev(clustered, "deploy", *where, *what)
    again = json.loads(dev(clustered, "deploy", *where, *what, "--json").out)

    assert (again["changed"], again["release"]) == (False, "habari-faraway")
    services = {each["metadata"]["name"] for each in first.api.things("services", "faraway")}
    assert {"hub", "proxy-public"} <= services
    assert not {"github", "s3"} & services

    assert "--yes" in dev(clustered, "undeploy", *where, code=2).err
    assert "faraway" in namespaces_of(first)
    dev(clustered, "undeploy", *where, "--yes")

    assert "faraway" not in namespaces_of(first)
    assert first.dev.services()
    assert place.kubeconfig.read_bytes() == before
