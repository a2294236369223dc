"""Services as containers, by docker-compose.yaml: the very images that production runs."""

from devenv.runtimes.compose.runtime import ComposeRuntime

__all__ = ["ComposeRuntime"]
