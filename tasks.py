"""The tasks of ./dev (or, in an activated environment, of invoke). They parse, call and print."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invoke.collection import Collection
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
VALUES = (
    "a Helm values file; may be given several times, later ones win (default: the shared and the project's)"
)
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
                InterruptedByUser(
                    "interrupted", hint=UNDONE if body.__name__ in ("up", "hub", "kind") else ""
                ),
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

    level.up(context.config.reporter, level="jupyter", instance=instance, runtime=runtime, json=json)


@task(iterable=["values"], help={**COMMON, **JSON, "values": VALUES})
@_guarded
def hub(
    context: Context,
    values: list[str] | None = None,
    json: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Start JupyterHub, its proxy, a local GitHub sign-in, S3 and PostgreSQL, driven by the Helm values.

    Run it again after an edit of the values: the hub is started anew, users' kernels go on.

    Example: ./dev hub
    """
    from devenv import level

    level.up(
        context.config.reporter, level="hub", instance=instance, runtime=None, values=values or [], json=json
    )


@task(
    iterable=["values"],
    help={
        **COMMON,
        **JSON,
        "values": VALUES,
        "project": "another project's file, in the format of devenv.yaml: its own namespace beside the first",
    },
)
@_guarded
def kind(
    context: Context,
    values: list[str] | None = None,
    project: str = "",
    json: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Start the whole hub in a local kind cluster: the chart, with databases, S3 and sign-in beside it.

    Run it again after an edit of the values or a new image: the release is brought up to date.

    Example: ./dev kind
    """
    from devenv import level

    level.up(
        context.config.reporter,
        level="kind",
        instance=instance,
        runtime=None,
        values=values or [],
        project_file=project,
        json=json,
    )


CLUSTER = {
    "context": "the context of the kubeconfig, spelled out: the current one is never used",
    "project": "the project's file, in the format of devenv.yaml",
    "kubeconfig": "the file with the context (default: those of KUBECONFIG, or ~/.kube/config); only read",
}


@task(
    iterable=["values"],
    help={
        **JSON,
        **CLUSTER,
        "values": "a Helm values file instead of the project's; may be given several times, later ones win",
        "chart": "the chart's folder or archive (default: the project's, or the pinned one)",
        "timeout": "seconds until all of it must be ready",
        "verbose": COMMON["verbose"],
    },
)
@_guarded
def deploy(
    context: Context,
    context_: str = "",
    project: str = "",
    kubeconfig: str = "",
    values: list[str] | None = None,
    chart: str = "",
    timeout: int = 300,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Deploy a project to a cluster that is named: the same release as ./dev kind, without the local overlay.

    Example: ./dev deploy --context production --project weather/devenv.yaml
    """
    from devenv import deploying

    asked = deploying.Asked(context_, project, kubeconfig, tuple(values or ()), chart)
    deploying.deploy(context.config.reporter, asked=asked, seconds=timeout, json=json)


@task(
    help={
        **JSON,
        **CLUSTER,
        "yes": "do not ask",
        "verbose": COMMON["verbose"],
    }
)
@_guarded
def undeploy(
    context: Context,
    context_: str = "",
    project: str = "",
    kubeconfig: str = "",
    yes: bool = False,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Uninstall a project's release from a cluster that is named, and delete its namespace; asks first.

    Example: ./dev undeploy --context production --project weather/devenv.yaml
    """
    from devenv import deploying

    asked = deploying.Asked(context_, project, kubeconfig)
    deploying.undeploy(context.config.reporter, asked=asked, yes=yes, json=json)


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
        "service": "the name of a service, as status shows it (default: all)",
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
    """Resolve the lock files anew from their .in files.

    Example: ./dev lock --upgrade
    """
    from devenv import locks, project

    reporter: Reporter = context.config.reporter
    changed = locks.recompile(reporter.note, project.environment(), upgrade=upgrade)
    reporter.result("\n".join(f"changed: {path.name}" for path in changed) or "nothing changed")


@task(
    name="check",
    iterable=["values"],
    help={
        **COMMON,
        **JSON,
        "values": VALUES,
        "chart": "the chart (archive, folder or schema file) whose schema decides",
    },
)
@_guarded
def values_check(
    context: Context,
    values: list[str] | None = None,
    chart: str = "",
    json: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Check the Helm values files: types and spelling of the keys, old keys, secrets in tracked files.

    Example: ./dev values.check --values jupyter/shared_config.yaml --values jupyter/project_config.yaml
    """
    from devenv import level

    code = level.check_values(
        context.config.reporter,
        instance=instance,
        values=values or [],
        chart=Path(chart) if chart else None,
        json=json,
    )
    if code:
        raise Exit(code=code)


@task(
    name="render",
    iterable=["values"],
    help={
        **COMMON,
        **JSON,
        "values": VALUES,
        "form": "hub (the configuration of the local hub) or chart (the overlay for a local cluster)",
    },
)
@_guarded
def values_render(
    context: Context,
    values: list[str] | None = None,
    form: str = "hub",
    json: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Show what the Helm values become here; secrets are masked.

    Example: ./dev values.render --form hub
    """
    from devenv import level

    level.render_values(context.config.reporter, instance=instance, values=values or [], form=form, json=json)


@task(
    name="diff",
    iterable=["values"],
    help={
        **COMMON,
        **JSON,
        "values": VALUES,
        "form": "hub (the local hub with no cluster) or chart (the one in a local cluster)",
    },
)
@_guarded
def values_diff(
    context: Context,
    values: list[str] | None = None,
    form: str = "hub",
    json: bool = False,
    instance: str | None = None,
    verbose: bool = False,
) -> None:
    """Show each key in which the local hub differs from production, and why; secrets are masked.

    Example: ./dev values.diff
    """
    from devenv import level

    level.diff_values(context.config.reporter, instance=instance, values=values or [], json=json, form=form)


IMAGE_NAMES = "an image (postgres, s3, jupyter, hub, proxy, github); may be given several times"


@task(
    name="build",
    iterable=["name"],
    help={
        **JSON,
        "name": f"{IMAGE_NAMES} (default: those of docker-compose.yaml and the hub)",
        "from_": "registry (base images of a container registry) or mirrors (package mirrors alone)",
        "verbose": COMMON["verbose"],
    },
)
@_guarded
def images_build(
    context: Context,
    name: list[str] | None = None,
    from_: str = "registry",
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Build the images that are not built yet from what they are made of now; each gets the next version.

    Example: ./dev images.build --from mirrors
    """
    from devenv.images import work

    work.build(context.config.reporter, names=tuple(name or ()), origin=from_, json=json)


@task(name="list", help={**JSON, "verbose": COMMON["verbose"]})
@_guarded
def images_list(context: Context, json: bool = False, verbose: bool = False) -> None:
    """Show each image: version, size, age, and in what it differs from the pins.

    Example: ./dev images.list
    """
    from devenv.images import work

    work.listing(context.config.reporter, json=json)


@task(
    name="push",
    iterable=["name"],
    help={
        **JSON,
        "name": f"{IMAGE_NAMES} (default: all that are built)",
        "repository": "where to, such as registry.example.org/habari",
        "verbose": COMMON["verbose"],
    },
)
@_guarded
def images_push(
    context: Context,
    repository: str,
    name: list[str] | None = None,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Push the newest version of images; a version that is there already is never overwritten.

    Example: ./dev images.push --repository registry.example.org/habari --name jupyter
    """
    from devenv.images import work

    work.push(context.config.reporter, repository=repository, names=tuple(name or ()), json=json)


@task(
    name="new",
    help={
        **JSON,
        "name": "what the project is called: its namespace, and the beginning of its buckets and databases",
        "folder": "where its two files go (default: projects/NAME)",
        "verbose": COMMON["verbose"],
    },
)
@_guarded
def project_new(
    context: Context, name: str, folder: str = "", json: bool = False, verbose: bool = False
) -> None:
    """Make another project: a project file and values with secrets of its own, to be started in the cluster.

    Example: ./dev project.new weather --folder ../weather
    """
    from devenv import projects

    projects.new(context.config.reporter, name=name, folder=folder, json=json)


@task(name="list", help={**JSON, "verbose": COMMON["verbose"]})
@_guarded
def project_list(context: Context, json: bool = False, verbose: bool = False) -> None:
    """Show the projects of this checkout: level, state, address and file of each.

    Example: ./dev project.list
    """
    from devenv import projects

    projects.listing(context.config.reporter, json=json)


@task(
    name="delete",
    help={**JSON, "name": "the project", "yes": "do not ask", "verbose": COMMON["verbose"]},
)
@_guarded
def project_delete(
    context: Context, name: str, yes: bool = False, json: bool = False, verbose: bool = False
) -> None:
    """Delete a project: its release, databases, roles, S3 user, own buckets and credentials; asks first.

    The public bucket, which projects share, and the project's files stay.

    Example: ./dev project.delete weather
    """
    from devenv import removal

    removal.delete(context.config.reporter, name=name, yes=yes, json=json)


namespace = Collection(
    up, hub, kind, down, status, environment, logs, doctor, run, deploy, undeploy, test, lint, lock
)
namespace.add_collection(Collection("values", values_check, values_render, values_diff))
namespace.add_collection(Collection("images", images_build, images_list, images_push))
namespace.add_collection(Collection("project", project_new, project_list, project_delete))
