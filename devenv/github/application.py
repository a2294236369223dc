"""Which request gets which answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from . import api, authorize, exchange, pages
from .codes import Codes, Grant
from .entrance import Entrance
from .messages import Address, Answer, BadRequestError, Request, json_answer, see_other
from .names import MAX_LOGIN, is_login
from .peers import owner_of
from .people import Directory
from .settings import Settings
from .tokens import Tokens

HEALTH_PATH = "/healthz"
SERVICE = "habari-github"
_BROWSER_PATHS = {authorize.PATH, pages.ENTER_PATH}

Owner = Callable[[Address, Address], int | None]


class Application:
    """One local GitHub. ``port`` is the one listened on; ``owner`` tells whose a connection is (peers.py).

    ``clock`` counts seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        port: int,
        owner: Owner = owner_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}", *(host.lower() for host in settings.hosts)}
        self._owner = owner
        self._directory = Directory(settings)
        self._entrance = Entrance(settings.key, settings.instance, clock)
        self._codes = Codes(clock)
        self._tokens = Tokens(settings.key, settings.client_id)
        self._exchange = exchange.Exchange(settings, self._codes, self._tokens)
        self._api = api.Api(self._directory, self._tokens)
        self._pages = pages.Pages(settings.instance, [settings.hub_url, *settings.redirect_uris])

    def answer(self, request: Request) -> Answer:
        """The answer to any request whatever."""
        if request.header("host").lower() not in self._hosts:
            # Another name may have been made to mean this machine (DNS rebinding).
            return json_answer(403, {"message": "This server is not known by that Host"})
        try:
            if request.path in _BROWSER_PATHS:
                return self._foreign(request) or self._browser(request)
            return self._program(request)
        except BadRequestError as bad:
            return self.bad_request(request.path, 400, str(bad))

    def bad_request(self, path: str, status: int, what: str) -> Answer:
        """What cannot be understood: a page for people, JSON for programs."""
        if path in _BROWSER_PATHS:
            return self._pages.problem(status, "This request cannot be understood", f"Because {what}.")
        return json_answer(status, {"message": what})

    def _program(self, request: Request) -> Answer:
        reads = request.method in {"GET", "HEAD"}
        if request.path == HEALTH_PATH and reads:
            return json_answer(200, {"service": SERVICE, "instance": self._settings.instance})
        if request.path == exchange.PATH and request.method == "POST":
            return self._exchange.answer(request)
        if request.path.startswith(f"{api.ROOT}/") and reads:
            return self._api.answer(request)
        return json_answer(404, {"message": "Not Found"})

    def _foreign(self, request: Request) -> Answer | None:
        """A refusal, when the request does not come from a person's browser that looks at this very page."""
        uids = self._settings.notebook_uids
        if uids is not None:
            owner = self._owner(request.peer, request.own)
            if owner is None or uids[0] <= owner <= uids[1]:
                return self._refusal("It comes from a notebook’s account, or from a connection of nobody.")
        if request.method == "POST":
            origin, site = request.header("origin"), request.header("sec-fetch-site")
            if (origin and origin.lower() != f"http://{request.header('host').lower()}") or site not in {
                "",
                "same-origin",
            }:
                return self._refusal("It was sent by a page of another origin.")
        # A frame or a script: https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header
        if request.header("sec-fetch-dest") not in {"", "document"}:
            return self._refusal("It was not made by opening a page.")
        return None

    def _refusal(self, why: str) -> Answer:
        return self._pages.problem(403, "This request is refused", why)

    def _browser(self, request: Request) -> Answer:
        if request.method not in {"GET", "HEAD", "POST"}:
            return self._pages.problem(405, "Not here", "Only GET and POST are answered.")
        if request.path == pages.ENTER_PATH:
            return self._enter(request)
        try:
            wanted = authorize.read_authorization(request, self._settings)
        except authorize.UnknownClientError:
            return self._pages.problem(404, "Not found", "There is no application of this client_id.")
        except authorize.NotOursError as error:
            return self._pages.problem(400, "The hub’s request cannot be answered", f"Because {error}.")
        except authorize.RefusedError as refused:
            return see_other(refused.location)
        if not self._entrance.admits(request.header("cookie")):
            return self._pages.key_wanted(request.query)
        if request.method == "POST":
            return self._choose(request, wanted)
        return self._choice(request, wanted)

    def _choice(self, request: Request, wanted: authorize.Authorization, invalid: str = "") -> Answer:
        seal = self._entrance.seal_form(request.query)
        return self._pages.choice(wanted, request.query, seal, self._directory, invalid)

    def _choose(self, request: Request, wanted: authorize.Authorization) -> Answer:
        """Somebody clicked. Only here are codes issued."""
        form = request.form()
        if not self._entrance.is_sealed(request.query, form.get("seal", "")):
            return self._refusal("It does not come from this page. Start again at the hub.")
        action, login = form.get("action", ""), form.get("login", "").strip()
        if action == "cancel":
            return see_other(wanted.denied())
        if action == "expired":
            return see_other(wanted.approved(self._codes.issue(self._grant("ghost", wanted), expired=True)))
        if not is_login(login):
            return self._choice(request, wanted, login[: 2 * MAX_LOGIN] or " ")
        return see_other(wanted.approved(self._codes.issue(self._grant(login, wanted))))

    def _grant(self, login: str, wanted: authorize.Authorization) -> Grant:
        return Grant(
            login=self._directory.person(login).login,
            redirect_uri=wanted.redirect_uri,
            scopes=wanted.scopes,
            challenge=wanted.challenge,
            token_number=self._tokens.new_number(),
        )

    def _enter(self, request: Request) -> Answer:
        """The key comes by the link, or by the form of a page that was closed."""
        given = request.form() if request.method == "POST" else request.arguments()
        query = _one_line(given.get("request", ""))
        if not self._entrance.is_key(given.get("key", "").strip()):
            return self._pages.wrong_key(query, slow=self._entrance.must_slow_down())
        place = f"{authorize.PATH}?{query}" if query else self._settings.hub_url
        return see_other(place).adding(Set_Cookie=self._entrance.set_cookie())


def _one_line(query: str) -> str:
    """A query as it may stand in a header; an address elsewhere cannot come of it."""
    if not query.isascii() or not query.isprintable() or " " in query or "#" in query:
        raise BadRequestError("the request to go back to is not a query")
    return urlsplit(f"?{query}").query
