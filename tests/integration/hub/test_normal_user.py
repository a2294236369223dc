"""The hub of a normal user: it works, says plainly what it does not hold, and holds the rest."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from integration.conftest import Make, poisoned_home
from integration.driving import copy_checkout, furnish, python_for, settle_hub_ports
from integration.hub.conftest import Hub, api_port, servers_of, values_file, words_of
from integration.hub.person import Kernel
from integration.hub.test_isolation import TOOLS, call

pytestmark = [pytest.mark.integration, pytest.mark.slow]
STRANGER = "nobody"


@pytest.fixture(scope="module")
def normal(make: Make, scratch: Path, machine_root: Path) -> Hub:
    account = STRANGER if os.geteuid() == 0 else None
    python = python_for(account) if account else None
    if account and python is None:
        pytest.skip(f"{account} can run no Python of this version here: a normal user's hub is NOT tested")
    place = scratch / "a normal user with a hub"
    checkout = copy_checkout(place / "checkout", python)
    home = poisoned_home(place / "home")
    data_root = home / ".local" / "share" / "habari-devenv"
    furnish(data_root, machine_root, python)
    hook = {"singleuser": {"lifecycleHooks": {"postStart": {"exec": {"command": ["touch", "hooked"]}}}}}
    values_file(checkout / "jupyter" / "project_config.yaml", hook)
    variables: Mapping[str, str] = {"HOME": str(home), "HABARI_DATA_ROOT": ""}
    dev = make("normal", checkout=checkout, account=account, data_root=data_root, environ=variables)
    settle_hub_ports(dev)
    if account:
        subprocess.run(["chown", "-Rh", account, place], check=True)
    dev.first = dev("hub")
    return Hub(dev)


@pytest.fixture(scope="module")
def inside(normal: Hub) -> Kernel:
    kernel = normal.user("ada").kernel()
    assert kernel.run(TOOLS) == ""
    return kernel


def test_the_lack_of_isolation_is_said_at_the_start(normal: Hub) -> None:
    assert normal.dev.first
    told = [line for line in normal.dev.first.err.splitlines() if "with no isolation" in line]
    assert len(told) == 1, normal.dev.first


def test_people_work_under_the_one_account_and_their_homes_are_closed_to_others(
    normal: Hub, inside: Kernel
) -> None:
    account = pwd.getpwnam(normal.dev.account).pw_uid if normal.dev.account else os.geteuid()
    normal.user("grace")

    assert call(inside, "os.getuid()") == account
    assert {process.uids().real for process in normal.dev.processes()} == {account}
    assert [len(servers_of(normal.dev, name)) for name in ("ada", "grace")] == [1, 1]
    for name in ("", "ada", "grace"):
        assert (normal.dev.root / "users" / name).stat().st_mode & 0o077 == 0


def test_a_hook_of_the_values_is_named_and_not_run(normal: Hub, inside: Kernel) -> None:
    assert normal.dev.first
    assert "postStart" in words_of(normal.dev.first)
    assert call(inside, "os.path.exists('hooked')") is False


def test_what_does_not_rest_on_accounts_is_closed_all_the_same(normal: Hub, inside: Kernel) -> None:
    page = normal.visitor("ada").choose_page()
    grace = normal.user("grace")

    statuses = call(
        inside,
        """[status("GET", page), status("POST", page, urlencode({"login": "chief", "seal": seal}), **form),
            status("GET", server, **mine),
            status("GET", os.environ["JUPYTERHUB_API_URL"] + "/users", **mine),
            status("GET", f"http://127.0.0.1:{api}/api/routes", **mine)]""",
        page=page.url,
        seal=page.field("seal"),
        server=grace.server_url("api/contents"),
        api=api_port(normal),
    )

    assert statuses == [403] * 5


def test_down_leaves_nothing_of_it(normal: Hub, inside: Kernel) -> None:
    normal.dev("down")

    normal.dev.expect_nothing_left()
