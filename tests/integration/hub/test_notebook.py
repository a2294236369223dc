"""What a notebook of the hub can do with its environment alone, and what it is denied."""

from __future__ import annotations

import pytest

from integration.hub.conftest import Hub, secrets_of

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CONTRACT = """
import json, os
from urllib.parse import urlsplit
import boto3, psycopg2, sqlalchemy
from botocore.exceptions import ClientError

def outcome(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    except psycopg2.Error as error:
        told = str(error)
        return "refused" if "permission denied" in told or "authentication failed" in told else told
    return "done"

env, s3 = os.environ, boto3.client("s3")
said = {}
for name in ("PUBLIC", "LAKE", "NOTEBOOKS"):
    bucket = env["S3_BUCKET_NAME_" + name]
    said[name.lower()] = {
        "read": outcome(s3.list_objects_v2, Bucket=bucket),
        "write": outcome(s3.put_object, Bucket=bucket, Key="from the hub", Body=b"x"),
    }
said["keep file"] = outcome(s3.put_object, Bucket=env["S3_BUCKET_NAME_PUBLIC"], Key=".s3keep", Body=b"")
said["buckets"] = outcome(s3.list_buckets)

explore = sqlalchemy.create_engine(env["EXPLORE_DB_URL"])
with explore.begin() as connection:
    connection.execute(sqlalchemy.text("create table if not exists of_the_hub (number int)"))
    connection.execute(sqlalchemy.text("insert into of_the_hub values (42)"))
    rows = connection.execute(sqlalchemy.text("select distinct number from of_the_hub"))
    said["explore"] = [row[0] for row in rows]
    said["databases"] = [row[0] for row in connection.execute(sqlalchemy.text(
        "select datname from pg_database where not datistemplate order by 1"))]
parts = {name: env["EXPLORE_DB_" + name.upper()] for name in ("user", "password", "host", "port")}
said["parts"] = outcome(psycopg2.connect, dbname=env["EXPLORE_DB_NAME"], **parts)
said["entered"] = [name for name in said["databases"]
                   if outcome(psycopg2.connect, dbname=name, **parts) == "done"]
said["as the hub"] = outcome(psycopg2.connect, **{**parts, "dbname": HUB_DATABASE, "user": HUB_DATABASE})
print(json.dumps(said))
"""

ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


def test_a_notebook_writes_to_lake_and_explore_and_is_denied_the_rest(hub: Hub) -> None:
    with hub.user("ada").kernel() as kernel:
        said = kernel.call(CONTRACT.replace("HUB_DATABASE", repr("hub_hub")))

    assert said == {
        "public": {"read": "done", "write": "AccessDenied"},
        "lake": {"read": "done", "write": "done"},
        "notebooks": {"read": "done", "write": "done"},
        "keep file": "done",
        "buckets": "AccessDenied",
        "explore": [42],
        "databases": ["hub_explore", "hub_hub", "postgres"],
        "parts": "done",
        "entered": ["hub_explore"],
        "as the hub": "refused",
    }


def test_a_notebook_gets_the_contract_the_values_and_nothing_of_the_callers(hub: Hub) -> None:
    with hub.user("ada").kernel() as kernel:
        found = kernel.call(ENVIRONMENT)

    contract = hub.dev.contract()
    assert {name: found.get(name) for name in contract} == contract, "local, whatever the values say"
    assert found["GREETING"] == "hello"
    assert found["USER"] == found["JUPYTERHUB_USER"] == "ada"
    assert found["HOME"] == str(hub.dev.root / "users" / "ada")
    theirs = {
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_CA_BUNDLE",
        "PGPASSWORD",
        "KUBECONFIG",
        "JUPYTER_TOKEN",
    }
    assert theirs.isdisjoint(found)


def test_a_notebook_gets_no_secret_of_the_hub(hub: Hub) -> None:
    with hub.user("ada").kernel() as kernel:
        found = " ".join(kernel.call(ENVIRONMENT).values())

    shared = set(hub.dev.contract().values())
    kept = [secret for secret in secrets_of(hub) if secret not in shared]
    assert len(kept) > 5, "this test knows where the secrets are"
    assert [secret for secret in kept if secret in found] == []


def test_what_one_person_writes_another_reads_in_the_shared_buckets_and_database(hub: Hub) -> None:
    code = """
import os, boto3, psycopg2
s3, bucket = boto3.client("s3"), os.environ["S3_BUCKET_NAME_LAKE"]
"""
    with hub.user("ada").kernel() as kernel:
        assert (
            kernel.run(f"{code}s3.put_object(Bucket=bucket, Key='shared', Body=b'by ada'); print('ok')")
            == "ok\n"
        )
    with hub.user("grace").kernel() as kernel:
        printed = kernel.run(
            f"{code}print(s3.get_object(Bucket=bucket, Key='shared')['Body'].read().decode())"
        )
    assert printed == "by ada\n"


def test_a_notebook_of_the_samples_runs_from_start_to_end(hub: Hub) -> None:
    code = """
import json
for cell in json.load(open("samples/01-read-write-explore.ipynb"))["cells"]:
    if cell["cell_type"] == "code":
        done = get_ipython().run_cell("".join(cell["source"]))
        done.raise_error()
print("all cells ran")
"""
    with hub.user("ada").kernel() as kernel:
        assert kernel.run(code, seconds=120).endswith("all cells ran\n")
