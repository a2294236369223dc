"""Addresses of Services end in the node, also those that nothing serves at the moment.

kube-proxy replaces the rules of a Service in two steps when its pod is replaced. What is sent to the Service
between them goes on as it is: out of the node, to whoever has that address. The hub's proxy keeps such a
connection and goes on asking a stranger. What is dropped is sent again a second later, and gets to the pod.
https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-iptables
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_network

from devenv import commands, waiting
from devenv.commands import Leash
from devenv.errors import UnhealthyError
from devenv.waiting import NotYet

# One that is not served after the first of these will not be by itself; the last is for slow machines.
_ROUNDS = (45, 45, 90)

# Behind the tables of kube-proxy and of the network policies, which leave this one alone.
_RULE = """
rule="POSTROUTING -d $1 -j DROP"
iptables -w -t mangle -C $rule 2>/dev/null || iptables -w -t mangle -A $rule
"""
# A node that starts anew may have another address. The cluster's API is known by the old one too for a
# quarter of a minute, when each second connection to its Service goes where nobody or somebody else is.
_SERVED = r"""
known=" $(hostname -I)"
rules=$(iptables-save -t nat | grep '"default/kubernetes:https"')
for to in $(echo "$rules" | sed -n 's,.* --to-destination \([^:]*\):.*,\1,p'); do
    case $known in *" $to "*) ;; *) echo "the cluster still looks for its API at $to" && exit 1 ;; esac
done
exec timeout 1 bash -c 'exec 3<>"/dev/tcp/$1/443"' bash "$1"
"""


def keep_in(node: str, subnet: str, environ: Mapping[str, str]) -> None:
    """Have the running ``node`` drop what would leave it for ``subnet``; a node that starts anew forgets it.

    Raises UnhealthyError with the node's words.
    """
    argv = ("docker", "exec", node, "sh", "-c", _RULE, "sh", subnet)
    done = commands.run(argv, env=environ, check=False)
    if done.code:
        raise UnhealthyError("the node did not take a rule of its network", details=(done.stderr.strip(),))


def wait_until_served(
    node: str, subnet: str, environ: Mapping[str, str], leash: Leash, renew: Callable[[], object]
) -> None:
    """Wait until connections to the API by its Service's address, the first of ``subnet``, all get there.

    ``renew`` has kube-proxy begin anew. It is called when it takes long: kube-proxy gives up for good when
    the rules of network policies are written while it writes its first ones. Raises UnhealthyError when that
    does not help.
    """
    address = str(ip_network(subnet.split(",")[0])[1])

    def probe() -> None:
        leash.check()
        done = commands.run(
            ("docker", "exec", node, "sh", "-c", _SERVED, "sh", address), env=environ, check=False
        )
        if done.code:
            raise NotYet(done.stdout.strip() or f"nothing answers at {address}")

    wait = partial(waiting.until, probe, what="the cluster's network", longest_pause=0.3)
    *rounds, last = _ROUNDS
    for seconds in rounds:
        try:
            wait(seconds=seconds)
        except UnhealthyError:
            renew()
        else:
            return
    wait(seconds=last)
