"""The whole environment of a notebook process: the contract, a home of its own, and nothing of the user's.

What a notebook finds here it must find in production's container too; a variable of the caller's shell
that slipped in would hide a missing one. Only what a program needs of the machine is let through.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from devenv.endpoints import View
from devenv.environments import CHECKOUT
from devenv.services import contract
from devenv.services.service import Site

MACHINE = frozenset(
    {
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    }
)
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
# The package that shows the buckets in Lab: from the checkout, so that an edit needs no installation.
BUCKETS = CHECKOUT / "jupyter" / "buckets"
LOOPBACK = "localhost,127.0.0.1,::1"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def build(site: Site, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of Lab and of ``run``; ``environ`` is the caller's, of which little is kept."""
    # a home of its own keeps ~/.aws, ~/.jupyter and ~/.ipython of the user out of notebooks
    return {**of_anybody(site, environ, BUCKETS), "HOME": str(home(site)), "USER": "jovyan"}


def of_anybody(site: Site, environ: Mapping[str, str], buckets: Path) -> dict[str, str]:
    """The same without a home and a name; ``buckets`` is where the package for Lab lies."""
    return {
        **machine(environ),
        "PATH": f"{site.notebook_python.parent}:{environ.get('PATH', SYSTEM_PATH)}",
        "SHELL": environ.get("SHELL", "/bin/sh"),
        # the notebook's own packages alone, not those of a user site
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": str(buckets),
        "JUPYTER_PATH": str(buckets / "share"),
        **contract.user(site, View.HOST),
    }


def machine(environ: Mapping[str, str]) -> dict[str, str]:
    """Locale, time zone, certificates and proxies; the loopback always bypasses a proxy."""
    kept = {name: environ[name] for name in MACHINE if environ.get(name)}
    kept.setdefault("LANG", "C.UTF-8")
    kept["PATH"] = environ.get("PATH", SYSTEM_PATH)
    proxies = {name: environ[name] for name in PROXIES if environ.get(name)}
    if proxies:
        theirs = environ.get("no_proxy") or environ.get("NO_PROXY")
        bypass = f"{theirs},{LOOPBACK}" if theirs else LOOPBACK
        kept |= {**proxies, "NO_PROXY": bypass, "no_proxy": bypass}
    return kept


def home(site: Site) -> Path:
    """The notebook user's home: the project's choice, or one in the state folder."""
    return site.project.jupyter_home or site.instance.root / "homes" / "jovyan"
