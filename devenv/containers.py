"""What the Docker engine knows: containers, volumes and images, asked by its API.

https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from devenv.errors import ConflictError, DevenvError, MissingError, UnhealthyError, UsageError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
INSTANCE = "habari.instance"
FINGERPRINT = "habari.fingerprint"
TIMEOUT_SECONDS = 60
OLDEST = (20, 10)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PORT_TAKEN = re.compile(r"port is already allocated|address already in use", re.IGNORECASE)


@dataclass(frozen=True)
class State:
    """One container as the engine describes it now; ``since`` is the text of RFC 3339."""

    is_running: bool
    is_created: bool
    exit_code: int
    was_killed_for_memory: bool
    pid: int
    since: str
    restarts: int
    memory_limit: int
    fingerprint: str


class Engine:
    """The engine that the Docker CLI would use: DOCKER_HOST, else its context, else the usual socket."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @cached_property
    def client(self) -> DockerClient:
        """Raises MissingError when no engine answers or this account may not ask it."""
        import docker
        from docker.errors import DockerException

        try:
            # the system's own ssh, as the Docker CLI uses it
            client = docker.DockerClient(**self._address(), timeout=TIMEOUT_SECONDS, use_ssh_client=True)
            version = client.version()["Version"]
        except (DockerException, OSError) as error:
            raise _no_engine(error) from None
        if _numbers(version) < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            raise MissingError(f"the Docker engine is {version}", hint=f"Install {wanted} or newer")
        return client

    def _address(self) -> dict[str, Any]:
        if host := self._environ.get("DOCKER_HOST"):
            from docker.utils import kwargs_from_env

            return {"base_url": host, **kwargs_from_env(environment=dict(self._environ))}
        from docker.context import ContextAPI

        name = self._environ.get("DOCKER_CONTEXT")
        # None for a name that nobody has, whatever the types say
        context: Any = ContextAPI.get_context(name or None)
        if context is None and name:
            raise MissingError(f"Docker has no context {name!r}", hint="docker context ls names them")
        if context is None or not context.Host:
            return {}
        return {"base_url": context.Host, "tls": context.TLSConfig or None}

    def require_local(self) -> None:
        """Raise UsageError for an engine elsewhere: it would publish the ports on its own machine."""
        url = urlsplit(str(self._address().get("base_url", "")))
        if url.scheme in ("ssh", "tcp", "http", "https") and url.hostname not in _LOOPBACK:
            raise UsageError(
                f"the Docker engine is on another machine, {url.hostname}: so would be the addresses",
                hint="Choose a context of this machine (docker context ls), or ./dev up --runtime process",
            )

    def state(self, project: str, service: str) -> State | None:
        """The service's container, or None when there is none."""
        found = self.container(project, service)
        return None if found is None else _state(found.attrs, is_newest=self._has_newest_image(found))

    def container(self, project: str, service: str) -> Container | None:
        """The service's own one: neither somebody else's nor one of `docker compose run`."""
        own = {PROJECT: project, SERVICE: service, INSTANCE: project, ONE_OFF: "False"}
        labels = [f"{name}={value}" for name, value in own.items()]
        with told():
            found = self.client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
        return found[0] if found else None

    def start(self, project: str, service: str) -> None:
        """Start the container that compose has made. Raises ConflictError for its port, or UnhealthyError."""
        from docker.errors import APIError
        from requests.exceptions import RequestException

        found = self.container(project, service)
        if found is None:
            raise UnhealthyError(f"the container of {service} is gone", hint="Run ./dev up again")
        try:
            found.start()
        except APIError as error:
            said = str(error.explanation or error)
            if _PORT_TAKEN.search(said):
                raise ConflictError(
                    f"the port of {service} was taken between the choice and the start",
                    hint="Run ./dev up again: it takes another one, or names who holds a fixed one",
                    details=(said,),
                ) from None
            raise UnhealthyError(f"the container of {service} cannot be started", details=(said,)) from None
        except RequestException as error:
            raise _no_engine(error) from error

    def stop(self, project: str, service: str, seconds: float) -> bool:
        """Ask the container to end, kill it after ``seconds``; False when it did not run."""
        found = self.container(project, service)
        if found is None or not found.attrs["State"]["Running"]:
            return False
        with told():
            found.stop(timeout=int(seconds))
        return True

    def labelled(self, label: str, value: str) -> list[Container]:
        """All containers with this label, running or not."""
        with told():
            found: list[Container] = self.client.containers.list(
                all=True, filters={"label": f"{label}={value}"}, ignore_removed=True
            )
        return found

    def tail(self, project: str, service: str, lines: int) -> tuple[str, ...]:
        """The container's last log lines; none when there is no container."""
        found = self.container(project, service)
        return () if found is None else self.tail_of(found, lines)

    def tail_of(self, container: Container, lines: int) -> tuple[str, ...]:
        """The last log lines of this container."""
        with told():
            text = container.logs(tail=lines).decode(errors="replace")
        return tuple(line for line in text.splitlines() if line.strip())

    def follow(self, project: str, service: str) -> Iterator[str]:
        """New log lines of a container until it ends."""
        found = self.container(project, service)
        if found is not None:
            yield from self.follow_of(found)

    def follow_of(self, container: Container) -> Iterator[str]:
        """New log lines of this container until it ends."""
        rest = b""
        for chunk in container.logs(stream=True, follow=True, tail=0):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace").rstrip("\r") for line in lines)

    def memory(self, project: str, service: str) -> int:
        """Bytes that the container uses without the page cache, as `docker stats` counts."""
        found = self.container(project, service)
        return 0 if found is None else self.memory_of(found)

    def memory_of(self, container: Container) -> int:
        """Bytes that this container uses, as `docker stats` counts: without files that can be forgotten.

        https://docs.docker.com/reference/cli/docker/container/stats/
        """
        with told():
            used = self.client.api.stats(str(container.id), stream=False, one_shot=True)["memory_stats"]
        stats = used.get("stats", {})
        # control groups of version 1 tell both, and only the total has what is in groups below, as a node's
        inactive = stats.get("total_inactive_file", stats.get("inactive_file", 0))
        return max(0, int(used.get("usage", 0)) - int(inactive))

    def _has_newest_image(self, container: Container) -> bool:
        """Whether its image is the one that the name stands for now; True when the name is gone."""
        from docker.errors import ImageNotFound

        with told(), contextlib.suppress(ImageNotFound):
            newest = self.client.images.get(container.attrs["Config"]["Image"])
            return bool(newest.id == container.attrs["Image"])
        return True

    def require_images(self, names: Mapping[str, str]) -> None:
        """Raise MissingError with the command that makes them when images are missing."""
        with told():
            missing = [service for service, image in names.items() if not self._has_image(image)]
        if missing:
            named = ", ".join(names[service] for service in missing)
            hint = "./dev images.build makes them (from package mirrors alone: --from mirrors)"
            if not all(names[service].endswith(":local") for service in missing):
                hint = "docker pull brings it; without its HABARI_…_IMAGE that of ./dev images.build is taken"
            raise MissingError(f"no image here: {named}", hint=hint)

    def _has_image(self, name: str) -> bool:
        from docker.errors import ImageNotFound

        try:
            self.client.images.get(name)
        except ImageNotFound:
            return False
        return True

    def require_own(self, project: str, instance: str) -> None:
        """Raise ConflictError for a container or volume of our names that somebody else made."""
        with told():
            containers = self.client.containers.list(all=True, filters={"label": f"{PROJECT}={project}"})
            volumes = self.client.volumes.list(filters={"name": f"{project}_"})
            foreign = [str(each.name) for each in containers if each.labels.get(INSTANCE) != instance]
            foreign += [
                str(each.name)
                for each in volumes
                if each.name.startswith(f"{project}_")
                and (each.attrs.get("Labels") or {}).get(INSTANCE) != instance
            ]
        if foreign:
            raise ConflictError(
                f"made by somebody else, under our names: {', '.join(sorted(foreign))}",
                hint="Nothing was touched; rename or remove them, or choose another --instance",
            )


