"""What the engine has of an instance, asked by its own client."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from integration.driving import Dev

# The service of the compose file that each of ours is.
NAMES = {"s3": "s3", "postgres": "explore-db", "jupyter": "jupyter"}


def docker(*words: str) -> str:
    """What a call of the client prints; fails when it does."""
    done = subprocess.run(("docker", *words), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def containers(dev: Dev) -> dict[str, dict[str, Any]]:
    """Each container of the instance, by the name of its service in the compose file."""
    ids = docker("ps", "--all", "--quiet", "--filter", f"label=habari.instance={dev.instance.id}").split()
    found = json.loads(docker("inspect", *ids)) if ids else []
    return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}


def volumes(dev: Dev) -> list[str]:
    return docker("volume", "ls", "--quiet", "--filter", f"label=habari.instance={dev.instance.id}").split()
