"""The proxy from nothing, by the machine's node and on a machine without one, from the real registries."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from devenv import environments
from integration.driving import free_ports, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]
TOKEN = "of-this-test"


def routes(port: int) -> object:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/routes", headers={"Authorization": f"token {TOKEN}"}
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ConnectionError):
        return None


@pytest.mark.parametrize("with_node", [True, False], ids=["the machine's node", "a machine without node"])
def test_the_proxy_is_installed_and_answers(scratch: Path, with_node: bool) -> None:
    root = scratch / f"proxy {with_node}"
    bare = root / "path"
    bare.mkdir(parents=True)
    environ = dict(os.environ) if with_node else {**os.environ, "PATH": str(bare)}
    needed = environments.required_by_proxy(environ)
    if with_node and needed != ("proxy",):
        pytest.skip("this machine has no node for the proxy: the machine's own is NOT tested")
    assert with_node or needed == ("node", "proxy")

    environments.ensure(environments.locate("proxy", root), lambda line: None, environ)

    assert [environments.is_current(environments.locate(name, root)) for name in needed] == [True] * len(
        needed
    )
    argv = environments.proxy_argv(root, environ)
    assert argv[0].startswith(str(root)) is not with_node
    ports = free_ports()
    where = (f"--ip=127.0.0.1 --port={ports['s3']} --api-ip=127.0.0.1 --api-port={ports['postgres']}").split()
    proxy = subprocess.Popen(
        (*argv, *where), env={"CONFIGPROXY_AUTH_TOKEN": TOKEN}, stdout=subprocess.DEVNULL
    )
    try:
        assert wait_until(lambda: routes(ports["postgres"]) == {}, seconds=20)
    finally:
        proxy.terminate()
        proxy.wait(10)
