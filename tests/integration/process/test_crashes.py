"""kill -9 and Ctrl-C, at any step: nothing is lost, nothing is orphaned, the next command heals it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest
from botocore.config import Config

from integration.conftest import Make
from integration.driving import SERVICES, Dev, copy_checkout, keepers, kill, pids, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def lake(contract: dict[str, str]) -> tuple[object, str]:
    client = boto3.client(
        "s3",
        endpoint_url=contract["AWS_ENDPOINT_URL"],
        region_name=contract["AWS_DEFAULT_REGION"],
        aws_access_key_id=contract["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=contract["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    return client, contract["S3_BUCKET_NAME_LAKE"]


def write(contract: dict[str, str], text: str) -> None:
    client, bucket = lake(contract)
    client.put_object(Bucket=bucket, Key="acknowledged", Body=text.encode())  # type: ignore[attr-defined]
    with psycopg.connect(contract["EXPLORE_DB_URL"], autocommit=True) as explore:
        explore.execute("create table if not exists acknowledged (text text)")
        explore.execute("insert into acknowledged values (%s)", (text,))


def read(contract: dict[str, str]) -> tuple[str, str]:
    """What is in the lake, and what was written last to the table."""
    client, bucket = lake(contract)
    body = client.get_object(Bucket=bucket, Key="acknowledged")["Body"].read().decode()  # type: ignore[attr-defined]
    with psycopg.connect(contract["EXPLORE_DB_URL"]) as explore:
        row = explore.execute("select text from acknowledged order by ctid desc limit 1").fetchone()
    return body, row[0] if row else ""


@pytest.fixture(scope="module")
def dev(make: Make) -> Dev:
    """An instance that has been up; each test leaves it as it likes."""
    made = make("crashes")
    made.up()
    return made


@pytest.fixture
def running(dev: Dev) -> dict[str, int]:
    return pids(dev.up())


@pytest.mark.parametrize("victim", SERVICES)
def test_a_killed_service_shows_as_crashed_and_up_heals_it_alone(
    dev: Dev, running: dict[str, int], victim: str
) -> None:
    before = dev.services()
    contract = dev.contract()
    write(contract, f"before {victim} died")

    kill(running[victim])
    crashed = dev.services(code=4)
    healed = dev.up()

    assert crashed[victim]["state"] == "crashed"
    assert {name: row["state"] for name, row in crashed.items() if name != victim} == {
        name: "ready" for name in SERVICES if name != victim
    }
    assert healed[victim]["pid"] != running[victim]
    assert healed[victim]["restarts"] == before[victim]["restarts"] + 1
    assert {name: pid for name, pid in pids(healed).items() if name != victim} == {
        name: pid for name, pid in running.items() if name != victim
    }
    assert read(dev.contract()) == (f"before {victim} died",) * 2
    dev.expect_no_strays()


def test_after_a_reboot_nothing_has_crashed_and_up_brings_the_data_back(
    dev: Dev, running: dict[str, int]
) -> None:
    write(dev.contract(), "before the reboot")
    for process in dev.processes():
        kill(process.pid)
    for path in dev.instance.records.glob("*.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "birth": "another-boot:1"}))

    assert {row["state"] for row in dev.services(code=3).values()} == {"stopped"}
    services = dev.up()

    assert [row["restarts"] for row in services.values()] == [0, 0, 0]
    assert read(dev.contract()) == ("before the reboot",) * 2


def test_a_killed_service_does_not_keep_down_from_ending_the_rest(dev: Dev, running: dict[str, int]) -> None:
    kill(running["postgres"])

    dev("down")

    dev.expect_nothing_left()
    dev.services(code=3)


def test_env_run_and_logs_after_a_crash_say_what_is_missing(dev: Dev, running: dict[str, int]) -> None:
    kill(running["s3"])

    assert "s3" in dev("env", code=3).error
    assert dev("logs").code == 0


def kills_at_each_line(dev: Dev, *, step: int = 1) -> Iterator[int]:
    """Start ``up`` again and again and kill it when one more line of its progress has come."""
    for line in range(1, 30, step):
        child = dev.begin("up")
        lines = dev.interrupted(child, at_line=line)
        child.kill()
        child.communicate()
        if len(lines) < line:
            return
        yield line


def test_up_killed_at_each_step_of_the_first_start_is_healed_by_the_next_up(make: Make) -> None:
    dev = make("first")

    killed = list(kills_at_each_line(dev))

    assert len(killed) >= 6, "up prints a line for each step"
    services = dev.up()
    assert {row["state"] for row in services.values()} == {"ready"}
    write(dev.contract(), "healed")
    dev.expect_no_strays()
    dev("down")
    dev.expect_nothing_left()


def test_up_killed_at_every_other_step_of_a_later_start_is_cleaned_up_by_down(dev: Dev) -> None:
    dev.up()
    write(dev.contract(), "before the kills")
    dev("down")

    for _ in kills_at_each_line(dev, step=2):
        dev("down")
        assert dev.processes() == []

    dev.up()
    assert read(dev.contract()) == ("before the kills",) * 2
    dev.expect_no_strays()


def test_down_killed_in_the_middle_can_be_repeated(dev: Dev, running: dict[str, int]) -> None:
    child = dev.begin("down")
    dev.interrupted(child, at_line=3)
    child.kill()
    child.communicate()

    dev("down")

    dev.expect_nothing_left()


def interrupt(child: subprocess.Popen[str]) -> None:
    """What a terminal does on Ctrl-C: SIGINT to the whole foreground group."""
    os.killpg(child.pid, signal.SIGINT)


@pytest.mark.parametrize("line", [1, 3, 6], ids="at line {}".format)
def test_ctrl_c_stops_what_this_up_had_started(dev: Dev, line: int) -> None:
    dev("down")
    child = dev.begin("up")
    dev.interrupted(child, at_line=line)

    interrupt(child)
    _, err = child.communicate(timeout=60)

    assert child.returncode == 130, err
    assert "stopping in good order; once more ends it at once" in err
    assert len([text for text in err.splitlines() if text.startswith("error:")]) == 1
    assert "Traceback" not in err
    dev.expect_nothing_left()
    dev.services(code=3)


def test_ctrl_c_leaves_alone_what_ran_before(dev: Dev, running: dict[str, int]) -> None:
    kill(running["jupyter"])
    child = dev.begin("up")
    dev.interrupted(child, at_line=4)

    interrupt(child)
    child.communicate(timeout=60)

    left = pids({name: row for name, row in dev.services(code=4).items() if row["pid"]})
    assert left == {"postgres": running["postgres"], "s3": running["s3"]}


def test_a_second_ctrl_c_ends_at_once_and_the_next_command_tidies_up(dev: Dev) -> None:
    dev("down")
    child = dev.begin("up")
    dev.interrupted(child, at_line=4)

    interrupt(child)
    assert child.stderr is not None
    for text in child.stderr:
        if "stopping in good order" in text:
            break
    begun = time.monotonic()
    interrupt(child)
    child.communicate(timeout=60)

    assert child.returncode == 130
    assert time.monotonic() - begun < 1
    dev("down")
    dev.expect_nothing_left()


def test_a_recorded_pid_that_is_somebody_elses_now_survives_up_and_down(dev: Dev) -> None:
    dev("down")
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        for service in SERVICES:
            birth = {"pid": bystander.pid, "birth": "another-boot:1"}
            record = {"status": "running", "port": dev.ports[service], **birth}
            (dev.instance.records / f"{service}.json").write_text(json.dumps(record))
        dev.services(code=3)
        dev.up()
        dev("down")

        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_deleted_state_folder_is_made_anew_and_what_still_runs_is_ended(make: Make) -> None:
    dev = make("deleted")
    old = pids(dev.up())
    subprocess.run(["rm", "-rf", str(dev.root)], check=True)

    dev("status", code=3)
    new = pids(dev.up())

    assert not set(old.values()) & set(new.values())
    assert wait_until(lambda: not any(psutil.pid_exists(pid) for pid in old.values()), seconds=5)
    dev.expect_no_strays()

    subprocess.run(["rm", "-rf", str(dev.root)], check=True)
    dev("down")
    dev.expect_nothing_left()


def test_lost_credentials_are_made_anew_for_the_same_data(dev: Dev) -> None:
    dev.up()
    write(dev.contract(), "before the loss")
    dev("down")
    (dev.instance.secrets / "credentials.json").unlink()

    dev.up()

    assert read(dev.contract()) == ("before the loss",) * 2


def test_down_stops_what_runs_though_the_project_file_and_the_credentials_are_damaged(
    make: Make, scratch: Path
) -> None:
    checkout = copy_checkout(scratch / "damaged checkout")
    dev = make("damaged", checkout=checkout)
    dev.up()
    (checkout / "devenv.yaml").write_text("nmae: [")
    (dev.root / "secrets" / "credentials.json").write_text("{")

    dev("down")

    dev.expect_nothing_left()


def test_a_bucket_that_a_notebook_deleted_is_made_again(dev: Dev, running: dict[str, int]) -> None:
    contract = dev.contract()
    client, _ = lake(contract)
    client.delete_bucket(Bucket=contract["S3_BUCKET_NAME_NOTEBOOKS"])  # type: ignore[attr-defined]

    dev.up()

    client.head_bucket(Bucket=contract["S3_BUCKET_NAME_NOTEBOOKS"])  # type: ignore[attr-defined]


def test_a_killed_log_keeper_is_healed_by_up(dev: Dev, running: dict[str, int]) -> None:
    for keeper in keepers(dev.processes()):
        kill(keeper.pid)

    dev.up()

    assert len(keepers(dev.processes())) == 1


def test_another_data_root_of_the_same_checkout_is_another_instance(
    make: Make, dev: Dev, running: dict[str, int], scratch: Path
) -> None:
    elsewhere = make("crashes", data_root=scratch / "elsewhere")

    elsewhere("down")

    assert pids(dev.services()) == running
