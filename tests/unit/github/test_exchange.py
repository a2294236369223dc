"""A code becomes a token once, for the client and the browser it was made for, within its time."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.github.browsing import CALLBACK, SETTINGS, Site

from devenv.github.scopes import has, parse
from devenv.github.tokens import Token, Tokens

ACCESS_TOKEN = "/login/oauth/access_token"


def test_a_code_becomes_a_bearer_token_with_its_scopes(entered: Site) -> None:
    told = entered.exchange(entered.code(scope="read:org user:email"))
    assert (told["token_type"], told["scope"]) == ("bearer", "read:org,user:email")
    assert told["access_token"].startswith("local_")
    assert entered.api("/user", told["access_token"]).status == 200


def test_a_second_use_is_refused_and_takes_the_first_ones_token(entered: Site) -> None:
    code = entered.code()
    token = entered.exchange(code)["access_token"]
    other = entered.token()
    assert entered.exchange(code)["error"] == "bad_verification_code"
    assert entered.api("/user", token).status == 401
    assert entered.api("/user", other).status == 200


@pytest.mark.parametrize(("seconds", "error"), [(599, None), (600, "bad_verification_code")])
def test_a_code_lives_ten_minutes(entered: Site, seconds: float, error: str | None) -> None:
    code = entered.code()
    entered.clock.now += seconds
    assert entered.exchange(code).get("error") == error


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code": "0" * 40}, "bad_verification_code"),
        ({"code_verifier": "another-verifier-of-forty-three-characters-"}, "bad_verification_code"),
        ({"code_verifier": ""}, "bad_verification_code"),
        ({"drop": "code_verifier"}, "bad_verification_code"),
        ({"drop": "code"}, "bad_verification_code"),
        ({"redirect_uri": SETTINGS.redirect_uris[1]}, "redirect_uri_mismatch"),
        ({"drop": "redirect_uri"}, "redirect_uri_mismatch"),
        ({"client_secret": "wrong"}, "incorrect_client_credentials"),
        ({"client_id": "wrong"}, "incorrect_client_credentials"),
        ({"drop": "client_secret"}, "incorrect_client_credentials"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_an_error_with_status_200(
    entered: Site, changed: dict[str, str], error: str
) -> None:
    told = entered.exchange(**{"code": entered.code(), **changed})
    assert told["error"] == error
    # oauthenticator tells an error by this field
    assert told["error_description"]
    assert "access_token" not in told


def test_a_wrong_verifier_uses_the_code_up(entered: Site) -> None:
    code = entered.code()
    entered.exchange(code, code_verifier="x" * 43)
    assert entered.exchange(code)["error"] == "bad_verification_code"


def test_a_stranger_without_the_secret_cannot_use_a_code_up(entered: Site) -> None:
    code = entered.code()
    entered.exchange(code, client_secret="wrong")
    assert "access_token" in entered.exchange(code)


def test_a_verifier_for_a_request_without_a_challenge_is_refused(entered: Site) -> None:
    plain = {"code_challenge": None, "code_challenge_method": None}
    assert entered.exchange(entered.code("ada", **plain))["error"] == "bad_verification_code"
    assert "access_token" in entered.exchange(entered.code("ada", **plain), drop="code_verifier")


def _body(site: Site) -> dict[str, str]:
    return {
        "client_id": SETTINGS.client_id,
        "client_secret": SETTINGS.client_secret,
        "code": site.code("ada", code_challenge=None, code_challenge_method=None),
        "redirect_uri": CALLBACK,
    }


def test_the_answer_is_a_form_unless_json_is_accepted(entered: Site) -> None:
    answer = entered.post(ACCESS_TOKEN, _body(entered))
    assert answer.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert parse_qs(answer.body.decode())["token_type"] == ["bearer"]


def test_the_request_may_be_json(entered: Site) -> None:
    body = json.dumps(_body(entered) | {"data": None}).encode()
    answer = entered.ask(
        "POST", ACCESS_TOKEN, body, content_type="application/json", accept="application/json"
    )
    assert json.loads(answer.body)["token_type"] == "bearer"


def test_the_client_may_name_itself_in_a_header(entered: Site) -> None:
    body = {name: value for name, value in _body(entered).items() if not name.startswith("client")}
    pair = f"{quote_plus(SETTINGS.client_id)}:{quote_plus(SETTINGS.client_secret)}"
    basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
    answer = entered.post(ACCESS_TOKEN, body, authorization=basic, accept="application/json")
    assert json.loads(answer.body)["token_type"] == "bearer"


@pytest.mark.parametrize(
    ("body", "kind", "authorization"),
    [
        (b"{", "application/json", ""),
        (b"[]", "application/json", ""),
        (b"\xff", "application/json", ""),
        (b'{"code": "\\ud800"}', "application/json", ""),
        (b"[" * 60000, "application/json", ""),
        (b"a=%ff", "application/x-www-form-urlencoded", ""),
        (b"a=\xff", "application/x-www-form-urlencoded", ""),
        (b"code=1&code=2", "application/x-www-form-urlencoded", ""),
        (b"&a=1" * 200, "application/x-www-form-urlencoded", ""),
        (b"code=1", "multipart/form-data", ""),
        (b"code=1", "", ""),
        (b"code=1", "application/x-www-form-urlencoded", "Basic !"),
        (b"code=1", "application/x-www-form-urlencoded", "Basic /w=="),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_read_is_a_bad_request(site: Site, body: bytes, kind: str, authorization: str) -> None:
    answer = site.ask("POST", ACCESS_TOKEN, body, content_type=kind, authorization=authorization)
    assert answer.status == 400


def test_a_token_is_honoured_after_a_restart_and_a_code_is_not(entered: Site) -> None:
    token, code = entered.token(), entered.code()
    entered.restart()
    assert entered.api("/user", token).status == 200
    assert entered.exchange(code)["error"] == "bad_verification_code"


@pytest.mark.parametrize(
    "changed", [{"key": "another key of the instance"}, {"client_id": "another"}], ids=["key", "client"]
)
def test_another_key_or_client_ends_the_tokens(entered: Site, changed: dict[str, Any]) -> None:
    token = entered.token()
    entered.restart(**changed)
    assert entered.api("/user", token).status == 401


TOKENS = Tokens("the key of this test instance", "client")


@given(st.text(max_size=40), st.lists(st.text(max_size=10), max_size=5))
def test_a_token_carries_exactly_what_it_was_issued_for(login: str, scopes: list[str]) -> None:
    token = Token(login, tuple(scopes), TOKENS.new_number())
    assert TOKENS.read(TOKENS.issue(token)) == token


@given(st.data())
def test_a_changed_token_is_none(data: st.DataObject) -> None:
    text = TOKENS.issue(Token("ada", ("read:org",), "number"))
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda letter: letter != text[place]))
    assert TOKENS.read(text[:place] + other + text[place + 1 :]) is None
    assert TOKENS.read(text[:place]) is None


@given(st.text())
def test_any_other_text_is_no_token(text: str) -> None:
    assert TOKENS.read(text) is None
    assert TOKENS.read(f"local_{text}") is None


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("", ()),
        ("read:org user:email", ("read:org", "user:email")),
        ("read:org,user:email", ("read:org", "user:email")),
        ("user user:email user", ("user",)),
        ("admin:org read:org", ("admin:org",)),
        ("UPPER <b> read:org", ("read:org",)),
    ],
)
def test_scopes_are_granted_once_and_without_what_another_includes(
    asked: str, granted: tuple[str, ...]
) -> None:
    assert parse(asked) == granted


def test_a_scope_includes_its_narrower_ones() -> None:
    assert has(("user",), "user:email")
    assert has(("write:org",), "read:org")
    assert not has(("user:email",), "user", "read:org")
