"""The tasks of ./dev (or, in an activated environment, of invoke). They parse, call and print."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from devenv import commands, report
from devenv.errors import DevenvError, InterruptedByUser
from devenv.report import Reporter

COMMON = {
    "instance": "name of another instance of this checkout (default: the project's name)",
    "verbose": "show each command that is run, ready to be pasted",
}
UNDONE = "What this command had started was stopped again"
JSON = {"json": "print the result as JSON"}


def _guarded(body: Callable[..., None]) -> Callable[..., None]:
    """Give the body a reporter, and turn foreseen trouble into one line and its exit code."""

    @functools.wraps(body)
    def wrapper(context: Context, *args: Any, **kwargs: Any) -> None:
        reporter = report.make(json=kwargs.get("json", False), verbose=kwargs.get("verbose", False))
        if kwargs.get("verbose"):
            commands.trace = reporter.command
        context.config.reporter = reporter
        try:
            body(context, *args, **kwargs)
        except KeyboardInterrupt:
            _fail(
                reporter,
                InterruptedByUser("interrupted", hint=UNDONE if body.__name__ == "up" else ""),
            )
        except DevenvError as error:
            _fail(reporter, error)
        except OSError as error:
            from devenv import project, state, trouble

            known = trouble.foreseen(error, state.data_root(project.environment()))
            if known is None:
                raise
            _fail(reporter, known)

    return wrapper


def _fail(reporter: Reporter, error: DevenvError) -> None:
    reporter.error(error)
    raise Exit(code=error.exit_code)


@task(help={**COMMON, **JSON, "runtime": "process or compose (default: what this instance ran last)"})
@_guarded
def up(
    context: Context,
    runtime: str | None = None,
    json: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Start PostgreSQL, S3 and JupyterLab, and prove that a notebook can use them.

    Example: ./dev up
    """
    from devenv import level

    level.up(context.config.reporter, instance=instance, runtime=runtime, json=json)


@task(
    help={
        **COMMON,
        **JSON,
        "purge": "delete all that the instance keeps: buckets, databases, the notebooks in its home",
    }
)
@_guarded
def down(
    context: Context,
    purge: bool = False,
    json: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Stop what runs; the data stay, unless --purge is given.

    Example: ./dev down
    """
    from devenv import level

    level.down(context.config.reporter, instance=instance, purge=purge, json=json)


@task(help={**COMMON, **JSON})
@_guarded
def status(context: Context, json: bool = False, instance: str | None = None, verbose: bool = False) -> None:
    """Show each service's state, address, pid, memory, since when it runs, and restarts.

    Exit code 0 when all is well, 3 when nothing runs, 4 when something should run and does not.

    Example: ./dev status --json
    """
    from devenv import level

    code = level.status(context.config.reporter, instance=instance, json=json)
    if code:
        raise Exit(code=code)


@task(
    name="env",
    help={
        **COMMON,
        "json": "the same as --format json",
        "format": "shell (lines to eval), dotenv (for an env file) or json",
        "view": "who will use the addresses: host, container or pod",
        "as_": "user (what a notebook gets) or admin (keys that may do everything, and Jupyter's token)",
    },
)
@_guarded
def environment(
    context: Context,
    format: str = "shell",
    view: str = "host",
    as_: str = "user",
    json: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Print the contract: the variables that a notebook gets.

    Example: eval "$(./dev env --format shell)"
    """
    from devenv import level

    form = "json" if json else format
    level.environment(context.config.reporter, instance=instance, form=form, view=view, role=as_)


@task(
    help={
        **COMMON,
        "service": "postgres, s3 or jupyter (default: all)",
        "lines": "how many lines from the end of each log",
        "follow": "go on with new lines until Ctrl-C",
    },
)
@_guarded
def logs(
    context: Context,
    service: str = "",
    lines: int = 50,
    follow: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Print the last lines of a service's log.

    Example: ./dev logs --service jupyter --lines 100
    """
    from devenv import level

    level.logs(context.config.reporter, instance=instance, service=service, lines=lines, follow=follow)


@task(help={**COMMON, **JSON})
@_guarded
def doctor(context: Context, json: bool = False, instance: str | None = None, verbose: bool = False) -> None:
    """Check this machine: what is there, what is missing, what is known to be limited.

    Exit code 5 when something required is missing.

    Example: ./dev doctor
    """
    from devenv import doctor as examination

    code = examination.run(context.config.reporter, instance=instance, json=json)
    if code:
        raise Exit(code=code)


@task(
    help={
        **COMMON,
        **JSON,
        "file": "the notebook (.ipynb)",
        "output": "where to write the executed notebook",
        "timeout": "seconds for the whole notebook (default: no limit)",
    }
)
@_guarded
def run(
    context: Context,
    file: str,
    output: str = "",
    timeout: int = 0,
    json: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Execute a notebook in the notebook environment, with the contract's variables.

    Exit code 4 when a cell fails; the cell and its error are shown.

    Example: ./dev run jupyter/samples/01-read-write-explore.ipynb --output /tmp/executed.ipynb
    """
    from devenv import level

    level.execute(
        context.config.reporter,
        instance=instance,
        file=Path(file),
        output=Path(output) if output else None,
        timeout=timeout or None,
        json=json,
    )


@task(
    iterable=["path"],
    help={
        "k": "run only tests whose name matches this expression",
        "unit": "only the tests that start nothing",
        "path": "a test file, folder or id; may be given several times",
        "verbose": COMMON["verbose"],
    },
)
@_guarded
def test(
    context: Context, k: str = "", unit: bool = False, path: list[str] | None = None, verbose: bool = False
) -> None:
    """Run the static checks and every test; with -k, --unit or --path only those tests.

    Example: ./dev test --unit
    """
    from devenv import checks

    reporter: Reporter = context.config.reporter
    checks.run(checks.test(expression=k, unit=unit, paths=path or ()), reporter.result)


@task(help={"fix": "mend what can be mended", "verbose": COMMON["verbose"]})
@_guarded
def lint(context: Context, fix: bool = False, verbose: bool = False) -> None:
    """Run the static checks: ruff (rules and format) and mypy.

    Example: ./dev lint --fix
    """
    from devenv import checks

    checks.run(checks.lint(fix=fix), context.config.reporter.result)


@task(help={"upgrade": "take the newest versions, not the pinned ones", "verbose": COMMON["verbose"]})
@_guarded
def lock(context: Context, upgrade: bool = False, verbose: bool = False) -> None:
    """Resolve the three lock files anew from their .in files.

    Example: ./dev lock --upgrade
    """
    from devenv import locks, project

    reporter: Reporter = context.config.reporter
    changed = locks.recompile(reporter.note, project.environment(), upgrade=upgrade)
    reporter.result("\n".join(f"changed: {path.name}" for path in changed) or "nothing changed")
