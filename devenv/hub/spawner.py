"""One server a user, as a process of its own that outlives the hub.

The hub finds it again by pid, birth and mark, so users' kernels survive a hub that is killed. As root each
user has an account and a home of their own. https://jupyterhub.readthedocs.io/en/stable/reference/spawners.html
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from jupyterhub.spawner import Spawner
from traitlets import Any as AnyTrait
from traitlets import Integer, List, Unicode, Union, default

from . import profiles
from .accounts import Account, Accounts, make_home
from .exits import StartError
from .names import expand, log_name, template_fields
from .ports import NoPortError, Ports, is_free
from .processes import Identity, identify, is_alive, listeners, marked, owned, owner, send
from .settings import Servers

_LAUNCHER = Path(__file__).with_name("launch.py")
_TAIL = 8
_PORTS_TRIED = 3
_LOOKS = 20  # how often it is looked for what a dying server has started
_LOOK = 0.05  # seconds between two looks at a server that is starting or ending

# How production's images start a server; here it is the environment's own module.
_COMMANDS = frozenset({"jupyterhub-singleuser", "start-singleuser.py", "start-singleuser.sh"})


# A kernel's outputs go to whoever connects to its port, any account of the machine; encrypted, only to the
# server that started it. Held by a run: without it another uid read them.
_PRIVATE_KERNELS = ("--KernelManager.transport_encryption=auto",)


class SpawnError(Exception):
    """What a person is told; JupyterHub shows ``jupyterhub_message`` on its page."""

    def __init__(self, line: str, details: tuple[str, ...] = ()) -> None:
        # what the server wrote is its user's text: it stays out of the hub's own log
        super().__init__(line)
        self.jupyterhub_message = " | ".join((line, *details[-3:]))


class PortTakenError(SpawnError):
    """Somebody listens where the server should; at another port it starts."""


class UserServer(Spawner):
    """JupyterHub's spawner for servers that are processes of this machine."""

    # set once, before JupyterHub makes the first of them
    servers: ClassVar[Servers]
    _ports: ClassVar[Ports] = Ports()

    term_timeout = Integer(10, help="Seconds from SIGTERM to SIGKILL.").tag(config=True)
    profile_list = Union(
        [List(), AnyTrait()], help="Profiles to choose from, as KubeSpawner's; a callable may give them."
    ).tag(config=True)
    profile_form_template = Unicode("", help="As KubeSpawner's.").tag(config=True)
    additional_profile_form_template_paths = List(Unicode(), help="As KubeSpawner's.").tag(config=True)

    _process: Identity | None = None
    _starting = False

    # --- what JupyterHub keeps for us -----------------------------------------------------------------------

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        if state.get("pid") and state.get("birth"):
            self._process = Identity(int(state["pid"]), str(state["birth"]))

    def get_state(self) -> dict[str, Any]:
        state = super().get_state()
        if self._process:
            state |= {"pid": self._process.pid, "birth": self._process.birth}
        return state

    def clear_state(self) -> None:
        super().clear_state()
        self._process = None

    def _keep_state(self) -> None:
        """Write down where the server is before anything else can end the hub."""
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()

    # --- whose it is ----------------------------------------------------------------------------------------

    @property
    def _own_mark(self) -> dict[str, str]:
        """What the environment of everything that belongs to this very server holds."""
        return {
            self.servers.mark_variable: self.servers.mark,
            "JUPYTERHUB_USER": self.user.name,
            "JUPYTERHUB_SERVER_NAME": self.name,
        }

    def _account(self) -> Account | None:
        given = self.servers.accounts
        if given is None:
            return None
        known = Accounts(
            Path(given.file),
            first_uid=given.first_uid,
            count=given.count,
            gid=given.gid,
            homes=Path(self.servers.homes),
        )
        return known.account(self.user.name)

    @property
    def _log_file(self) -> Path:
        return Path(self.servers.logs) / log_name(self.user.name, self.name)

    # --- environment and command ----------------------------------------------------------------------------

    @default("http_timeout")
    def _wait_long_for_an_answer(self) -> int:
        # it listens by then, on a machine that it shares with everybody else's server
        return 120

    @default("env_keep")
    def _keep_nothing(self) -> list[str]:
        return []

    def template_namespace(self) -> dict[str, str]:
        namespace: dict[str, str] = super().template_namespace()
        return {**template_fields(self.user.name, self.name, self.user.id), **namespace}

    def _environment(self, home: Path) -> dict[str, str]:
        """All that the server gets: nothing comes from the hub's own process."""
        own = self.get_env()
        fields = template_fields(self.user.name, self.name, self.user.id)
        for name in self.environment:
            value = own.get(name)
            if not callable(self.environment[name]) and isinstance(value, str):
                try:
                    own[name] = expand(value, fields)
                except ValueError as error:
                    raise SpawnError(f"singleuser.extraEnv.{name}: {error}") from None
        local = {
            **self.servers.contract,
            "HOME": str(home),
            "USER": self.user.name,
            "LOGNAME": self.user.name,
            "SHELL": "/bin/bash",
            **self._own_mark,
        }
        merged = {**self.servers.environment, **own, **local}
        return {name: str(value) for name, value in merged.items() if value is not None}

    def _command(self) -> list[str]:
        words = list(self.cmd or ())
        if not words or Path(words[0]).name in _COMMANDS:
            words = [*self.servers.command, *words[1:]]
            if self.servers.accounts:
                words += _PRIVATE_KERNELS
        return [*words, *self.get_args()]

    # --- start ----------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """Start the server and return once it listens, with its address.

        Raises SpawnError with the end of its log when it ends before, or cannot be started at all.
        """
        self._starting = True
        try:
            return await self._start()
        except StartError as error:
            raise SpawnError(str(error)) from None
        finally:
            self._starting = False

    async def _start(self) -> str:
        if self.profile_list:
            await self.load_user_options()
        account = self._account()
        await self._end_leftovers()
        home = make_home(Path(self.servers.homes), self.user.name, account)
        for _ in range(_PORTS_TRIED - 1):
            try:
                return await self._start_at_a_port(account, home)
            except PortTakenError:
                self.log.warning("notice: port %s of %s was taken; trying another", self.port, self._log_name)
                await self._end_leftovers(now=True)
        return await self._start_at_a_port(account, home)

    async def _start_at_a_port(self, account: Account | None, home: Path) -> str:
        try:
            self.ip, self.port = "127.0.0.1", self._ports.take()
        except NoPortError as error:
            raise SpawnError(str(error)) from None
        try:
            return await self._start_there(account, home)
        finally:
            self._ports.give_back(self.port)

    async def _start_there(self, account: Account | None, home: Path) -> str:
        # whoever finds the server after a hub that was killed needs to know where it listens
        self.server.ip, self.server.port = self.ip, self.port
        # at once: the end of any request rolls back what is not, and JupyterHub would not write it again
        self.user.db.commit()
        request = {
            "argv": self._command(),
            "env": self._environment(home),
            "cwd": str(home),
            "log": str(self._log_file),
            "uid": account.uid if account else None,
            "gid": account.gid if account else None,
        }
        asked = {**request, "files": {"samples": _texts(self.servers.samples)}}
        answer = await _launch(asked)
        if "error" in answer:
            raise SpawnError(f"the server cannot be started: {answer['error']}")
        self._process = identify(answer["pid"])
        self._keep_state()
        hook = asyncio.ensure_future(self._run_post_start(request))
        try:
            await self._until_it_listens(account)
        except BaseException:
            hook.cancel()
            raise
        # a slow hook goes on beside the server; it must not use up the time that the start has
        await asyncio.wait({hook}, timeout=self.start_timeout / 3)
        return f"http://{self.ip}:{self.port}"

    async def _until_it_listens(self, account: Account | None) -> None:
        """Wait for our own process at the port: anybody else there would be handed the user's cookies."""
        uid = account.uid if account else os.getuid()
        while True:
            if self._process is None or not is_alive(self._process):
                if not is_free(self.port):
                    raise PortTakenError(f"port {self.port} was taken while the server was starting")
                raise SpawnError("the server ended while it was starting", self._tail())
            # reading the table of all sockets costs a hundred times as much as a refused connection
            if _answers(self.port):
                found = listeners(self.port)
                if found is None or uid in found:
                    return
                if found:
                    raise PortTakenError(f"port {self.port} was taken by another account")
            await asyncio.sleep(_LOOK)

    async def _run_post_start(self, request: dict[str, Any]) -> None:
        """Run the values' postStart hook; whatever becomes of it, the server goes on."""
        hook = self.servers.post_start
        if not hook:
            return
        try:
            answer = await _launch({**request, "argv": list(hook.command), "wait": hook.seconds})
        except SpawnError as error:
            answer = {"error": str(error)}
        problem = answer.get("error")
        if not problem and answer.get("status", 0) is None:
            problem = f"ended after {hook.seconds:g} s"
        elif not problem and answer.get("status"):
            problem = f"exit code {answer['status']}"
        if problem:
            self.log.warning(
                "notice: postStart of %s failed: %s; its output is in %s",
                self._log_name,
                problem,
                self._log_file,
            )

    def _tail(self) -> tuple[str, ...]:
        try:
            with self._log_file.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ()
        return tuple(line for line in lines if line.strip())[-_TAIL:]

    # --- life and end ---------------------------------------------------------------------------------------

    async def poll(self) -> int | None:
        if self._process is None:
            return None if self._starting else 0
        if is_alive(self._process):
            return None
        return 0

    async def stop(self, now: bool = False) -> None:
        """End the server and whatever it started, kernels and terminals included."""
        known = [self._process] if self._process else []
        if not now:
            send(known, signal.SIGTERM)
            await _gone(known, self.term_timeout)
        await self._end_leftovers(now=now)

    async def _end_leftovers(self, *, now: bool = False) -> None:
        """End every process of this very user and server, also one that no record knows.

        With the user's last server goes whatever else the account runs: a notebook can drop the mark.
        """
        account = self._account()
        others = any(each.active for name, each in self.user.spawners.items() if name != self.name)

        def left() -> list[Identity]:
            if account and not others:
                return owned(account.uid)
            return [each for each, _ in marked(self._own_mark, uid=account.uid if account else None)]

        known = [self._process] if self._process and is_alive(self._process) else []
        found = [*known, *left()]
        if found:
            await end(found, seconds=0 if now else 3)
        for _ in range(_LOOKS):
            # what was started meanwhile
            if not (found := left()):
                return
            await end(found, seconds=0)
        self.log.warning("notice: %s still has processes: %s", self._log_name, [each.pid for each in found])

    # --- profiles -------------------------------------------------------------------------------------------

    @default("options_form")
    def _choose_profile_form(self) -> Any:
        if not self.profile_list:
            return ""
        if callable(self.profile_list):
            return self._render_options_form_dynamically
        return self._render_options_form(self.profile_list)

    @default("options_from_form")
    def _choose_form_reader(self) -> Any:
        if self.profile_list:
            return self._options_from_form
        return self._passthrough_options_from_form

    def _apply_overrides(self, spawner_override: dict[str, Any]) -> None:
        allowed = {
            name: value(self) if callable(value) else value for name, value in spawner_override.items()
        }
        for name, value in profiles.applicable(allowed).items():
            merged = {**self.environment, **value} if name == "environment" else value
            if name == "environment":
                merged = {key: each for key, each in merged.items() if each is not None}
            setattr(self, name, merged)


