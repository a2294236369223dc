"""Why a cluster could not be made, in one line: the machine's limits show themselves in strange words.

https://kind.sigs.k8s.io/docs/user/known-issues/
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from devenv.errors import ConflictError, DevenvError, MissingError, UnhealthyError

_INOTIFY = re.compile(r"too many open files|inotify|could not find a log line that matches", re.IGNORECASE)
_SYSCTL = "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512"
_KNOWN: tuple[tuple[re.Pattern[str], type[DevenvError], str, str], ...] = (
    (
        re.compile(r"no space left on device", re.IGNORECASE),
        MissingError,
        "the disk of the Docker engine is full",
        "Free some space there (docker system df shows what takes it)",
    ),
    (
        re.compile(r"port is already allocated|address already in use", re.IGNORECASE),
        ConflictError,
        "a port of the cluster was taken between the choice and the start",
        "Run it again: it takes another one",
    ),
    (
        re.compile(r"node\(s\) already exist|already exist for a cluster", re.IGNORECASE),
        ConflictError,
        "a cluster of this name is there already, and not ours",
        "kind get clusters names it; it was left alone",
    ),
    (
        re.compile(
            r"pull access denied|failed to pull image|manifest unknown|failed to resolve|no such image",
            re.IGNORECASE,
        ),
        MissingError,
        "the node's image is not here and no registry has it",
        "./dev images.build --from mirrors --name node makes one from package mirrors",
    ),
    (
        re.compile(r"oom|out of memory|cannot allocate memory", re.IGNORECASE),
        MissingError,
        "the memory is used up",
        "A cluster needs about 2 GiB; end something, or give the engine more",
    ),
    (
        re.compile(r"privileged|operation not permitted", re.IGNORECASE),
        MissingError,
        "the Docker engine may not run privileged containers here",
        "kind needs them: https://kind.sigs.k8s.io/docs/user/rootless/",
    ),
    (
        _INOTIFY,
        MissingError,
        "this machine allows too few watches of files",
        f"{_SYSCTL} mends it until the next boot",
    ),
)
_LAST_LINES = 10


def of_create(said: Sequence[str]) -> DevenvError:
    """What kind's own words mean."""
    text = "\n".join(said)
    details = tuple(line for line in said if line.strip())[-_LAST_LINES:]
    for pattern, kind, what, hint in _KNOWN:
        if pattern.search(text):
            return kind(f"the cluster cannot be made: {what}", hint=hint, details=details)
    return UnhealthyError("kind could not make the cluster", hint="Its last words:", details=details)
