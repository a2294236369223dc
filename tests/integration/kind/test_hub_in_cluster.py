"""What a person finds in the cluster: a sign-in, a pod of the project's image, its data and its limits."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import psutil
import pytest
from contract.contents.browser import Browser

from devenv.runtimes import ports
from integration.driving import wait_until
from integration.hub.test_browser import sign_in
from integration.hub.test_notebook import CONTRACT
from integration.kind.conftest import REACH, SPAWN_SECONDS, Project, docker_cli

pytestmark = [pytest.mark.integration, pytest.mark.slow]
PICTURES = os.environ.get("DEVENV_TEST_PICTURES")


def test_everything_is_ready_and_says_what_it_is(first: Project) -> None:
    services = first.dev.services()

    assert {row["state"] for row in services.values()} == {"ready"}
    assert set(services) == {"cluster", "hub-db", "explore-db", "s3", "github", "release"}
    assert services["cluster"]["detail"].startswith("Kubernetes v")


def test_a_start_that_was_killed_in_the_middle_was_healed_at_the_same_addresses(first: Project) -> None:
    now = ports.known(first.place.instance)

    assert first.ports_of_the_killed
    assert {name: now[name] for name in first.ports_of_the_killed} == first.ports_of_the_killed
    assert f":{now['slot-0']}/" in first.contract["HUB_URL"]


def test_a_second_run_starts_nothing_and_says_so(first: Project) -> None:
    said = first.dev("kind", "--project", str(first.file), "--json", seconds=300)

    assert said.json()["started"] is False


def test_a_notebook_in_a_pod_writes_to_lake_and_explore_and_is_denied_the_rest(first: Project) -> None:
    with first.user("ada").kernel() as kernel:
        said = kernel.call(CONTRACT.replace("HUB_DATABASE", repr("first_hub")), seconds=120)

    assert said["lake"] == {"read": "done", "write": "done"}
    assert said["notebooks"] == {"read": "done", "write": "done"}
    assert said["public"] == {"read": "done", "write": "AccessDenied"}
    assert said["explore"] == [42]
    assert said["entered"] == ["first_explore"]


def test_the_pod_is_of_the_projects_image_and_runs_as_its_user(first: Project) -> None:
    with first.user("ada").kernel() as kernel:
        uid, host = kernel.call(
            "import json, os, socket; print(json.dumps([os.getuid(), socket.gethostname()]))"
        )

    pod = next(each for each in first.pods("singleuser-server") if each["metadata"]["name"] == host)
    assert uid == 1000
    assert pod["spec"]["containers"][0]["image"].startswith("habari/jupyter:")


def test_the_public_bucket_has_the_sample_data(first: Project) -> None:
    code = (
        "import json, os, boto3\n"
        "found = boto3.client('s3').list_objects_v2(Bucket=os.environ['S3_BUCKET_NAME_PUBLIC'])\n"
        "print(json.dumps([each['Key'] for each in found['Contents']]))"
    )
    with first.user("ada").kernel() as kernel:
        assert "gapminder/gapminder.csv" in kernel.call(code)


@pytest.mark.parametrize("service", ["hub-db", "explore-db"])
def test_docker_calls_a_database_beside_the_cluster_healthy(first: Project, service: str) -> None:
    asked = ("inspect", "--format", "{{.State.Health.Status}}", first.container(service))

    assert wait_until(lambda: docker_cli(*asked) == "healthy", seconds=60)


def test_what_pods_are_told_is_what_env_says_for_them(first: Project) -> None:
    told = json.loads(first.dev("env", "--view", "pod", "--format", "json").out)
    with first.user("ada").kernel() as kernel:
        seen = kernel.call("import json, os; print(json.dumps(dict(os.environ)))")

    assert told["EXPLORE_DB_HOST"] == "explore-db"
    assert {name: seen.get(name, "") for name in told} == told


def test_pods_reach_the_servers_ports_and_no_others_beside_the_cluster(first: Project) -> None:
    places = [("s3", 9000), ("explore-db", 5432), ("github", 8090)]
    code = f'{REACH}print(json.dumps({{f"{{h}}:{{p}}": reach(h, p) for h, p in {places}}}))'
    with first.user("ada").kernel() as kernel:
        found = kernel.call(code)

    assert found["s3:9000"] == found["explore-db:5432"] == "open"
    assert found["github:8090"] != "open"


def test_what_a_pod_sends_to_a_service_that_nothing_serves_stays_in_the_node(first: Project) -> None:
    with first.user("ada").kernel() as kernel:
        code = f'{REACH}print(json.dumps(reach("10.96.250.250", 80)))'

        # a chart's own policy may refuse it before it is dropped
        assert kernel.call(code) in ("TimeoutError", "ConnectionRefusedError")


def test_a_person_signs_in_and_opens_lab_in_a_browser(browser: Browser, first: Project) -> None:
    sign_in(browser, first, "grace")
    browser.wait("location.pathname.startsWith('/user/grace/lab')", SPAWN_SECONDS)
    browser.wait("document.body.innerText.includes('lake')", 120)
    if PICTURES:
        browser.picture(Path(PICTURES) / "kind-lab.png")

    text = browser.text("body")
    assert "public" in text
    assert "lake" in text


def test_all_of_it_listens_on_loopback_alone(first: Project) -> None:
    published = [
        binding["HostIp"]
        for name in (first.place.node, *(first.container(each) for each in ("s3", "hub-db", "github")))
        for bindings in json.loads(
            docker_cli("inspect", "--format", "{{json .NetworkSettings.Ports}}", name)
        ).values()
        for binding in bindings or ()
    ]
    assert set(published) == {"127.0.0.1"}

    ports = set(json.loads((first.place.instance.root / "ports.json").read_text())["ports"].values())
    heard = {
        each.laddr.ip
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr.port in ports
    }
    assert heard <= {"127.0.0.1"}


def test_the_users_own_kubeconfig_is_as_it_was_and_alone(first: Project) -> None:
    theirs = Path(first.dev.environ["HOME"], ".kube")

    assert [each.name for each in theirs.iterdir()] == ["config"]
    assert (theirs / "config").read_text() == "current-context: production\n"
    assert first.place.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_secrets_are_in_no_argument_and_no_log(first: Project) -> None:
    told = first.dev.contract(admin=True)
    secrets = [text for name, text in told.items() if "PASSWORD" in name or "SECRET" in name]
    shown = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    shown += [path.read_text(errors="replace") for path in first.dev.instance.logs.rglob("*.log")]
    shown += [docker_cli("inspect", "--format", "{{json .Args}}{{json .Config.Cmd}}", first.place.node)]

    assert secrets
    assert not [secret for secret in secrets if any(secret in text for text in shown)]


def test_an_address_of_the_project_is_that_of_its_slot(first: Project) -> None:
    port = json.loads((first.place.instance.root / "ports.json").read_text())["ports"]["slot-0"]

    assert first.contract["HUB_URL"].split(":")[2].rstrip("/") == str(port)
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
