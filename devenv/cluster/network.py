"""The network that the node and the servers beside it share: made before both, so that neither waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.cluster.place import Place
from devenv.containers import INSTANCE, Engine, told
from devenv.errors import ConflictError

if TYPE_CHECKING:
    from docker.models.networks import Network


def ensure(place: Place, engine: Engine) -> None:
    """Make it unless it is there. Raises ConflictError when one of that name is somebody else's."""
    if _find(place, engine) is not None:
        return
    with told():
        # what kind asks of a network of its own
        options = {"com.docker.network.bridge.enable_ip_masquerade": "true"}
        engine.client.networks.create(
            place.id, labels={INSTANCE: place.id}, options=options, check_duplicate=True
        )


def cidr(place: Place, engine: Engine) -> str:
    """The range of addresses that its containers have, such as 172.20.0.0/16; "" when there is none."""
    found = _find(place, engine)
    pools = ((found.attrs.get("IPAM") or {}).get("Config") or ()) if found is not None else ()
    return next((str(pool["Subnet"]) for pool in pools if ":" not in pool.get("Subnet", ":")), "")


def remove(place: Place, engine: Engine) -> None:
    """Remove it; nothing when there is none."""
    found = _find(place, engine)
    if found is not None:
        with told():
            found.remove()


def _find(place: Place, engine: Engine) -> Network | None:
    with told():
        named = [each for each in engine.client.networks.list(names=[place.id]) if each.name == place.id]
    for each in named:
        if (each.attrs.get("Labels") or {}).get(INSTANCE) != place.id:
            raise ConflictError(
                f"the Docker network {place.id} is somebody else's",
                hint="Nothing was touched; rename or remove it",
            )
    return named[0] if named else None
