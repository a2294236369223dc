"""What a failed call of helm means, as one line with a way on. Nothing of the values is repeated."""

from __future__ import annotations

import re
from collections.abc import Callable

from devenv.commands import Completed
from devenv.errors import ConflictError, DevenvError, MissingError, UnhealthyError, UsageError
from devenv.values.secrecy import masked_text

_LINES = 12
# a kubeconfig that a group may read, and the symbolic links of a chart's folder
_NOISE = re.compile(
    r"level=(INFO|WARN|DEBUG)\b|WARNING: Kubernetes configuration file|walk\.go:\d+: found symbolic"
)
_OFFLINE = re.compile(
    r"(?i)no such host|dial tcp|connection refused|timeout|network is unreachable|proxyconnect|i/o|"
    r"failed to (do request|fetch)|looks like .* is not a valid chart repository"
)

_WRONG_KUBERNETES = re.compile(
    r"chart requires kubeVersion: (.+?) which is incompatible with Kubernetes (\S+)"
)


def tail(done: Completed) -> tuple[str, ...]:
    """The last lines of what helm said, without what looks like a secret."""
    said = (done.stderr or done.stdout).splitlines()
    lines = [masked_text(line) for line in said if line.strip() and not is_noise(line)]
    return tuple(lines[-_LINES:])


def is_noise(line: str) -> bool:
    """Whether a line of helm's says nothing about the call."""
    return bool(_NOISE.search(line))


def is_not_found(done: Completed) -> bool:
    """Whether there is no release of that name."""
    return "release: not found" in done.stderr or "release: not found" in done.stdout


def of_pull(done: Completed, chart: str, repository: str) -> DevenvError:
    """Why a chart could not be fetched."""
    where = (
        "cannot be fetched (no way to its repository)"
        if _OFFLINE.search(done.stderr)
        else "is not to be had from its repository"
    )
    return MissingError(
        f"the chart {chart} {where}, and it is not in the cache",
        hint=f"Name its archive or folder: DEVENV_CHART=/path/to/chart.tgz (repository: {repository})",
        details=tail(done),
    )


def of_chart(done: Completed, chart: str) -> DevenvError:
    """Why a chart could not be rendered with these values."""
    said = done.stderr
    if found := _WRONG_KUBERNETES.search(said):
        return UsageError(
            f"the chart {chart} wants Kubernetes {found[1]}, the cluster has {found[2]}",
            hint="Take a chart and a cluster that fit (DEVENV_CHART names another chart)",
        )
    if "don't meet the specifications of the schema" in said:
        return UsageError(
            f"the values do not keep the schema of the chart {chart}",
            hint="./dev values.check --chart names each key",
            details=tail(done),
        )
    if re.search(r"missing in charts/ directory|fetch missing dependencies", said):
        return UsageError(
            f"the chart {chart} lacks charts that it depends on",
            hint="helm dependency build makes them",
            details=tail(done),
        )
    return UsageError(
        f"the chart {chart} cannot be rendered with these values",
        hint="Its last words are below",
        details=tail(done),
    )


def of_release(done: Completed, release: str) -> DevenvError:
    """Why a release could not be asked or changed."""
    said = done.stderr or done.stdout
    for pattern, error in _KNOWN:
        if found := re.search(pattern, said, re.IGNORECASE | re.DOTALL):
            return error(found, release, tail(done))
    if re.search(r"requires kubeVersion|specifications of the schema", said):
        return of_chart(done, release)
    verb = done.argv[1] if len(done.argv) > 1 else "call"
    return UnhealthyError(
        f"helm {verb} failed for the release {release}", hint="Its last words are below", details=tail(done)
    )


_Make = Callable[[re.Match[str], str, tuple[str, ...]], DevenvError]


def _in_progress(found: re.Match[str], release: str, details: tuple[str, ...]) -> DevenvError:  # noqa: ARG001
    return ConflictError(
        f"another operation on the release {release} is under way, or was killed in the middle",
        hint=f"helm history {release} tells; when nobody is at work, helm rollback {release} ends it",
    )


def _timed_out(found: re.Match[str], release: str, details: tuple[str, ...]) -> DevenvError:  # noqa: ARG001
    return UnhealthyError(
        f"the release {release} did not get ready in time",
        hint="It may only be slow; what is not ready is named below",
        details=details,
    )


def _hook(found: re.Match[str], release: str, details: tuple[str, ...]) -> DevenvError:
    return UnhealthyError(f"a {found[1]} hook of the release {release} failed", details=details)


def _owned(found: re.Match[str], release: str, details: tuple[str, ...]) -> DevenvError:  # noqa: ARG001
    return ConflictError(
        f"{found[1]} {found[2]} is there already and is not of the release {release}",
        hint="Nothing of it was changed; remove it yourself or choose another project name",
    )


def _immutable(found: re.Match[str], release: str, details: tuple[str, ...]) -> DevenvError:
    return ConflictError(
        f"{found[1]} {found[2]} of the release {release} cannot be changed in place",
        hint=f"Remove the release first: helm uninstall {release}; people's servers and homes stay",
        details=details[:2],
    )


def _context(found: re.Match[str], release: str, details: tuple[str, ...]) -> DevenvError:  # noqa: ARG001
    return UsageError(
        f"the kubeconfig has no context {found[1]!r}",
        hint="kubectl config get-contexts names them; give one with --context",
    )


def _unreachable(found: re.Match[str], release: str, details: tuple[str, ...]) -> DevenvError:  # noqa: ARG001
    return UnhealthyError(
        "the cluster does not answer", hint="Is it running? ./dev status tells", details=details[-2:]
    )


def _forbidden(found: re.Match[str], release: str, details: tuple[str, ...]) -> DevenvError:  # noqa: ARG001
    return MissingError(
        f"the cluster does not let this account do that for the release {release}",
        hint="Its administrator grants it",
        details=details[-2:],
    )


_KNOWN: tuple[tuple[str, _Make], ...] = (
    (r"another operation \(install/upgrade/rollback\) is in progress", _in_progress),
    (r"context \"?([^\"\n]+?)\"? does not exist", _context),
    (r"cluster unreachable|connection refused|no configuration has been provided", _unreachable),
    (r"(\w+) \"([^\"]+)\" in namespace \"[^\"]*\" exists and cannot be imported", _owned),
    (r"(\w+) \"([^\"]+)\" (?:in namespace \"[^\"]*\" )?exists and cannot be imported", _owned),
    (r"(\w+)\.[\w.]* \"([^\"]+)\" is invalid: .*field is immutable", _immutable),
    (r"failed ((?:pre|post)-(?:install|upgrade|rollback|delete))\b", _hook),
    (r"\b((?:pre|post)-(?:install|upgrade|rollback|delete)) hooks? failed", _hook),
    (r"timed out waiting|context deadline exceeded|resource .* not ready", _timed_out),
    (r"is forbidden: user", _forbidden),
)
