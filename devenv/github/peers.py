"""Which account a local connection comes from.

A browser sends a cookie to every port of a host (https://www.rfc-editor.org/rfc/rfc6265#section-8.5): whoever
gets it to open a port of his own sees the cookie of this server's page, whatever the cookie's path. So where
notebooks run under accounts of their own, the page is closed to those: what they saw is of no use to them.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from .messages import Address

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"


def owner_of(local: Address, remote: Address, tables: tuple[Path, ...] = _TABLES) -> int | None:
    """The account that holds the socket from ``local`` to ``remote`` on this machine, or None when not known.

    A socket that its program has closed already belongs to nobody any more and is not known either.
    https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
    """
    wanted = {(_hex(local, v6), _hex(remote, v6)) for v6 in (False, True)}
    for table in tables:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 7 and (words[1], words[2]) in wanted and words[3] == _ESTABLISHED:
                return int(words[7])
    return None


def _hex(address: Address, v6: bool) -> str:
    """``127.0.0.1`` as the kernel writes it: words in the machine's byte order, the port in the network's."""
    packed = socket.inet_aton(address[0])
    words = [b"\0\0\0\0", b"\0\0\0\0", b"\0\0\xff\xff", packed] if v6 else [packed]
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{address[1]:04X}"
