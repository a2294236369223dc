"""Two projects on one cluster: neither reaches what is the other's; the public bucket is everybody's."""

from __future__ import annotations

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError

from integration.kind.conftest import REACH, Project

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def code_of(project: Project, of_whom: Project, action: str, bucket: str) -> str:
    """What S3 answers to the key of one project about a bucket of another."""
    mine, theirs = project.contract, of_whom.contract
    client = boto3.client(
        "s3",
        endpoint_url=mine["AWS_ENDPOINT_URL"],
        aws_access_key_id=mine["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=mine["AWS_SECRET_ACCESS_KEY"],
        region_name=mine["AWS_DEFAULT_REGION"],
    )
    try:
        getattr(client, action)(Bucket=theirs[f"S3_BUCKET_NAME_{bucket}"])
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


def test_they_have_a_namespace_and_an_address_each(first: Project, second: Project) -> None:
    names = {each["metadata"]["name"] for each in first.api.things("namespaces")}

    assert {"first", "second"} <= names
    assert first.contract["HUB_URL"] != second.contract["HUB_URL"]


@pytest.mark.parametrize("bucket", ["LAKE", "NOTEBOOKS"])
def test_a_key_reads_its_own_buckets_and_not_the_others(first: Project, second: Project, bucket: str) -> None:
    assert code_of(first, first, "list_objects_v2", bucket) == "done"
    assert code_of(second, second, "list_objects_v2", bucket) == "done"
    assert code_of(first, second, "list_objects_v2", bucket) == "AccessDenied"
    assert code_of(second, first, "list_objects_v2", bucket) == "AccessDenied"


def test_an_explore_role_enters_its_own_database_alone(first: Project, second: Project) -> None:
    def enters(role: Project, database: str) -> bool:
        told = role.contract
        try:
            psycopg.connect(
                host=told["EXPLORE_DB_HOST"],
                port=told["EXPLORE_DB_PORT"],
                user=told["EXPLORE_DB_USER"],
                password=told["EXPLORE_DB_PASSWORD"],
                dbname=database,
                connect_timeout=5,
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    ours, theirs = first.contract["EXPLORE_DB_NAME"], second.contract["EXPLORE_DB_NAME"]
    assert ours != theirs
    assert enters(first, ours)
    assert enters(second, theirs)
    assert not enters(first, theirs)
    assert not enters(second, ours)


def test_a_pod_does_not_reach_the_other_projects_pods(first: Project, second: Project) -> None:
    person = first.user("ada")
    second.user("grace")
    targets = {
        component: (pod["status"]["podIP"], port)
        for component, port in (("hub", 8081), ("proxy", 8001), ("singleuser-server", 8888))
        for pod in second.pods(component)
    }
    assert len(targets) == 3
    code = f"{REACH}print(json.dumps({{name: reach(*place) for name, place in {targets}.items()}}))"
    with person.kernel() as kernel:
        found = kernel.call(code)

    assert "open" not in found.values(), found


def test_the_session_of_one_hub_is_no_session_at_the_other(first: Project, second: Project) -> None:
    person = first.user("ada")

    page = person.ask("GET", f"{second.contract['HUB_URL']}hub/home")

    assert page.status == 302
    assert "login" in page.location


def test_people_of_the_second_project_get_pods_too(second: Project) -> None:
    with second.user("ada").kernel() as kernel:
        name = kernel.call("import json, os; print(json.dumps(os.environ['S3_BUCKET_NAME_LAKE']))")

    assert name == second.contract["S3_BUCKET_NAME_LAKE"]
