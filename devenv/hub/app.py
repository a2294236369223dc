"""JupyterHub with what a hub needs that is killed and started again beside living servers and a living proxy.

https://jupyterhub.readthedocs.io/en/stable/reference/separate-proxy.html
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import sys
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

from jupyterhub import orm
from jupyterhub.app import JupyterHub
from traitlets import TraitError

from . import configuration, database, profiles
from .exits import CONFLICT, UNHEALTHY, WRONG_USE, StartError
from .processes import Identity, marked, send
from .settings import Settings
from .spawner import UserServer, sweep

_PROXY_SECONDS = 60
_WATCH_SECONDS = 0.05


class Hub(JupyterHub):
    """JupyterHub for one :class:`Settings`; its configuration is built, not read from a file."""

    settings: ClassVar[Settings]
    notices: ClassVar[tuple[str, ...]] = ()
    name = "jupyterhub"

    _sweeping: asyncio.Task[None] | None = None
    _watching: asyncio.Task[None] | None = None

    def load_config_file(self, *_: Any, **__: Any) -> None:
        """There is none: a jupyterhub_config.py that lies about must not be taken."""

    def init_db(self) -> None:
        for line in self.notices:
            self.log.warning("notice: %s", line)
        database.wait(self.db_url, self.log.info)
        database.prepare(
            self.db_url,
            upgrade=self.settings.upgrade_db,
            backup=self.settings.backup,
            tell=lambda line: self.log.warning("notice: %s", line),
        )
        super().init_db()

    async def init_spawners(self) -> int:
        self._end_old_services()
        # kept, or it would be collected while it runs
        self._sweeping = asyncio.ensure_future(self._sweep(self._known_servers()))
        count: int = await super().init_spawners()
        return count

    def _known_servers(self) -> dict[tuple[str, str], Identity]:
        rows = self.db.query(orm.Spawner).filter(orm.Spawner.server != None)  # noqa: E711 - SQL
        return {
            (row.user.name, row.name): Identity(int(row.state["pid"]), str(row.state["birth"]))
            for row in rows
            if row.user and row.state and row.state.get("pid") and row.state.get("birth")
        }

    def _end_old_services(self) -> None:
        """A culler of a hub that was killed goes on with a token that is no longer good."""
        mine = {UserServer.servers.mark_variable: self.settings.mark}
        old = [each for each, environ in marked(mine) if environ.get("JUPYTERHUB_SERVICE_NAME")]
        send(old, signal.SIGTERM)

    async def _sweep(self, known: dict[tuple[str, str], Identity]) -> None:
        for name in await sweep(UserServer.servers, known):
            self.log.warning("notice: ended %s's server, left by a hub that was killed", name)

    async def start(self) -> None:
        await self._wait_for_proxy()
        try:
            await super().start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartError(CONFLICT, _taken(self.hub.bind_url)) from None
            raise
        self._watching = asyncio.ensure_future(self._watch_proxy())

    async def _wait_for_proxy(self) -> None:
        """Return once the proxy's API takes our token; it may be starting beside us."""
        until, told = time.monotonic() + _PROXY_SECONDS, False
        while True:
            try:
                await self.proxy.get_all_routes()
            except Exception as error:
                answer = str(error) or type(error).__name__
                if "403" in answer:
                    raise StartError(
                        CONFLICT, f"{self.settings.proxy_api_url} is held by another proxy: {answer}"
                    ) from None
                if time.monotonic() > until:
                    raise StartError(
                        UNHEALTHY, f"the proxy did not answer within {_PROXY_SECONDS} s: {answer}"
                    ) from None
            else:
                return
            if not told:
                self.log.info("waiting for the proxy: %s", answer)
                told = True
            await asyncio.sleep(0.05)

    async def _watch_proxy(self) -> None:
        """Give a proxy that was started anew its routes at once; JupyterHub itself looks every few minutes.

        An idle connection to its API tells when it ends. The proxy closes such connections by itself after a
        minute or two; that costs one look at its routes.
        """
        place = urlsplit(self.settings.proxy_api_url)
        while True:
            try:
                reader, writer = await asyncio.open_connection(place.hostname, place.port)
            except OSError:
                await asyncio.sleep(_WATCH_SECONDS)
                continue
            try:
                await self._restore_routes()
                with contextlib.suppress(OSError):
                    await reader.read()
            finally:
                writer.close()

    async def _restore_routes(self) -> None:
        try:
            await self.proxy.check_routes(self.users, self._service_map)
        except Exception as error:
            # it has just ended again, or is not the proxy that we know; asked again in a moment
            self.log.warning("the proxy did not take its routes: %s", error)
            await asyncio.sleep(_WATCH_SECONDS)

    async def cleanup(self) -> None:
        """Leave servers and proxy; end services by SIGTERM: one that ignores SIGINT takes 10 s."""
        for service in self._service_map.values():
            process = service.proc if service.managed else None
            if process and process.poll() is None:
                process.terminate()
        await super().cleanup()

    async def launch_instance_async(self, argv: list[str] | None = None) -> None:
        try:
            await self.initialize(argv)
            await self.start()
        except StartError as error:
            self._end(error)
        except TraitError as error:
            self._end(_wrong_value(error))
        except Exception:
            self.log.exception("the hub cannot start")
            self.exit(1)

    def _end(self, error: StartError) -> None:
        sys.stderr.write(f"error: {error}\n")
        self.exit(error.exit_code)


def _require_free(url: str) -> None:
    """Raise StartError when somebody has the hub's address: a second hub must not touch the servers."""
    place = urlsplit(url)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.hostname or "127.0.0.1", place.port or 80))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise StartError(CONFLICT, _taken(url)) from None


def _taken(url: str) -> str:
    return f"the hub's address {url} was taken meanwhile; another start takes another one"


def _wrong_value(error: TraitError) -> StartError:
    return StartError(WRONG_USE, f"hub.config: {' '.join(str(error).split())}")


def run(settings: Settings) -> None:
    """Serve until SIGTERM. Raises StartError for what is wrong with the configuration."""
    _require_free(settings.api_url)
    UserServer.servers = settings.servers
    built = configuration.build(settings, UserServer)
    built.config.JupyterHub.db_url = database.usable_url(settings.db_url)
    notices = list(built.notices)
    if built.config.UserServer.get("profile_list") or built.config.Spawner.get("profile_list"):
        profiles.lend(UserServer)
    left = profiles.unapplied(settings.servers.profiles)
    if left:
        notices.append(f"singleuser.profileList: {', '.join(left)} of kubespawner_override are not applied")
    Hub.settings, Hub.notices = settings, tuple(notices)
    try:
        Hub.instance(config=built.config)
    except TraitError as error:
        raise _wrong_value(error) from None
    Hub.launch_instance([])
