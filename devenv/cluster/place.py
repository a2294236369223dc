"""Where the cluster of a checkout is kept, and the names that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from devenv.credentials import Vault
from devenv.helm.cli import Target
from devenv.project import CLUSTER_NAME
from devenv.state import Instance


@dataclass(frozen=True)
class Place:
    """One cluster for all projects of a checkout: what it is called and where its files lie."""

    instance: Instance

    @classmethod
    def of(cls, instance: Instance) -> Place:
        """The cluster that a project's instance stands on."""
        return cls(Instance(CLUSTER_NAME, instance.checkout, instance.data_root))

    @property
    def id(self) -> str:
        """The name of the cluster, of its network, and of the compose project beside it."""
        return self.instance.id

    @property
    def node(self) -> str:
        """The container that kind makes of it."""
        return f"{self.id}-control-plane"

    @property
    def kubeconfig(self) -> Path:
        """The cluster's own; nobody's else is read or written."""
        return self.instance.secrets / "kubeconfig"

    @property
    def target(self) -> Target:
        return Target(self.kubeconfig, f"kind-{self.id}")

    @property
    def config(self) -> Path:
        """What kind was told."""
        return self.instance.root / "kind-config.yaml"

    @property
    def mark(self) -> Path:
        """What the node mounts: by it we know that it is ours, and images come in through it."""
        return self.instance.root / "mark"

    @property
    def seed(self) -> Path:
        """The sample data of the public bucket, taken out of the image of S3."""
        return self.instance.root / "seed"

    @cached_property
    def vault(self) -> Vault:
        """What opens the servers that the projects share."""
        return Vault(self.instance.secrets)

    def project_folder(self, project: str) -> Path:
        """What was provisioned for a project: gone with the servers that hold it."""
        return self.instance.root / "projects" / project
