"""The authorization request: what the hub sends the browser here with.

https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps#1-request-a-users-github-identity
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from .messages import Request
from .scopes import Scopes, parse
from .settings import Settings

PATH = "/login/oauth/authorize"
_HELP = "https://docs.github.com/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-authorization-request-errors"
# SHA-256 in base64url: https://www.rfc-editor.org/rfc/rfc7636#section-4.2
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class UnknownClientError(Exception):
    """There is no application of this client_id; GitHub has no page for it either."""


class NotOursError(Exception):
    """The request must not be answered by a redirect: its redirect_uri or state cannot be trusted."""


class RefusedError(Exception):
    """The request is refused, and the application is told by the redirect in ``location``."""

    def __init__(self, location: str) -> None:
        super().__init__("refused")
        self.location = location


@dataclass(frozen=True)
class Authorization:
    """A request that may be put before a person."""

    redirect_uri: str
    state: str
    scopes: Scopes
    challenge: str

    def approved(self, code: str) -> str:
        """Where the browser goes with a code."""
        return _extended(self.redirect_uri, {"code": code, "state": self.state})

    def refused(self, error: str, description: str) -> str:
        """Where the browser goes without one: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1"""
        told = {"error": error, "error_description": description, "error_uri": _HELP, "state": self.state}
        return _extended(self.redirect_uri, told)

    def denied(self) -> str:
        return self.refused("access_denied", "The sign-in was cancelled on the local sign-in page.")


def read_authorization(request: Request, settings: Settings) -> Authorization:
    """The request in an address.

    GitHub would let it pass without a state; here it is required, since a hub that sends none lets
    others sign its users in. Raises :class:`UnknownClientError`, :class:`NotOursError`,
    :class:`RefusedError` and BadRequestError.
    """
    asked = request.arguments()
    if asked.get("client_id") != settings.client_id:
        raise UnknownClientError
    redirect_uri = asked.get("redirect_uri", "")
    if redirect_uri not in settings.redirect_uris:
        raise NotOursError(f"its redirect_uri {redirect_uri or '(none)'} is not registered")
    if not asked.get("state"):
        raise NotOursError("it has no state")
    challenge = asked.get("code_challenge", "")
    wanted = Authorization(redirect_uri, asked["state"], parse(asked.get("scope", "")), challenge)
    if asked.get("response_type", "code") != "code":
        raise RefusedError(wanted.refused("unsupported_response_type", "Only code is supported."))
    if challenge or "code_challenge_method" in asked:
        # A method that is not named means plain.
        if asked.get("code_challenge_method") != "S256":
            raise RefusedError(wanted.refused("invalid_request", "code_challenge_method must be S256."))
        if not _CHALLENGE.fullmatch(challenge):
            raise RefusedError(wanted.refused("invalid_request", "code_challenge is not one of S256."))
    return wanted


def _extended(uri: str, parameters: dict[str, str]) -> str:
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters)}"
