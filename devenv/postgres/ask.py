"""Is the server there, is it ours, and does it answer a query?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from devenv.errors import ConflictError, UnhealthyError
from devenv.postgres import wire
from devenv.postgres.wire import Login
from devenv.waiting import NotYet

# SQLSTATEs: PostgreSQL's manual, appendix A.
_STARTING = "57P03"
_DENIED = ("28P01", "28000", "42501")
_ABSENT = "3D000"


class State(StrEnum):
    """What asking came to."""

    READY = "ready"
    STARTING = "starting"
    REFUSED = "refused"
    SILENT = "silent"
    DENIED = "denied"
    NO_DATABASE = "no database"
    OTHER_SERVER = "other server"
    BROKEN = "broken"


@dataclass(frozen=True)
class Answer:
    """``detail`` is one clause for a person."""

    state: State
    detail: str


def answer(login: Login, *, name: str, seconds: float = 2.0) -> Answer:
    """Run one query as ``login``; never raises for what a server does.

    READY means that a query was answered over TCP by the server whose mark is ``name``. REFUSED: nobody
    listens. DENIED: the role may not enter the database, or it or its password is unknown there, so it may
    be another server too. ``seconds`` bounds the whole.
    """
    at = f"127.0.0.1:{login.port}"
    try:
        found = wire.ask(login, "select current_setting('cluster_name')", seconds=seconds)
    except ConnectionRefusedError:
        return Answer(State.REFUSED, f"nothing listens on {at}")
    except TimeoutError:
        return Answer(State.SILENT, f"{at} accepts connections but gives no answer in {seconds:g} s")
    except OSError as error:
        return Answer(State.BROKEN, f"the connection to {at} broke: {error}")
    except wire.NotThisServer as error:
        return Answer(State.OTHER_SERVER, f"somebody else's server is on {at}: {error}")
    except wire.ServerError as error:
        return Answer(_state_of(error.sqlstate), f"{at} says: {error}")
    if found != name:
        return Answer(State.OTHER_SERVER, f"another instance's PostgreSQL ({found or 'unnamed'}) is on {at}")
    return Answer(State.READY, f"answers {login.user} on {at}")


def prove(login: Login, *, name: str, seconds: float = 2.0) -> None:
    """:func:`answer` as a probe for :func:`devenv.waiting.until`: return when READY.

    Raises NotYet while there is something to wait for, ConflictError for somebody else's server,
    UnhealthyError when the login is refused.
    """
    said = answer(login, name=name, seconds=seconds)
    match said.state:
        case State.READY:
            return
        case State.OTHER_SERVER:
            raise ConflictError(said.detail, hint="Choose another port in devenv.yaml (ports.postgres)")
        case State.DENIED | State.NO_DATABASE:
            raise UnhealthyError(said.detail, hint="./dev up provisions roles and databases anew")
        case _:
            raise NotYet(said.detail)


def _state_of(sqlstate: str) -> State:
    if sqlstate == _STARTING:
        return State.STARTING
    if sqlstate in _DENIED:
        return State.DENIED
    return State.NO_DATABASE if sqlstate == _ABSENT else State.BROKEN
