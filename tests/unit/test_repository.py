"""What holds for every file of the repository."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    listed = subprocess.run(
        ("git", "ls-files", "-z"), cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this checkout is not a git clone, or git is missing: the tracked files are not known")
    return [path for name in listed.stdout.split("\0") if name and (path := CHECKOUT / name).is_file()]


# In two parts each, so that this file passes too.
REGISTRIES = [
    "".join(parts)
    for parts in [
        ("pypi.", "org"),
        ("python", "hosted.org"),
        ("registry.npm", "js.org"),
        ("registry.yarn", "pkg.com"),
        ("proxy.golang", ".org"),
        ("deb.debian", ".org"),
        ("archive.ubuntu", ".com"),
    ]
]


def test_no_file_names_a_package_registry(tracked: list[Path]) -> None:
    """What fits one mirror only fits nobody else: places come from the user's own configuration."""
    named = re.compile("|".join(map(re.escape, REGISTRIES)).encode())
    assert [str(path) for path in tracked if named.search(path.read_bytes())] == []


# The marks that secrets carry themselves. AWS's real ids are base 32, so made-up words and zeros pass.
SECRETS = {
    "an access key of AWS": rb"\b(?:AKIA|ASIA)(?=[A-Z]*[2-7])(?![A-Z2-7]{9}EXAMPLE)[A-Z2-7]{16}\b",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a token of GitHub": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})",
    "a token of a package index": rb"\b(?:pypi-AgE[A-Za-z0-9_-]{50,}|npm_[A-Za-z0-9]{36})",
    "a token of Slack": rb"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a JSON web token": rb"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_no_file_holds_a_secret(tracked: list[Path], kind: str) -> None:
    assert [str(path) for path in tracked if re.search(SECRETS[kind], path.read_bytes())] == []


def test_every_yaml_file_can_be_read(tracked: list[Path]) -> None:
    # a chart's templates become YAML when helm renders them
    files = [path for path in tracked if path.suffix in {".yaml", ".yml"} and path.parent.name != "templates"]
    for path in files:
        list(yaml.safe_load_all(path.read_text()))
    assert files


def test_no_file_is_larger_than_a_mebibyte(tracked: list[Path]) -> None:
    assert [str(path) for path in tracked if path.stat().st_size > 2**20] == []


@pytest.mark.parametrize(
    "name",
    [
        "requirements/toolkit.lock",
        "requirements/s3.lock",
        "requirements/hub.lock",
        "requirements/node.lock",
        "jupyter/requirements.lock",
    ],
)
def test_every_line_of_a_lock_is_a_pin_or_its_hash(name: str) -> None:
    text = (CHECKOUT / name).read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    pin = re.compile(
        r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,-]+\])?==\S+( ; [^\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+"
    )
    assert [block.splitlines()[0] for block in blocks if not pin.fullmatch(block)] == []


def test_every_package_in_the_lock_of_npm_is_a_version_with_its_hash_and_no_place() -> None:
    lock = json.loads((CHECKOUT / "requirements/proxy/package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert lock["lockfileVersion"] == 3
    assert packages
    for name, package in packages.items():
        assert {"version", "integrity"} <= package.keys(), name
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name


@pytest.mark.parametrize("path", sorted(CHECKOUT.glob("tests/**/test_*.py")), ids=lambda path: path.stem)
def test_a_test_is_named_as_a_sentence(path: Path) -> None:
    """A name of one or two words says what is touched, not what is true."""
    tests = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    assert [name for name in tests if name.count("_") < 3] == []
