"""Whose a connection is, as the kernel's tables have it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devenv.github.peers import owner_of

CLIENT, OWN = ("127.0.0.1", 0xC001), ("127.0.0.1", 0x24B8)
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
V4 = """\
   0: 0100007F:24B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7021 1
   1: 0100007F:24B8 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 7022 1
   2: 0100007F:C001 0100007F:24B8 {state} 00000000:00000000 00:00000000 00000000 20001        0 7023 1
"""
V6 = """\
   0: 0000000000000000FFFF00000100007F:C001 0000000000000000FFFF00000100007F:24B8 01 \
00000000:00000000 00:00000000 00000000 20002        0 7024 1
"""

pytestmark = pytest.mark.skipif(
    sys.byteorder != "little", reason="the tables below are a little-endian machine's"
)


def tables(folder: Path, v4: str, v6: str = "") -> tuple[Path, ...]:
    (folder / "tcp").write_text(HEAD + v4)
    (folder / "tcp6").write_text(HEAD + v6)
    return folder / "tcp", folder / "tcp6", folder / "missing"


def test_the_clients_end_is_looked_up_and_not_the_servers(tmp_path: Path) -> None:
    assert owner_of(CLIENT, OWN, tables(tmp_path, V4.format(state="01"))) == 20001


def test_a_client_that_speaks_ipv6_to_an_ipv4_address_is_found(tmp_path: Path) -> None:
    assert owner_of(CLIENT, OWN, tables(tmp_path, "", V6)) == 20002


@pytest.mark.parametrize("state", ["04", "05", "06", "08"])
def test_a_socket_that_is_being_closed_belongs_to_nobody(tmp_path: Path, state: str) -> None:
    """The kernel tells account 0 for it."""
    assert owner_of(CLIENT, OWN, tables(tmp_path, V4.format(state=state))) is None


def test_without_tables_nobody_is_known(tmp_path: Path) -> None:
    assert owner_of(CLIENT, OWN, (tmp_path / "missing",)) is None
    assert owner_of(("127.0.0.1", 1), OWN, tables(tmp_path, V4.format(state="01"))) is None
