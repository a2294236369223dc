"""One process, one listening socket: bind, lock the data folder, load, serve until asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from .exits import CONFLICT, MISSING, WRONG_USE, StartError
from .settings import Settings, read_settings

# How long requests in flight may take to finish after SIGTERM, in seconds.
_GRACE = 3.0
# SDKs keep idle connections for about a minute; closing them first costs the client a failed request.
_KEEP_ALIVE = 75.0


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT, then return 0; foreseen trouble is one line and its exit code."""
    _decode_names_as_utf8(arguments)
    try:
        if len(arguments) != 2:
            raise StartError(WRONG_USE, "usage: python -I devenv/s3/guard <config.json>")
        settings = read_settings(Path(arguments[1]))
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        with _bound(settings) as listener, _locked(settings.data_dir):
            _raise_file_limit()
            asyncio.run(_serve(settings, listener))
    except StartError as trouble:
        print(f"s3 guard: {trouble}", file=sys.stderr)  # noqa: T201 - this process has no report module
        return trouble.exit_code
    return 0


def _decode_names_as_utf8(arguments: list[str]) -> None:
    """Object keys become file names; in a locale that is not UTF-8 some could not be written."""
    if sys.getfilesystemencoding() != "utf-8":
        here = str(Path(__file__).parent)
        os.execv(sys.executable, [sys.executable, "-I", "-X", "utf8", here, *arguments[1:]])  # noqa: S606


def _bound(settings: Settings) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        # From here on a second server on this port fails; clients wait in the backlog while the data loads.
        listener.listen(128)
    except OSError as error:
        listener.close()
        code = CONFLICT if error.errno in (errno.EADDRINUSE, errno.EACCES) else WRONG_USE
        raise StartError(
            code, f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        ) from None
    return listener


@contextlib.contextmanager
def _locked(data_dir: Path) -> Any:
    """Hold the folder for this process alone; the kernel lets go of it however the process ends."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(MISSING, f"cannot use {data_dir}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise StartError(CONFLICT, f"another S3 server uses {data_dir}") from None
    try:
        yield
    finally:
        os.close(lock)


def _raise_file_limit() -> None:
    """Completing an upload maps each of its parts, which takes a descriptor."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end(stop: asyncio.Event) -> None:
    """Ask for an orderly end, and end anyhow when a client holds it up: all that was acknowledged is kept."""
    stop.set()
    asyncio.get_running_loop().call_later(_GRACE + 1, os._exit, 0)


async def _serve(settings: Settings, listener: socket.socket) -> None:
    from .engine import load_engine
    from .gate import Gate

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _end, stop)
    engine = load_engine(settings)

    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = _GRACE
    config.keep_alive_timeout = _KEEP_ALIVE
    config.errorlog = logging.getLogger("guard")
    await serve(Gate(engine, settings), config, shutdown_trigger=stop.wait)
