"""The kind runtime: servers as containers beside a cluster, and the hub's chart inside it."""

from devenv.runtimes.kind.runtime import KindRuntime

__all__ = ["KindRuntime"]
