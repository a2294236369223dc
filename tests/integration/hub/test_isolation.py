"""From inside A's notebook: no way to be B, to be an administrator, or to learn the hub's secrets."""

from __future__ import annotations

import os
import stat
from typing import Any

import psutil
import pytest

from integration.driving import CHECKOUT
from integration.hub.conftest import Hub, api_port, needs_root, secrets_of, servers_of
from integration.hub.person import Kernel

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TOOLS = """
import http.client, json, os, re
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

def ask(method, url, body=None, **headers):
    place = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    target = (place.path or "/") + ("?" + place.query if place.query else "")
    connection.request(method, target, body, {"Host": place.netloc, **sent})
    answer = connection.getresponse()
    return {"status": answer.status, "text": answer.read().decode(errors="replace"),
            "location": answer.getheader("location", ""), "cookie": answer.getheader("set-cookie", "")}

def status(method, url, body=None, **headers):
    return ask(method, url, body, **headers)["status"]

def outcome(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return type(error).__name__
    return "done"

def listing(place):
    return sorted(os.listdir(place))

def text(*place):
    # processes come and go meanwhile
    try:
        return Path(*place).read_text(errors="replace")
    except OSError:
        return ""

def others():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat("/proc/" + pid).st_uid != os.getuid():
                found.append(pid)
        except OSError:
            continue
    return found

mine = {"Authorization": "token " + os.environ["JUPYTERHUB_API_TOKEN"]}
form = {"Content_Type": "application/x-www-form-urlencoded"}
"""


@pytest.fixture(scope="module")
def inside(hub: Hub) -> Any:
    """A kernel of ada's, with tools to attack by; grace has a server too."""
    hub.user("grace")
    with hub.user("ada").kernel() as kernel:
        assert kernel.run(TOOLS) == ""
        yield kernel


def call(inside: Kernel, code: str, **given: Any) -> Any:
    """The value of the expression ``code`` in ada's kernel, which knows what was ``given``."""
    names = "\n".join(f"{name} = {value!r}" for name, value in given.items())
    return inside.call(f"{names}\nprint(json.dumps({code}))")


def grace_port(hub: Hub) -> int:
    """Where grace's server listens."""
    (server,) = servers_of(hub.dev, "grace")
    return next(each.laddr.port for each in server.net_connections() if each.status == psutil.CONN_LISTEN)


def test_the_page_of_people_is_closed_to_a_notebook(hub: Hub, inside: Kernel) -> None:
    page = hub.visitor("ada").choose_page()

    told = call(
        inside,
        """[ask("GET", page), ask("POST", page, urlencode({"login": "chief", "seal": seal}), **form)]""",
        page=page.url,
        seal=page.field("seal"),
    )

    for answer in told:
        assert answer["status"] == 403, answer
        assert not answer["location"]
        assert not answer["cookie"]
        assert "grace" not in answer["text"]


@needs_root
def test_the_page_is_closed_to_a_notebook_that_has_stolen_its_key_and_its_cookie(
    hub: Hub, inside: Kernel
) -> None:
    thief = hub.visitor("ada")
    page = thief.choose_page()
    cookies = "; ".join(
        f"{name}={value}" for (host, _, name), value in thief.cookies.items() if host == "127.0.0.1"
    )
    assert cookies

    told = call(
        inside,
        """[ask("GET", link), ask("GET", page, Cookie=cookies),
            ask("POST", page, urlencode({"login": "chief", "seal": seal}), Cookie=cookies, **form)]""",
        link=thief.link,
        page=page.url,
        seal=page.field("seal"),
        cookies=cookies,
    )

    assert [answer["status"] for answer in told] == [403, 403, 403]
    assert not any(answer["location"] or answer["cookie"] for answer in told)


def test_a_notebook_learns_nothing_from_the_sign_ins_other_doors(hub: Hub, inside: Kernel) -> None:
    github = hub.contract["GITHUB_URL"]

    statuses = call(
        inside,
        """[status("GET", github + "/api/v3/user"), status("GET", github + "/api/v3/user", **mine),
            status("GET", github + "/api/v3/orgs/habari-data/members"), status("GET", github + "/"),
            status("GET", github + "/login/oauth/../../secrets/github.json")]""",
        github=github,
    )
    exchange = call(
        inside,
        """json.loads(ask("POST", github + "/login/oauth/access_token",
            urlencode({"client_id": "Iv1.production", "client_secret": "guess", "code": "guess"}),
            Accept="application/json", **form)["text"])""",
    )

    assert statuses == [401, 401, 401, 404, 404]
    assert exchange["error"] == "incorrect_client_credentials"


