"""Values files: edited under a running hub, wrong in every way, and written for the chart of before."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Make
from integration.driving import pids
from integration.hub.conftest import Hub, servers_of, start, values_file, words_of
from integration.hub.person import Kernel

pytestmark = [pytest.mark.integration, pytest.mark.slow]
CASES = Path(__file__).parent / "values"


@pytest.fixture(scope="module")
def edited(make_hub: Callable[[str], Hub]) -> Hub:
    """A hub whose values the tests edit; what stands is what the last one left."""
    made = make_hub("edited")
    made.dev("hub")
    return made


@pytest.fixture(scope="module")
def kernel(edited: Hub) -> Kernel:
    made = edited.user("ada").kernel()
    assert made.run("remembered = 6 * 7") == ""
    return made


@pytest.fixture
def running(edited: Hub, kernel: Kernel) -> dict[str, int]:
    """What runs now, whatever values the last test left."""
    return pids(edited.dev.services())


def changed(before: dict[str, int], services: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, pid in pids(services).items() if before[name] != pid}


def test_edited_values_restart_the_hub_alone_and_kernels_go_on(
    edited: Hub, values: Path, running: dict[str, int], kernel: Kernel
) -> None:
    (server,) = servers_of(edited.dev, "ada")
    values_file(values, {"singleuser": {"extraEnv": {"GREETING": "good morning"}}})

    said = edited.dev("hub")

    assert "hub was started anew: its settings have changed" in words_of(said)
    assert changed(running, edited.dev.services()) == {"hub"}
    assert kernel.run("print(remembered)") == "42\n"
    assert servers_of(edited.dev, "ada") == [server]
    with edited.user("grace").kernel() as later:
        assert later.run("import os; print(os.environ['GREETING'])") == "good morning\n"


def test_somebody_who_is_added_to_the_values_can_sign_in(
    edited: Hub, values: Path, running: dict[str, int], kernel: Kernel
) -> None:
    assert edited.visitor("newcomer").sign_in().status == 403
    values_file(values, {"hub": {"config": {"Authenticator": {"allowed_users": ["ada", "newcomer"]}}}})

    services = start(edited.dev)

    assert changed(running, services) == {"hub", "github"}
    newcomer = edited.visitor("newcomer")
    assert 'value="newcomer"' in newcomer.choose_page().text
    assert newcomer.sign_in().status == 200
    assert kernel.run("print(remembered)") == "42\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hub: [", "line "),
        ("hub:\n  db: {}\nhub: {}\n", "line 3"),
        ("hub:\n  concurrentSpawnLimit: many\n", "line 2: hub.concurrentSpawnLimit"),
        ("- a list\n", "line 1"),
        ("hub: ENC[AES256_GCM,data:x,type:str]\nsops: {version: 3.9.0, mac: x}\n", "sops"),
        (None, "there is no such file"),
    ],
    ids=["not YAML", "a key twice", "a wrong type", "no mapping", "encrypted", "missing"],
)
def test_invalid_values_are_told_and_what_runs_goes_on(
    edited: Hub, running: dict[str, int], kernel: Kernel, tmp_path: Path, text: str | None, message: str
) -> None:
    file = tmp_path / "wrong.yaml"
    if text is not None:
        file.write_text(text)

    said = edited.dev("hub", "--values", str(file), code=2)

    assert said.error
    assert message in words_of(said), said
    assert file.name in words_of(said)
    assert pids(edited.dev.services()) == running
    assert kernel.run("print(remembered)") == "42\n"


def test_a_misspelt_key_is_a_warning_with_a_suggestion(edited: Hub, tmp_path: Path) -> None:
    file = values_file(tmp_path / "misspelt.yaml", {"hub": {"allowNamedServer": True}})

    said = edited.dev("values.check", "--values", str(file))

    (line,) = [line for line in said.err.splitlines() if "allowNamedServer" in line]
    assert line.startswith("warning: ")
    assert "did you mean" in line
    assert "allowNamedServers" in line


RAISING = "from z2jh import get_config\nfirst = get_config('hub.allowNamedServers')\nprint(1 / 0)\n"


@pytest.mark.parametrize(
    ("hub", "code", "messages"),
    [
        (
            {"extraConfig": {"01-broken": RAISING}},
            2,
            ("hub.extraConfig.01-broken line 3", "values.yaml", "ZeroDivisionError: division by zero"),
        ),
        (
            {"config": {"JupyterHub": {"authenticator_class": "nowhere.to.be.Found"}}},
            5,
            ("'nowhere.to.be.Found' is not installed", "requirements/hub.in"),
        ),
        (
            {"config": {"JupyterHub": {"concurrent_spawn_limit": "many"}}},
            2,
            ("hub.config", "concurrent_spawn_limit"),
        ),
    ],
    ids=["code that raises", "a class that is not installed", "a wrong trait"],
)
def test_values_that_the_hub_cannot_start_with_are_one_line_and_kernels_go_on(
    edited: Hub, values: Path, kernel: Kernel, hub: dict[str, Any], code: int, messages: tuple[str, ...]
) -> None:
    before = edited.dev.services(code=None)
    values_file(values, {"hub": hub})

    said = edited.dev("hub", code=code)

    for message in messages:
        assert message in said.error
    left = edited.dev.services(code=4)
    assert left["hub"]["state"] != "ready"
    for name in ("postgres", "s3", "proxy"):
        assert left[name]["pid"] == before[name]["pid"]
    assert kernel.run("print(remembered)") == "42\n"


def test_a_mended_extra_config_is_applied_to_the_hub(edited: Hub, values: Path, kernel: Kernel) -> None:
    """After one that could not even start."""
    code = (
        "from z2jh import get_config\n"
        "c.KubeSpawner.environment['FROM_CODE'] = get_config('custom.word')\n"
        "c.JupyterHub.template_vars = {'announcement': 'of the values'}\n"
    )
    change = {"custom": {"word": "extra"}, "hub": {"extraConfig": {"01-fine": code}}}
    values_file(values, change)

    start(edited.dev)

    assert kernel.run("print(remembered)") == "42\n"
    joan = edited.visitor("joan")
    assert "of the values" in joan.sign_in().text
    joan.start_server()
    with joan.kernel() as later:
        assert later.run("import os; print(os.environ['FROM_CODE'])") == "extra\n"


# The first port that a server is given is one that a connection goes out from meanwhile.
TAKEN = """
import socket
from habari_hub.ports import Ports

