"""What pip was told reaches uv, and no secret of it reaches a log."""

from __future__ import annotations

import pytest

from devenv import pip_settings

SYSTEM = {"UV_SYSTEM_CERTS": "true"}


@pytest.mark.parametrize(
    ("listing", "variables"),
    [
        pytest.param("", SYSTEM, id="nothing configured"),
        pytest.param(
            "global.index-url='https://a/simple'",
            SYSTEM | {"UV_DEFAULT_INDEX": "https://a/simple"},
            id="index",
        ),
        pytest.param(
            ":env:.index-url='https://c/s'\nglobal.index-url='https://a/s'\ninstall.index-url='https://b/s'",
            SYSTEM | {"UV_DEFAULT_INDEX": "https://c/s"},
            id="a variable beats both sections",
        ),
        pytest.param(
            "install.index-url='https://b/s'\nglobal.index-url='https://a/s'",
            SYSTEM | {"UV_DEFAULT_INDEX": "https://b/s"},
            id="the install section beats the global one",
        ),
        pytest.param("freeze.index-url='https://a/s'", SYSTEM, id="another command's section is not ours"),
        pytest.param(
            r"global.extra-index-url='\nhttps://a/x\nhttps://b/y'",
            SYSTEM | {"UV_INDEX": "https://a/x https://b/y"},
            id="extra indexes on lines of their own",
        ),
        pytest.param(
            ":env:.find-links='https://a/wheels /no/such/folder /'",
            SYSTEM | {"UV_FIND_LINKS": "https://a/wheels,/"},
            id="a folder that is not there is passed over",
        ),
        pytest.param("global.cert='/c.pem'", {"SSL_CERT_FILE": "/c.pem"}, id="certificates"),
        pytest.param(
            "global.client-cert='/k.pem'", SYSTEM | {"SSL_CLIENT_CERT": "/k.pem"}, id="client certificate"
        ),
        pytest.param(
            "global.proxy='http://p:3128'",
            SYSTEM | dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://p:3128"),
            id="proxy",
        ),
        pytest.param(
            r"global.trusted-host='h1\nh2:8080'",
            SYSTEM | {"UV_INSECURE_HOST": "h1 h2:8080"},
            id="trusted hosts",
        ),
        pytest.param(
            ":env:.default-timeout='180'", SYSTEM | {"UV_HTTP_TIMEOUT": "180"}, id="timeout by variable"
        ),
        pytest.param(
            "global.timeout='9'\nglobal.retries='7'",
            SYSTEM | {"UV_HTTP_TIMEOUT": "9", "UV_HTTP_RETRIES": "7"},
            id="patience",
        ),
        pytest.param(
            'global.index-url="https://a/it\'s"',
            SYSTEM | {"UV_DEFAULT_INDEX": "https://a/it's"},
            id="quotes inside",
        ),
        pytest.param("WARNING: something else\n\n", SYSTEM, id="noise"),
    ],
)
def test_each_setting_of_pip_has_its_word_in_uv(listing: str, variables: dict[str, str]) -> None:
    assert pip_settings.for_uv(listing, {}).variables == variables


@pytest.mark.parametrize(
    ("environ", "variables"),
    [
        pytest.param({"SSL_CERT_FILE": "/mine"}, {"UV_DEFAULT_INDEX": "https://a/s"}, id="own certificates"),
        pytest.param({"UV_DEFAULT_INDEX": "https://uv/s"}, SYSTEM, id="own index for uv"),
        pytest.param(
            {"REQUESTS_CA_BUNDLE": "/r"},
            {"UV_DEFAULT_INDEX": "https://a/s", "SSL_CERT_FILE": "/r"},
            id="the bundle pip's own client takes",
        ),
    ],
)
def test_what_the_user_said_to_uv_itself_is_left_alone(
    environ: dict[str, str], variables: dict[str, str]
) -> None:
    assert pip_settings.for_uv("global.index-url='https://a/s'", environ).variables == variables


def test_no_index_is_an_argument_since_uv_has_no_variable_for_it() -> None:
    assert pip_settings.for_uv("global.no-index='true'", {}).arguments == ("--no-index",)
    assert pip_settings.for_uv("global.no-index='false'", {}).arguments == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Looking in indexes: https://me:s3cret@host/simple", "Looking in indexes: https://***@host/simple"),
        ("error: http://token@h:1/x and https://u:p@ss@h/y", "error: http://***@h:1/x and https://***@h/y"),
        ("git+ssh://git@host/repo", "git+ssh://***@host/repo"),
        ("https://host/a@b and me@example", "https://host/a@b and me@example"),
    ],
)
def test_user_names_and_passwords_of_addresses_are_masked(text: str, shown: str) -> None:
    assert pip_settings.masked(text) == shown


def test_a_password_does_not_show_in_a_repr() -> None:
    assert "s3cret" not in repr(pip_settings.for_uv("global.index-url='https://me:s3cret@h/s'", {}))
