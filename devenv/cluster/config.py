"""kind-config.yaml of the checkout with this cluster's name, ports and mark.

https://kind.sigs.k8s.io/docs/user/configuration/
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devenv.cluster import slots
from devenv.cluster.place import Place
from devenv.errors import UsageError

# The state folder inside the node: what shows that the node is ours.
MARK = "/habari"
# https://kind.sigs.k8s.io/docs/user/configuration/#service-subnet
_SERVICES = "10.96.0.0/16"


def render(file: Path, place: Place, ports: Mapping[str, int]) -> str:
    """The text for ``kind create``; ``ports`` are this machine's ports by the slots' names.

    Everything else in the file stays as it is. Raises UsageError when the file is not one of kind's, or maps
    fewer of the node's ports than there are slots.
    """
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError) as error:
        raise UsageError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
    nodes = content.get("nodes") if isinstance(content, dict) else None
    if not isinstance(nodes, list) or len(nodes) != 1 or not isinstance(nodes[0], dict):
        raise UsageError(f"{file} does not have one node", hint="A cluster of one node is what is supported")
    mappings = _by_node_port(nodes[0])
    for number in range(slots.COUNT):
        node_port = slots.FIRST_NODE_PORT + number
        if node_port not in mappings:
            raise UsageError(f"{file} maps no port to the node's {node_port}", hint=f"It needs {slots.COUNT}")
        mappings[node_port] |= {"hostPort": ports[slots.port_name(number)], "listenAddress": "127.0.0.1"}
    mark = {"hostPath": str(place.mark), "containerPath": MARK, "readOnly": True}
    nodes[0]["extraMounts"] = [*(nodes[0].get("extraMounts") or ()), mark]
    networking = {**(content.get("networking") or {}), "apiServerAddress": "127.0.0.1"}
    return str(yaml.safe_dump({**content, "name": place.id, "networking": networking}, sort_keys=False))


def service_subnet(file: Path) -> str:
    """The range of the Services' addresses of a cluster made with ``file``; kind's own without it."""
    import yaml

    if not file.is_file():
        return _SERVICES
    networking = yaml.safe_load(file.read_text(encoding="utf-8")).get("networking") or {}
    return str(networking.get("serviceSubnet") or _SERVICES)


def _by_node_port(node: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    return {int(each.get("containerPort", 0)): each for each in node.get("extraPortMappings") or ()}
