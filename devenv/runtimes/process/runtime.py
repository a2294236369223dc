"""The process runtime: starts, watches and ends services as plain processes."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from devenv import commands, diagnosis, environments, notebooks, processes, project
from devenv.endpoints import Endpoint, View
from devenv.errors import NotRunningError, UnhealthyError, UsageError, told_by
from devenv.notebooks import CellRan, Executed
from devenv.report import Progress
from devenv.runtimes import ports
from devenv.runtimes.process import logkeeper, logs, recipes, records
from devenv.runtimes.runtime import Condition, Phase
from devenv.services import notebook_environment
from devenv.services.service import Service, Site, Stop
from devenv.state import MARK_VARIABLE, Instance

STRAYS = Stop()
# JupyterHub begins each line with its level, time and place in brackets; others begin with the word itself.
_NOTICE = re.compile(r"(?:\[[^\]]*\] )?notice: (.*)")
# How often it is looked for what guests have started while they were ended.
LOOKS = 20


class ProcessRuntime:
    """Services as detached children that outlive the command which started them."""

    name = "process"
    view = View.HOST

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    @property
    def data_place(self) -> str:
        return str(self._instance.root)

    def claim(self, services: tuple[Service, ...], fixed: Mapping[str, int | None]) -> list[str]:
        running: dict[str, int] = {}
        known = ports.known(self._instance)
        for service in services:
            record = records.read(self._instance, service.name)
            if record.is_running():
                running |= {name: port for name, port in known.items() if name in service.addresses}
                running[service.name] = record.port
            elif record.may_have_strays():
                # they may hold the very port that is to be given away
                self._end_strays(service.name, service.stop)
        names = tuple(address for service in services for address in service.addresses)
        return ports.claim(self._instance, names, fixed, running)[1]

    def release(self) -> None:
        ports.release(self._instance)
        if records.any_running(self._instance):
            self._keep_logs()

    def prepare(self, services: tuple[Service, ...], progress: Progress) -> None:
        for name in self._environments(services):
            environment = environments.locate(name, self._instance.data_root)
            if environments.is_current(environment):
                continue
            row = f"{name} environment"
            progress(row, "starting", "")
            environments.ensure(environment, partial(progress, row, "starting"), project.environment())
            progress(row, "ready", str(environment.home))

    def start(self, site: Site, service: Service) -> bool:
        record = records.read(self._instance, service.name)
        if record.is_running():
            return False
        launch = recipes.RECIPES[service.name](site)
        log = self._instance.log(service.name)
        port = self.endpoint(service.name, View.HOST).port
        record = record.next_start(port, logs.size(log), service.fingerprint(site))
        records.write(self._instance, service.name, record)
        self._launch(service.name, record, launch, log)
        return True

    def cancel(self) -> None:
        """No start of this runtime takes long."""

    def ensure_alive(self, service: Service) -> None:
        record = records.read(self._instance, service.name)
        if record.is_running():
            return
        last = logs.tail(self._instance.log(service.name), 15, since=record.log_from)
        for line in reversed(last):
            if told := told_by(line, commands.exit_code(record.pid)):
                raise told
        cause = diagnosis.of(last)
        raise UnhealthyError(
            f"{service.name} ended by itself: {cause.what}" if cause else f"{service.name} ended by itself",
            hint=cause.mend
            if cause
            else f"Its last log lines are below; all of it: ./dev logs --service {service.name}",
            details=last,
        )

    def is_listening(self, service: Service) -> bool:
        record = records.read(self._instance, service.name)
        return record.identity is not None and processes.listens(record.identity, record.port)

    def stop(self, service: Service) -> bool:
        record = records.read(self._instance, service.name)
        identity = record.identity
        stopped = False
        if identity and processes.is_alive(identity):
            family = self._family(identity, service)
            processes.end([identity], first=service.stop.signal, seconds=service.stop.seconds)
            processes.end(family, first=service.stop.signal, seconds=2)
            stopped = True
        if record.may_have_strays():
            stopped = self._end_strays(service.name, service.stop) or stopped
        stopped = recipes.clear_leftovers(self._instance, service.name) or stopped
        self._note_stopped(service.name, record)
        return stopped

    def end_guests(self, service: Service) -> int:
        if not service.guests:
            return 0
        ended: set[processes.Identity] = set()
        for _ in range(LOOKS):
            found = {
                *processes.marked(self._instance.mark(service.guests)),
                # who drops the mark keeps the account that only this instance gives
                *(processes.owned(self._instance.accounts) if os.geteuid() == 0 else ()),
            }
            if not found:
                break
            # what is found once more was started meanwhile, by something that does not want to end
            processes.end(found, first=STRAYS.signal, seconds=0 if ended else STRAYS.seconds)
            ended |= found
        return len(ended)

    def condition(self, service: Service, *, memory: bool = False) -> Condition:
        record = records.read(self._instance, service.name)
        if not record.is_running():
            phase = Phase.CRASHED if record.was_up() else Phase.STOPPED
            return Condition(phase, restarts=record.restarts)
        identity = record.identity
        return Condition(
            Phase.RUNNING,
            pid=record.pid,
            since=record.since,
            restarts=record.restarts,
            memory=processes.memory(identity) if memory and identity else 0,
            fingerprint=record.fingerprint,
        )

    def endpoint(self, service: str, view: View) -> Endpoint:
        if view is not View.HOST:
            raise UsageError(
                f"a {view} cannot reach services that run as processes: they listen on 127.0.0.1 alone",
                hint="Leave --view out, or let a program on this machine ask",
            )
        port = ports.known(self._instance).get(ports.ONE_SERVER.get(service, service))
        if not port:
            raise NotRunningError(f"{service} has no address yet", hint="Start it with ./dev up")
        return Endpoint("127.0.0.1", port)

    def tail(self, service: str, lines: int) -> tuple[str, ...]:
        return logs.tail(self._instance.log(service), lines)

    def notices(self, service: str) -> tuple[str, ...]:
        record = records.read(self._instance, service)
        lines = logs.tail(self._instance.log(service), 500, since=record.log_from)
        found = (_NOTICE.match(line) for line in lines)
        return tuple(dict.fromkeys(each[1] for each in found if each))

    def follow(self, services: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        return logs.follow({service: self._instance.log(service) for service in services})

    def run_notebook(
        self,
        site: Site,
        file: Path,
        *,
        output: Path | None,
        timeout: float | None,
        on_cell: Callable[[CellRan], None],
    ) -> Executed:
        return notebooks.run(
            file,
            python=site.notebook_python,
            env=notebook_environment.build(site, project.environment()),
            output=output,
            timeout=timeout,
            on_cell=on_cell,
        )

    def close(self) -> None:
        if records.any_running(self._instance):
            return
        identity = records.read(self._instance, records.KEEPER).identity
        if identity:
            processes.end([identity], first=STRAYS.signal, seconds=2)
        self._end_strays(records.KEEPER)
        self._note_stopped(records.KEEPER, records.Record())

    def purge(self) -> None:
        """All of it lies in the state folder."""

    def _environments(self, services: tuple[Service, ...]) -> Iterator[str]:
        for name in recipes.environments_of(service.name for service in services):
            if name == "proxy":
                yield from environments.required_by_proxy(project.environment())
            else:
                yield name

    def _family(self, identity: processes.Identity, service: Service) -> list[processes.Identity]:
        """What the service started for itself."""
        guests = self._instance.mark(service.guests) if service.guests else ""
        found = processes.descendants(identity)
        return [each for each in found if not guests or not processes.carries_mark(each.pid, guests)]

    def _launch(self, name: str, record: records.Record, launch: recipes.Launch, log: Path) -> None:
        pid = commands.spawn(
            launch.argv,
            log=log,
            env={**launch.env, MARK_VARIABLE: self._instance.mark(name)},
            cwd=launch.cwd,
            account=launch.account,
        )
        identity = processes.identify(pid)
        if identity is None:
            # gone already: ensure_alive will tell why
            identity = processes.Identity(pid, "gone")
        try:
            records.write(self._instance, name, record.started(identity))
        except OSError:
            # a full disk: what cannot be written down must not run
            processes.end([identity], first=STRAYS.signal, seconds=STRAYS.seconds)
            raise

    def _note_stopped(self, name: str, record: records.Record) -> None:
        # a full disk must not keep services from being stopped; a dead pid tells the same
        with contextlib.suppress(OSError):
            records.write(self._instance, name, record.stopped())

    def _end_strays(self, name: str, stop: Stop = STRAYS) -> bool:
        strays = processes.marked(self._instance.mark(name))
        if not strays:
            return False
        processes.end(strays, first=stop.signal, seconds=stop.seconds)
        return True

    def _keep_logs(self) -> None:
        record = records.read(self._instance, records.KEEPER)
        if record.is_running():
            return
        if record.may_have_strays():
            self._end_strays(records.KEEPER)
        argv = (sys.executable, "-I", "-S", logkeeper.__file__, self._instance.logs, self._instance.records)
        launch = recipes.Launch(argv=tuple(map(str, argv)), env={}, cwd=self._instance.root)
        record = record.next_start(0, 0)
        records.write(self._instance, records.KEEPER, record)
        self._launch(records.KEEPER, record, launch, self._instance.log(records.KEEPER))