def test_the_proxys_routes_are_closed_to_a_notebook(hub: Hub, inside: Kernel) -> None:
    statuses = call(
        inside,
        """[status("GET", api), status("GET", api, **mine),
            status("POST", api + "/user/grace", target, **mine),
            status("POST", api + "/hub", target), status("DELETE", api + "/user/grace", **mine)]""",
        api=f"http://127.0.0.1:{api_port(hub)}/api/routes",
        target='{"target": "http://127.0.0.1:9"}',
    )

    assert set(statuses) == {403}
    assert hub.user("grace").at_server("GET", "api/status").status == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "users", None),
        ("GET", "users/grace", None),
        ("POST", "users/grace/tokens", "{}"),
        ("GET", "users/grace/tokens", None),
        ("POST", "users/ada/tokens", '{"scopes": ["admin:users"]}'),
        ("POST", "users/grace/server", "{}"),
        ("DELETE", "users/grace/server", None),
        ("PATCH", "users/ada", '{"admin": true}'),
        ("POST", "users/chief-of-nothing", "{}"),
        ("GET", "proxy", None),
        ("POST", "proxy", "{}"),
        ("GET", "services", None),
        ("POST", "shutdown", "{}"),
        ("GET", "authorizations/token/abc", None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_notebooks_token_opens_nothing_of_anybody_else(
    hub: Hub, inside: Kernel, method: str, path: str, body: str | None
) -> None:
    answer = call(
        inside,
        """ask(method, os.environ["JUPYTERHUB_API_URL"] + "/" + path, body, **mine)""",
        method=method,
        path=path,
        body=body,
    )

    if path in ("users", "services") and answer["status"] == 200:
        assert "grace" not in answer["text"]
        assert "culler" not in answer["text"]
    else:
        assert answer["status"] in (400, 403, 404), answer


def test_a_notebooks_token_is_its_owners(hub: Hub, inside: Kernel) -> None:
    code = """json.loads(ask("GET", os.environ["JUPYTERHUB_API_URL"] + "/user", **mine)["text"])"""
    told = call(inside, code)

    assert told["name"] == "ada"
    assert not told.get("admin")
    assert all(scope.endswith(("!user=ada", "!server=ada/")) for scope in told["scopes"]), told["scopes"]


def test_anothers_server_is_closed_to_a_notebook_through_the_proxy_and_directly(
    hub: Hub, inside: Kernel
) -> None:
    places = [
        f"{hub.url}user/grace/api/contents",
        f"http://127.0.0.1:{grace_port(hub)}/user/grace/api/contents",
    ]

    told = call(
        inside,
        """[[status("GET", place), status("GET", place, **mine),
             status("GET", place + "?token=" + os.environ["JUPYTERHUB_API_TOKEN"]),
             status("GET", place, Authorization="token " + os.environ["JPY_API_TOKEN"]),
             status("GET", place.replace("contents", "status") , **mine)] for place in places]""",
        places=places,
    )

    assert all(status in (302, 403) for statuses in told for status in statuses), told
    assert [statuses[1] for statuses in told] == [403, 403]


def test_the_control_plane_of_s3_is_closed_to_a_notebook(hub: Hub, inside: Kernel) -> None:
    statuses = call(
        inside,
        """[status("POST", os.environ["AWS_ENDPOINT_URL"] + path) for path in
            ("/_ministack/reset", "/_localstack/state/reset", "/moto-api/reset")]""",
    )

    assert all(status in (400, 403, 404, 405) for status in statuses), statuses
    assert hub.dev.services()["s3"]["state"] == "ready"


def secret_places(hub: Hub) -> list[str]:
    root = hub.dev.root
    names = ("secrets", "hub", "s3/data", "postgres/data", "backups", "logs/users", "users/grace")
    return [str(root / name) for name in names if (root / name).exists()]


@needs_root
def test_a_notebook_reads_neither_the_hubs_secrets_nor_another_home(hub: Hub, inside: Kernel) -> None:
    places = secret_places(hub)
    files = [str(hub.dev.instance.secrets / name) for name in ("credentials.json", "hub.json", "github.json")]
    assert str(hub.dev.root / "users" / "grace") in places
    grace = hub.user("grace")
    diary = {"type": "file", "format": "text", "content": "x"}
    made = grace.at_server("PUT", "api/contents/diary.txt", diary)
    assert made.status in (200, 201), made
    files.append(str(hub.dev.root / "users" / "grace" / "diary.txt"))

    listed = call(inside, "[outcome(listing, place) for place in places]", places=places)
    read = call(inside, "[outcome(Path.read_text, Path(file)) for file in files]", files=files)
    written = call(inside, "[outcome(Path.write_text, Path(file), 'x') for file in files]", files=files)
    root = call(inside, "[outcome(listing, root), outcome(os.mkdir, root + '/x')]", root=str(hub.dev.root))

    assert set(listed) == {"PermissionError"}, dict(zip(places, listed, strict=True))
    assert set(read) == set(written) == {"PermissionError"}
    assert set(root) == {"PermissionError"}


@needs_root
def test_each_user_has_an_account_and_a_home_of_their_own(hub: Hub, inside: Kernel) -> None:
    servers = {name: servers_of(hub.dev, name) for name in ("ada", "grace")}

    assert [len(found) for found in servers.values()] == [1, 1]
    ids = {name: set(found[0].uids()) | set(found[0].gids()) for name, found in servers.items()}
    uids = {name: found[0].uids().real for name, found in servers.items()}
    assert len(set(uids.values())) == 2
    assert min(uids.values()) >= 1_000_000_000, ids
    for name, (server,) in servers.items():
        assert len(set(server.uids())) == 1
        home = hub.dev.root / "users" / name
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert home.stat().st_uid == server.uids().real
    assert call(inside, "[os.getuid(), os.geteuid()]") == [uids["ada"]] * 2
    assert call(inside, "os.getgroups()") in ([], [servers["ada"][0].gids().real])
    assert call(inside, "outcome(os.setuid, 0)") == "PermissionError"


@needs_root
def test_a_notebook_sees_no_environment_of_anybody_else_and_cannot_signal(hub: Hub, inside: Kernel) -> None:
    said = call(
        inside,
        """{
            "others": len(others()),
            "read": [pid for pid in others() if text("/proc", pid, "environ")],
            "memory": [pid for pid in others() if outcome(open, f"/proc/{pid}/mem") == "done"],
            "signalled": [pid for pid in others() if outcome(os.kill, int(pid), 0) == "done"],
        }""",
    )

    assert said["others"] > 5
    assert (said["read"], said["memory"], said["signalled"]) == ([], [], [])


def test_no_secret_is_in_an_argv(hub: Hub, inside: Kernel) -> None:
    argvs = call(inside, '[text("/proc", pid, "cmdline") for pid in os.listdir("/proc") if pid.isdigit()]')

    assert any("configurable-http-proxy" in argv for argv in argvs)
    assert [text for text in secrets_of(hub) if any(text in argv for argv in argvs)] == []


@needs_root
def test_a_link_in_ones_home_does_not_make_the_hub_touch_what_it_names(hub: Hub) -> None:
    """The hub writes into a home at each start of a server, and it is root."""
    joan = hub.user("joan")
    victim = hub.dev.root / "hub" / "victim"
    victim.mkdir(exist_ok=True)
    with joan.kernel() as kernel:
        kernel.run(
            "import os, shutil\n"
            "shutil.rmtree('samples', ignore_errors=True)\n"
            f"os.symlink({str(victim)!r}, 'samples')\n"
        )

    joan.stop_server()
    joan.start_server()

    assert list(victim.iterdir()) == []
    assert victim.stat().st_uid == os.geteuid()
    with joan.kernel() as kernel:
        assert "True" in kernel.run("import os; print(os.path.islink('samples')); os.unlink('samples')")
    victim.rmdir()


@needs_root
def test_the_checkout_is_not_writable_for_a_notebook(hub: Hub, inside: Kernel) -> None:
    code = "[w for top, _, _ in os.walk(place) for w in [top] if os.access(w, os.W_OK)]"
    assert call(inside, code, place=str(hub.dev.checkout)) == []
    assert call(inside, code, place=str(CHECKOUT)) == []
    assert call(inside, code, place=str(hub.dev.data_root / "envs")) == []
