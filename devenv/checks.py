"""What ``./dev lint`` and ``./dev test`` run: the locked linters and pytest, each as a program."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from devenv import commands
from devenv.environments import CHECKOUT
from devenv.errors import UnhealthyError


@dataclass(frozen=True)
class Check:
    """One program that passes or fails, run from the checkout with the toolkit's Python."""

    name: str
    module: str
    arguments: tuple[str, ...]


MYPY = Check("types", "mypy", ())
# A worker for each processor: tests of servers and clusters keep one busy, and with more of them than there
# are processors all take longer than one after the other would. Beyond four it is the memory that counts.
# Files go beside one another, each file's tests in their order; tests/conftest.py says which stay together.
BESIDE = ("--numprocesses", str(min(max(os.cpu_count() or 1, 2), 4)), "--dist", "loadfile")


def lint(*, fix: bool = False) -> tuple[Check, ...]:
    """Return the static checks; with ``fix`` they also mend what can be mended."""
    return (
        Check("lint", "ruff", ("check", "--quiet", *(("--fix",) if fix else ()), ".")),
        Check("format", "ruff", ("format", "--quiet", *(() if fix else ("--check",)), ".")),
        MYPY,
    )


def test(*, expression: str = "", unit: bool = False, paths: Sequence[str] = ()) -> tuple[Check, ...]:
    """Return all checks, or pytest alone when a part of the tests is asked for.

    ``expression`` is pytest's ``-k``; ``unit`` means the tests that start nothing; ``paths`` are files,
    folders or test ids.
    """
    chosen = (*paths, *(("tests/unit",) if unit else ()), *(("-k", expression) if expression else ()))
    if chosen:
        return (Check("tests", "pytest", chosen),)
    return (*lint(), Check("tests", "pytest", BESIDE))


def run(checks: Sequence[Check], say: Callable[[str], None]) -> None:
    """Run every check, whatever the others say, and pass on its output line by line.

    The static ones run beside the tests, in their order; what each said comes when it has ended. Raises
    :class:`UnhealthyError` that names those which failed.
    """
    static = [check for check in checks if check.module != "pytest"]
    tests = [check for check in checks if check.module == "pytest"]
    with ThreadPoolExecutor(max_workers=1) as pool:
        beside = [pool.submit(_passes, check, say) for check in static]
        failed = [check.name for check in tests if not _passes(check, say, at_once=False)]
        failed[:0] = [check.name for check, each in zip(static, beside, strict=True) if not each.result()]
    if failed:
        raise UnhealthyError(f"{' and '.join(failed)} failed", hint="What is wrong is above")


def _passes(check: Check, say: Callable[[str], None], *, at_once: bool = True) -> bool:
    begun = time.monotonic()
    lines: list[str] = []
    argv = (sys.executable, "-m", check.module, *check.arguments)
    code = commands.stream(argv, lines.append if at_once else say, cwd=CHECKOUT)
    lines.append(f"{check.name}: {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - begun:.1f} s")
    say("\n".join(lines))
    return code == 0
