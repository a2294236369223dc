"""The node: one container of kind's, ours when it mounts this cluster's mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.cluster.config import MARK
from devenv.cluster.place import Place
from devenv.containers import Engine, told
from devenv.errors import ConflictError
from devenv.state import read_json, write_json

if TYPE_CHECKING:
    from docker.models.containers import Container

MADE = "made.json"
SETTLED = "settled.json"
CLUSTER_LABEL = "io.x-k8s.kind.cluster"


class Node:
    """What the engine knows of it. A foreign container of that name is never touched."""

    def __init__(self, place: Place, engine: Engine) -> None:
        self._place = place
        self._engine = engine

    def container(self) -> Container | None:
        """The node's container. Raises ConflictError for one of that name that somebody else made."""
        from docker.errors import NotFound

        with told():
            try:
                found = self._engine.client.containers.get(self._place.node)
            except NotFound:
                return None
        if not self._is_ours(found):
            raise ConflictError(
                f"the container {self._place.node} is not a node of ours",
                hint="Nothing was touched; kind get clusters shows what it may belong to",
            )
        return found

    def is_running(self) -> bool:
        found = self.container()
        return found is not None and bool(found.attrs["State"]["Running"])

    def is_whole(self) -> bool:
        """Whether its making went to the end: a killed ``kind create`` leaves half a cluster."""
        found = self.container()
        made = read_json(self._place.instance.root / MADE) or {}
        return found is not None and made.get("container") == found.id and self._place.kubeconfig.is_file()

    def note_whole(self, image: str) -> None:
        """Write down that this very container is a whole cluster, and of which image."""
        found = self.container()
        if found is not None:
            content = {"container": found.id, "image": image}
            write_json(self._place.instance.root / MADE, content, mode=0o644)

    def image(self) -> str:
        """The image that the cluster was made of."""
        return str((read_json(self._place.instance.root / MADE) or {}).get("image", ""))

    def is_settled(self) -> bool:
        """Whether what a start of it needs was done since it started last, whoever started it."""
        return bool(read_json(self._place.instance.root / SETTLED) == self._last_start())

    def note_settled(self) -> None:
        write_json(self._place.instance.root / SETTLED, self._last_start(), mode=0o644)

    def _last_start(self) -> dict[str, str]:
        found = self.container()
        return {"container": str(found.id), "started": found.attrs["State"]["StartedAt"]} if found else {}

    def start(self) -> None:
        found = self.container()
        if found is not None:
            with told():
                found.start()

    def stop(self, seconds: int = 30) -> bool:
        """Stop it and keep what is in it; False when it did not run."""
        found = self.container()
        if found is None or not found.attrs["State"]["Running"]:
            return False
        with told():
            found.stop(timeout=seconds)
        return True

    def _is_ours(self, found: Container) -> bool:
        mounts = {each.get("Destination"): each.get("Source") for each in found.attrs.get("Mounts", ())}
        is_named = found.labels.get(CLUSTER_LABEL) == self._place.id
        return is_named and mounts.get(MARK) == str(self._place.mark)
