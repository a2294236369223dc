"""What is sent to a Service that nothing serves does not leave the node."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from devenv import commands, waiting
from devenv.cluster import service_addresses
from devenv.commands import Argv, Completed
from devenv.errors import UnhealthyError

# Plays iptables: a rule is there when it was written down.
PLAYED = """#!/bin/sh
case "$*" in
    *" -C "*) test -e "$RULES" ;;
    *) echo "$*" >>"$RULES" ;;
esac
"""


def test_the_rule_is_added_where_it_is_not_there_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, rules = tmp_path / "iptables", tmp_path / "rules"
    played.write_text(PLAYED)
    played.chmod(0o755)

    def in_node(argv: Argv, **_: Any) -> Completed:
        words = tuple(map(str, argv))
        assert words[:3] == ("docker", "exec", "node")
        environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "RULES": str(rules)}
        return Completed(words, subprocess.run(words[3:], env=environ, check=False).returncode, "", "")

    monkeypatch.setattr(commands, "run", in_node)

    service_addresses.keep_in("node", "10.96.0.0/16", {})
    service_addresses.keep_in("node", "10.96.0.0/16", {})

    assert rules.read_text().splitlines() == ["-w -t mangle -A POSTROUTING -d 10.96.0.0/16 -j DROP"]


def test_a_node_that_refuses_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(argv: Argv, **_: Any) -> Completed:
        return Completed(tuple(map(str, argv)), 4, "", "iptables: Permission denied\n")

    monkeypatch.setattr(commands, "run", refused)

    with pytest.raises(UnhealthyError) as caught:
        service_addresses.keep_in("node", "10.96.0.0/16", {})

    assert caught.value.details == ("iptables: Permission denied",)


# Plays the node's programs: what kube-proxy wrote, the node's addresses, and a connection that comes about.
SAVED = """-A KUBE-SERVICES -d 10.96.0.1/32 -m comment --comment "default/kubernetes:https cluster IP" -j K
{rules}"""
RULE = (
    '-A KUBE -p tcp -m comment --comment "default/kubernetes:https" -m tcp -j DNAT --to-destination {}:6443\n'
)


@pytest.mark.parametrize(
    ("destinations", "said"),
    [
        pytest.param(["172.18.0.5"], "", id="the node's own address"),
        pytest.param(
            ["172.18.0.6", "172.18.0.5"], "the cluster still looks for its API at 172.18.0.6", id="both"
        ),
        pytest.param(
            ["172.18.0.50"], "the cluster still looks for its API at 172.18.0.50", id="one that begins alike"
        ),
        pytest.param([], "", id="rules of another kind"),
    ],
)
def test_the_api_is_served_when_it_is_looked_for_at_the_nodes_own_address_alone(
    tmp_path: Path, destinations: list[str], said: str
) -> None:
    programs = {
        "hostname": "echo '10.244.0.1 172.18.0.5 '",
        "iptables-save": f"cat {tmp_path}/saved",
        "timeout": 'test "$*" = "1 bash -c exec 3<>\\"/dev/tcp/\\$1/443\\" bash 10.96.0.1"',
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "saved").write_text(SAVED.format(rules="".join(map(RULE.format, destinations))))

    done = subprocess.run(
        ("sh", "-c", service_addresses._SERVED, "sh", "10.96.0.1"),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.strip(), done.stderr) == (1 if said else 0, said, "")


@pytest.mark.parametrize(("fails", "renewed"), [(0, 0), (1, 1), (2, 2), (3, 2)])
def test_a_network_that_does_not_come_up_is_begun_anew_twice(
    monkeypatch: pytest.MonkeyPatch, fails: int, renewed: int
) -> None:
    rounds: list[float] = []
    renewals: list[str] = []

    def until(_probe: object, *, seconds: float, **_: object) -> None:
        rounds.append(seconds)
        if len(rounds) <= fails:
            raise UnhealthyError("the cluster's network is still starting")

    monkeypatch.setattr(waiting, "until", until)

    def wait() -> None:
        service_addresses.wait_until_served(
            "node", "10.96.0.0/16", {}, commands.Leash(), lambda: renewals.append("kube-proxy")
        )

    if fails == 3:
        with pytest.raises(UnhealthyError, match="still starting"):
            wait()
    else:
        wait()
    assert len(renewals) == renewed
    assert sum(rounds) <= 180
