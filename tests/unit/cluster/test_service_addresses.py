"""What is sent to a Service that nothing serves does not leave the node."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from devenv import commands
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
