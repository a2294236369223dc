"""The direction of imports."""

from __future__ import annotations

import ast
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
    "errors endpoints diagnosis interrupts formats yaml_lines pip_settings interpreters",
    "project report waiting commands state credentials processes trouble docker_engine compose containers",
    "builds node environments seed notebooks s3 postgres values github hub images",
    "helm cluster kubeconfig",
    "services",
    "runtimes",
    "stack session",
    "doctor checks locks bootstrap",
    "values_tasks sharing level projects deploying removal cli",
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


# What runs in the hub's own environment, by the name that its folder has there.
HUB_MAY_IMPORT = {"jupyterhub", "traitlets", "tornado", "sqlalchemy", "kubespawner", "habari_hub"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "hub").rglob("*.py")), ids=name_of)
def test_the_hub_s_side_needs_nothing_but_its_own_environment(path: Path) -> None:
    foreign = {
        module
        for module in imports_of(path)
        if not module.startswith("devenv.hub")
        and module.split(".")[0] not in sys.stdlib_module_names | HUB_MAY_IMPORT
    }
    assert not foreign


@pytest.mark.parametrize("path", sorted((PACKAGE / "github").rglob("*.py")), ids=name_of)
def test_the_local_sign_in_needs_the_standard_library_alone(path: Path) -> None:
    foreign = {
        module
        for module in imports_of(path)
        if not module.startswith("devenv.github") and module.split(".")[0] not in sys.stdlib_module_names
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


def test_starting_a_task_imports_nothing_that_takes_long_and_nobody_uses() -> None:
    code = (
        f"import sys; sys.argv = ['dev', '--list', '--search-root', {str(CHECKOUT)!r}]\n"
        "import atexit, runpy\n"
        "heavy = {'unittest.mock', 'importlib.metadata', 'asyncio', 'email', 'yaml', 'boto3', 'docker'}\n"
        "atexit.register(lambda: print('heavy:', sorted(heavy & set(sys.modules))))\n"
        f"runpy.run_path({str(PACKAGE / 'cli.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "heavy: []"), done
    assert "up" in done.stdout