async def _launch(request: dict[str, Any]) -> dict[str, Any]:
    """Ask the launcher; the request holds secrets, so it goes through a pipe."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(_LAUNCHER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
        start_new_session=True,
    )
    output, problems = await process.communicate(json.dumps(request).encode())
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError:
        last = problems.decode(errors="replace").strip().rpartition("\n")[2]
        raise SpawnError(f"the launcher failed: {last or process.returncode}") from None
    return answer


async def end(identities: list[Identity], *, seconds: float) -> None:
    """End processes: asked first, killed after ``seconds``; returns when they are gone."""
    if not identities:
        return
    if seconds:
        send(identities, signal.SIGTERM)
        await _gone(identities, seconds)
    send(identities, signal.SIGKILL)
    await _gone(identities, 5)


async def _gone(identities: list[Identity], seconds: float) -> None:
    until = time.monotonic() + seconds
    while any(map(is_alive, identities)) and time.monotonic() < until:
        await asyncio.sleep(_LOOK)


async def sweep(servers: Servers, known: dict[tuple[str, str], Identity]) -> list[str]:
    """End servers of this hub that its database does not know, left by a hub that was killed in mid-spawn.

    ``known`` are the processes by user and server name. Returns the ended servers' names.
    """
    kept = {key for key, each in known.items() if is_alive(each)}
    found: dict[tuple[str, str], list[Identity]] = {}
    for identity, environ in marked({servers.mark_variable: servers.mark}):
        key = environ.get("JUPYTERHUB_USER", ""), environ.get("JUPYTERHUB_SERVER_NAME", "")
        if key[0] and key not in kept and _is_users(owner(identity.pid), servers):
            found.setdefault(key, []).append(identity)
    await end([each for group in found.values() for each in group], seconds=3)
    return sorted("/".join(part for part in key if part) for key in found)


def _is_users(uid: int | None, servers: Servers) -> bool:
    return servers.accounts is None or (uid is not None and uid >= servers.accounts.first_uid)


def _texts(folder: str | None) -> dict[str, str]:
    """Sample notebooks as texts: the user may not be able to read the folder that they come from."""
    if not folder:
        return {}
    return {each.name: each.read_text(encoding="utf-8") for each in sorted(Path(folder).glob("*.ipynb"))}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
