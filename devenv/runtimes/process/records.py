"""What is written down about a service before it is started, so that a kill -9 at any step can be healed."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

from devenv import processes
from devenv.processes import Identity, is_alive
from devenv.state import Instance, read_json, write_json

UNKNOWN = ""
STARTING = "starting"
RUNNING = "running"
# the record of the process that keeps the logs small
KEEPER = "logkeeper"
STOPPED = "stopped"


@dataclass(frozen=True)
class Record:
    """One service's last known start. ``log_from`` is where its log began then, in bytes."""

    status: str = UNKNOWN
    pid: int = 0
    birth: str = ""
    port: int = 0
    since: float = 0.0
    restarts: int = 0
    log_from: int = 0
    fingerprint: str = ""

    @property
    def identity(self) -> Identity | None:
        return Identity(self.pid, self.birth) if self.birth else None

    def is_running(self) -> bool:
        return self.identity is not None and self.status == RUNNING and is_alive(self.identity)

    def may_have_strays(self) -> bool:
        """Only an orderly stop leaves nothing behind."""
        return self.status != STOPPED

    def was_up(self) -> bool:
        """Whether it was started and not stopped, within this boot: a reboot is no crash."""
        if self.status == RUNNING:
            return self.identity is not None and processes.is_of_this_boot(self.identity)
        return self.status == STARTING

    def next_start(self, port: int, log_from: int, fingerprint: str = "") -> Record:
        """The record of the start that is about to happen: one more restart unless it was stopped."""
        restarts = self.restarts + 1 if self.was_up() else 0
        return Record(STARTING, 0, "", port, time.time(), restarts, log_from, fingerprint)

    def started(self, identity: Identity) -> Record:
        return dataclasses.replace(self, status=RUNNING, pid=identity.pid, birth=identity.birth)

    def stopped(self) -> Record:
        return dataclasses.replace(self, status=STOPPED, pid=0, birth="", restarts=0)


def read(instance: Instance, service: str) -> Record:
    """The service's record; an empty one when there is none or it is not whole."""
    content = read_json(instance.records / f"{service}.json")
    try:
        return Record(**content) if content else Record()
    except TypeError:
        return Record()


def any_running(instance: Instance) -> bool:
    """Whether a service runs; what the runtime keeps for itself is none."""
    names = (path.stem for path in instance.records.glob("*.json"))
    return any(read(instance, name).is_running() for name in names if name != KEEPER)


def write(instance: Instance, service: str, record: Record) -> None:
    """Nothing is written where there is no state folder, or only the rest of one that was being deleted."""
    if not instance.records.is_dir():
        return
    write_json(instance.records / f"{service}.json", dataclasses.asdict(record))
