"""How the user told pip to reach packages, said again in the words of uv.

uv reads neither pip.conf nor the ``PIP_*`` variables. What ``pip config list`` says is handed on to
the one uv child that installs something, in its environment, so no address is written down anywhere
and none shows in an argv. The environment is made before any package is there: standard library only.

Names on pip's side: https://pip.pypa.io/en/stable/topics/configuration/, on uv's side:
https://docs.astral.sh/uv/reference/environment/.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# pip lets the variables win over the command's own section, and that one over [global].
_SECTIONS = ("global", "install", ":env:")
_LINE = re.compile(r"(global|install|:env:)\.([a-z0-9-]+)=(.+)")
_USER_INFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s'\"]*@", re.IGNORECASE)

_AS_VARIABLE = {
    "index-url": "UV_DEFAULT_INDEX",
    "client-cert": "SSL_CLIENT_CERT",
    "retries": "UV_HTTP_RETRIES",
}


@dataclass(frozen=True)
class UvSettings:
    """What a uv child gets: ``variables`` on top of the environment, ``arguments`` after its command."""

    variables: Mapping[str, str] = field(repr=False)  # an index address may hold a password
    arguments: tuple[str, ...] = ()


def for_uv(listing: str, environ: Mapping[str, str]) -> UvSettings:
    """Translate the output of ``pip config list``.

    What ``environ`` already says to uv itself is left alone.
    """
    pip = effective(listing)
    said = {uv: pip[name] for name, uv in _AS_VARIABLE.items() if pip.get(name)}
    said |= _more_places(pip) | _certificates(pip, environ) | _connection(pip)
    arguments = ("--no-index",) if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"} else ()
    return UvSettings({name: value for name, value in said.items() if name not in environ}, arguments)


def masked(text: str) -> str:
    """``text`` without the user names and passwords of the addresses in it."""
    return _USER_INFO.sub(r"\1***@", text)


def effective(listing: str) -> dict[str, str]:
    """The options that ``pip install`` would follow, from the output of ``pip config list``."""
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listing.splitlines():
        if match := _LINE.fullmatch(line.strip()):
            section, name, quoted = match.groups()
            found[section][name] = _unquoted(quoted)
    return {name: value for section in _SECTIONS for name, value in found[section].items()}


def _unquoted(text: str) -> str:
    try:
        return str(ast.literal_eval(text)).strip()
    except (ValueError, SyntaxError):
        return text.strip()


def _more_places(pip: Mapping[str, str]) -> dict[str, str]:
    places = {}
    if extra := pip.get("extra-index-url", "").split():
        places["UV_INDEX"] = " ".join(extra)
    # pip passes over a folder that is not there, uv stops at it.
    if links := [link for link in pip.get("find-links", "").split() if "://" in link or Path(link).exists()]:
        places["UV_FIND_LINKS"] = ",".join(links)
    return places


def _certificates(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    bundle = pip.get("cert") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    if bundle:
        return {"SSL_CERT_FILE": bundle}
    # Without a bundle of its own pip (24.2 and newer) trusts what the machine trusts.
    return {} if "SSL_CERT_FILE" in environ else {"UV_SYSTEM_CERTS": "true"}


def _connection(pip: Mapping[str, str]) -> dict[str, str]:
    said: dict[str, str] = {}
    if proxy := pip.get("proxy"):
        said |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy}
    if hosts := pip.get("trusted-host", "").split():
        said["UV_INSECURE_HOST"] = " ".join(hosts)
    if seconds := pip.get("timeout") or pip.get("default-timeout"):
        said["UV_HTTP_TIMEOUT"] = seconds
    return said