def taken(ports, take=Ports.take):
    Ports.take = take
    listener = socket.create_server(("127.0.0.1", 0))
    Ports.held = listener, socket.create_connection(listener.getsockname())
    return Ports.held[1].getsockname()[1]

Ports.take = taken
"""


def test_a_server_whose_port_was_taken_meanwhile_starts_at_another(edited: Hub, values: Path) -> None:
    values_file(values, {"hub": {"extraConfig": {"01-taken": TAKEN}}})
    start(edited.dev)
    annie = edited.visitor("annie")
    assert annie.sign_in().status == 200

    annie.start_server()

    assert len(servers_of(edited.dev, "annie")) == 1
    assert "of annie was taken; trying another" in edited.dev.instance.log("hub").read_text()


def test_values_of_another_kind_of_sign_in_drive_the_hub_too(
    edited: Hub, values: Path, running: dict[str, int]
) -> None:
    config = {
        "JupyterHub": {"authenticator_class": "dummy"},
        "DummyAuthenticator": {"password": "open sesame"},
    }
    values_file(values, {"hub": {"config": config}})
    start(edited.dev)
    person = edited.visitor("grace")

    form = person.open(f"{edited.url}hub/login")
    fields = {"username": "grace", "password": "open sesame", "_xsrf": person.cookie(form.url, "_xsrf")}
    page = person.send(f"{edited.url}hub/login", fields)

    assert page.status == 302, page
    assert person.api("GET", "user").json()["name"] == "grace"


def test_a_fixed_port_that_is_taken_is_a_conflict_and_its_holder_is_named(make: Make) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        dev = make("taken")
        dev.ports["jupyter"] = port

        said = dev("hub", code=6)

    assert f"port {port} of proxy is taken by" in said.error
    assert f"pid {os.getpid()}" in said.error
    dev.expect_nothing_left()


def test_samples_in_the_form_of_before_and_of_now_give_the_same_hub(edited: Hub) -> None:
    rendered = {}
    for form in ("old", "new"):
        said = edited.dev("values.render", "--values", str(CASES / f"{form}_form.yaml"), "--json")
        rendered[form] = said.json()
        assert ("auth.whitelist" in said.err) is (form == "old"), "each old key is told"

    assert rendered["old"] == rendered["new"]
    assert rendered["new"]["config"]["Authenticator"]["allowed_users"] == ["ada", "grace"]
    assert rendered["new"]["people"]["organizations"] == ["habari-data"]


def test_the_samples_of_the_checkout_are_valid_and_every_difference_has_a_reason(make: Make) -> None:
    dev = make("sample")

    assert "valid" in dev("values.check").out
    rows = dev("values.diff", "--json").json()

    assert all(row["why"] for row in rows)
    paths = {row["path"] if "path" in row else row["key"] for row in rows}
    assert any(path.startswith("hub.config.GitHubOAuthenticator") for path in paths), paths
    assert any(path.startswith("proxy.https") for path in paths), paths
