"""Addresses of Services end in the node, also those that nothing serves at the moment.

kube-proxy replaces the rules of a Service in two steps when its pod is replaced. What is sent to the Service
between them goes on as it is: out of the node, to whoever has that address. The hub's proxy keeps such a
connection and goes on asking a stranger. What is dropped is sent again a second later, and gets to the pod.
https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-iptables
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

from devenv import commands, waiting
from devenv.commands import Leash
from devenv.errors import UnhealthyError
from devenv.waiting import NotYet

SERVED_SECONDS = 180

# Behind the tables of kube-proxy and of the network policies, which leave this one alone.
_RULE = """
rule="POSTROUTING -d $1 -j DROP"
iptables -w -t mangle -C $rule 2>/dev/null || iptables -w -t mangle -A $rule
"""


def keep_in(node: str, subnet: str, environ: Mapping[str, str]) -> None:
    """Have the running ``node`` drop what would leave it for ``subnet``; a node that starts anew forgets it.

    Raises UnhealthyError with the node's words.
    """
    argv = ("docker", "exec", node, "sh", "-c", _RULE, "sh", subnet)
    done = commands.run(argv, env=environ, check=False)
    if done.code:
        raise UnhealthyError("the node did not take a rule of its network", details=(done.stderr.strip(),))


def wait_until_served(node: str, subnet: str, environ: Mapping[str, str], leash: Leash) -> None:
    """Wait until the cluster's API is reached by the address of its Service: the first of ``subnet``.

    Raises UnhealthyError when it is not.
    """
    address = str(ip_network(subnet.split(",")[0])[1])
    connect = ("timeout", "1", "bash", "-c", 'exec 3<>"/dev/tcp/$1/443"', "bash", address)

    def probe() -> None:
        leash.check()
        if commands.run(("docker", "exec", node, *connect), env=environ, check=False).code:
            raise NotYet(f"nothing answers at {address}")

    waiting.until(probe, what="the cluster's network", seconds=SERVED_SECONDS, longest_pause=0.3)
