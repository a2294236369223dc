"""The cluster over the end of each of its pieces, down and up, new images, and what is not ours."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from devenv.cluster.place import Place
from devenv.endpoints import Endpoint
from devenv.services.hub import prove_database
from devenv.waiting import NotYet
from integration.driving import Dev, wait_until
from integration.kind.conftest import UP_SECONDS, Project, docker_cli, write_project

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SAVE = """
import json, os, boto3, psycopg2
boto3.client("s3").put_object(Bucket=os.environ["S3_BUCKET_NAME_LAKE"], Key="kept", Body=b"kept")
with psycopg2.connect(os.environ["EXPLORE_DB_URL"]) as connection:
    connection.cursor().execute("create table if not exists kept as select 7 as number")
open(os.path.expanduser("~/kept"), "w").write("kept")
print(json.dumps("saved"))
"""
READ = """
import json, os, boto3, psycopg2
body = boto3.client("s3").get_object(Bucket=os.environ["S3_BUCKET_NAME_LAKE"], Key="kept")["Body"]
found = [body.read().decode()]
with psycopg2.connect(os.environ["EXPLORE_DB_URL"]) as connection:
    cursor = connection.cursor()
    cursor.execute("select number from kept")
    found += [cursor.fetchone()[0], open(os.path.expanduser("~/kept")).read()]
print(json.dumps(found))
"""


# The cluster's DNS remembers for a second where an alias leads.
ALIAS_SECONDS = 2
# The hub looks for a server that is no more for its http_timeout, and at its proxy's routes each minute.
ROUTE_SECONDS = 120


@pytest.fixture(autouse=True, scope="module")
def nobody_is_there(first: Project, projects: list[Project]) -> None:
    """Each pod that is there begins anew with the node."""
    for project in projects:
        project.end_servers()


def use(project: Project, code: str) -> object:
    """Run code in a pod of a person who comes anew."""
    person = project.visitor("grace")
    assert person.sign_in().status == 200
    person.start_server(route_seconds=ROUTE_SECONDS)
    with person.kernel() as kernel:
        return kernel.call(code, seconds=120)


def build(tag: str, dockerfile: str) -> None:
    subprocess.run(
        ("docker", "build", "--quiet", "--tag", tag, "-"),
        input=dockerfile.encode(),
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )


def test_servers_beside_the_cluster_that_were_killed_are_started_again(first: Project) -> None:
    servers = ("s3", "explore-db", "hub-db", "github")
    for service in servers:
        docker_cli("kill", first.container(service))
    killed = first.dev.services(code=None)
    assert {killed[service]["state"] for service in servers} <= {"crashed", "stopped"}
    hub = urlsplit(first.contract["HUB_URL"])
    with pytest.raises(NotYet):
        prove_database(Endpoint("127.0.0.1", hub.port), f"{hub.path}hub/", {"Host": hub.netloc})

    first.kind()

    assert {row["state"] for row in first.dev.services().values()} == {"ready"}


def test_servers_that_come_back_with_other_addresses_are_found_at_once(first: Project) -> None:
    """S3 by a person's pod, the sign-in by the hub, which asked it a moment before."""
    assert use(first, SAVE) == "saved"
    servers = [first.container(service) for service in ("s3", "github")]
    before = [address_of(server) for server in servers]
    docker_cli("stop", *servers)
    taker = ("run", "--detach", "--network", first.place.id, "--entrypoint", "sleep", "habari/s3:local")
    takers = [docker_cli(*taker, "infinity") for _ in servers]
    try:
        first.kind()
        assert not set(before) & {address_of(server) for server in servers}
        time.sleep(ALIAS_SECONDS)
        assert use(first, READ) == ["kept", 7, "kept"]
    finally:
        docker_cli("rm", "--force", "--volumes", *takers)


def address_of(container: str) -> str:
    each = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return docker_cli("inspect", "--format", each, container)


def test_a_hubs_pod_that_is_deleted_comes_back_by_itself(first: Project) -> None:
    before = first.pods("hub")[0]["metadata"]["name"]
    api = first.api
    api._call("DELETE", f"/api/v1/namespaces/first/pods/{before}")

    assert wait_until(
        lambda: any(
            pod["metadata"]["name"] != before
            and all(each["ready"] for each in pod["status"].get("containerStatuses", [{"ready": False}]))
            for pod in first.pods("hub")
        ),
        seconds=180,
    )
    # ready is a moment before the Service knows the new pod
    assert wait_until(lambda: first.visitor("ada").open(first.contract["HUB_URL"]).status == 200, seconds=60)
    assert first.visitor("ada").sign_in().status == 200