def _state(attrs: Mapping[str, Any], *, is_newest: bool) -> State:
    state, labels = attrs["State"], attrs["Config"].get("Labels") or {}
    return State(
        is_running=bool(state["Running"]) and not state.get("Restarting"),
        is_created=state.get("Status") == "created",
        exit_code=int(state.get("ExitCode", 0)),
        was_killed_for_memory=bool(state.get("OOMKilled")),
        pid=int(state.get("Pid", 0)),
        since=state.get("StartedAt", ""),
        restarts=int(attrs.get("RestartCount", 0)),
        memory_limit=int((attrs.get("HostConfig") or {}).get("Memory") or 0),
        # a container of an older image is as outdated as one of older settings
        fingerprint=labels.get(FINGERPRINT, "") if is_newest else "an older image",
    )


def unix(text: str) -> float:
    """The engine writes nanoseconds, which Python does not read; 0 for what is no moment."""
    whole, _, _ = text.partition(".")
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(f"{whole.rstrip('Z')}+00:00").timestamp()
    return 0.0


@contextlib.contextmanager
def told() -> Iterator[None]:
    """The engine's own words as foreseen trouble."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        raise UnhealthyError(f"the Docker engine refused: {error.explanation or error}") from error
    except (DockerException, RequestException) as error:
        raise _no_engine(error) from error


def _no_engine(error: Exception) -> DevenvError:
    said = str(error)
    if "Permission denied" in said or "PermissionError" in said:
        return MissingError(
            "this account may not use the Docker engine",
            hint="Add it to the group docker (and log in again), or choose ./dev up --runtime process",
        )
    return MissingError(
        "no Docker engine answers",
        hint="Start it (systemctl start docker); where there is none: ./dev up --runtime process",
        details=(said.splitlines()[0],) if said else (),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("+")[0].split("-")[0].split(".")[:2] if part.isdigit())
