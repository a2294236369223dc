"""Services as plain processes of this machine: Python alone is needed."""

from devenv.runtimes.process.runtime import ProcessRuntime

__all__ = ["ProcessRuntime"]