def test_data_outlive_a_kill_of_the_node_and_of_every_server(first: Project) -> None:
    assert use(first, SAVE) == "saved"
    for name in (first.place.node, *(first.container(each) for each in ("s3", "explore-db", "hub-db"))):
        docker_cli("kill", name)

    first.kind()

    assert use(first, READ) == ["kept", 7, "kept"]


def test_down_stops_all_and_keeps_the_cluster_and_its_data(first: Project) -> None:
    assert use(first, SAVE) == "saved"
    node = docker_cli("inspect", "--format", "{{.Id}}", first.place.node)

    first.dev("down", seconds=300)
    assert not docker_cli("ps", "--quiet", "--filter", f"network={first.place.id}")
    assert {row["state"] for row in first.dev.services(code=3).values()} == {"stopped"}

    first.kind()
    assert docker_cli("inspect", "--format", "{{.Id}}", first.place.node) == node
    assert use(first, READ) == ["kept", 7, "kept"]


def test_a_new_image_under_a_new_tag_is_what_the_next_pod_has(first: Project) -> None:
    build("habari-test/jupyter:2", "FROM habari/jupyter:local\nENV HABARI_TEST_NEW=yes\n")
    try:
        image = {"name": "habari-test/jupyter", "tag": "2"}
        write_project(first.file.parent, "first", image=image)
        first.kind()
        person = first.visitor("grace")
        person.sign_in()
        person.stop_server()
        assert wait_until(lambda: not person.api("GET", "users/grace").json()["servers"], seconds=120)
        person.start_server()
        with person.kernel() as kernel:
            assert (
                kernel.call("import json, os; print(json.dumps(os.environ.get('HABARI_TEST_NEW')))") == "yes"
            )
    finally:
        write_project(first.file.parent, "first")
        first.kind()
        docker_cli("image", "rm", "--force", "habari-test/jupyter:2")


def test_a_hub_that_crashes_is_named_with_its_last_words_and_peoples_pods_go_on(first: Project) -> None:
    image = "habari-test/hub"
    build(f"{image}:broken", 'FROM habari/hub:local\nENTRYPOINT ["sh", "-c", "echo nothing works; exit 3"]\n')
    values = first.file.parent / "broken.yaml"
    values.write_text(json.dumps({"hub": {"image": {"name": image, "tag": "broken"}}}))
    person = first.visitor("grace")
    person.sign_in()
    person.start_server()
    with person.kernel() as kernel:
        try:
            said = first.dev(
                "kind", "--project", str(first.file), "--values", str(values), code=4, seconds=UP_SECONDS
            )
            assert "hub" in said.error
            assert "nothing works" in said.err
            assert kernel.call("print(6 * 7)") == 42
        finally:
            first.kind()
            docker_cli("image", "rm", "--force", f"{image}:broken")


def test_values_that_the_chart_refuses_change_nothing(first: Project, tmp_path: Path) -> None:
    before = first.dev.services()["release"]
    values = tmp_path / "wrong.yaml"
    values.write_text("singleuser: [1, 2]\n")

    said = first.dev(
        "kind", "--project", str(first.file), "--values", str(values), code=2, seconds=UP_SECONDS
    )

    assert "singleuser" in said.err
    assert first.dev.services()["release"]["state"] == before["state"] == "ready"


def test_a_cluster_of_our_name_that_somebody_else_made_is_left_alone(
    images: object, clustered: dict[str, str], tmp_path: Path
) -> None:
    root = tmp_path / "data"
    made = Project(
        Dev("lonely", root, {**clustered, "HABARI_DATA_ROOT": str(root)}),
        file=write_project(tmp_path, "lonely"),
    )
    node = made.place.node
    docker_cli("create", "--name", node, "--entrypoint", "sleep", "habari/s3:local", "infinity")
    try:
        said = made.dev("kind", "--project", str(made.file), code=6, seconds=UP_SECONDS)

        assert node in said.error
        assert docker_cli("ps", "--all", "--quiet", "--filter", f"name={node}")
    finally:
        docker_cli("rm", "--force", "--volumes", node)
        made.dev("down", "--purge", code=None, seconds=300)
    expect_nothing_left(made.place)


def expect_nothing_left(place: Place) -> None:
    for kind in (
        "ps --all --quiet --filter name=",
        "volume ls --quiet --filter name=",
        "network ls --quiet --filter name=",
    ):
        assert not docker_cli(*f"{kind}{place.id}".split()), kind
