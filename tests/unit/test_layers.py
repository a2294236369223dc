"""The direction of imports, and what holds for every file of the repository."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "devenv"

# A module imports only what stands before it, from left to right and from top to bottom.
# A package is one entry: its own modules may import one another.
ROWS = [
    "errors endpoints diagnosis interrupts formats yaml_lines pip_settings",
    "project report waiting commands state credentials processes trouble docker_engine",
    "environments seed notebooks s3 postgres",
    "services",
    "runtimes",
    "stack session",
    "doctor checks locks bootstrap",
    "level",
    "tasks",
]
LAYERS = [name for row in ROWS for name in row.split()]

# It runs in an environment of its own, with these alone.
GUARD = PACKAGE / "s3" / "guard"
GUARD_MAY_IMPORT = {"ministack", "hypercorn", "guard"}  # started as a folder, it is called guard itself

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[str]:
    """Yield the full name of everything that a file imports, wherever in it the import stands."""
    package = name_of(path).split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layer_of(module: str) -> str:
    """Return the entry of LAYERS that a module of ours belongs to."""
    return module.split(".")[1]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_layers_before_its_own(path: Path) -> None:
    own = layer_of(name_of(path))
    assert own in LAYERS, f"give {own} its place in LAYERS"
    imported = {layer_of(module) for module in imports_of(path) if module.startswith("devenv.")} - {own}
    assert imported <= set(LAYERS[: LAYERS.index(own)])


@pytest.mark.parametrize("path", sorted((PACKAGE / "runtimes").glob("*/**/*.py")), ids=name_of)
def test_a_runtime_never_imports_another(path: Path) -> None:
    own = name_of(path).split(".")[2]
    runtimes = {folder.name for folder in (PACKAGE / "runtimes").iterdir() if folder.is_dir()}
    assert not {
        module
        for module in imports_of(path)
        if module.startswith("devenv.runtimes.") and module.split(".")[2] in runtimes - {own}
    }


@pytest.mark.parametrize("path", sorted(GUARD.rglob("*.py")), ids=name_of)
def test_the_guard_needs_nothing_but_its_own_environment(path: Path) -> None:
    siblings = {other.stem for other in GUARD.glob("*.py")}
    foreign = {
        module
        for module in imports_of(path)
        if not module.startswith("devenv.s3.guard")
        and module.split(".")[0] not in sys.stdlib_module_names | GUARD_MAY_IMPORT | siblings
    }
    assert not foreign


def test_what_makes_the_toolkits_environment_needs_the_standard_library_alone() -> None:
    seen: set[str] = set()
    todo = [PACKAGE / "bootstrap.py"]
    while todo:
        for module in imports_of(todo.pop()):
            top, *rest = module.split(".")
            if top != "devenv":
                assert top in sys.stdlib_module_names, module
                continue
            path = PACKAGE / f"{rest[0]}.py"
            if path.exists() and rest[0] not in seen:
                seen.add(rest[0])
                todo.append(path)
    assert "environments" in seen


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


def test_no_file_is_larger_than_a_mebibyte(tracked: list[Path]) -> None:
    assert [str(path) for path in tracked if path.stat().st_size > 2**20] == []


@pytest.mark.parametrize(
    "name", ["requirements/toolkit.lock", "requirements/s3.lock", "jupyter/requirements.lock"]
)
def test_every_line_of_a_lock_is_a_pin_or_its_hash(name: str) -> None:
    text = (CHECKOUT / name).read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    pin = re.compile(
        r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,-]+\])?==\S+( ; [^\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+"
    )
    assert [block.splitlines()[0] for block in blocks if not pin.fullmatch(block)] == []


@pytest.mark.parametrize("path", sorted(CHECKOUT.glob("tests/**/test_*.py")), ids=lambda path: path.stem)
def test_a_test_is_named_as_a_sentence(path: Path) -> None:
    """A name of one or two words says what is touched, not what is true."""
    tests = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    assert [name for name in tests if name.count("_") < 3] == []
