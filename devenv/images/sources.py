"""How this host reaches packages, handed to a build as BuildKit secrets: used in a step, left in no layer.

pip, apt, npm and Go are asked by their own clients, so whatever makes them work here (a mirror, a proxy, a
private certificate authority) works in the build. An empty secret means what the base image itself says.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devenv import commands, pip_settings
from devenv.errors import MissingError, UsageError

SECRETS = ("apt_sources", "apt_conf", "pip", "npm", "go", "ca")
# https://pkg.go.dev/github.com/moby/buildkit/session/secrets#MaxSecretSize
MAX_SECRET_BYTES = 500 * 1024
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PIP_OPTIONS = (
    "index-url",
    "extra-index-url",
    "trusted-host",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
)
# GOFLAGS is left out: a build has its own.
_GO_SETTINGS = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOINSECURE", "GOVCS")
_LOOPBACK = re.compile(r"://(?:[^/@\s]*@)?(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])[:/]")


@dataclass(frozen=True)
class Sources:
    """The secrets by name, and ``proxies`` for the build as a whole. None of it belongs into a message."""

    secrets: Mapping[str, bytes] = field(repr=False)
    proxies: tuple[str, ...] = ()

    @property
    def needs_host_network(self) -> bool:
        """Whether an address is this machine's own loopback, which a build's network does not reach."""
        return any(_LOOPBACK.search(text.decode("utf-8", "replace")) for text in self.secrets.values())

    def without(self, *names: str) -> Sources:
        """The same with these secrets left empty."""
        return Sources(
            {name: b"" if name in names else text for name, text in self.secrets.items()}, self.proxies
        )

    @contextmanager
    def files(self) -> Iterator[dict[str, Path]]:
        """The secrets as 0600 files, gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="habari-build-") as folder:
            made = {}
            for name, text in self.secrets.items():
                made[name] = Path(folder, name)
                made[name].touch(mode=0o600)
                made[name].write_bytes(text)
            yield made


def of_host(environ: Mapping[str, str], suite: str) -> Sources:
    """What this host's apt, pip, npm and Go are set to; ``suite`` is the Debian release of the images."""
    pip = _pip_options(environ)
    return Sources(
        {
            "apt_sources": apt_sources(environ, suite).encode(),
            "apt_conf": _apt_conf(environ).encode(),
            "pip": _pip_conf(pip).encode(),
            "npm": _npmrc(environ).encode(),
            "go": _go_settings(environ).encode(),
            "ca": _authorities(environ, pip.get("cert", "")),
        },
        tuple(name for name in _PROXIES if environ.get(name)),
    )


def apt_sources(environ: Mapping[str, str], suite: str) -> str:
    """Lines of sources.list for ``suite`` from the mirror that this host's apt uses, "" where it has none.

    ``HABARI_DEBIAN_MIRROR`` names another one.
    """
    if mirror := environ.get("HABARI_DEBIAN_MIRROR"):
        return _source_line(mirror, suite)
    found = _apt(
        environ,
        "apt-get",
        "indextargets",
        "--format",
        "$(LABEL)\t$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
    )
    archives: dict[str, str] = {}
    for line in found.splitlines():
        label, _, address = line.partition("\t")
        archives.setdefault(label, address)
    lines = _source_line(archives["Debian"], suite) if "Debian" in archives else ""
    if lines and "Debian-Security" in archives:
        lines += _source_line(archives["Debian-Security"], f"{suite}-security")
    return lines


def require_mirror(environ: Mapping[str, str], suite: str) -> str:
    """The lines of :func:`apt_sources`. Raises MissingError when there are none."""
    lines = apt_sources(environ, suite)
    if not lines:
        raise MissingError(
            "this machine's apt names no Debian mirror",
            hint="Set HABARI_DEBIAN_MIRROR to the address of one, or take --from registry",
        )
    return lines


def _source_line(address: str, suite: str) -> str:
    return f"deb [signed-by={KEYRING}] {address.rstrip('/')} {suite} main\n"


def _apt_conf(environ: Mapping[str, str]) -> str:
    """apt's proxies and checks of certificates and dates, as apt itself prints its settings."""
    kept = re.compile(
        r"Acquire::(https?::(Proxy|Verify-|SslCert|SslKey|User-Agent)|Check-Valid-Until|Check-Date)",
        re.IGNORECASE,
    )
    return "".join(
        f"{line}\n" for line in _apt(environ, "apt-config", "dump").splitlines() if kept.match(line)
    )


def _apt(environ: Mapping[str, str], *argv: str) -> str:
    if not shutil.which(argv[0], path=environ.get("PATH")):
        return ""
    return commands.run(argv, env=environ, check=False).stdout


def _pip_options(environ: Mapping[str, str]) -> dict[str, str]:
    pip = shutil.which("pip3", path=environ.get("PATH")) or shutil.which("pip", path=environ.get("PATH"))
    if pip is None:
        return {}
    return pip_settings.effective(commands.run((pip, "config", "list"), env=environ, check=False).stdout)


def _pip_conf(options: Mapping[str, str]) -> str:
    said = [f"{name} = {options[name]}".replace("\n", "\n    ") for name in _PIP_OPTIONS if options.get(name)]
    return "\n".join(["[global]", *said, ""]) if said else ""


def _npmrc(environ: Mapping[str, str]) -> str:
    """npm's own file of the user, with what the environment sets besides."""
    file = Path(environ.get("NPM_CONFIG_USERCONFIG") or Path(environ.get("HOME", "/"), ".npmrc"))
    lines = file.read_text().splitlines() if file.is_file() else []
    for name in ("registry", "proxy", "https-proxy", "strict-ssl"):
        variable = f"npm_config_{name.replace('-', '_')}"
        if value := environ.get(variable) or environ.get(variable.upper()):
            lines.append(f"{name}={value}")
    return "".join(f"{line}\n" for line in lines if not line.startswith(("prefix", "cafile", "cache")))


def _go_settings(environ: Mapping[str, str]) -> str:
    """Where modules come from and which of them are checked, as lines of sh that set variables."""
    settings: Mapping[str, str] = environ
    if shutil.which("go", path=environ.get("PATH")):
        # Anywhere but in a folder with a go.mod, which may ask for another Go.
        said = commands.run(("go", "env", "-json", *_GO_SETTINGS), env=environ, cwd=Path("/"), check=False)
        settings = json.loads(said.stdout) if said.code == 0 else environ
    return "".join(f"{name}={shlex.quote(settings[name])}\n" for name in _GO_SETTINGS if settings.get(name))


def _authorities(environ: Mapping[str, str], of_pip: str) -> bytes:
    """The bundle that this host trusts in place of its system's, b"" when there is none."""
    named = ("HABARI_CA_BUNDLE", "PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    file = next((environ[name] for name in named if environ.get(name)), of_pip)
    if not file:
        return b""
    try:
        bundle = Path(file).read_bytes()
    except OSError as error:
        raise MissingError(f"the certificates of {file} cannot be read: {error.strerror}") from None
    if len(bundle) > MAX_SECRET_BYTES:
        raise UsageError(
            f"{file} has {len(bundle) // 1024} KiB, a build takes {MAX_SECRET_BYTES // 1024} KiB",
            hint="Set HABARI_CA_BUNDLE to a file with the authorities that your mirrors need",
        )
    return bundle
