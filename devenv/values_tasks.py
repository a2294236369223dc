"""What the tasks ``values.check``, ``values.render`` and ``values.diff`` do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from devenv.errors import UsageError
from devenv.report import Reporter
from devenv.values import check as checks
from devenv.values import files as values_files
from devenv.values import hub, secrecy
from devenv.values.differences import differences, in_cluster
from devenv.values.local import Local, sign_in
from devenv.values.merge import merge
from devenv.values.overlay import overlay
from devenv.values.people import people

FORMS = ("hub", "chart")

_LONGEST_CELL = 60


def check(reporter: Reporter, *, files: Sequence[Path], chart: Path | None, json: bool) -> int:
    """Say what is wrong in the values; return the exit code: 0, or 2 when there are errors.

    Raises UsageError when a file cannot be read at all.
    """
    loaded = values_files.load(files)
    found = checks.findings(loaded, chart)
    lines = {kind: _lines(loaded, found, kind) for kind in ("error", "warning")}
    code = UsageError.exit_code if lines["error"] else 0
    names = [values_files.shown(path) for path in files]
    if json:
        rows = [_row(loaded, each) for each in found]
        reporter.data({"files": names, "notices": list(loaded.notices), "findings": rows})
        return code
    for notice in (*loaded.notices, *lines["warning"]):
        reporter.warn(notice)
    for line in lines["error"]:
        reporter.result(f"error: {line}")
    if not lines["error"]:
        by = f"the schema of {chart.name}" if chart else "the keys that the toolkit knows"
        reporter.result(f"valid, by {by}: {', '.join(names)}")
    return code


def render(reporter: Reporter, *, local: Local, files: Sequence[Path], form: str, json: bool) -> None:
    """Print what the values become: the hub's configuration (``hub``), or the chart's values (``chart``).

    Secrets are masked, so the text is for people and not for Helm.
    """
    _require_form(form)
    loaded = _valid(reporter, files)
    data = _hub_form(loaded, local) if form == "hub" else merge(loaded.tree, overlay(loaded.tree, local))
    shown = secrecy.masked(data)
    if json:
        reporter.data(shown)
        return
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes text of several lines as a block."""

    Dumper.add_representer(str, _block_of_lines)
    reporter.result(yaml.dump(shown, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100))


def diff(reporter: Reporter, *, local: Local, files: Sequence[Path], json: bool, form: str = "hub") -> None:
    """Print each key in which the local hub differs from production, and why. Secrets are masked.

    ``form`` is ``hub`` for one with no cluster, ``chart`` for one in a local cluster.
    """
    _require_form(form)
    loaded = _valid(reporter, files)
    found = (differences if form == "hub" else in_cluster)(loaded.tree, local)
    if json:
        reporter.data([each.as_data() for each in found])
        return
    rows = [(each.path, _cell(each.production), _cell(each.local), each.why) for each in found]
    reporter.table(("key", "production", "local", "why"), rows)


def _require_form(form: str) -> None:
    if form not in FORMS:
        raise UsageError(f"there is no form {form!r}", hint=f"Choose one of: {', '.join(FORMS)}")


def _valid(reporter: Reporter, files: Sequence[Path]) -> values_files.Loaded:
    loaded = values_files.load(files)
    for notice in (*loaded.notices, *checks.require(loaded)):
        reporter.warn(notice)
    return loaded


def _hub_form(loaded: values_files.Loaded, local: Local) -> dict[str, Any]:
    wanted = hub.configuration(loaded.tree, loaded.origins)
    data = asdict(wanted)
    data["extra_config"] = {each.name: each.code for each in wanted.extra_config}
    data["unapplied"] = {each.path: each.why for each in wanted.unapplied}
    data["spawner_environment"] = {**wanted.spawner_environment, **local.contract}
    data["overrides"] = {"JupyterHub": {"db_url": local.hub_db_url}, **sign_in(loaded.tree, local)}
    data["people"] = asdict(people(loaded.tree))
    return {name: _plain(value) for name, value in data.items()}


def _lines(loaded: values_files.Loaded, found: Sequence[checks.Finding], severity: str) -> list[str]:
    return [loaded.locate(each.path, each.text) for each in found if each.severity == severity]


def _row(loaded: values_files.Loaded, finding: checks.Finding) -> dict[str, Any]:
    origin = loaded.origin(finding.path)
    return {
        "severity": finding.severity,
        "file": values_files.shown(origin.file) if origin else None,
        "line": origin.line if origin else None,
        "key": ".".join(finding.path),
        "text": finding.text,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (dict, list)):
        from json import dumps

        value = dumps(value, ensure_ascii=False)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 3]}..."


def _block_of_lines(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
