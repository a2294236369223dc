"""A code becomes an access token.

GitHub tells an error with status 200 and an ``error`` in the body, and so does this:
https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors
"""

from __future__ import annotations

import base64
from urllib.parse import unquote_plus, urlencode

from .codes import BadCodeError, Codes, RedirectMismatchError
from .messages import Answer, BadRequestError, Request, form_answer, json_answer
from .seals import same
from .settings import Settings
from .tokens import Token, Tokens

PATH = "/login/oauth/access_token"
_HELP = (
    "https://docs.github.com/apps/oauth-apps/maintaining-oauth-apps/"
    "troubleshooting-oauth-app-access-token-request-errors"
)
_DESCRIPTIONS = {
    "incorrect_client_credentials": "The client_id or the client_secret is not the one of this application.",
    "redirect_uri_mismatch": "The redirect_uri is not the one that the code was issued for.",
    "bad_verification_code": "The code is unknown, used, expired, or not this client's.",
    "unsupported_grant_type": "Only authorization_code is supported.",
}


class Exchange:
    """The token endpoint."""

    def __init__(self, settings: Settings, codes: Codes, tokens: Tokens) -> None:
        self._settings = settings
        self._codes = codes
        self._tokens = tokens

    def answer(self, request: Request) -> Answer:
        """The answer as JSON when that is accepted, else as a form, as GitHub has it.

        Raises BadRequestError when the body cannot be read.
        """
        told = self._redeem(request, request.form())
        if "json" in request.header("accept"):
            return json_answer(200, told)
        return form_answer(200, urlencode(told))

    def _redeem(self, request: Request, form: dict[str, str]) -> dict[str, str]:
        # First who asks, so that nobody else can use up a code.
        if not self._is_client(*_credentials(request, form)):
            return _error("incorrect_client_credentials")
        if form.get("grant_type", "authorization_code") != "authorization_code":
            return _error("unsupported_grant_type")
        try:
            grant = self._codes.redeem(
                form.get("code", ""),
                redirect_uri=form.get("redirect_uri", ""),
                verifier=form.get("code_verifier", ""),
            )
        except RedirectMismatchError:
            return _error("redirect_uri_mismatch")
        except BadCodeError as bad:
            if bad.reused:
                # Somebody has the code besides the hub: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
                self._tokens.revoke(bad.reused.token_number)
            return _error("bad_verification_code")
        token = self._tokens.issue(Token(grant.login, grant.scopes, grant.token_number))
        return {"access_token": token, "token_type": "bearer", "scope": ",".join(grant.scopes)}

    def _is_client(self, client_id: str, secret: str) -> bool:
        known = same(client_id, self._settings.client_id)
        return same(secret, self._settings.client_secret) and known


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """client_id and client_secret: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1"""
    scheme, _, value = request.header("authorization").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        raise BadRequestError("the Authorization header cannot be read") from None
    return unquote_plus(client_id), unquote_plus(secret)


def _error(code: str) -> dict[str, str]:
    return {
        "error": code,
        "error_description": _DESCRIPTIONS[code],
        "error_uri": f"{_HELP}#{code.replace('_', '-')}",
    }
